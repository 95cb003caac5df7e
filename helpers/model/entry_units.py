"""What each entry of ``losses`` is: nats, nats divided by a number, a penalty, or unknown.

An entry is a KL in nats times a factor if it follows the closed form of that KL, times the same
number, in several states of the weights. Where the KL is drawn, or has no closed form, the factor
is told where all scales are tiny: there only −log σ still changes, whatever the prior is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from .loss_entries import ACTIVITY, REGULARISER, LossEntry, loss_entries
from .reachable import reachable
from .small_scales import enlarged, small_scales
from .untouched import snapshot, untouched, use_seed
from .weight_posteriors import Posterior, find_posteriors

tfd, tfpl = tfp.distributions, tfp.layers
Array = npt.NDArray[np.float64]

EntryKind = Literal["kl", "map", "activation", "regulariser", "unknown"]
SAME = 2e-3  # relative: factors that differ by less are one number
DRAWS = 64  # of a KL that has no closed form
STATES = ((1.0, 0.25), (0.0, 0.0))  # variables of a posterior · this + that: does a factor stay?
DEPTHS = (3e-5, 3e-4)  # σ at which slopes are compared; below, rounding of w − μ spoils them


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
        return name if abs(self.factor - 1) < SAME else f"{name} / {_short(self.divisor)}"


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
    with untouched(network):
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
        self.entries = self._call(seed=1)
        self.values = _values(self.entries)
        again = self._call(seed=2)
        if len(again) != len(self.entries):
            raise RuntimeError("The network adds another number of losses at each call.")
        self.is_drawn = ~np.isclose(self.values, _values(again), rtol=1e-6, atol=0)
        layers = list({id(x): x for x in network._flatten_layers()}.values())
        self.posteriors = find_posteriors(layers)

    def units(self) -> list[EntryUnit]:
        """Return what each entry is."""
        groups = self._posteriors_of_entries()
        units = [self._unit(i, group) for i, group in enumerate(groups)]
        units = self._by_slope(units)
        doubled = self._doubled(units)
        return [self._with_variable(i, unit) for i, unit in enumerate(doubled)]

    def _call(self, seed: int, inputs: Any = None) -> list[LossEntry]:
        use_seed(seed, repeatable=True)
        self.network(self.inputs if inputs is None else inputs)
        return loss_entries(self.network)

    def _posteriors_of_entries(self) -> list[tuple[Posterior, ...]]:
        """Return for each entry the posteriors of the weights that it may be about."""
        seen: dict[int, int] = {}
        found = []
        for entry in self.entries:
            place = seen.get(id(entry.layer), 0)
            seen[id(entry.layer)] = place + 1
            found.append(self._of_entry(entry, place))
        return found

    def _of_entry(self, entry: LossEntry, place: int) -> tuple[Posterior, ...]:
        own = [p for p in self.posteriors if p.layer is entry.layer]
        if entry.part in (REGULARISER, ACTIVITY) or not own:
            return ()
        if isinstance(entry.layer, tfpl.DenseVariational):
            return tuple(own)
        named = [p for p in own if p.part == entry.part]
        if named:
            return tuple(named)
        number = sum(other.layer is entry.layer for other in self.entries)
        random = [p for p in own if p.is_random]
        if number % len(random or own) == 0 and len(random) > 1:
            return (random[place % len(random)],)
        return tuple(random or own)

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
        points = [(wanted, float(self.values[index]))]
        for value, nats in self._in_other_states(index, unit.posteriors):
            points.append((nats, value))
        nats, values = np.array(points).T
        rounding = 1e-5 * abs(factor) * np.abs(nats).max()
        if np.allclose(values, factor * nats, rtol=SAME, atol=rounding):
            return replace(unit, factor=_rounded(factor))
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
        if part == ACTIVITY:
            return EntryUnit(layer, part, "regulariser")
        if not self._layer_draws(layer):
            return EntryUnit(layer, part, "regulariser")
        return EntryUnit(layer, part, "unknown", problem=_no_posterior(layer))

    def _layer_draws(self, layer: Any) -> bool:
        """Whether the layer, or the network around it, puts out other numbers at another draw."""
        variables = [v for v in layer.trainable_variables if v.dtype.is_floating]
        if not variables:
            return False
        outputs = []
        for seed in (1, 2):
            use_seed(seed, repeatable=True)
            made = (
                self.network(self.inputs, training=True)
                if _takes_training(self.network)
                else (self.network(self.inputs))
            )
            parts = tf.nest.flatten(made) if not hasattr(made, "log_prob") else [made]
            outputs.append([np.asarray(tf.convert_to_tensor(x)) for x in parts])
        return not all(np.array_equal(a, b) for a, b in zip(*outputs, strict=True))

    def _by_slope(self, units: list[EntryUnit]) -> list[EntryUnit]:
        """Return the units with the factors of drawn KLs, and of those without a closed form."""
        todo = [i for i, u in enumerate(units) if u.kind == "kl" and np.isnan(u.factor)]
        if not todo:
            return units
        factors = self._slopes(units, todo)
        for index in todo:
            pair = factors[index]
            flat = np.isfinite(pair).all() and abs(pair[0] - pair[1]) <= 0.02 * abs(pair[0])
            if not flat or pair[0] == 0:
                problem = "its slope in log σ is not that of a KL times a number"
                units[index] = replace(units[index], kind="unknown", problem=problem)
                continue
            found = replace(units[index], factor=_rounded(float(pair[1])))
            units[index] = self._without_constant(index, found)
        return units

    def _slopes(self, units: list[EntryUnit], todo: list[int]) -> dict[int, Array]:
        """Return for each entry its factor at two depths of tiny scales."""
        posteriors = list({id(p): p for i in todo for p in units[i].posteriors}.values())
        found: dict[int, list[float]] = {index: [] for index in todo}
        with small_scales(posteriors) as small:
            for depth in DEPTHS:
                by_posterior = {id(one.posterior): enlarged(one, depth) for one in small}
                for index in todo:
                    own = [by_posterior.get(id(p)) for p in units[index].posteriors if p.is_random]
                    found[index].append(self._slope(index, own))
        return {index: np.array(pair) for index, pair in found.items()}

    def _slope(self, index: int, small: list[Any]) -> float:
        """Return the mean factor by which an entry follows −log σ, over a few draws."""
        if not small or any(one is None or not one.works for one in small):
            return float("nan")
        variables = [v for one in small for v in one.posterior.variables]
        factors = []
        for seed in range(2):
            use_seed(10 + seed, repeatable=True)
            with tf.GradientTape() as tape:
                for variable in variables:
                    tape.watch(variable)
                self.network(self.inputs)
                value = tf.reduce_sum(loss_entries(self.network)[index].value)
            gradients = tape.gradient(value, variables)
            dense = [None if g is None else tf.convert_to_tensor(g).numpy() for g in gradients]
            start, parts = 0, []
            for one in small:
                size = len(one.posterior.variables)
                parts.append(one.factor(dense[start : start + size]))
                start += size
            factors.append(float(np.mean(parts)))
        return float(np.mean(factors))

    def _without_constant(self, index: int, unit: EntryUnit) -> EntryUnit:
        """Return the unit; unknown if entry / factor is another number than the KL."""
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
            before = variable.numpy()
            variable.assign(2.0 * before + 0.25)  # its fixed point, −1/4, is no weight
            value = _values(self._call(seed=1))[index]
            variable.assign(before)
            if not np.isclose(value, self.values[index], rtol=1e-4, atol=0):
                return replace(unit, variable=variable)
        return unit


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
    """Whether posterior and prior are not the same number of events of the same shape."""
    if posterior.make is None or posterior.prior() is None:
        return False
    q, p = posterior.make(), posterior.prior()
    return bool(q.batch_shape != p.batch_shape or q.event_shape != p.event_shape)


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


def _rounded(factor: float) -> float:
    """Return 1 or 1/n for a factor that is one but for rounding, else the factor."""
    if factor == 0:  # of a warm-up that begins with it
        return factor
    divisor = 1 / factor
    near = round(divisor)
    return 1 / near if near >= 1 and abs(divisor / near - 1) < 1e-3 else factor


def _short(number: float) -> str:
    near = round(number)
    return f"{near:,}" if near and abs(number / near - 1) < 1e-4 else f"{number:,.5g}"


def _scalars(layer: Any, posteriors: tuple[Posterior, ...]) -> list[Any]:
    """Return the scalar variables that a layer's divergences refer to, and that may weigh them."""
    names = ("kernel_divergence_fn", "bias_divergence_fn", "_kl_divergence_fn")
    roots: list[Callable[..., Any]] = [f for n in names if (f := getattr(layer, n, None))]
    if not roots and not type(layer).__module__.startswith(("tensorflow_probability", "tf_keras")):
        roots = [v for v in vars(layer).values() if isinstance(v, tf.Variable) or callable(v)]
    # A trained scalar of the layer's own is a parameter of its posterior or prior, no weight.
    own = {id(v) for p in posteriors for v in p.variables if v.trainable or v.shape.rank != 0}
    found = [x for x in reachable(*roots) if isinstance(x, tf.Variable) and id(x) not in own]
    return [v for v in found if v.shape.rank == 0 and v.dtype.is_floating]


def _is_activation_kl(layer: Any) -> bool:
    """Whether a layer of TFP's adds the KL of its outputs."""
    kinds = (tfpl.KLDivergenceRegularizer,)
    return isinstance(layer, tfpl.KLDivergenceAddLoss) or isinstance(
        getattr(layer, "activity_regularizer", None), kinds
    )


def _takes_training(network: Any) -> bool:
    return bool(getattr(network, "_expects_training_arg", False))


def _not_proportional(nats: Array, values: Array) -> str:
    slope, constant = np.polyfit(nats, values, 1)
    if np.allclose(values, slope * nats + constant, rtol=SAME) and slope > 0:
        return (
            f"it is the KL / {_short(1 / slope)} {'+' if constant >= 0 else '-'} "
            f"{abs(constant):.4g}, and that constant is no KL"
        )
    return "it does not follow the KL of the layer's posterior and prior, times a number"


def _no_posterior(layer: Any) -> str:
    return (
        f"the layer {layer.name} draws, but holds no posterior that could be read: keep it as an "
        "attribute (self.kernel_posterior, self.kernel_prior: tfd distributions of its variables), "
        "or name its variables loc and rho"
    )
