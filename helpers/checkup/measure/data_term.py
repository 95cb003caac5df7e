"""The data term: mean or sum over the batch, and which likelihood it is, head by head.

It is evaluated at a few states of the weights and, at each, beside the targets of other rows. A
loss is known by how it changes with the targets, so that nothing is taken for one that only rounds
like it.
"""

import contextlib
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ...model.heads import head_names, places_with_loss, targets_at
from ...model.likelihood import (
    AnyLikelihood,
    Likelihood,
    flatten_heads,
    has_heads,
    is_joint,
)
from ...model.recorded_distribution import LogProb, recording_log_probs
from ...model.small_scales import SmallScale
from .batch import Batch
from .draws_in_rows import DrawsInRows, draws_in_rows
from .final_outputs import outputs_beside_targets
from .known_losses import KnownLoss, known_losses, smoothing
from .moved_weights import moved_weights
from .objective import Objective, evaluate
from .outputs_again import NotedCalls, calls_noted
from .own_targets import meets_own_targets
from .temperature import factor_of_logits
from .written_density import Integral, can_be_density, integrals, is_density

Array = npt.NDArray[np.float64]
STATES = (0.0, 1.0, 0.3)  # sizes of the random change of the weights; 0 is the reader's own
FIT = 1e-3  # of the changes that the targets make; what a known loss may miss
SIGNAL = 3e-4  # of the data term; below it a change is taken for rounding
ROUNDING = 1e-7  # of a sum in float32
SAME = 1e-4  # of the changes that other targets make; a change below it is none
OTHER = 0.02  # of the changes that other outputs make
SPREAD = 1e-3  # of the outputs; they differ from row to row by more, or are the same


@dataclass(frozen=True)
class HeadTerm:
    """What the data term is for one output of the network.

    Attributes
    ----------
    head
        Name of the output, "" if it is the only one.
    name, role
        The loss that it equals, and of which kind that is; "" if unknown.
    slope, intercept
        The data term is slope · (mean of that loss over the examples) + intercept.
    predictions
        How many predictions belong to an example.
    noise
        Standard deviation of a Gaussian whose noise is a number in the loss, else NaN.
    paired
        Whether it depends on which target belongs to which row; ``None`` if that is not known.
    shapes
        Of targets and outputs where they were paired; of one distribution for all rows.
    smoothing
        What share of each label is spread over all classes, NaN if none.
    leaf
        Which leaf of the targets is its own, ``None`` if that is not known.
    is_blurred
        Whether it is unknown because rounding hides what its targets change.
    """

    head: str = ""
    name: str = ""
    role: str = ""
    slope: float = float("nan")
    intercept: float = float("nan")
    predictions: float = 1.0
    noise: float = float("nan")
    paired: bool | None = None
    shapes: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    smoothing: float = float("nan")
    leaf: int | None = None
    is_blurred: bool = False

    @property
    def is_likelihood(self) -> bool:
        """Whether it equals a negative log-likelihood, up to a factor and a constant."""
        return self.role == "likelihood"


