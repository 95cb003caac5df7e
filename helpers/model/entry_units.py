"""What each entry of ``losses`` is: nats, nats divided by a number, a penalty, or unknown.

An entry is a KL in nats times a factor if it follows the closed form of that KL, times the same
number, in several states of the weights. Where the KL is drawn, or has no closed form, the factor
is told where all scales are tiny: there only −log σ still changes, whatever the prior is. The scale
variables of a reader's own layer are found by what they do to its draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from .entry_curvature import DIRECT, GRID, bends_of_means_and_scales
from .entry_floor import Pair, lowest_values, pairs_of_entry
from .finite_draws import finite_draws
from .floored_scales import LADDER, factor_above_floor
from .layer_calls import LayerCall, layer_calls
from .likelihood import flatten_heads
from .loss_entries import (
    ACTIVITY,
    ADDED,
    FROM_SAVED_MODEL,
    REGULARISER,
    LossEntry,
    is_of_saved_model,
    loss_entries,
)
from .measured_scales import (
    MeasuredPosterior,
    all_posteriors,
    has_own_variables,
    posteriors_of_network,
)
from .on_the_prior import on_the_prior
from .reachable import reachable
from .recorded_distribution import LogProb
from .recorded_draws import recorded_factor
from .small_scales import enlarged, small_scales
from .untouched import read, snapshot, untouched, use_seed
from .weight_posteriors import Posterior, find_posteriors

tfd, tfpl = tfp.distributions, tfp.layers
Array = npt.NDArray[np.float64]

EntryKind = Literal["kl", "map", "activation", "regulariser", "unknown"]
SAME = 2e-3  # relative: factors that differ by less are one number
DRAWS = 64  # of a KL that has no closed form
STATES = ((1.0, 0.25), (0.0, 0.0))  # variables of a posterior · this + that: does a factor stay?
DEPTHS = (3e-5, 3e-4)  # σ at which slopes are compared; below, rounding of w − μ spoils them
NEAR = 0.3  # relative: how well draws tell the factor of the squares
OF_SCALES = 40  # draws of which the size of a scale is told
SLOPES = 6  # draws of which the slope is the mean, of a KL that is drawn by a formula


@dataclass(frozen=True, eq=False)
class EntryUnit:
    """What one entry of ``losses`` is.

    Attributes
    ----------
    layer, part
        Whose it is, as in :class:`~helpers.model.loss_entries.LossEntry`.
    kind
        "kl" (of weights), "map" (−log p of weights that are one number each), "activation" (a KL
        of activations, a mean over the batch), "regulariser" (a penalty that is no KL) or
        "unknown".
    factor
        The entry is ``factor`` · nats, for "kl" and "map"; else NaN.
    posteriors
        Of the weights that it is about.
    is_drawn
        Whether it is a Monte Carlo estimate, another number at each call.
    per_row
        Whether it is divided by the number of rows of the batch.
    variable
        The variable that multiplies it, if there is one.
    problem
        Why it is "unknown".
    """

    layer: Any
    part: str
    kind: EntryKind
    factor: float = float("nan")
    posteriors: tuple[Posterior, ...] = ()
    is_drawn: bool = False
    per_row: bool = False
    variable: Any = None
    problem: str = ""

    @property
    def divisor(self) -> float:
        """By what the nats are divided in the entry; NaN where they are not known."""
        return 1.0 / self.factor if self.factor else float("nan")

    @property
    def in_words(self) -> str:
        """What the entry is, for a table."""
        if self.kind not in ("kl", "map"):
            return {"activation": "KL of activations"}.get(self.kind, self.kind)
        name = "KL" if self.kind == "kl" else "-log prior"
        name += ", drawn" if self.is_drawn and self.kind == "kl" else ""
        if self.variable is not None:
            return f"{name} × variable {self.variable.name.split(':')[0]}"
        if self.per_row:
            return f"{name} / rows of the batch"
        if abs(self.factor - 1) < SAME:
            return name
        return f"{name} / {_short(self.divisor)}"


def entry_units(network: Any, inputs: Any) -> list[EntryUnit]:
    """Return what each entry of ``losses`` is, in its order; the network is left as it was.

    Entries of TFP's own divergence that equal the KL as it is now need no second look.

    Parameters
    ----------
    network
        A ``tf_keras`` model or layer that was called before.
    inputs
        A few examples, as tensors.
    """
    known = _known_at_sight(network)
    if known is not None:
        return known
    with untouched(network), finite_draws():
        return _Probe(network, inputs).units()


def example_inputs(network: Any, rows: int = 2) -> Any | None:
    """Return zeros of the shape that a built network takes; ``None`` where that is not known."""
    inputs = getattr(network, "inputs", None)
    if inputs:
        if any(None in tuple(x.shape[1:]) or x.dtype == tf.string for x in inputs):
            return None
        zeros = [tf.zeros([rows, *x.shape[1:]], x.dtype) for x in inputs]
        nested = getattr(network, "_nested_inputs", None)
        return zeros[0] if nested is None else tf.nest.pack_sequence_as(nested, zeros)
    shape = getattr(network, "_build_input_shape", None)
    if not isinstance(shape, (tuple, list, tf.TensorShape)):
        return None
    sizes = tf.TensorShape(shape) if _is_shape(shape) else None
    if sizes is None or sizes.rank is None or None in sizes.as_list()[1:]:
        return None
    return tf.zeros([rows, *sizes.as_list()[1:]], tf_keras.backend.floatx())


def _known_at_sight(network: Any) -> list[EntryUnit] | None:
    """Return the units if all entries are regularisers, and KLs in nats of TFP's own making."""
    posteriors = find_posteriors(network._flatten_layers())
    units = []
    for layer, part, value in loss_entries(network):
        own = tuple(p for p in posteriors if p.layer is layer and p.part == part)
        if part == REGULARISER:
            units.append(EntryUnit(layer, part, "regulariser"))
        elif own and _is_tfps_divergence(layer, part) and not tf.is_symbolic_tensor(value):
            wanted = closed_form(own)
            if wanted is None or not np.isclose(float(tf.reduce_sum(value)), wanted, rtol=1e-4):
                return None
            kind: EntryKind = "kl" if own[0].is_random else "map"
            units.append(EntryUnit(layer, part, kind, 1.0, own))
        else:
            return None
    return units


