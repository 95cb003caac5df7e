"""Measuring the factor of the KL in whatever is minimised, without knowing its code.

What goes through ``losses`` is measured on the entries alone, times their shares in the objective:
there no data term blurs it. What comes by another way is the rest, blurred by the data term, whose
error is that of a mean of several draws.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.stats

from ...model.small_scales import SmallScale
from ...model.weight_posteriors import Posterior
from .batch import Batch
from .objective import Evaluation, Objective, evaluate

Array = npt.NDArray[np.float64]
SEEDS = (1, 2, 3)  # of which three agree only where draws blur nothing
MORE_SEEDS = tuple(range(30, 44))
CONFIDENCE = 1 - 1e-4  # of an error bar: a dozen layers are examined in a network
EXACT = 2e-3  # an error, relative to the factor, that calls for no second look
HIDES = 0.3  # of a factor; in a smaller error no second KL can hide
ROUNDING = 5e-8  # of a slope of the whole objective
PLATEAU = 0.03  # by how much the factors at two depths may differ, relative to the larger


@dataclass(frozen=True, kw_only=True)
class KLFactor:
    """The factor λ of one posterior's KL in the objective.

    Attributes
    ----------
    posterior
        Whose KL.
    value, value_twice
        λ on the batch, and on the batch with every row twice.
    error
        Half the width of the interval for ``value``; 0 where no draw blurs it.
    higher, error_higher
        λ where the scales are some ten times as large: the same if it is the weight of a KL.
    by_call
        λ in one evaluation after the other, as far as no draw blurs it; else empty.
    entries
        How many tensors its layer added to ``losses`` in one evaluation.
    calls
        How often the layer was called.
    shares
        How often each of those tensors counts in the objective.
    in_entries
        The part of ``value`` that comes through ``losses``, whichever layer added the entry.
    elsewhere
        Names of other layers, or of the model, of which an entry of ``losses`` holds it too.
    counted
        Whether its entries themselves differ from call to call though the draws are the same.
    """

    posterior: Posterior
    value: float
    value_twice: float
    error: float
    higher: float
    error_higher: float
    by_call: tuple[float, ...]
    entries: int
    calls: int
    shares: tuple[float, ...]
    in_entries: float
    elsewhere: tuple[str, ...] = ()
    counted: bool = False

    @property
    def is_added_again(self) -> bool:
        """Whether as much of it as through ``losses`` comes by another way, as by ``add_loss``."""
        rest = self.value - self.in_entries
        return bool(self.in_entries and abs(rest / self.in_entries - 1) < 0.01)

    @property
    def is_unfelt(self) -> bool:
        """Whether the layer adds to ``losses``, but the objective does not depend on it."""
        return self.entries > 0 and not any(self.shares)

    @property
    def has_plateau(self) -> bool:
        """Whether the slope is the same at both depths, as that of a KL is."""
        if not np.isfinite(self.higher):
            return True
        size = max(abs(self.value), abs(self.higher))
        return bool(
            abs(self.higher - self.value)
            <= PLATEAU * size + self.error + self.error_higher + ROUNDING
        )

    @property
    def changes(self) -> bool:
        """Whether λ is another number in every evaluation."""
        if len(self.by_call) < 2:
            return False
        spread = np.ptp(self.by_call)
        return bool(spread > 0.005 * np.max(np.abs(self.by_call)))


class _Run(NamedTuple):
    """One evaluation: λ of each posterior through ``losses`` and by other ways."""

    in_entries: Array
    rest: Array
    watch: Any
    shares: list[float]
    owners: list[list[Any]]  # of the entries that hold the KL of each posterior


def measure_kl_factors(
    objective: Objective,
    batch: Batch,
    small: list[SmallScale],
    runs: Sequence[Evaluation] | None = None,
    *,
    once: bool = False,
) -> list[KLFactor]:
    """Return λ of every posterior with a spread, measured where all scales are tiny.

    Parameters
    ----------
    objective
        What is minimised.
    batch
        Where to evaluate it.
    small
        The posteriors, their scales made tiny for the moment.
    runs
        Evaluations there, by ``small_variables`` and entry by entry, if there are any already.
    once
        Whether these evaluations are enough: for a factor that is only compared with another.
    """
    if not small:
        return []
    given = runs or evaluations_at(objective, batch, small)
    found = [_of_run(run, small) for run in given]
    counted: set[int] = set()
    if not once and _blurred(found):
        counted = _counted(objective, batch, small, found)
    if not once and not counted and _blurred(found):
        more = evaluations_at(objective, batch, small, MORE_SEEDS)
        found += [_of_run(run, small) for run in more]
    double = None if once else _doubled(objective, batch, small)
    return [
        _factor(index, one, found, double, counted=index in counted)
        for index, one in enumerate(small)
    ]


def _counted(
    objective: Objective, batch: Batch, small: list[SmallScale], found: list[_Run]
) -> set[int]:
    """Return the places of factors through ``losses`` that differ though the draws are the same.

    No draw blurs them: something counts the calls.
    """
    differing = [
        index
        for index in range(len(small))
        if np.ptp([run.in_entries[index] for run in found])
        > EXACT * abs(found[0].in_entries[index])
    ]
    if not differing:
        return set()
    variables = small_variables(small)
    one, other = (
        _of_run(
            evaluate(objective, batch, variables, seed=SEEDS[0], by_entry=True, repeatable=True),
            small,
        )
        for _ in range(2)
    )
    changes = np.abs(one.in_entries - other.in_entries)
    return {index for index in differing if changes[index] > EXACT * abs(one.in_entries[index])}


def small_variables(small: list[SmallScale]) -> list[Any]:
    """Return the variables of the posteriors, each once."""
    return list({id(v): v for one in small for v in one.posterior.variables}.values())


def evaluations_at(
    objective: Objective, batch: Batch, small: list[SmallScale], seeds: Sequence[int] = SEEDS
) -> list[Evaluation]:
    """Evaluate the objective where the scales are tiny, once for each seed."""
    variables = small_variables(small)
    return [evaluate(objective, batch, variables, seed=seed, by_entry=True) for seed in seeds]


def evaluations_that_agree(
    objective: Objective, batch: Batch, small: list[SmallScale]
) -> list[Evaluation]:
    """Evaluate it at two seeds, and at the third only if these give two values."""
    runs = evaluations_at(objective, batch, small, SEEDS[:2])
    one, other = (_of_run(run, small) for run in runs)
    close = EXACT * np.abs(one.in_entries)
    entries_agree = np.allclose(one.in_entries, other.in_entries, rtol=1e-5, atol=0.0)
    if entries_agree and np.all(np.abs(one.rest - other.rest) <= close):
        return runs
    return runs + evaluations_at(objective, batch, small, SEEDS[2:])


def with_second_depth(factors: list[KLFactor], higher: list[KLFactor]) -> list[KLFactor]:
    """Put beside each factor the one that was measured where the scales are larger.

    Of a factor that comes through ``losses`` alone, the same part: there, larger scales let the
    data term be felt as well.
    """
    pairs = zip(factors, higher, strict=True)
    return [
        replace(
            factor,
            higher=other.in_entries if _is_of_entries(factor) else other.value,
            error_higher=max(other.error, factor.error),
        )
        for factor, other in pairs
    ]


def _is_of_entries(factor: KLFactor) -> bool:
    return factor.in_entries != 0 and factor.value == factor.in_entries


def _doubled(objective: Objective, batch: Batch, small: list[SmallScale]) -> _Run | None:
    try:
        (run,) = evaluations_at(objective, batch.twice(), small, SEEDS[:1])
    except Exception:  # noqa: BLE001 (an objective made for one batch size)
        return None
    return _of_run(run, small)


def _of_run(run: Evaluation, small: list[SmallScale]) -> _Run:
    place = {id(variable): index for index, variable in enumerate(small_variables(small))}
    total, through = np.full(len(small), np.nan), np.zeros(len(small))
    owners: list[list[Any]] = [[] for _ in small]
    for index, one in enumerate(small):
        if not one.weighs:
            continue
        own = [place[id(variable)] for variable in one.posterior.variables]
        total[index] = one.factor([run.gradients[i] for i in own])
        triples = zip(run.entries, run.shares, run.watch.added, strict=True)
        for entry, share, added in triples:
            if share and entry.of_weights and any(entry.slopes[i] is not None for i in own):
                part = share * one.factor([entry.slopes[i] for i in own])
                through[index] += part
                owners[index] += [added.layer] if part else []
    return _Run(through, total - through, run.watch, run.shares, owners)


def _blurred(runs: list[_Run]) -> bool:
    """Whether draws blur a factor so much that more of them are worth their time."""
    for index in range(len(runs[0].rest)):
        through, rest = (np.array([getattr(run, part)[index] for run in runs]) for part in PARTS)
        size = max(abs(through.mean() + rest.mean()), 1e-12)
        if np.ptp(through) > EXACT * size and not _of_calls(runs, index):
            return True
        counts = not np.any(through) or abs(rest.mean()) > _error(rest)
        if counts and np.ptp(rest) > EXACT * size and abs(rest).max() > EXACT * abs(through.mean()):
            return True
        if _error(rest) > HIDES * size:
            return True
    return False


PARTS = ("in_entries", "rest")


def _of_calls(runs: list[_Run], index: int) -> bool:
    """Whether λ differs between calls because the shares of the entries do, it halves, or is 0."""
    values = [float(run.in_entries[index]) for run in runs]
    if any(values) and not all(values):  # an entry that is added at some of the steps only
        return True
    shares = np.array([[s for s in run.shares if s] for run in runs if len(run.shares)], object)
    if len(shares) > 1 and len({len(s) for s in shares}) == 1:
        table = np.array([list(s) for s in shares], float)
        if table.size and np.max(np.ptp(table, axis=0) / np.abs(table).max(axis=0)) > EXACT:
            return True
    ratios = [b / a for a, b in itertools.pairwise(values) if a]
    return bool(ratios) and all(abs(ratio - 0.5) < EXACT for ratio in ratios)


def _factor(
    index: int, one: SmallScale, runs: list[_Run], double: _Run | None, *, counted: bool
) -> KLFactor:
    through, rest = (np.array([getattr(run, part)[index] for run in runs]) for part in PARTS)
    by_call = counted or _of_calls(runs, index)
    through_error = 0.0 if by_call else _error(through)
    rest_error = _error(rest)
    counts = abs(rest.mean()) > rest_error and abs(rest.mean()) > EXACT * abs(through.mean())
    error, value = through_error, float(through.mean() if not by_call else through[0])
    if not one.is_tiny:  # the data term is felt as well: what comes by other ways is not known
        counts, value = False, value if np.any(through) else float("nan")
    elif counts or not np.any(through):
        error, value = error + rest_error, value + float(rest.mean())
    if not one.weighs:
        value = float("nan")
    layer, first = one.posterior.layer, runs[0].watch
    added = [i for i, item in enumerate(first.added) if item.layer is layer]
    return KLFactor(
        posterior=one.posterior,
        value=value,
        value_twice=value * _growth(index, runs[0], double, counts=bool(counts)),
        error=error,
        higher=float("nan"),
        error_higher=0.0,
        by_call=tuple(float(v) for v in through) if by_call else (),
        entries=len(added),
        calls=sum(called is layer for called, _ in first.called),
        shares=tuple(runs[0].shares[i] for i in added),
        in_entries=float(through.mean()),
        elsewhere=tuple(x.name for x in runs[0].owners[index] if x is not layer) if added else (),
        counted=counted,
    )


def _error(values: Array) -> float:
    """Return half the width of the interval for the mean of draws, 0 if they are all the same.

    Three draws are left alone only if they agree, so that a few times their spread will do; for
    more of them it is the interval of a mean.
    """
    if len(values) < 2 or not np.all(np.isfinite(values)):
        return 0.0
    spread = float(values.std(ddof=1))
    if spread <= 1e-5 * abs(values.mean()):  # rounding
        return 0.0
    if len(values) <= len(SEEDS):
        return 5 * spread
    width = scipy.stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    return float(width * spread / np.sqrt(len(values)))


def _growth(index: int, single: _Run, double: _Run | None, *, counts: bool) -> float:
    """Return by what λ grows with the rows of the batch, 1 where draws blur it."""
    if double is None:
        return 1.0
    one, two = single.in_entries[index], double.in_entries[index]
    if counts or not one:
        one, two = one + single.rest[index], two + double.rest[index]
    ratio = two / one if one else 1.0
    for plain in (0.5, 1.0, 2.0):
        if abs(ratio / plain - 1) < 0.2:
            return plain
    return float(ratio) if np.isfinite(ratio) else 1.0