@dataclass(frozen=True)
class DataTerm:
    """What the objective holds beside the KL.

    Attributes
    ----------
    growth
        By what factor it grows when every row of the batch is given twice: 1 for a mean, 2 for a
        sum, NaN if it could not be told.
    rows
        Rows of the batch.
    heads
        What it is for each output; empty where there are no targets to tell it by.
    of_last_call
        Whether the outputs that the targets belong to are those of another network, called after
        the reader's: of a decoder, say.
    """

    growth: float
    rows: int = 1
    heads: tuple[HeadTerm, ...] = ()
    of_last_call: bool = False

    @property
    def is_sum(self) -> bool:
        """Whether it is a sum over the batch."""
        return bool(self.growth > 1.5)

    @property
    def is_identified(self) -> bool:
        """Whether it is a negative log-likelihood, with one factor for all outputs."""
        return bool(self.heads) and all(h.is_likelihood for h in self.heads) and self.has_one_factor

    @property
    def is_known(self) -> bool:
        """Whether it is known well enough to judge a KL beside it: a likelihood, or an error."""
        return bool(self.heads) and all(h.name or h.paired is False for h in self.heads)

    @property
    def has_one_factor(self) -> bool:
        """Whether all outputs have the same factor."""
        slopes = np.array([head.slope for head in self.heads])
        return bool(slopes.size) and bool(np.allclose(slopes, slopes[0], rtol=0.01))

    @property
    def slope(self) -> float:
        """The factor of the mean, over the examples, of the negative log-likelihood; NaN if none.

        The likelihood of an example is the sum over all that belongs to it.
        """
        return self.heads[0].slope if self.has_one_factor else float("nan")

    @property
    def intercept(self) -> float:
        """The constant beside the losses that are known."""
        return self.heads[0].intercept if len(self.heads) == 1 else float("nan")

    @property
    def name(self) -> str:
        """What it is, "" if unknown."""
        names = [head.name for head in self.heads]
        return "; ".join(dict.fromkeys(names)) if all(names) else ""

    @property
    def averaged_over(self) -> float:
        """How many predictions of an example the data term is a mean over, 1 if it is a sum."""
        if not self.is_identified:
            return 1.0
        count = self.heads[0].predictions
        slope = abs(self.slope) / (self.rows if self.is_sum else 1)  # of either sign
        is_mean = abs(count - 1) > 0.01 and abs(slope * count - 1) < 0.01
        return count if is_mean and len(self.heads) == 1 else self._averaged_heads(slope)

    def _averaged_heads(self, slope: float) -> float:
        counts = [head.predictions for head in self.heads]
        same = len(self.heads) > 1 and np.allclose(counts, counts[0], rtol=0.01)
        return counts[0] if same and abs(slope * counts[0] - 1) < 0.01 else 1.0

    @property
    def holds_constant(self) -> bool:
        """Whether a constant stands beside a likelihood that is known exactly."""
        return self.is_identified and abs(self.intercept) > 1e-3


@dataclass(frozen=True)
class _Point:
    """The data term beside some targets: its value, the network's outputs, what was asked of it."""

    batch: Batch
    value: float
    outputs: list[Any]
    logs: list[LogProb]
    draws: DrawsInRows | None = None  # where one call holds several draws of each row


def measure_data_term(
    network: Any,
    objective: Objective,
    batch: Batch,
    variables: list[Any],
    small: list[SmallScale],
    given: AnyLikelihood | None = None,
    known_share: float = 1.0,
) -> DataTerm:
    """Evaluate the objective without ``losses``, beside several targets and at several weights.

    Parameters
    ----------
    network, objective, batch
        What is minimised, and on what.
    variables, small
        Of all layers; the posteriors, with tiny scales.
    given
        The likelihood that the reader says, if any.
    known_share
        Of all targets that it does not ignore.
    """
    if objective.kind == "losses":
        return DataTerm(float("nan"), batch.size)
    prober = _Prober(network, objective, variables, small)
    if batch.targets is None or batch.size < 2:
        single, double = (prober.value(b) for b in (batch, batch.twice()))
        return DataTerm(double / single if single else float("nan"), batch.size)
    found = _measured(prober, batch, given, known_share)
    if found.is_known or not prober.ends_elsewhere:
        return found
    after = _measured(replace(prober, of_last_call=True), batch, given, known_share)
    return replace(after, of_last_call=True) if after.is_known else found


def _measured(
    prober: "_Prober", batch: Batch, given: AnyLikelihood | None, known_share: float
) -> DataTerm:
    """Return what the data term is beside the outputs that a prober looks at."""
    outputs = prober.find_noise(batch).outputs
    places = prober.places_of_targets(batch.targets)
    names = [prober.names[place] for place in prober.kept]
    if any(map(is_joint, outputs)):
        return DataTerm(float("nan"), batch.size, tuple(map(_joint, outputs, names)))
    heads, growths, found = [], [], []
    for index, leaf in enumerate(places):
        states = prober.states(batch, leaf)
        said = given.flat[index] if given is not None and index < len(given.flat) else None
        term, loss = _identified(states, index, leaf, said, known_share)
        growths.append(prober.growth(states, loss, index, leaf))
        found.append(_Found(term, loss, index, leaf))
        name = names[index] if len(names) == len(places) else ""
        if not term.name and term.paired is not False and len(places) == 1:
            term = prober.written_by_hand(term, batch, growths[-1])
        heads.append(replace(_named(term, name, batch, growths[-1]), leaf=leaf))
    if prober.depends_otherwise(batch, found):
        heads = [_without_name(head) for head in heads]
    heads = [prober.beside_own_targets(head, batch) for head in heads]
    known = [growth for growth in growths if np.isfinite(growth)]
    return DataTerm(known[0] if known else float("nan"), batch.size, tuple(heads))