def _is_tfps_divergence(layer: Any, part: str) -> bool:
    divergence = getattr(layer, f"{part}_divergence_fn", None)
    modules = type(layer).__module__, str(getattr(divergence, "__module__", ""))
    return all(name.startswith("tensorflow_probability") for name in modules)


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tf.TensorShape) or all(x is None or isinstance(x, int) for x in shape)


class _Probe:
    """Calls a network in several states, and compares its entries with KLs."""

    def __init__(self, network: Any, inputs: Any) -> None:
        self.network, self.inputs = network, inputs
        self.layers = list({id(x): x for x in network._flatten_layers()}.values())
        found = reachable(network)
        self.generators = [x for x in found if isinstance(x, tf.random.Generator)]
        self.entries = self._call(seed=1)
        self.values = _values(self.entries)
        self.is_drawn = self._differ(seed=2)
        self.is_counted = self._differ(seed=1) if self.is_drawn.any() else self.is_drawn
        self.calls = self._layer_calls()
        self.posteriors = all_posteriors(self.layers, self.calls.values())
        self.seen: set[int] = set()  # entries whose log-densities were seen

    def units(self) -> list[EntryUnit]:
        """Return what each entry is."""
        groups = self._posteriors_of_entries()
        first = self._first_of_its_kind(groups)
        units: list[EntryUnit] = []
        for index, group in enumerate(groups):
            known = first[index] != index
            units.append(units[first[index]] if known else self._unit(index, group))
        units = self._by_slope(units, [i for i, place in enumerate(first) if i == place])
        units = self._with_penalties(self._without_penalty(self._without_floor(units)))
        units = [units[place] for place in first]
        doubled = self._doubled(units)
        return [self._with_variable(i, unit) for i, unit in enumerate(doubled)]

    def _first_of_its_kind(self, groups: list[tuple[Posterior, ...]]) -> list[int]:
        """Return for each entry the place of the first that is the same number of the same layer.

        A layer that is called at each step adds its KL as often.
        """
        places: dict[Any, int] = {}
        first = []
        for index, (entry, group) in enumerate(zip(self.entries, groups, strict=True)):
            kind = id(entry.layer), entry.part, tuple(map(id, group)), self.values[index]
            first.append(index if not group else places.setdefault(kind, index))
        return first

    def _call(self, seed: int, inputs: Any = None) -> list[LossEntry]:
        use_seed(seed, repeatable=True)
        for generator in self.generators:
            generator.reset_from_seed(seed)
        self.outputs = self.network(self.inputs if inputs is None else inputs)
        return loss_entries(self.network)

    def _differ(self, seed: int) -> npt.NDArray[np.bool_]:
        """Return which entries are other numbers in another call [entry]."""
        again = self._call(seed)
        if len(again) != len(self.entries):
            raise RuntimeError("The network adds another number of losses at each call.")
        return ~np.isclose(self.values, _values(again), rtol=1e-6, atol=0)

    def _layer_calls(self) -> dict[int, LayerCall]:
        """Return the calls of the layers that may draw weights of their own."""
        if not any(entry.part == ADDED for entry in self.entries):
            return {}
        own = [x for x in self.layers if has_own_variables(x)]
        return layer_calls(own, lambda: self._call(seed=1), self.generators)

    def _posteriors_of_entries(self) -> list[tuple[Posterior, ...]]:
        """Return for each entry the posteriors of the weights that it may be about."""
        used = self._used() if any(entry.part == ADDED for entry in self.entries) else []
        return [self._of_entry(index, entry, used) for index, entry in enumerate(self.entries)]

    def _of_entry(self, index: int, entry: LossEntry, used: list[set[int]]) -> tuple[Any, ...]:
        if entry.part in (REGULARISER, ACTIVITY):
            return ()
        own = [p for p in self.posteriors if p.layer is entry.layer]
        if entry.part != ADDED:
            same = [p for p in own if p.part == entry.part]
            is_joint = isinstance(entry.layer, tfpl.DenseVariational)
            return tuple(own if is_joint else same)
        if not own:  # of the layers inside, as of the cell of an RNN
            inside = {id(x) for x in entry.layer._flatten_layers()}
            own = [p for p in self.posteriors if id(p.layer) in inside]
        if not own:
            return ()
        random = [p for p in own if p.is_random and _has_scale(p, used[index])]
        points = [p for p in own if not p.is_random and _is_point_of(p, used[index])]
        return tuple(random or points)

    def _used(self) -> list[set[int]]:
        """Return for each entry the ``id`` of the variables on which it depends."""
        means = [v for p in self.posteriors if isinstance(p, MeasuredPosterior) for v in p.means]
        several = [v for p in self.posteriors for v in p.variables] + means
        variables = list({id(v): v for v in several}.values())
        with tf.GradientTape(persistent=True) as tape:
            for variable in variables:
                tape.watch(variable)
            values = [tf.reduce_sum(entry.value) for entry in self._call(seed=1)]
        gradients = [tape.gradient(value, variables) for value in values]
        return [
            {id(v) for v, g in zip(variables, row, strict=True) if g is not None}
            for row in gradients
        ]

    def _unit(self, index: int, posteriors: tuple[Posterior, ...]) -> EntryUnit:
        """Return what can be said of one entry without making scales tiny."""
        entry = self.entries[index]
        if not posteriors:
            return self._without_posterior(index)
        random = any(p.is_random for p in posteriors)
        unit = EntryUnit(
            entry.layer,
            entry.part,
            "kl" if random else "map",
            posteriors=posteriors,
            is_drawn=bool(self.is_drawn[index]),
        )
        if self.is_counted[index]:
            return replace(unit, kind="unknown", is_drawn=False, problem=COUNTED)
        if unit.is_drawn and random:
            return unit
        wanted = closed_form(posteriors)
        if any(differ_in_shape(p) for p in posteriors):
            problem = "posterior and prior have different shapes, so their densities are broadcast"
            return replace(unit, kind="unknown", problem=problem)
        if wanted is None or not np.isfinite(wanted) or wanted == 0:
            return unit
        return self._by_closed_form(index, unit, wanted)

    def _by_closed_form(self, index: int, unit: EntryUnit, wanted: float) -> EntryUnit:
        """Return the unit with its factor, if that stays the same in other states."""
        factor = float(self.values[index] / wanted)
        if factor == 0:  # of a warm-up that begins with it, if a variable multiplies it
            return replace(unit, factor=0.0)
        points = [(wanted, float(self.values[index]))]
        for value, nats in self._in_other_states(index, unit.posteriors):
            points.append((nats, value))
        if len(points) < 2:  # no other state had a number: told by its slope
            return unit
        nats, values = np.array(points).T
        rounding = 1e-5 * abs(factor) * np.abs(nats).max()
        if np.allclose(values, factor * nats, rtol=SAME, atol=rounding):
            return replace(unit, factor=_rounded(factor, 1e-5))
        return replace(unit, kind="unknown", problem=_not_proportional(nats, values))

    def _in_other_states(
        self, index: int, posteriors: tuple[Posterior, ...]
    ) -> Iterator[tuple[float, float]]:
        """Yield (entry, closed form) with the variables of the posteriors moved about."""
        variables = list({id(v): v for p in posteriors for v in p.variables}.values())
        put_back = snapshot(variables)
        try:
            for times, plus in STATES:
                for variable in variables:
                    variable.assign(times * variable + plus)
                value = _values(self._call(seed=1))[index]
                wanted = closed_form(posteriors)
                put_back()
                if wanted is not None and np.isfinite(wanted) and np.isfinite(value):
                    yield float(value), wanted
        finally:
            put_back()

    def _without_posterior(self, index: int) -> EntryUnit:
        """Return what an entry is that belongs to no posterior."""
        entry = self.entries[index]
        layer, part = entry.layer, entry.part
        if part == REGULARISER:
            return EntryUnit(layer, part, "regulariser")
        if _is_activation_kl(layer):
            return EntryUnit(layer, part, "activation")
        if is_of_saved_model(layer):
            return EntryUnit(layer, part, "unknown", problem=FROM_SAVED_MODEL)
        if part == ACTIVITY:
            return EntryUnit(layer, part, "regulariser")
        if any(x.draws or not x.can_repeat for x in self._calls_inside(layer)):
            return EntryUnit(layer, part, "unknown", problem=_no_posterior(layer))
        if self._is_of_draws(index) and (not layer.variables or self._depends_on_inputs(index)):
            return EntryUnit(layer, part, "unknown", problem=_of_inputs(layer))
        if self._depends_on_inputs(index) and self._draws_codes():
            return EntryUnit(layer, part, "unknown", problem=MAY_BE_OF_CODES)
        return EntryUnit(layer, part, "regulariser")

    def _depends_on_inputs(self, index: int) -> bool:
        """Whether an entry is another number where all examples are the first one."""
        first = tf.nest.map_structure(lambda x: tf.repeat(x[:1], len(x), axis=0), self.inputs)
        value = _values(self._call(seed=1, inputs=first))[index]
        return not np.isclose(value, self.values[index], rtol=1e-5)

    def _draws_codes(self) -> bool:
        """Whether something without weights draws: a code, as in a variational autoencoder."""
        may_draw = [layer for layer in self.layers if _may_sample(layer)]
        calls = layer_calls(may_draw, lambda: self._call(seed=1), self.generators)
        return any(call.draws for call in calls.values())

    def _calls_inside(self, layer: Any) -> list[LayerCall]:
        """Return the calls of a layer, and of the layers inside."""
        inside = {id(x) for x in layer._flatten_layers()}
        return [call for key, call in self.calls.items() if key in inside]

    def _is_of_draws(self, index: int) -> bool:
        """Whether a layer, not the whole network, draws that adds an entry."""
        layer = self.entries[index].layer
        call = layer_calls([layer], lambda: self._call(seed=1), self.generators).get(id(layer))
        return call is not None and not isinstance(layer, tf_keras.Model) and call.draws

    def _by_slope(self, units: list[EntryUnit], chosen: list[int]) -> list[EntryUnit]:
        """Return the units with the factors of drawn KLs, and of those without a closed form."""
        todo = [i for i in chosen if units[i].kind == "kl" and np.isnan(units[i].factor)]
        if not todo:
            return units
        factors = self._slopes(units, todo)
        floors = self._floors(units, todo)
        for index in todo:
            exact, *pair = factors[index]
            known = index in self.seen or abs(pair[0] - pair[1]) <= 0.02 * abs(pair[0])
            known = known and pair[0] != 0  # it is 0 where σ is clipped at a floor
            if not known and np.isfinite(pair).all():
                exact = self._above_floor(index, units[index])
                known = bool(np.isfinite(exact))
            if not known and self.is_drawn[index]:
                exact = self._by_density(index, units[index])
                known = bool(np.isfinite(exact))
            if not known:
                layer = units[index].layer
                problem = _zero() if self.values[index] == 0 else _no_plateau(layer)
                units[index] = replace(units[index], kind="unknown", problem=problem)
                continue
            found = replace(units[index], factor=exact)
            if index not in self.seen:  # the densities of one draw left no room for a constant
                found = self._without_constant(index, found, floors.get(index))
            units[index] = found
        return units

    def _floors(self, units: list[EntryUnit], todo: list[int]) -> dict[int, float]:
        """Return how low entries can get that have no closed form and are not drawn."""
        chosen = [
            i for i in todo if not self.is_drawn[i] and closed_form(units[i].posteriors) is None
        ]
        return lowest_values(
            {i: [p for p in units[i].posteriors if p.is_random] for i in chosen},
            self._values_of_call,
        )

    def _values_of_call(self) -> list[Any]:
        self.network(self.inputs)
        return [entry.value for entry in loss_entries(self.network)]

    def _slopes(
        self, units: list[EntryUnit], todo: list[int]
    ) -> dict[int, tuple[float, float, float]]:
        """Return for each entry its factor as well as it is known, and at two depths of scales."""
        posteriors = list({id(p): p for i in todo for p in units[i].posteriors}.values())
        found: dict[int, list[float]] = {index: [] for index in todo}
        with small_scales(posteriors) as small:
            for depth in DEPTHS:
                by_posterior = {id(one.posterior): enlarged(one, depth) for one in small}
                for index in todo:
                    own = [by_posterior.get(id(p)) for p in units[index].posteriors if p.is_random]
                    slopes = self._slope(index, own, range(2 if self.is_drawn[index] else 1))
                    if not found[index]:  # the lesser depth: less is left of prior and data
                        found[index].append(self._exactly(index, own, slopes))
                    found[index].append(float(np.mean(slopes)))
        return {index: (a, b, c) for index, (a, b, c) in found.items()}

    def _seen_factor(
        self,
        index: int,
        about: float | None,
        is_posterior: Callable[[LogProb], bool] = lambda _: True,
    ) -> float | None:
        """Return the factor of an entry by the log-densities of its draw, where they are seen."""

        def call(seed: int) -> float:
            """Return the entry of ``losses`` after a call of the network at a seed."""
            return float(_values(self._call(seed))[index])

        seen = recorded_factor(call, about, is_posterior)
        if seen is not None:
            self.seen.add(index)
        return seen

    def _above_floor(self, index: int, unit: EntryUnit) -> float:
        """Return the factor of a KL whose scales have a floor, NaN if it is none."""
        random = [p for p in unit.posteriors if p.is_random]
        depths, slopes = [], []
        with small_scales(random) as small:
            for depth in LADDER:
                small = [enlarged(one, depth) for one in small]
                seeds = range(SLOPES if unit.is_drawn else 1)
                slopes.append(float(np.mean(self._slope(index, small, seeds))))
                depths.append(float(np.exp(small[0].log_scale)))  # it goes there by steps
        about = factor_above_floor(np.array(depths), np.array(slopes))
        if not np.isfinite(about) or not unit.is_drawn:
            return _rounded(about, 1e-3)
        seen = self._seen_factor(index, about)
        return _rounded(about, 1e-2) if seen is None else _rounded(seen, 1e-4)

    def _by_density(self, index: int, unit: EntryUnit) -> float:
        """Return the factor of a drawn KL by the log-density of its posterior; NaN if none.

        It needs no slope, so that a scale may have a floor, or be slow to follow its variable.
        """
        makes = [p.make for p in unit.posteriors if p.make is not None]
        if len(makes) != 1:
            return float("nan")

        def is_posterior(seen: LogProb) -> bool:
            """Whether a log-density is that of the layer's posterior at the same weights."""
            posterior = makes[0]()
            shape = posterior.batch_shape.concatenate(posterior.event_shape)
            if not shape.is_compatible_with(np.shape(seen.value)):
                return False
            own = tf.reduce_sum(posterior.log_prob(seen.value))
            return bool(np.isclose(own, tf.reduce_sum(seen.logs), rtol=1e-5))

        seen = self._seen_factor(index, None, is_posterior)
        return float("nan") if seen is None else _rounded(seen, 1e-4)

    def _exactly(self, index: int, small: list[Any], slopes: Array) -> float:
        """Return the factor from log-densities that are seen, or rounded to its precision."""
        about = float(np.mean(slopes))
        if not np.isfinite(about) or not self.is_drawn[index]:
            return _rounded(about, 1e-4)
        seen = self._seen_factor(index, about)
        if seen is not None:
            return _rounded(seen, 1e-4)
        slopes = np.append(slopes, self._slope(index, small, range(len(slopes), SLOPES)))
        error = float(np.std(slopes, ddof=1) / np.sqrt(len(slopes)) / abs(np.mean(slopes)))
        return _rounded(float(np.mean(slopes)), max(1e-4, 3 * error))

    def _slope(self, index: int, small: list[Any], seeds: range) -> Array:
        """Return the factor by which an entry follows −log σ, at each of a few draws."""
        if not small or any(one is None or not one.works for one in small):
            return np.full(len(seeds), np.nan)
        variables = [v for one in small for v in one.posterior.variables]
        factors = []
        for seed in seeds:
            with tf.GradientTape() as tape:
                for variable in variables:
                    tape.watch(variable)
                value = tf.reduce_sum(self._call(seed=10 + seed)[index].value)
            gradients = tape.gradient(value, variables)
            dense = [None if g is None else tf.convert_to_tensor(g).numpy() for g in gradients]
            start, parts = 0, []
            for one in small:
                size = len(one.posterior.variables)
                parts.append(one.factor(dense[start : start + size]))
                start += size
            near = np.ptp(parts) <= 0.02 * abs(np.mean(parts)) or self.is_drawn[index]
            factors.append(float(np.mean(parts)) if near else float("nan"))
        return np.array(factors)

    def _without_constant(self, index: int, unit: EntryUnit, floor: float | None) -> EntryUnit:
        """Return the unit; unknown if entry / factor is another number than the KL."""
        if floor is not None:
            size = sum(p.num_weights for p in unit.posteriors)
            apart = floor / unit.factor
            if abs(apart) > 2e-3 * size + 1e-5 * abs(self.values[index] / unit.factor):
                problem = _stays_above(apart)
                return replace(unit, kind="unknown", problem=problem)
            return unit
        drawn = drawn_kl(unit.posteriors)
        if drawn is None:
            return unit
        calls = range(8) if unit.is_drawn else range(1)
        nats = np.array([_values(self._call(seed=20 + s))[index] for s in calls]) / unit.factor
        error = np.hypot(drawn[1], nats.std() / np.sqrt(len(nats)) if len(nats) > 1 else 0.0)
        apart = float(nats.mean() - drawn[0])
        if abs(apart) <= 5 * error + 0.02 * abs(drawn[0]) + 1e-3:
            return unit
        problem = (
            f"beside the KL of {drawn[0]:.4g} nats it holds {apart:+.4g} nats of something else"
        )
        return replace(unit, kind="unknown", problem=problem)

    def _without_floor(self, units: list[EntryUnit]) -> list[EntryUnit]:
        """Return the units; unknown where an entry stays above the KL once that is next to 0.

        A KL below which an entry does not fall, as under free bits, shows nowhere else.
        """
        chosen = [i for i, u in enumerate(units) if u.kind == "kl" and _follows_a_formula(u)]
        if not chosen:
            return units
        calls = 8 if any(units[i].is_drawn for i in chosen) else 1
        posteriors = [p for i in chosen for p in units[i].posteriors]
        with on_the_prior(list({id(p): p for p in posteriors}.values())):
            try:
                values = np.array([_values(self._call(seed=40 + s)) for s in range(calls)])
            except Exception:  # noqa: BLE001 (a network that does not run at such weights)
                return units
            wanted = {i: closed_form(units[i].posteriors) for i in chosen}
        found = list(units)
        for index in chosen:
            nats, formula = values[:, index] / units[index].factor, wanted[index]
            if formula is None or not np.isfinite([formula, *nats]).all():
                continue
            size = sum(p.num_weights for p in units[index].posteriors)
            error = 5 * nats.std() / np.sqrt(calls) + 1e-5 * size + 1e-2 * abs(formula) + 1e-4
            apart = float(nats.mean() - formula)
            if apart > error:
                problem = _stays_above(apart)
                found[index] = replace(units[index], kind="unknown", problem=problem)
        return found

    def _without_penalty(self, units: list[EntryUnit]) -> list[EntryUnit]:
        """Return the units; unknown where an entry holds squares of the means beside the KL."""
        chosen = {
            i: unit
            for i, unit in enumerate(units)
            if unit.kind == "kl" and not self.is_drawn[i] and not _follows_a_formula(unit)
            if np.isfinite(unit.factor) and unit.factor
        }

        def call() -> list[Any]:
            """Return the entries in nats."""
            values = self._values_of_call()
            return [
                value / chosen[i].factor if i in chosen else value for i, value in enumerate(values)
            ]

        pairs = {i: pairs_of_entry(i, list(u.posteriors), call) for i, u in chosen.items()}
        found = list(units)
        for index, (mean, scale) in bends_of_means_and_scales(pairs, call).items():
            if abs(mean - scale) > 0.01 * abs(scale):
                # σ = c · softplus(ρ) looks alike in the entry alone; draws tell what σ is.
                true = self._bend_by_draws(index, pairs[index], units[index].factor)
                if abs(mean / true - 1) < NEAR < abs(scale / true - 1):
                    continue
                problem = (
                    f"beside the KL it holds {mean - scale:+.4g} μ² of each mean μ: add such a "
                    "penalty by an add_loss of its own"
                )
                found[index] = replace(units[index], kind="unknown", problem=problem)
        return found

    def _bend_by_draws(self, index: int, pairs: list[Pair], factor: float) -> float:
        """Return the factor of the squares under a Gaussian prior, by draws; NaN if unknown.

        Weights μ + σ(ρ) ε have gradients by ρ that are ε σ′ times those by μ: their root mean
        square is σ′. With the slope of the KL by ρ it gives σ, and with its height σ / s.
        """
        size = sum(int(np.prod(pair.scale.shape)) for pair in pairs)
        variables = [v for pair in pairs for v in (pair.mean, pair.scale)]
        put_back = snapshot(variables)
        try:
            for pair in pairs:
                start = DIRECT[0] if pair.is_direct else GRID[0]
                pair.mean.assign(tf.zeros_like(pair.mean))
                pair.scale.assign(tf.fill(pair.scale.shape, tf.cast(start, pair.scale.dtype)))
            slope, height, squares = 0.0, 0.0, []
            for seed in range(OF_SCALES):
                with tf.GradientTape(persistent=True) as tape:
                    for variable in variables:
                        tape.watch(variable)
                    value = tf.reduce_sum(self._call(seed=50 + seed)[index].value) / factor
                    total = tf.add_n([tf.reduce_sum(x) for x in flatten_heads(self.outputs)])
                slope = sum(float(tf.reduce_sum(tape.gradient(value, p.scale))) for p in pairs)
                height = float(value)
                for pair in pairs:
                    by_mean, by_scale = tape.gradient(total, [pair.mean, pair.scale])
                    ratio = np.asarray(by_scale, float) / np.asarray(by_mean, float)
                    squares += list(np.square(ratio[np.isfinite(ratio)]))
        except Exception:  # noqa: BLE001 (outputs that have no gradient by both)
            return float("nan")
        finally:
            put_back()
        height, slope = height / size, slope / size
        share = np.exp(-height - 0.5)  # σ / s, where σ is small beside the prior's s
        for _ in range(20):
            share = np.exp(-height - 0.5 + share**2 / 2)
        sigma = np.sqrt(np.mean(squares)) * (1 - share**2) / -slope
        return float(0.5 * (share / sigma) ** 2)

    def _with_penalties(self, units: list[EntryUnit]) -> list[EntryUnit]:
        """Return the units; penalties where a layer adds one on outputs beside the KLs inside it.

        Such an entry feels the scales through the outputs, and no longer where they are tiny.
        """
        factors = {
            id(p): abs(unit.factor)
            for unit in units
            for p in unit.posteriors
            if unit.kind == "kl" and unit.layer is p.layer
        }
        found = list(units)
        for index, unit in enumerate(units):
            inside = unit.part == ADDED and all(id(p) in factors for p in unit.posteriors)
            if unit.kind != "unknown" or not unit.posteriors or not inside:
                continue
            if not self._depends_on_inputs(index):
                continue
            _, *slopes = self._slopes(units, [index])[index]
            least = min(factors[id(p)] for p in unit.posteriors)
            if not np.all(np.abs(slopes) < 1e-3 * least):
                continue
            if self._draws_beside_weights():
                found[index] = replace(unit, problem=MAY_BE_OF_CODES)
            else:
                found[index] = EntryUnit(unit.layer, unit.part, "regulariser")
        return found

    def _draws_beside_weights(self) -> bool:
        """Whether the outputs change from seed to seed beside weights that are hardly drawn."""
        with small_scales(self.posteriors):
            one, other = (self._outputs(seed) for seed in (1, 2))
        return not np.allclose(one, other, rtol=1e-2, atol=1e-2 * np.abs(one).max())

    def _outputs(self, seed: int) -> Array:
        """Return all that the network puts out at a seed, as one long array."""
        call = LayerCall(self.network, (self.inputs,), {}, self.generators)
        return call.outputs(seed)

    def _doubled(self, units: list[EntryUnit]) -> list[EntryUnit]:
        """Return the units, those marked whose entry falls when every row is given twice."""
        twice = tf.nest.map_structure(lambda x: tf.concat([x, x], axis=0), self.inputs)
        try:
            entries = self._call(seed=1, inputs=twice)
        except Exception:  # noqa: BLE001 (a network made for one batch size)
            return units
        if len(entries) != len(units):
            return units
        ratios = _values(entries) / np.where(self.values == 0, np.nan, self.values)
        return [
            replace(unit, per_row=True)
            if unit.kind in ("kl", "map") and abs(ratio - 0.5) < 0.01 and not unit.is_drawn
            else unit
            for unit, ratio in zip(units, ratios, strict=True)
        ]

    def _with_variable(self, index: int, unit: EntryUnit) -> EntryUnit:
        """Return the unit with the scalar variable that multiplies its entry, if there is one."""
        if unit.kind not in ("kl", "map"):
            return unit
        for variable in _scalars(unit.layer, unit.posteriors):
            before = read(variable)
            variable.assign(_larger(before))
            value = _values(self._call(seed=1))[index]
            variable.assign(before)
            moves = not np.isclose(value, self.values[index], rtol=1e-4, atol=0)
            if moves and self._multiplies(index, unit, variable, value / self.values[index]):
                return replace(unit, variable=variable)
        if unit.factor == 0:
            return replace(unit, kind="unknown", factor=float("nan"), problem=_zero())
        return unit

    def _multiplies(self, index: int, unit: EntryUnit, variable: Any, ratio: float) -> bool:
        """Whether the change of a variable changes an entry by one ratio, wherever the weights are.

        That of a weight does; that of the scale of a prior changes a KL by more at other weights.
        """
        variables = list({id(v): v for p in unit.posteriors for v in p.variables}.values())
        variables = [v for v in variables if v is not variable]
        before, put_back = read(variable), snapshot(variables)
        for other in variables:
            other.assign(0.5 * other)
        try:
            here = _values(self._call(seed=1))[index]
            variable.assign(_larger(before))
            there = _values(self._call(seed=1))[index]
        finally:
            variable.assign(before)
            put_back()
        return not np.isfinite(ratio) or bool(np.isclose(there, ratio * here, rtol=1e-3, atol=0))


