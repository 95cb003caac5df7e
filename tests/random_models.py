"""Random networks, data and likelihoods: the four tools must say the same of each.

    python tests/random_models.py --count 10000            # seeds 0 … 9999
    python tests/random_models.py --first 4711 --count 1   # one of them again

All scales are tiny, so that each number has one value. A seed is a fault if two tools disagree, a
tool disagrees with NumPy or with `evaluate` of Keras, or raises what it does not promise.
"""

import argparse
import collections
import pathlib
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from accepts_cells import PROMISED, FaultError, is_ours, same  # noqa: E402
from readers_networks import (  # noqa: E402
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
    parameters,
)

from helpers.checkup import checkup  # noqa: E402
from helpers.losses.by_layer import losses_by_layer  # noqa: E402
from helpers.prediction.predict import predict_by_draws  # noqa: E402
from helpers.training.train import train_by_elbo  # noqa: E402

tfd, tfpl, layers = tfp.distributions, tfp.layers, tf_keras.layers

TOOLS = ("table", "evaluate", "prediction", "checkup", "training")
# What a usual run asks of a network: NumPy stands beside each, so that all tools are compared.
# A check-up takes as long as six predictions.
TURNS = (
    ("checkup",),
    ("training",),
    ("prediction", "evaluate"),
    ("table",),
    ("training",),
    ("prediction", "evaluate"),
    ("table",),
    ("prediction", "evaluate"),
)

FAMILIES = ("DenseFlipout", "DenseReparameterization", "DenseLocalReparameterization")
ACTIVATIONS = (None, "relu", "tanh", "softplus")
WAYS = ("compiled", "said", "two", "one")
FORMS = ("array", "frame", "tuple", "dataset", "lists")


@dataclass
class Drawn:
    """A random network with its data.

    Attributes
    ----------
    network
        Built; its initial weights are the state that is asked about.
    prior_scales
        Of each Bayesian layer, by its name.
    divisor
        Of the KL.
    l2
        By the name of a plain layer.
    way
        How the likelihood is said.
    text
        The network in words, for a report.
    """

    network: Any
    x: Any
    y: Any
    head: Head
    prior_scales: dict[str, float]
    divisor: float
    l2: dict[str, float]
    way: str
    form: str
    text: str


def _targets(kind: str, rng: Any, size: int, columns: int) -> Any:
    if kind in ("logits", "softmax"):
        return rng.integers(0, columns, size=size)
    if kind == "one-hot":
        return np.eye(columns, dtype="float32")[rng.integers(0, columns, size=size)]
    if kind == "bernoulli":
        return rng.integers(0, 2, size=(size, columns)).astype("float32")
    if kind == "poisson":
        return rng.poisson(2.0, size=(size, columns)).astype("float32")
    return rng.normal(size=(size, columns)).astype("float32")


HEADS: dict[str, tuple[Head, Callable[[int], Any], int]] = {
    "logits": (LOGITS, lambda n: None, 1),
    "softmax": (PROBABILITIES, lambda n: layers.Softmax(), 1),
    "values": (VALUES, lambda n: None, 1),
    "one-hot": (ONE_HOT, tfpl.OneHotCategorical, 1),
    "bernoulli": (BERNOULLI, tfpl.IndependentBernoulli, 1),
    "poisson": (POISSON, tfpl.IndependentPoisson, 1),
    "normal": (
        NORMAL,
        lambda n: tfpl.DistributionLambda(
            lambda t: tfd.Independent(tfd.Normal(t[..., :n], 0.1 + tf.nn.softplus(t[..., n:])), 1)
        ),
        2,
    ),
}


def drawn(seed: int) -> Drawn:
    """Return the network of a seed."""
    rng = np.random.default_rng(seed)
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(seed)
    size, features = int(rng.integers(5, 13)), int(rng.integers(1, 6))
    kind = str(rng.choice(list(HEADS)))
    head, end, per_column = HEADS[kind]
    columns = int(rng.integers(2, 5)) if kind in ("logits", "softmax", "one-hot") else 1
    columns = (
        int(rng.integers(1, 4)) if kind in ("bernoulli", "poisson", "normal", "values") else columns
    )
    divisor = float(rng.choice([1.0, size, 50.0, 3.7]))
    sizes = [int(rng.integers(2, 7)) for _ in range(rng.integers(0, 3))]
    made, scales, l2, words = [], {}, {}, []
    for index, units in enumerate([*sizes, per_column * columns]):
        is_last = index == len(sizes)
        activation = None if is_last else rng.choice(np.array(ACTIVATIONS, object))
        layer, scale, penalty = _layer(rng, units, activation, divisor, f"layer{index}", is_last)
        made.append(layer)
        scales |= {} if scale is None else {layer.name: scale}
        l2 |= {} if penalty is None else {layer.name: penalty}
        words.append(f"{type(layer).__name__}({units}, {activation})")
    last = end(columns)
    network = tf_keras.Sequential([*made, *([] if last is None else [last])])
    x = rng.normal(size=(size, features)).astype("float32")
    network(tf.constant(x))
    way, form = str(rng.choice(WAYS)), str(rng.choice(FORMS))
    text = f"seed {seed}: {' > '.join(words)}, {kind}, KL / {divisor:g}, {size} rows, {way}, {form}"
    y = _targets(kind, rng, size, columns)
    return Drawn(network, x, y, head, scales, divisor, l2, way, form, text)