class _Found(NamedTuple):
    """What was found for one output: the term, the loss it equals, which leaves they are of."""

    term: HeadTerm
    loss: KnownLoss | None
    place: int
    leaf: int | None


OTHER_ROWS = "a likelihood of the targets of other rows"
OTHERWISE = "a likelihood of the targets and something else of the outputs"


def _without_name(head: HeadTerm) -> HeadTerm:
    """Return a term that only changes with the targets as what it was taken for."""
    if head.is_likelihood:
        return replace(head, name=OTHERWISE, role="misread")
    return replace(head, name="", role="", slope=float("nan"), intercept=float("nan"))


def _joint(output: Any, name: str) -> HeadTerm:
    """Return what is told of an output beside, or as, one distribution for all rows together."""
    if not is_joint(output):
        return HeadTerm(name)
    return HeadTerm(name, role="joint", shapes=((), tuple(output.event_shape)))


@dataclass
class _Prober:
    """Evaluates the data term, with the same random draws each time where it matters."""

    network: Any
    objective: Objective
    variables: list[Any]
    small: list[SmallScale]
    repeatable: bool = False  # whether each evaluation draws the same, once the noise is known
    is_noisy: bool = False  # draws would change it by more than rounding does
    outputs_stay: bool | None = None  # whether other targets leave them; None if never tried
    noted: dict[float, tuple[_Point, NotedCalls]] = field(default_factory=dict)  # by state
    of_last_call: bool = False  # whether to look at what the last network puts out, not the first
    ends_elsewhere: bool = False  # whether another network was called after it
    names: list[str] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)

    def find_noise(self, batch: Batch) -> _Point:
        """Find out whether a second evaluation gives another number, as under dropout.

        The second evaluation is returned.
        """
        first, second = self.point(batch), self.point(batch)
        self.is_noisy = abs(first.value - second.value) > 1e-6 * abs(first.value)
        self.repeatable = True  # what draws change is more where weights are moved
        return second

    def value(self, batch: Batch) -> float:
        """Return the data term."""
        return self.point(batch).value

    def point(self, batch: Batch) -> _Point:
        """Return the data term, with what the network put out on the way."""
        with recording_log_probs() as logs:
            try:
                run = evaluate(self.objective, batch, factor=0.0, repeatable=self.repeatable)
            except Exception:  # noqa: BLE001 (an objective made for one batch size, or own data)
                return _Point(batch, float("nan"), [], [])
        found = outputs_beside_targets(self.network, run.watch, of_last_call=self.of_last_call)
        self.ends_elsewhere = found is not outputs_beside_targets(
            self.network, run.watch, of_last_call=True
        )
        leaves = [] if found is None else self._with_loss(found)
        calls = zip(run.watch.inputs, run.watch.called, strict=True)
        own = [(given, out) for (layer, given), (_, out) in calls if layer is self.network]
        draws = draws_in_rows(*own[-1], batch.size) if own else None
        return _Point(batch, run.value, leaves, logs, draws)

    def _with_loss(self, outputs: Any) -> list[Any]:
        """Return the outputs that the objective compares with targets, and note which they are."""
        leaves = flatten_heads(outputs)
        self.names = head_names(self.network, outputs) if has_heads(outputs) else [""]
        every = list(range(len(leaves)))
        is_fit = self.objective.kind == "fit"
        self.kept = places_with_loss(self.network, self.names) if is_fit else every
        return [leaves[place] for place in self.kept]

    def places_of_targets(self, targets: Any) -> list[int | None]:
        """Return, for each output, which leaf of the targets is its own; [None] if unknown."""
        leaves = tf.nest.flatten(targets)
        numbers = tf.nest.pack_sequence_as(targets, list(range(len(leaves))))
        if self.names == [""]:
            return [0] if len(leaves) == 1 else [None]
        try:
            return list(targets_at(numbers, self.names, self.kept)) if self.names else [None]
        except ValueError:
            return [None]

    def states(self, batch: Batch, leaf: int | None) -> list[list[_Point]]:
        """Return the data term at weights of several states, the reader's own first.

        There, where outputs may be all the same, other targets are tried only if they show nothing
        elsewhere.
        """
        places = arrangements(batch, leaf)
        far, near = (
            self.points(batch, leaf, size, p)
            for size, p in zip(STATES[1:], (places, places[:3]), strict=True)
        )
        if _signal(far) or _signal(near):
            return [self.points(batch, leaf, STATES[0], []), far, near]
        return [self.points(batch, leaf, STATES[0], places), far, near]

    def points(
        self, batch: Batch, leaf: int | None, size: float, places: list[list[int]]
    ) -> list[_Point]:
        """Return the data term beside several targets, with weights moved by so much."""
        others = [batch.with_targets_at(p, leaf) for p in places]
        if not size:
            return self.beside([batch, *others])
        with self.moved(size):
            return self.beside([batch, *others], size)

    def moved(self, size: float) -> contextlib.AbstractContextManager[None]:
        """Move the weights by so much, in the direction that belongs to that size."""
        return moved_weights(self.variables, self.small, int(10 * size), size)

    def beside(self, batches: list[Batch], size: float | None = None) -> list[_Point]:
        """Return the data term of batches that differ in their targets alone.

        The network is called for the first of them, which is kept for ``size`` if that is given;
        the others get its outputs again, once it was seen that this gives the same numbers.
        """
        with calls_noted(self.network) as noted:
            first = self.point(batches[0])
        if size is not None:
            self.noted[size] = first, noted
        if len(batches) == 1 or not noted.calls or self.outputs_stay is False:
            return [first, *map(self.point, batches[1:])]
        points = []
        for batch in batches:
            with noted.given_again():
                points.append(self.point(batch))
        tried = [(first, points[0])]
        if self.outputs_stay is None:
            tried.append((self.point(batches[1]), points[1]))
        self.outputs_stay = all(map(_are_same, *zip(*tried, strict=True)))
        if self.outputs_stay and np.all(np.isfinite([point.value for point in points])):
            return points
        return [first, *map(self.point, batches[1:])]

    def depends_otherwise(self, batch: Batch, found: list[_Found]) -> bool:
        """Whether the data term changes with the outputs in another way than the losses it equals.

        The outputs of one state of the weights are put in place of those of another, where all
        else, such as a KL that is added by hand, stays as it is.
        """
        roles = ("likelihood", "error")
        if not all(it.loss is not None and it.term.role in roles for it in found):
            return False
        if not all(it.loss is not None and it.term.name == it.loss.name for it in found):
            return False  # told by how it changes with the outputs already: a temperature
        far, near = STATES[1:]
        (_, there), (own, here) = (self.noted[size] for size in (far, near))
        with self.moved(near):
            if not here.calls or len(here.calls) != len(there.calls):
                return False
            if len(own.outputs) != len(found):  # another output may be in another term: a code
                return False
            calls = zip(here.calls, there.calls, strict=True)
            mixed = [(arguments, outputs) for (arguments, _), (_, outputs) in calls]
            with here.given_again():
                again = self.point(batch)
            if not _are_same(own, again):  # a noise that is drawn after the network, say
                return False
            with NotedCalls(self.network, mixed).given_again():
                other = self.point(batch)
        try:
            means = np.array(
                [
                    [
                        _mean(it.loss, point, it.place, it.leaf)
                        for it in found
                        if it.loss is not None
                    ]
                    for point in (own, other)
                ]
            )
        except Exception:  # noqa: BLE001 (a loss that was told in another way)
            return False
        slopes = np.array([it.term.slope for it in found])
        expected, change = float(slopes @ (means[1] - means[0])), other.value - own.value
        if not np.isfinite([expected, change]).all():
            return False
        size = max(abs(other.value), abs(own.value), float(np.abs(slopes) @ np.abs(means).max(0)))
        return abs(change - expected) > OTHER * max(abs(expected), abs(change)) + 1e-4 * size

    def written_by_hand(self, term: HeadTerm, batch: Batch, growth: float) -> HeadTerm:
        """Return a term as a likelihood if it is a density of the targets, else as it was."""
        is_sum = growth > 1.5
        if self.is_noisy or not np.isfinite(growth):
            return term

        def with_slopes(one: Batch) -> tuple[float, Any]:
            """Return the data term of a batch, without any KL, and its gradient by the targets."""
            run = evaluate(self.objective, one, [one.targets], factor=0.0)
            return run.value, run.gradients[0]

        found: list[Integral] = []
        for size in STATES:
            with self.moved(size):
                found += integrals(with_slopes, batch, is_sum=is_sum)
            if not can_be_density(found):
                return term
        if not is_density(found):
            return term
        slope = float(batch.size) if is_sum else 1.0
        name = "a density of the targets that is written by hand"
        return replace(term, name=name, role="likelihood", slope=slope, intercept=0.0, paired=True)

    def beside_own_targets(self, head: HeadTerm, batch: Batch) -> HeadTerm:
        """Return a term as no likelihood if its targets are those of other inputs, else as it was.

        In ``fit`` the loss gets both row by row; a reader's own objective may move them about.
        """
        if head.role not in ("likelihood", "error") or self.objective.kind not in ("own", "step"):
            return head

        def values(batches: list[Batch]) -> list[float]:
            """Return the data term of batches that differ in their targets alone."""
            return [point.value for point in self.beside(batches)]

        with self.moved(STATES[1]):
            found = meets_own_targets(values, batch, head.leaf)
        if found is not False:
            return head
        return replace(head, name=OTHER_ROWS, role="misread")

    def growth(
        self, states: list[list[_Point]], loss: KnownLoss | None, index: int, leaf: int | None
    ) -> float:
        """Return how the part that depends on the targets grows with the rows of the batch."""
        state = int(np.nanargmax([_signal(points) for points in states]))
        points = states[state]
        if not _signal(points):
            doubled = self.value(points[0].batch.twice())
            return doubled / points[0].value if points[0].value else float("nan")
        far = int(np.nanargmax(np.abs([p.value - points[0].value for p in points])))
        pair = [points[0].batch.twice(), points[far].batch.twice()]
        with self.moved(STATES[state]):
            double = self.beside(pair)
        single = [points[0], points[far]]
        if self.is_noisy and loss is None:
            return float("nan")  # another batch draws other numbers
        steps = [_step(p, loss if self.is_noisy else None, index, leaf) for p in (single, double)]
        ratio = steps[1] / steps[0]
        return (2.0 if ratio > 1.5 else 1.0) if self.is_noisy else ratio