def confirmed(posteriors: list[Posterior], units: list[EntryUnit]) -> list[Posterior]:
    """Return the posteriors without those that may be plain weights beside a noise.

    Draws follow a weight that is multiplied by noise, as under a dropout of one's own, as they
    follow a σ that is a variable itself. Only a KL in ``losses`` tells the two apart.
    """
    about = {
        id(v) for unit in units if unit.kind == "kl" for p in unit.posteriors for v in p.variables
    }
    return [
        p
        for p in posteriors
        if not (isinstance(p, MeasuredPosterior) and p.is_direct) or id(p.variables[0]) in about
    ]


def word_on_repeated(units: list[EntryUnit]) -> str:
    """Return what to write where two layers, or a layer and the model, add one KL; else "".

    A layer that is called several times adds its own KL as often, which is another matter.
    """
    owners: dict[tuple[Any, ...], EntryUnit] = {}
    for unit in units:
        for posterior in unit.posteriors if unit.kind == "kl" else ():
            weights = (posterior.part, *map(id, posterior.variables))
            first = owners.setdefault(weights, unit)
            others = [x for x in (first.layer, unit.layer) if x is not posterior.layer]
            if first.layer is not unit.layer:
                return (
                    f"the KL of layer {posterior.name} stands in losses twice: it is added once "
                    f"more by {others[0].name}. Leave out that add_loss"
                )
    return ""


