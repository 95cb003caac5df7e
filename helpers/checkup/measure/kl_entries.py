"""Whether an entry of ``losses`` is a KL times a number: its values against those of the KL.

The slope of an entry where all scales are tiny says by which number the KL is multiplied. If the
entry is that multiple, it is so at every place: here, where the scales are tiny, and where the
posterior lies on the prior. A difference that is the same everywhere is a constant beside the KL;
one that is not makes the entry something else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ...model.small_scales import SmallScale
from ...model.weight_posteriors import Posterior
from .nats import Nats, drawn_nats, kl_in_nats
from .objective import Evaluation

Array = npt.NDArray[np.float64]
ROUNDING = 2e-5  # of sums over many weights in float32, relative to their size
LEAST = 1e-3  # nats, where a posterior that is its prior leaves the rounding of two densities
SURE = 5.0  # standard errors


@dataclass(frozen=True, kw_only=True)
class Place:
    """Entries and KLs where the weights of the posteriors are given certain values.

    Attributes
    ----------
    values
        Of the entries [evaluation, entry].
    nats
        The KL of each posterior there, None where it is unknown.
    name
        Where that is, as a sentence says it.
    """

    values: Array
    nats: list[Nats | None]
    name: str


@dataclass(frozen=True, kw_only=True)
class KLEntry:
    """What one entry holds beside a multiple of KLs.

    Attributes
    ----------
    posteriors
        Those whose scales it depends on.
    layer
        The layer that added it.
    weight
        The number by which it multiplies their KLs; 0 if it does not feel tiny scales.
    nats, kl
        The entry over that number, and the KL, both in nats, at ``where``: at the weights as they
        are, or at another place if they differ only there.
    rest
        Their difference in nats, and ``error``, below which it means nothing.
    is_constant
        Whether the difference is the same at all places.
    where
        The place.
    """

    posteriors: list[Posterior]
    layer: Any
    weight: float
    nats: float
    kl: float
    rest: float
    error: float
    is_constant: bool
    where: str

    @property
    def is_kl(self) -> bool:
        """Whether it is a multiple of a KL, a constant aside."""
        return self.weight != 0 and self.is_constant

    @property
    def holds_constant(self) -> bool:
        """Whether a constant stands beside the KL."""
        return self.is_kl and abs(self.rest) > self.error


def place(runs: Sequence[Evaluation], posteriors: Sequence[Posterior], name: str) -> Place:
    """Return what entries and KLs are worth as the variables stand; call it while they do.

    Parameters
    ----------
    runs
        Evaluations there.
    posteriors
        Those whose KLs are wanted.
    name
        Where that is, as a sentence says it.
    """
    entries = [[float(tf.reduce_sum(item.value)) for item in run.watch.added] for run in runs]
    values = np.array(entries)
    blurred = values.size > 0 and np.any(np.ptp(values, axis=0) > 1e-5 * np.abs(values).max(axis=0))
    nats: list[Nats | None] = []
    for posterior in posteriors:
        found = kl_in_nats(posterior)
        if found is not None and blurred and not np.isfinite(found.spread):
            drawn = drawn_nats(posterior)
            spread = found.spread if drawn is None else drawn.spread
            found = found._replace(spread=spread)
        nats.append(found)
    return Place(values=values, nats=nats, name=name)


def compare_entries(
    small: list[SmallScale],
    variables: list[Any],
    runs: Sequence[Evaluation],
    here: Place,
    elsewhere: Sequence[Place],
) -> list[KLEntry]:
    """Return what each entry that depends on the scale of a posterior holds beside the KL.

    Parameters
    ----------
    small
        The posteriors, with their scales tiny.
    variables
        Those by which ``runs`` are differentiated.
    runs
        Evaluations where the scales are tiny, entry by entry.
    here, elsewhere
        Entries and KLs at the weights as they are, and at other places.
    """
    position = {id(variable): index for index, variable in enumerate(variables)}
    found = []
    for index, entry in enumerate(runs[0].entries):
        owners = [one for one in small if one.weighs and _depends(entry.slopes, one, position)]
        if not owners or not entry.of_weights:
            continue
        weights = [_weight(runs, index, one, position) for one in owners]
        places = [small.index(one) for one in owners]
        item = runs[0].watch.added[index]
        compared = _compare(index, weights, places, here, elsewhere)
        if compared is not None:
            posteriors = [one.posterior for one in owners]
            found.append(KLEntry(posteriors=posteriors, layer=item.layer, **compared))
    return found


def _depends(slopes: list[Any], one: SmallScale, position: dict[int, int]) -> bool:
    pairs = zip(one.posterior.variables, one.slopes, strict=True)
    own = [slopes[position[id(v)]] for v, wanted in pairs if np.any(wanted)]
    return any(slope is not None for slope in own)


def _weight(
    runs: Sequence[Evaluation], index: int, one: SmallScale, position: dict[int, int]
) -> tuple[float, float]:
    """Return by what number an entry multiplies the KL, and what of that means nothing."""
    own = [position[id(variable)] for variable in one.posterior.variables]
    exact = one.by_kl()
    values = np.array([exact.factor([run.entries[index].slopes[i] for i in own]) for run in runs])
    return float(values.mean()), SURE * float(values.std())


def _compare(
    index: int,
    weighted: list[tuple[float, float]],
    owners: list[int],
    here: Place,
    elsewhere: Sequence[Place],
) -> dict[str, Any] | None:
    """Return the numbers of a KLEntry, None where a KL is unknown."""
    places = [here, *(at for at in elsewhere if _has_numbers(at, index, owners))]
    known = [known_nats(at, owners) for at in places]
    alike = all(at.values.shape[1:] == here.values.shape[1:] for at in places)
    if not alike or any(len(nats) < len(owners) for nats in known):
        return None
    values = [float(at.values[:, index].mean()) for at in places]
    kls = [sum(n.value for n in nats) for nats in known]
    total = sum(weight for weight, _ in weighted) / len(weighted)
    if abs(total) * max(abs(kls[0]), 1e-6) <= 1e-6 * abs(values[0]):
        if np.ptp(values) <= 1e-4 * abs(values[0]):  # a constant, no KL of anybody
            return None
        numbers = {"weight": 0.0, "nats": values[0], "kl": kls[0], "rest": values[0] - kls[0]}
        return {**numbers, "error": 0.0, "is_constant": False, "where": here.name}
    found = [_rest(at.values[:, index], weighted, n) for at, n in zip(places, known, strict=True)]
    rests = [rest / total for rest, _ in found]
    errors = [error / abs(total) for _, error in found]
    pairs = list(zip(rests, errors, strict=True))
    constant = all(abs(rest - rests[0]) <= error + errors[0] for rest, error in pairs)
    worst = 0
    if not constant and abs(rests[0]) <= errors[0]:
        worst = max(range(len(pairs)), key=lambda i: abs(rests[i]) / (errors[i] + 1e-12))
    return {
        "weight": total,
        "nats": values[worst] / total,
        "kl": kls[worst],
        "rest": rests[worst],
        "error": errors[worst],
        "is_constant": constant,
        "where": places[worst].name,
    }


def _has_numbers(at: Place, index: int, owners: list[int]) -> bool:
    """Whether entry and KLs are finite at a place; those of a Cauchy prior on itself are not."""
    values = at.values[:, index] if at.values.shape[1:] > (index,) else np.zeros(0)
    nats = [n.value for n in known_nats(at, owners)]
    return bool(np.all(np.isfinite(values)) and np.all(np.isfinite(nats)))


def known_nats(at: Place, owners: list[int]) -> list[Nats]:
    """Return the KLs of some posteriors, those that are known."""
    return [nats for nats in (at.nats[owner] for owner in owners) if nats is not None]


def _rest(
    values: Array, weighted: list[tuple[float, float]], nats: list[Nats]
) -> tuple[float, float]:
    """Return an entry minus the multiples of the KLs, and what of that means nothing."""
    pairs = [(weight, error, n) for (weight, error), n in zip(weighted, nats, strict=True)]
    unsure = sum(error * abs(n.value) for _, error, n in pairs)
    unsure += sum(
        abs(w) * (ROUNDING * abs(n.value) + max(1e-6 * n.num_weights, LEAST)) for w, _, n in pairs
    )
    variance = sum((w * n.error) ** 2 for w, _, n in pairs)
    if np.ptp(values) > 1e-5 * np.abs(values).max():
        spreads = sum((w * n.spread) ** 2 for w, _, n in pairs if np.isfinite(n.spread))
        variance += max(spreads, float(values.var(ddof=1))) / len(values)
    rest = float(values.mean() - sum(w * n.value for w, _, n in pairs))
    return rest, SURE * float(np.sqrt(variance)) + unsure