def _layer(
    rng: Any, units: int, activation: Any, divisor: float, name: str, is_last: bool
) -> tuple[Any, float | None, float | None]:
    """Return a layer, the scale of its prior (None: no posterior), its L2 (None: none)."""
    choice = int(rng.integers(0, 5))
    scale = float(rng.choice([1.0, 0.3, 2.5]))
    if choice == 4 and not is_last:
        l2 = float(rng.choice([0.0, 0.02]))
        penalty = tf_keras.regularizers.L2(l2) if l2 else None
        plain = layers.Dense(units, activation, kernel_regularizer=penalty, name=name)
        return plain, None, l2 or None
    if choice == 3:
        return _variational(units, activation, divisor, name, scale), scale, None
    start = tf_keras.initializers.Constant(NARROW)
    posterior = tfpl.default_mean_field_normal_fn(untransformed_scale_initializer=start)

    def prior(dtype: Any, shape: Any, *_: Any) -> Any:
        normal = tfd.Normal(tf.zeros(shape, dtype), tf.constant(scale, dtype))
        return tfd.Independent(normal, tf.size(normal.batch_shape_tensor()))

    options = {"kernel_prior_fn": prior, "kernel_divergence_fn": divided(divisor)}
    if rng.integers(0, 2):
        options |= {
            "bias_posterior_fn": posterior,
            "bias_prior_fn": prior,
            "bias_divergence_fn": divided(divisor),
        }
    made = getattr(tfpl, FAMILIES[choice % 3])
    layer = made(units, activation, kernel_posterior_fn=posterior, name=name, **options)
    return layer, scale, None


def _variational(units: int, activation: Any, divisor: float, name: str, scale: float) -> Any:
    def prior(kernel: int, bias: int = 0, dtype: Any = None) -> Any:
        return lambda _: tfd.Independent(tfd.Normal(tf.zeros(kernel + bias, dtype), scale), 1)

    return tfpl.DenseVariational(
        units,
        mean_field(NARROW),
        prior,
        kl_weight=1 / divisor,
        kl_use_exact=True,
        activation=activation,
        name=name,
    )


def kls(model: Drawn) -> dict[str, float]:
    """Return the KL of each layer from its variables, float64, in nats."""
    found = {}
    for layer in model.network.layers:
        if layer.name not in model.prior_scales:
            continue
        values = [v.numpy().astype(float) for v in layer.weights]
        if type(layer).__name__ == "DenseVariational":
            mean, rho = np.split(values[0], 2)
            pairs = [(mean, np.logaddexp(0, rho))]
        else:
            pairs = [
                (
                    getattr(layer, f"{part}_posterior").distribution.loc.numpy().astype(float),
                    getattr(layer, f"{part}_posterior").stddev().numpy().astype(float),
                )
                for part in ("kernel", "bias")
                if f"{part}_posterior_untransformed_scale"
                in " ".join(v.name for v in layer.weights)
            ]
        scale = model.prior_scales[layer.name]
        found[layer.name] = sum(
            float(np.sum(0.5 * ((s**2 + m**2) / scale**2 - 1) - np.log(s / scale)))
            for m, s in pairs
        )
    return found


def penalty(model: Drawn) -> float:
    """Return the L2 of the plain layers."""
    named = {layer.name: layer for layer in model.network.layers}
    parts = (l2 * np.sum(named[n].kernel.numpy().astype(float) ** 2) for n, l2 in model.l2.items())
    return float(sum(parts))


def _data(model: Drawn) -> tuple[Any, Any]:
    if model.form == "dataset":
        pairs = tf.data.Dataset.from_tensor_slices((model.x, model.y))
        return pairs.batch(len(model.x)), None
    forms: dict[str, Callable[[Any], Any]] = {
        "array": lambda x: x,
        "frame": pd.DataFrame,
        "tuple": lambda x: (x,),
        "lists": lambda x: x.tolist(),
    }
    return forms[model.form](model.x), model.y


def _said(model: Drawn) -> Any:
    """Compile the network, or return what is passed as likelihood."""
    head = model.head
    if model.way == "compiled":
        model.network.compile(tf_keras.optimizers.SGD(0.01), head.loss or head.of_two)
        return None
    return {"said": head.loss or head.of_two, "two": head.of_two, "one": head.of_one}[model.way]