def word_on_bare(network: Any, inputs: Any, units: list[EntryUnit]) -> str:
    """Return which weights have a posterior whose KL is nowhere in ``losses``; "" if none.

    Parameters
    ----------
    network, inputs
        What was called: the network, and a few examples as tensors.
    units
        Of all entries.
    """
    known = {(id(p.layer), p.part) for unit in units for p in unit.posteriors}
    for posterior in confirmed(posteriors_of_network(network, inputs), units):
        if posterior.is_random and (id(posterior.layer), posterior.part) not in known:
            return (
                f"{posterior.name} ({posterior.part}) has a posterior, but adds no KL to losses, "
                "so there is no ELBO: leave its prior and its divergence in place, or take a layer "
                "without a posterior"
            )
    for layer in gaussian_processes(network):
        if not any(unit.layer is layer for unit in units):
            return (
                f"{layer.name} is a variational Gaussian process, whose KL is not in losses: its "
                "variational_loss holds it, where it is the last layer of a network under fit"
            )
    return ""


def gaussian_processes(network: Any) -> list[Any]:
    """Return the variational Gaussian processes of TFP inside of a network."""
    return [
        layer
        for layer in network._flatten_layers()
        if isinstance(layer, tfpl.VariationalGaussianProcess)
    ]


def closed_form(posteriors: tuple[Posterior, ...]) -> float | None:
    """Return the sum of KL(posterior ‖ prior) in nats, ``None`` where there is no formula."""
    total = 0.0
    for posterior in posteriors:
        prior = posterior.prior()
        if posterior.make is None or prior is None:
            return None
        if differ_in_shape(posterior):
            return None
        try:
            total += float(tf.reduce_sum(tfd.kl_divergence(posterior.make(), prior)))
        except NotImplementedError:
            return None
    return total