def arrangements(batch: Batch, leaf: int | None) -> list[list[int]]:
    """Return places of targets: two other orders first, then some targets in place of others."""
    random = np.random.default_rng(3)
    size = batch.size
    order = [int(i) for i in random.permutation(size)]
    shifted = [(i + 1) % size for i in range(size)]
    drawn = [int(i) for i in random.integers(0, size, size)]
    return [order, shifted, drawn, *([[i] * size for i in _ends(batch, leaf)])]


def _ends(batch: Batch, leaf: int | None) -> list[int]:
    """Return the rows with the smallest and the largest target."""
    leaves = tf.nest.flatten(batch.targets)
    array = np.asarray(leaves[leaf or 0])
    if array.dtype.kind not in "biuf":
        return [0, batch.size - 1]
    sums = array.reshape(len(array), -1) @ np.arange(1, array[0].size + 1)
    return [int(np.argmin(sums)), int(np.argmax(sums))]


NUM_ORDERS = 2  # of the arrangements, the first ones, that only change the order


def _are_same(computed: _Point, given: _Point) -> bool:
    return bool(abs(computed.value - given.value) <= ROUNDING * abs(computed.value))


def _changes(points: list[_Point]) -> Array:
    return np.array([p.value - points[0].value for p in points[1:]])