def check(seed: int, tools: tuple[str, ...] = TOOLS) -> str:
    """Ask the tools, all by default, about the network of a seed; return what it was.

    Raises
    ------
    FaultError
        If they disagree, or one raises what it does not promise.
    """
    model = drawn(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _compare(model, tools)
        except FaultError as fault:
            raise FaultError(f"{model.text}: {fault}") from None
        except PROMISED as error:
            kind = "refused" if is_ours(error) else "not of ours"
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{kind}: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
            raise FaultError(f"{model.text}: {text}") from error
        except Exception as error:
            raise FaultError(f"{model.text}: {type(error).__name__}: {error}") from error
    return model.text


def _compare(model: Drawn, tools: tuple[str, ...]) -> None:
    layers_kl, l2 = kls(model), penalty(model)
    if not layers_kl:
        raise FaultError("the generator made no Bayesian layer")
    nats = model.head.nats(model.y, parameters(model.network(tf.constant(model.x))))
    likelihood = _said(model)
    if "table" in tools:
        _compare_table(model, layers_kl)
    if "evaluate" in tools and model.way == "compiled":
        _compare_evaluate(model, nats, sum(layers_kl.values()), l2)
    if "prediction" in tools:
        inputs, targets = _data(model)
        found = predict_by_draws(model.network, inputs, 2, likelihood=likelihood, jit_compile=False)
        same("log_predictive_density", found.log_predictive_density(targets), -nats)
    if "checkup" in tools:
        _compare_checkup(model)
    if "training" in tools:
        _compare_training(model, likelihood, nats, layers_kl, l2)


def _compare_training(
    model: Drawn, likelihood: Any, nats: Any, layers_kl: dict[str, float], l2: float
) -> None:
    """Compare the terms of a step that moves nothing."""
    inputs, targets = _data(model)
    size = len(model.x)
    history = train_by_elbo(
        model.network,
        inputs,
        targets,
        likelihood=likelihood,
        num_epochs=1,
        batch_size=None if targets is None else size,
        optimizer=tf_keras.optimizers.SGD(0.0),
        jit_compile=False,
        progress=False,
    ).iloc[0]
    kl = sum(layers_kl.values())
    same("negative_log_likelihood", history["negative_log_likelihood"], nats.mean())
    same("kl", history["kl"], kl)
    for name, value in layers_kl.items():
        parts = [v for k, v in history.items() if k.startswith(f"kl {name}")]
        same(f"kl {name}", sum(parts), value)
    same("penalty", history["penalty"], l2)
    same("loss", history["loss"], nats.mean() + kl / size + l2)


def _compare_table(model: Drawn, layers_kl: dict[str, float]) -> None:
    table = losses_by_layer(model.network, model.x)
    is_kl = table["kind"].str.startswith("KL")
    found = table[is_kl].groupby("layer")["nats"].sum()
    if set(found.index) != set(layers_kl):
        raise FaultError(f"KL rows of {set(found.index)} in place of {set(layers_kl)}")
    for name, value in layers_kl.items():
        same(f"nats of {name}", found[name], value)
    same("divisor", table[is_kl]["divisor"], np.full(is_kl.sum(), model.divisor), rtol=2e-3)


def _compare_evaluate(model: Drawn, nats: Any, kl: float, l2: float) -> None:
    """Compare NumPy with what Keras itself reports: a mean over columns, and sum(losses)."""
    outputs = parameters(model.network(tf.constant(model.x)))
    columns = outputs.shape[-1] if model.head is VALUES else 1
    total = model.network.evaluate(model.x, model.y, batch_size=len(model.x), verbose=0)
    same("evaluate", total, nats.mean() / columns + kl / model.divisor + l2)


def _compare_checkup(model: Drawn) -> None:
    """Compare the check-up's verdict on the weight of the KL with the divisor."""
    size = len(model.x)
    loss = model.head.loss or model.head.of_two
    if model.way != "compiled":
        model.network.compile(tf_keras.optimizers.SGD(0.01), loss)
    x, y = np.concatenate([model.x] * 6), np.concatenate([model.y] * 6)
    report = checkup(model.network, x, y, num_examples=size)
    weights = {"kl-not-scaled", "kl-wrong-count", "kl-counted-twice", "likelihood-averaged"}
    wrong = bool({f.kind for f in report.alarms} & weights)
    counted = size * (model.y.shape[-1] if model.head is VALUES else 1)  # Keras averages columns
    should = not np.isclose(model.divisor, counted, rtol=0.02)
    if wrong != should:
        kinds = [f"{f.verdict} {f.kind}" for f in report.findings]
        raise FaultError(f"checkup with N = {size} of a KL / {model.divisor:g} says {kinds}")
    if model.way != "compiled":
        model.network.compiled_loss = None
        model.network.loss = None


def main(arguments: list[str]) -> int:
    """Check so many seeds and report the faults; returns 1 if there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=300, help="how many seeds")
    parser.add_argument("--turns", action="store_true", help="ask one tool of each, in turn")
    options = parser.parse_args(arguments)
    faults: collections.Counter[str] = collections.Counter()
    for seed in range(options.first, options.first + options.count):
        try:
            check(seed, TURNS[seed % len(TURNS)] if options.turns else TOOLS)
        except FaultError as fault:
            faults[str(fault)] += 1
            print(f"FAULT {fault}", flush=True)
        if (seed + 1) % 100 == 0:
            print(f"up to seed {seed}: {faults.total()} faults", flush=True)
    print(f"{options.count} networks, {faults.total()} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