def differ_in_shape(posterior: Posterior) -> bool:
    """Whether the log-densities of a draw under posterior and prior are not of one shape.

    Then they are broadcast. One prior for each weight alike, of batch shape (), is none of these.
    """
    if posterior.make is None or posterior.prior() is None:
        return False
    q, p = posterior.make(), posterior.prior()
    if q.batch_shape == p.batch_shape and q.event_shape == p.event_shape:
        return False
    try:
        draw = q.sample()
        return bool(q.log_prob(draw).shape != p.log_prob(draw).shape)
    except (ValueError, tf.errors.InvalidArgumentError):  # not even to be broadcast
        return True


def _follows_a_formula(unit: EntryUnit) -> bool:
    """Whether the KL of an entry with a factor has a closed form."""
    return bool(np.isfinite(unit.factor) and unit.factor) and (
        closed_form(unit.posteriors) is not None
    )


def drawn_kl(posteriors: tuple[Posterior, ...]) -> tuple[float, float] | None:
    """Return an estimate of the sum of the KLs and its standard error, in nats."""
    exact = closed_form(posteriors)
    if exact is not None:
        return exact, 0.0
    draws = np.zeros(DRAWS)
    for posterior in posteriors:
        prior = posterior.prior()
        if posterior.make is None or prior is None:
            return None
        q = posterior.make()
        weights = q.sample(DRAWS, seed=(3, 1))
        logs = [tf.reshape(d.log_prob(weights), [DRAWS, -1]) for d in (q, prior)]
        draws += sum(
            sign * tf.reduce_sum(log, axis=1).numpy().astype(float)
            for sign, log in zip((1, -1), logs, strict=True)
        )
    return float(draws.mean()), float(draws.std(ddof=1) / np.sqrt(DRAWS))


