"""Random networks with their data, drawn by a seed: of many bodies, layers, outputs and forms.

All scales are tiny, so that each number has one value, whatever is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from readers_networks import (
    BERNOULLI,
    LOGITS,
    NARROW,
    NORMAL,
    ONE_HOT,
    POISSON,
    PROBABILITIES,
    VALUES,
    Head,
    divided,
    mean_field,
)

tfd, tfpl, layers = tfp.distributions, tfp.layers, tf_keras.layers

FAMILIES = ("Flipout", "Reparameterization", "LocalReparameterization")
ACTIVATIONS = (None, "relu", "tanh", "softplus")
WAYS = ("compiled", "said", "two", "one")
BODIES = ("flat", "steps", "pixels", "pooled", "two inputs", "two outputs", "nested", "own model")
SEVERAL = {"steps", "pixels"}  # bodies with an output for each step or pixel
FORMS = ("array", "frame", "tuple", "dataset", "lists", "sequence")
FORMS_OF_SEVERAL = ("array", "tuple", "dataset", "lists", "sequence")
# The call of a model of one's own gets a tuple of one array as it is.
FORMS_OF_OWN = ("array", "frame", "dataset", "lists", "sequence")
FORMS_OF_TWO = ("tuple", "list", "dict", "dataset", "dataset of dicts")


@dataclass
class Part:
    """One Bayesian layer, and the normal prior of its weights.

    Attributes
    ----------
    layer
        Of whatever family.
    loc, scale
        Mean and standard deviation of the prior.
    """

    layer: Any
    loc: float
    scale: float


@dataclass
class Drawn:
    """A random network with its data.

    Attributes
    ----------
    network
        Built; its initial weights are the state that is asked about.
    inputs, targets
        Arrays, one for each input and each output.
    heads
        What each output means.
    parts
        The Bayesian layers.
    divisor
        Of the KL.
    l2
        Plain layers, each with the weight of its L2 penalty.
    way, form
        How the likelihood is said and the data are handed over.
    averaged
        Over how many numbers of an example Keras takes the mean.
    text
        The network in words, for a report.
    """

    network: Any
    inputs: tuple[Any, ...]
    targets: tuple[Any, ...]
    heads: tuple[Head, ...]
    parts: list[Part]
    divisor: float
    l2: list[tuple[Any, float]]
    way: str
    form: str
    averaged: int
    text: str

    @property
    def size(self) -> int:
        """How many examples there are."""
        return len(self.inputs[0])


@dataclass
class _Maker:
    """Draws layers, and notes what is known of them."""

    rng: Any
    divisor: float
    parts: list[Part] = field(default_factory=list)
    l2: list[tuple[Any, float]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def layer(self, units: int, body: str, *, is_last: bool) -> Any:
        """Return a layer for a body; the last one is Bayesian and has no activation."""
        activation = None if is_last else self.rng.choice(np.array(ACTIVATIONS, object))
        kinds = ["tfp", "tfp", "tfp", "variational", "own"]
        if not is_last:
            kinds += ["plain", "normalised"] + (["recurrent"] if body == "steps" else [])
        kind = "tfp" if body == "pixels" and is_last else str(self.rng.choice(kinds))
        if body == "pixels" and kind in ("variational", "own", "plain"):
            kind = "tfp"
        name = f"layer{len(self.words)}"
        made, word = getattr(self, f"_{kind}")(units, activation, body, name)
        self.words.append(f"{word}({units}, {activation})")
        return made

    def _prior(self) -> tuple[float, float]:
        return float(self.rng.choice([0.0, 0.0, 0.4])), float(self.rng.choice([1.0, 0.3, 2.5]))

    def _tfp(self, units: int, activation: Any, body: str, name: str) -> tuple[Any, str]:
        loc, scale = self._prior()
        start = tf_keras.initializers.Constant(NARROW)
        posterior = tfpl.default_mean_field_normal_fn(untransformed_scale_initializer=start)

        def prior(dtype: Any, shape: Any, *_: Any) -> Any:
            normal = tfd.Normal(tf.fill(shape, tf.constant(loc, dtype)), tf.constant(scale, dtype))
            return tfd.Independent(normal, tf.size(normal.batch_shape_tensor()))

        own = {"kernel_prior_fn": prior, "kernel_divergence_fn": divided(self.divisor)}
        if self.rng.integers(0, 2):
            own |= {
                "bias_posterior_fn": posterior,
                "bias_prior_fn": prior,
                "bias_divergence_fn": divided(self.divisor),
            }
        own |= {"activation": activation, "kernel_posterior_fn": posterior, "name": name}
        prefix, size = "Dense", ()
        if body == "pixels" or (body == "steps" and self.rng.integers(0, 2)):
            prefix = "Convolution2D" if body == "pixels" else "Convolution1D"
            size = (int(self.rng.integers(1, 4)),)
            own["padding"] = "same"
        word = prefix + FAMILIES[int(self.rng.integers(0, 3 if prefix == "Dense" else 2))]
        layer = getattr(tfpl, word)(units, *size, **own)
        self.parts.append(Part(layer, loc, scale))
        return layer, word

    def _variational(self, units: int, activation: Any, body: str, name: str) -> tuple[Any, str]:
        loc, scale = self._prior()

        def prior(kernel: int, bias: int = 0, dtype: Any = None) -> Any:
            means = tf.fill([kernel + bias], tf.constant(loc, dtype))
            return lambda _: tfd.Independent(tfd.Normal(means, scale), 1)

        layer = tfpl.DenseVariational(
            units,
            mean_field(NARROW),
            prior,
            kl_weight=1 / self.divisor,
            kl_use_exact=True,
            activation=activation,
            name=name,
        )
        self.parts.append(Part(layer, loc, scale))
        return layer, "DenseVariational"

    def _own(self, units: int, activation: Any, body: str, name: str) -> tuple[Any, str]:
        layer = OwnDense(units, activation, self.divisor, name=name)
        self.parts.append(Part(layer, 0.0, 1.0))
        return layer, "OwnDense"

    def _plain(self, units: int, activation: Any, body: str, name: str) -> tuple[Any, str]:
        weight = float(self.rng.choice([0.0, 0.02]))
        penalty = tf_keras.regularizers.L2(weight) if weight else None
        layer = layers.Dense(units, activation, kernel_regularizer=penalty, name=name)
        if weight:
            self.l2.append((layer, weight))
        return layer, "Dense"

    def _normalised(self, units: int, activation: Any, body: str, name: str) -> tuple[Any, str]:
        return layers.LayerNormalization(name=name), "LayerNormalization"

    def _recurrent(self, units: int, activation: Any, body: str, name: str) -> tuple[Any, str]:
        made = self.rng.choice(np.array([layers.SimpleRNN, layers.GRU, layers.LSTM], object))
        return made(units, return_sequences=True, name=name), made.__name__


class OwnDense(layers.Layer):
    """A dense layer as readers write it: two variables, one draw, its KL from N(0, 1) added."""

    def __init__(self, units: int, activation: Any, divisor: float, **more: Any) -> None:
        super().__init__(**more)
        self.units, self.divisor = units, divisor
        self.activate = tf_keras.activations.get(activation)

    def build(self, shape: Any) -> None:
        size = (int(shape[-1]), self.units)
        self.mu = self.add_weight("mu", size, initializer="random_normal")
        start = tf_keras.initializers.Constant(NARROW)
        self.rho = self.add_weight("rho", size, initializer=start)

    def call(self, inputs: Any) -> Any:
        sigma = tf.nn.softplus(self.rho)
        kl = 0.5 * (sigma**2 + self.mu**2 - 1) - tf.math.log(sigma)
        self.add_loss(tf.reduce_sum(kl) / self.divisor)
        return self.activate(inputs @ (self.mu + sigma * tf.random.normal(tf.shape(sigma))))


class OwnModel(tf_keras.Model):
    """A network as readers write it: the layers in a list, and a call."""

    def __init__(self, made: list[Any]) -> None:
        super().__init__()
        self.made = made

    def call(self, inputs: Any) -> Any:
        for layer in self.made:
            inputs = layer(inputs)
        return inputs


def _normal(columns: int) -> Any:
    def normal(t: Any) -> Any:
        scale = 0.1 + tf.nn.softplus(t[..., columns:])
        return tfd.Independent(tfd.Normal(t[..., :columns], scale), 1)

    return tfpl.DistributionLambda(normal)


# What the output means, the layer that makes it, its inputs for each column.
HEADS: dict[str, tuple[Head, Callable[[int], Any], int]] = {
    "logits": (LOGITS, lambda n: None, 1),
    "softmax": (PROBABILITIES, lambda n: layers.Softmax(), 1),
    "values": (VALUES, lambda n: None, 1),
    "one-hot": (ONE_HOT, tfpl.OneHotCategorical, 1),
    "bernoulli": (BERNOULLI, tfpl.IndependentBernoulli, 1),
    "poisson": (POISSON, tfpl.IndependentPoisson, 1),
    "normal": (NORMAL, _normal, 2),
}
CLASSES = ("logits", "softmax", "one-hot")


def _targets(kind: str, rng: Any, shape: tuple[int, ...], columns: int) -> Any:
    """Return targets of an output, for examples, steps or pixels of a shape."""
    if kind in ("logits", "softmax"):
        return rng.integers(0, columns, size=shape)
    if kind == "one-hot":
        return np.eye(columns, dtype="float32")[rng.integers(0, columns, size=shape)]
    if kind == "bernoulli":
        return rng.integers(0, 2, size=(*shape, columns)).astype("float32")
    if kind == "poisson":
        return rng.poisson(2.0, size=(*shape, columns)).astype("float32")
    return rng.normal(size=(*shape, columns)).astype("float32")


def _shape(body: str, rng: Any, features: int) -> tuple[int, ...]:
    """Return the shape of one example."""
    if body == "steps":
        return int(rng.integers(2, 5)), features
    if body in ("pixels", "pooled"):
        return int(rng.integers(2, 4)), int(rng.integers(2, 5)), features
    return (features,)


def drawn(seed: int) -> Drawn:
    """Return the network of a seed."""
    rng = np.random.default_rng(seed)
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(seed)
    body = BODIES[seed % len(BODIES)]
    size, features = int(rng.integers(5, 13)), int(rng.integers(1, 6))
    kinds = [str(rng.choice(list(HEADS))) for _ in range(2 if body == "two outputs" else 1)]
    columns = [int(rng.integers(2, 5) if k in CLASSES else rng.integers(1, 4)) for k in kinds]
    shape = _shape(body, rng, features)
    divisor = float(rng.choice([1.0, size, 50.0, 3.7]))
    maker = _Maker(rng, divisor)
    network, inputs = _network(maker, body, kinds, columns, (size, *shape))
    places = (size, *shape[:-1]) if body in SEVERAL else (size,)
    targets = tuple(_targets(k, rng, places, n) for k, n in zip(kinds, columns, strict=True))
    network(_one_or_all([tf.constant(x) for x in inputs]))
    way = str(rng.choice(WAYS))
    form = str(rng.choice(_forms(body)))
    words = f"{body}: {' > '.join(maker.words)}, {' and '.join(kinds)}"
    text = f"seed {seed}: {words}, KL / {divisor:g}, {size} rows, {way}, {form}"
    heads = tuple(HEADS[kind][0] for kind in kinds)
    averaged = int(np.prod(places[1:])) * (columns[0] if kinds == ["values"] else 1)
    parts = maker.parts
    return Drawn(
        network, inputs, targets, heads, parts, divisor, maker.l2, way, form, averaged, text
    )


def _forms(body: str) -> tuple[str, ...]:
    if body == "two inputs":
        return FORMS_OF_TWO
    if body == "own model":
        return FORMS_OF_OWN
    return FORMS_OF_SEVERAL if body in (*SEVERAL, "pooled") else FORMS


def _network(
    maker: _Maker, body: str, kinds: list[str], columns: list[int], shape: tuple[int, ...]
) -> tuple[Any, tuple[Any, ...]]:
    """Return a network and its inputs."""
    rng = maker.rng
    inside = "pixels" if body in ("pixels", "pooled") else body
    widths = [int(rng.integers(2, 7)) for _ in range(rng.integers(0, 3))]
    made = [maker.layer(units, inside, is_last=False) for units in widths]
    if body == "pooled":
        made.append(layers.Flatten() if rng.integers(0, 2) else layers.GlobalAveragePooling2D())
        inside = "flat"
    ends = []
    for kind, count in zip(kinds, columns, strict=True):
        _, end, per_column = HEADS[kind]
        last = end(count)
        layer = maker.layer(per_column * count, inside, is_last=True)
        ends.append([layer, *([] if last is None else [last])])
    x = rng.normal(size=shape).astype("float32")
    if body == "two inputs":
        other = rng.normal(size=(shape[0], 2)).astype("float32")
        return _functional([*made, *ends[0]], x.shape[-1], 2), (x, other)
    if body == "two outputs":
        return _of_two_outputs(made, ends, x.shape[-1]), (x,)
    every = [*made, *ends[0]]
    if body == "nested":
        cut = int(rng.integers(1, len(every))) if len(every) > 1 else 1
        return tf_keras.Sequential([tf_keras.Sequential(every[:cut]), *every[cut:]]), (x,)
    return OwnModel(every) if body == "own model" else tf_keras.Sequential(every), (x,)


def _through(made: list[Any], tensor: Any) -> Any:
    for layer in made:
        tensor = layer(tensor)
    return tensor


def _functional(made: list[Any], *widths: int) -> Any:
    names = [f"input{i}" for i in range(len(widths))]
    inputs = [tf_keras.Input((w,), name=n) for w, n in zip(widths, names, strict=True)]
    return tf_keras.Model(inputs, _through(made, layers.Concatenate()(inputs)))


def _of_two_outputs(made: list[Any], ends: list[list[Any]], width: int) -> Any:
    inputs = tf_keras.Input((width,), name="input0")
    hidden = _through(made, inputs)
    return tf_keras.Model(inputs, [_through(end, hidden) for end in ends])


# Forms of the data


def _one_or_all(items: Any) -> Any:
    return items[0] if len(items) == 1 else list(items)


class Batches(tf_keras.utils.Sequence):
    """The examples as a reader's own Sequence gives them: one batch."""

    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self.pair = (x, y)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return self.pair


def data(model: Drawn) -> tuple[Any, Any]:
    """Return inputs and targets in the network's form; targets are None where inputs hold them."""
    inputs, targets = model.inputs, _one_or_all(model.targets)
    named = {f"input{i}": x for i, x in enumerate(inputs)}
    nested = tuple(model.targets) if len(model.targets) > 1 else targets
    if model.form.startswith("dataset"):
        x = named if "dicts" in model.form else (inputs if len(inputs) > 1 else inputs[0])
        return tf.data.Dataset.from_tensor_slices((x, nested)).batch(model.size), None
    if model.form == "sequence":
        return Batches(inputs[0], nested), None
    forms: dict[str, Callable[[], Any]] = {
        "array": lambda: inputs[0],
        "frame": lambda: pd.DataFrame(inputs[0]),
        "tuple": lambda: inputs,
        "list": lambda: list(inputs),
        "dict": lambda: named,
        "lists": lambda: inputs[0].tolist(),
    }
    return forms[model.form](), targets