def _signal(points: list[_Point]) -> float:
    """Return the largest change that other targets make, relative to the data term; 0 if none."""
    changes = _changes(points)
    if not changes.size or not np.all(np.isfinite(changes)):
        return 0.0
    relative = float(np.max(np.abs(changes)) / (abs(points[0].value) + 1e-6))
    return relative if relative > SIGNAL else 0.0


def _is_blurred(points: list[_Point]) -> bool:
    """Whether rounding of the whole data term hides the changes that these targets make."""
    largest = max(abs(point.value) for point in points)
    return bool(ROUNDING * largest > FIT * np.max(np.abs(_changes(points))))


def _identified(
    states: list[list[_Point]],
    index: int,
    leaf: int | None,
    given: Likelihood | None,
    known_share: float,
) -> tuple[HeadTerm, KnownLoss | None]:
    """Return what the data term is for one output, and the loss that it equals."""
    shapes = _shapes(states[0][0], index, leaf)
    usable = [points for points in states if _signal(points)]
    if not usable:
        return HeadTerm(shapes=shapes), None
    paired = _is_paired(usable, index)
    best: tuple[tuple[bool, int], HeadTerm, KnownLoss] | None = None
    for loss in _candidates(usable[0][0], index, leaf, given, known_share):
        fit = _fit(loss, states, usable, index, leaf)
        if fit is None:
            continue
        slope, intercept, leaves_rest = fit
        # Softmax and sigmoid change alike with one-hot targets; what is left over tells them apart.
        rank = leaves_rest, ("likelihood", "misread", "error", "broadcast").index(loss.role)
        if best is not None and best[0] <= rank:
            continue
        predictions = _predictions(loss, states, index, leaf)
        term = HeadTerm(
            name=loss.name,
            role=loss.role,
            slope=slope,
            intercept=intercept,
            predictions=predictions,
            paired=paired if loss.role == "broadcast" else True,
            shapes=shapes,
        )
        best = (rank, term, loss)
    if best is None and any(
        _is_over_columns(call, points) for points in usable for call in points[0].logs
    ):
        return HeadTerm(role="broadcast", paired=paired, shapes=shapes), None
    if best is None:
        blurred = any(map(_is_blurred, usable))
        return HeadTerm(paired=paired, shapes=shapes, is_blurred=blurred), None
    return _with_smoothing(best[1], best[2], states, index, leaf), best[2]