def _values(entries: list[LossEntry]) -> Array:
    return np.array([float(tf.reduce_sum(entry.value)) for entry in entries])


def _rounded(factor: float, error: float) -> float:
    """Return the number of fewest digits within a relative error, or 1 / that number."""
    if not np.isfinite(factor) or factor == 0:
        return factor
    number = factor if abs(factor) > 1 else 1 / factor
    digits = range(1, 8)
    tried = (float(f"{number:.{count - 1}e}") for count in digits)
    near = next((x for x in tried if abs(x / number - 1) <= error), number)
    return near if abs(factor) > 1 else 1 / near


def _short(number: float) -> str:
    near = round(number)
    return f"{near:,}" if near and abs(number / near - 1) < 1e-4 else f"{number:,.5g}"


def _scalars(layer: Any, posteriors: tuple[Posterior, ...]) -> list[Any]:
    """Return the variables of one number that a layer's divergences refer to, counters too."""
    names = ("kernel_divergence_fn", "bias_divergence_fn", "_kl_divergence_fn")
    roots: list[Callable[..., Any]] = [f for n in names if (f := getattr(layer, n, None))]
    if not roots and not type(layer).__module__.startswith(("tensorflow_probability", "tf_keras")):
        roots = [v for v in vars(layer).values() if isinstance(v, tf.Variable) or callable(v)]
        roots.append(type(layer).call)
    # A trained scalar of the layer's own is a parameter of its posterior or prior, no weight.
    own = {id(v) for p in posteriors for v in p.variables if v.trainable or v.shape.rank != 0}
    found = [x for x in reachable(*roots) if isinstance(x, tf.Variable) and id(x) not in own]
    numbers = [v for v in found if v.shape.rank == 0 or _is_untrained_number(v)]
    return [v for v in numbers if v.dtype.is_floating or v.dtype in (tf.int32, tf.int64)]


def _is_untrained_number(variable: Any) -> bool:
    return variable.shape.num_elements() == 1 and not variable.trainable


def _larger(value: Any) -> Any:
    """Return another value of a weight, or of a counter of steps, of the same type."""
    if value.dtype.kind == "i":
        return 2 * value + value.dtype.type(1)  # its fixed point, −1, is no count
    return 2 * value + value.dtype.type(0.25)  # and −1/4 is no weight


def _may_sample(layer: Any) -> bool:
    """Whether a layer has no variables, and runs a reader's own code or one of TensorFlow's."""
    own = not type(layer).__module__.startswith(("tf_keras", "tensorflow_probability"))
    is_code = isinstance(layer, tf_keras.layers.Lambda) or type(layer).__name__ == "TFOpLambda"
    return (own or is_code) and not layer.variables


def _is_activation_kl(layer: Any) -> bool:
    """Whether a layer of TFP's adds the KL of its outputs."""
    kinds = (tfpl.KLDivergenceRegularizer,)
    return isinstance(layer, tfpl.KLDivergenceAddLoss) or isinstance(
        getattr(layer, "activity_regularizer", None), kinds
    )


def _has_scale(posterior: Posterior, used: set[int]) -> bool:
    """Whether these variables hold a scale of the posterior, and the means beside it."""
    if isinstance(posterior, MeasuredPosterior) and not _ids(posterior.means) & used:
        return False
    _, slopes = posterior.entropy_gradients()
    pairs = zip(posterior.variables, slopes, strict=True)
    return any(id(v) in used and np.any(slope) for v, slope in pairs)