def _with_smoothing(
    term: HeadTerm, loss: KnownLoss, states: list[list[_Point]], index: int, leaf: int | None
) -> HeadTerm:
    """Return a term as no likelihood of the targets if their labels are smoothed, else as it is."""
    if loss.even is None:
        return term
    own = [points[0] for points in states]
    evenly = replace(loss, mean=loss.even)
    known, even = (
        np.array([_mean(one, point, index, leaf) for point in own]) for one in (loss, evenly)
    )
    rest = np.array([point.value for point in own]) - term.slope * known
    share = smoothing(rest, even, term.slope)
    if np.isnan(share):
        return _with_temperature(term, loss, states, index, leaf)
    return replace(term, name="smoothed labels", role="misread", smoothing=share)


def _with_temperature(
    term: HeadTerm, loss: KnownLoss, states: list[list[_Point]], index: int, leaf: int | None
) -> HeadTerm:
    """Return a term as that of the logits times a number, if that is what the loss takes."""
    if "logits" not in loss.name:
        return term

    def mean_at(factor: float) -> Array:
        """Return the mean cross-entropy of the logits times a number, in nats, at each state."""

        def scaled(targets: Any, outputs: Any, weights: Any) -> float:
            """Return the mean cross-entropy of the outputs times the number, in nats."""
            return loss.mean(targets, factor * tf.convert_to_tensor(outputs), weights)

        return np.array([_mean(replace(loss, mean=scaled), p[0], index, leaf) for p in states])

    factor = factor_of_logits(mean_at, np.array([p[0].value for p in states]), term.slope)
    if np.isnan(factor):
        return term
    name = f"{term.name}, which the loss multiplies by {factor:.3g}"
    return replace(term, name=name, slope=term.slope / factor, intercept=0.0)


def _candidates(
    point: _Point, index: int, leaf: int | None, given: Likelihood | None, known_share: float
) -> list[KnownLoss]:
    if leaf is None:
        return [_asked_for()]
    known = known_losses(point.outputs[index], given, known_share)
    if point.draws is not None:
        known = [point.draws.of_loss(loss) for loss in known]
    return [*known, _asked_for()]


def _asked_for() -> KnownLoss:
    """Return minus the log_prob of the targets that the objective itself asks for."""

    def logs(targets: Any, calls: list[LogProb]) -> list[Any]:
        """Return the log_prob tensors of the targets, in nats; some are asked for several times."""
        own = [call for call in calls if _is_of_targets(call, targets)]
        if not own:
            raise ValueError("no log_prob of the targets")
        return [call.logs for call in own]

    def mean(targets: Any, calls: Any, _: Any) -> float:
        """Return minus the log_prob of an example's targets, in nats: a mean over the examples."""
        found = logs(targets, calls)
        return -float(sum(float(tf.reduce_sum(x)) for x in found)) / (len(found) * len(targets))

    def predictions(targets: Any, calls: Any) -> float:
        """Return how many values of log_prob belong to an example."""
        return float(int(tf.size(logs(targets, calls)[0])) / len(targets))

    return KnownLoss(ASKED, "likelihood", mean, predictions)