def _is_point_of(posterior: Posterior, used: set[int]) -> bool:
    """Whether these variables hold the point at which a posterior with a prior stands."""
    if posterior.make is None or posterior.prior() is None:
        return False
    with tf.GradientTape() as tape:
        for variable in posterior.variables:
            tape.watch(variable)
        point = posterior.make().mean()
    slopes = tape.gradient(point, posterior.variables)
    own = [v for v, slope in zip(posterior.variables, slopes, strict=True) if slope is not None]
    return bool(_ids(own) & used)


def _ids(variables: Iterable[Any]) -> set[int]:
    return {id(variable) for variable in variables}


def _not_proportional(nats: Array, values: Array) -> str:
    slope, constant = np.polyfit(nats, values, 1)
    moves = np.ptp(values) > SAME * np.abs(values).max()
    if moves and slope > 0 and np.allclose(values, slope * nats + constant, rtol=SAME):
        return (
            f"it is the KL / {_short(1 / slope)} {'+' if constant >= 0 else '-'} "
            f"{abs(constant):.4g}, and that constant is no KL"
        )
    return "it does not follow the KL of the layer's posterior and prior, times a number"


COUNTED = (
    "it is another number at each call though the draws are the same, as beside a weight that "
    "counts the calls: give the KL the weight that training ends with, or keep that weight in a "
    "tf.Variable(..., trainable=False) that a callback moves"
)


def _stays_above(nats: float) -> str:
    return (
        f"it does not go down to 0, as a KL does, but to {nats:.4g} nats: let the divergence "
        "return the KL alone, without a floor (free bits) or a constant"
    )


def _zero() -> str:
    return (
        "it is 0 now, as beside a weight of 0, so there is nothing to compare: give the KL the "
        "weight that training ends with"
    )


def _no_plateau(layer: Any) -> str:
    if isinstance(layer, tfpl.DenseVariational):
        return (
            "its slope in log σ is not that of a KL times a number; of a DenseVariational layer "
            "that is known for a posterior whose variables are means and scales, as of "
            "tfpl.IndependentNormal or tfpl.MultivariateNormalTriL"
        )
    return (
        "its slope in log σ is not that of a KL times a number; if it is one, keep its "
        "distributions as attributes of the layer (self.kernel_posterior and self.kernel_prior), "
        "so that the two can be compared"
    )


def _no_posterior(layer: Any) -> str:
    return (
        f"the layer {layer.name} draws, but no variable was found to be the scale of its draws: "
        "keep its distributions as attributes (self.kernel_posterior and self.kernel_prior, tfd "
        "distributions of its variables), or give the scale a variable of the shape of the means, "
        "σ = softplus(rho) or exp(rho)"
    )


MAY_BE_OF_CODES = (
    "it depends on the inputs, beside a draw that has no weights, so it may be the KL of codes, as "
    "in a variational autoencoder; for one use tfpl.KLDivergenceRegularizer or "
    "tfpl.KLDivergenceAddLoss, which are known, and for a penalty activity_regularizer="
)


def _of_inputs(layer: Any) -> str:
    return (
        f"the layer {layer.name} draws, and this is no KL of weights of its own; for a "
        "KL of codes use tfpl.KLDivergenceRegularizer or tfpl.KLDivergenceAddLoss, which are known"
    )