ASKED = "the log_prob that the loss takes of the targets"


def _is_of_targets(call: LogProb, targets: Any) -> bool:
    """Whether a log_prob is that of the targets, each beside its own prediction."""
    value, targets = np.asarray(call.value), np.asarray(targets)
    if value.size != targets.size or value.dtype.kind not in "biuf":
        return False
    shape = call.distribution.batch_shape.concatenate(call.distribution.event_shape)
    if shape.num_elements() is not None and shape.num_elements() > targets.size:
        return False  # a target is broadcast over several predictions
    logs = np.asarray(call.logs)
    fits = logs.ndim > 0 and logs.shape[0] == len(targets) and logs.size <= targets.size
    return fits and bool(np.allclose(value.ravel(), targets.ravel(), rtol=1e-6))


def _is_over_columns(call: LogProb, points: list[_Point]) -> bool:
    """Whether one target of each row is broadcast over several predictions of it."""
    targets = tf.nest.flatten(points[0].batch.targets)
    value = np.asarray(call.value)
    shape = call.distribution.batch_shape.concatenate(call.distribution.event_shape)
    is_target = any(
        value.size == np.size(x)
        and value.dtype.kind in "biuf"
        and np.allclose(value.ravel(), np.ravel(x))
        for x in targets
    )
    rows = points[0].batch.size
    return bool(
        is_target
        and value.size == rows
        and shape.rank == value.ndim
        and shape[0] == rows
        and (shape.num_elements() or 0) > value.size
    )


def _is_of_outputs_alone(points: list[_Point], leaf: int | None) -> bool:
    """Whether the distribution that is asked is the same beside other targets."""
    value = tf.nest.flatten(points[0].batch.targets)[leaf or 0]
    own = [_asked_of(point, leaf) for point in points]
    first, *others = (
        np.asarray(it.distribution.log_prob(tf.reshape(value, it.value.shape)), float) for it in own
    )
    return all(np.allclose(first, other, rtol=FIT, atol=FIT) for other in others)


def _asked_of(point: _Point, leaf: int | None) -> LogProb:
    targets = tf.nest.flatten(point.batch.targets)[leaf or 0]
    return next(call for call in point.logs if _is_of_targets(call, targets))


def _of(loss: KnownLoss, point: _Point, index: int, leaf: int | None) -> tuple[Any, Any]:
    """Return the targets and the outputs, or the log_probs asked for, of one output."""
    targets = tf.nest.flatten(point.batch.targets)[leaf or 0]
    if targets.dtype.is_bool:  # Keras' losses cast them too
        targets = tf.cast(targets, tf.float32)
    return targets, point.logs if loss.name == ASKED else point.outputs[index]


def _mean(loss: KnownLoss, point: _Point, index: int, leaf: int | None) -> float:
    targets, outputs = _of(loss, point, index, leaf)
    weights = point.batch.weights
    if weights is not None:
        every = tf.nest.flatten(weights)
        weights = every[leaf or 0] if len(every) > 1 else every[0]
    return loss.mean(targets, outputs, weights)


def _predictions(
    loss: KnownLoss, states: list[list[_Point]], index: int, leaf: int | None
) -> float:
    return loss.predictions(*_of(loss, states[0][0], index, leaf))


def _fit(
    loss: KnownLoss,
    states: list[list[_Point]],
    usable: list[list[_Point]],
    index: int,
    leaf: int | None,
) -> tuple[float, float, bool] | None:
    """Fit the data term by slope · loss + a constant of each state; ``None`` if it does not fit.

    The constant returned is that at the reader's own weights; beside it stands whether it is
    another one at other weights, because the objective holds more than the loss.
    """
    ours, theirs = [], []
    try:
        for points in usable:
            known = np.array([_mean(loss, point, index, leaf) for point in points])
            ours.append(known[1:] - known[0])
            theirs.append(_changes(points))
            slope, misfit = _line(ours, theirs)
            if not misfit <= FIT:  # of NaN too; the other states cannot mend it
                return None
        own = [states[0], *(points for points in usable if points is not states[0])]
        known = np.array([_mean(loss, points[0], index, leaf) for points in own])
        if loss.name == ASKED and not all(_is_of_outputs_alone(p, leaf) for p in usable):
            return None
    except Exception:  # noqa: BLE001 (a loss for other shapes or types)
        return None
    values = np.array([points[0].value for points in own])
    rest = values - slope * known
    return slope, float(rest[0]), bool(np.ptp(rest) > FIT * np.max(np.abs(values)))


def _line(ours: list[Array], theirs: list[Array]) -> tuple[float, float]:
    """Fit changes by a factor through the origin; the misfit is relative to those of each state."""
    x, y = np.concatenate(ours), np.concatenate(theirs)
    if not np.all(np.isfinite(x)) or not np.any(x):
        return 0.0, float("inf")
    slope = float(x @ y / (x @ x))
    pairs = zip(ours, theirs, strict=True)
    return slope, float(max(np.max(np.abs(slope * a - b)) / np.max(np.abs(b)) for a, b in pairs))


def _is_paired(usable: list[list[_Point]], index: int) -> bool | None:
    """Whether the order of the targets matters, where outputs differ from row to row."""
    verdicts = [_order_matters(points) for points in usable if _differ(points[0], index)]
    if True in verdicts:
        return True
    return False if False in verdicts else None


def _order_matters(points: list[_Point]) -> bool | None:
    """Whether another order of the targets changes the data term; ``None`` if it hardly does."""
    changes = np.abs(_changes(points))
    largest = np.max(changes[:NUM_ORDERS])
    if largest > 10 * SAME * np.max(changes):
        return True
    return False if largest < SAME * np.max(changes) + 1e-6 * abs(points[0].value) else None


def _differ(point: _Point, index: int) -> bool:
    """Whether the outputs of the rows differ by more than rounding."""
    if index >= len(point.outputs):
        return False
    outputs = np.asarray(tf.convert_to_tensor(_mean_of(point.outputs[index])), float)
    if outputs.ndim == 0 or not len(outputs) or len(outputs) % point.batch.size:
        return False
    return bool(np.max(np.std(outputs, axis=0)) > SPREAD * (np.max(np.abs(outputs)) + 1e-9))


def _mean_of(outputs: Any) -> Any:
    """Return the mean of a distribution, where it has a formula; a tensor as it is."""
    try:
        return outputs.mean() if hasattr(outputs, "log_prob") else outputs
    except NotImplementedError:
        return outputs


def _shapes(point: _Point, index: int, leaf: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if index >= len(point.outputs):
        return ((), ())
    outputs = point.outputs[index]
    shape = getattr(outputs, "shape", None)
    if hasattr(outputs, "batch_shape"):
        shape = outputs.batch_shape.concatenate(outputs.event_shape)
    targets = tf.nest.flatten(point.batch.targets)[leaf or 0].shape
    return tuple(targets), tuple(shape) if shape is not None else ()


def _step(points: list[_Point], loss: KnownLoss | None, index: int, leaf: int | None) -> float:
    """Return the change between two points, or the slope by a known loss."""
    change = points[1].value - points[0].value
    if loss is None:
        return change
    known = [_mean(loss, point, index, leaf) for point in points]
    return change / (known[1] - known[0])


def _named(term: HeadTerm, head: str, batch: Batch, growth: float) -> HeadTerm:
    """Give a term its head, and a squared error the Gaussian that it is with its constant."""
    if term.name != "squared error" or not np.isfinite(term.intercept):
        return replace(term, head=head)
    rows = batch.size if growth > 1.5 else 1
    for factor in (rows, rows / term.predictions):
        variance = factor * term.predictions / (2 * term.slope)
        for constant in (np.log(2 * np.pi), 0.0):
            wanted = 0.5 * factor * term.predictions * (constant + np.log(variance))
            if (
                variance > 0
                and abs(term.intercept - wanted) < 1e-3 * (1 + abs(wanted))
                and abs(wanted) > 1e-6
            ):
                return replace(
                    term,
                    head=head,
                    name="a Gaussian with a fixed noise",
                    role="likelihood",
                    slope=factor,
                    intercept=0.0,
                    noise=float(np.sqrt(variance)),
                )
    return replace(term, head=head)
