"""Random networks, data and likelihoods: the four tools must say the same of each.

    python tests/random_models.py --count 10000            # seeds 0 … 9999
    python tests/random_models.py --first 4711 --count 1   # one of them again

A seed is a fault if two tools disagree, a tool disagrees with NumPy or with `evaluate` of Keras, or
raises what it does not promise.
"""

import argparse
import collections
import pathlib
import sys
import traceback
import warnings
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from accepts_cells import PROMISED, FaultError, is_ours, same  # noqa: E402
from random_networks import Drawn, data, drawn  # noqa: E402
from readers_networks import VALUES, parameters  # noqa: E402

from helpers.checkup import checkup  # noqa: E402
from helpers.losses.by_layer import losses_by_layer  # noqa: E402
from helpers.prediction.predict import predict_by_draws  # noqa: E402
from helpers.training.train import train_by_elbo  # noqa: E402

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
)  # seven, and eight bodies: each body meets each tool


def kls(model: Drawn) -> dict[str, float]:
    """Return the KL of each layer from its variables, float64, in nats."""
    return {part.layer.name: sum(_kls(part)) for part in model.parts}


def _kls(part: Any) -> list[float]:
    layer, loc, scale = part.layer, part.loc, part.scale
    return [
        float(np.sum(0.5 * ((s**2 + (m - loc) ** 2) / scale**2 - 1) - np.log(s / scale)))
        for m, s in _means_and_scales(layer)
    ]


def _means_and_scales(layer: Any) -> list[tuple[Any, Any]]:
    values = {v.name.split("/")[-1]: v.numpy().astype(float) for v in layer.weights}
    if "mu:0" in values:
        return [(values["mu:0"], np.logaddexp(0, values["rho:0"]))]
    if type(layer).__name__ == "DenseVariational":
        mean, rho = np.split(next(iter(values.values())), 2)
        return [(mean, np.logaddexp(0, rho))]
    found = []
    for part in ("kernel", "bias"):
        if f"{part}_posterior_untransformed_scale:0" in values:
            posterior = getattr(layer, f"{part}_posterior")
            pair = posterior.distribution.loc.numpy(), posterior.stddev().numpy()
            found.append((pair[0].astype(float), pair[1].astype(float)))
    return found


def penalty(model: Drawn) -> float:
    """Return the L2 of the plain layers."""
    parts = (weight * np.sum(it.kernel.numpy().astype(float) ** 2) for it, weight in model.l2)
    return float(sum(parts))


def nats(model: Drawn) -> Any:
    """Return the negative log-likelihood of each example, summed over the outputs."""
    x = [tf.constant(part) for part in model.inputs]
    outputs = model.network(x[0] if len(x) == 1 else x)
    outputs = outputs if len(model.heads) > 1 else [outputs]
    triples = zip(model.heads, model.targets, outputs, strict=True)
    return sum(head.nats(y, parameters(output)) for head, y, output in triples)


def _losses(model: Drawn) -> Any:
    made = [head.loss or head.of_two for head in model.heads]
    return made[0] if len(made) == 1 else made


def _said(model: Drawn) -> Any:
    """Compile the network, or return what is passed as likelihood."""
    if model.way == "compiled":
        model.network.compile(tf_keras.optimizers.SGD(0.01), _losses(model))
        return None
    if model.way == "said":
        return _losses(model)
    made = [head.of_two if model.way == "two" else head.of_one for head in model.heads]
    return made[0] if len(made) == 1 else made


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
    expected = nats(model)
    likelihood = _said(model)
    if "table" in tools:
        _compare_table(model, layers_kl)
    if "evaluate" in tools and model.way == "compiled":
        _compare_evaluate(model, expected, sum(layers_kl.values()), l2)
    if "prediction" in tools:
        inputs, targets = data(model)
        found = predict_by_draws(model.network, inputs, 2, likelihood=likelihood, jit_compile=False)
        same("log_predictive_density", found.log_predictive_density(targets), -expected)
    if "checkup" in tools:
        _compare_checkup(model)
    if "training" in tools:
        _compare_training(model, likelihood, expected, layers_kl, l2)


def _compare_training(
    model: Drawn, likelihood: Any, expected: Any, layers_kl: dict[str, float], l2: float
) -> None:
    """Compare the terms of a step that moves nothing."""
    inputs, targets = data(model)
    history = train_by_elbo(
        model.network,
        inputs,
        targets,
        likelihood=likelihood,
        num_epochs=1,
        batch_size=None if targets is None else model.size,
        optimizer=tf_keras.optimizers.SGD(0.0),
        jit_compile=False,
        progress=False,
    ).iloc[0]
    kl = sum(layers_kl.values())
    same("negative_log_likelihood", history["negative_log_likelihood"], expected.mean())
    same("kl", history["kl"], kl)
    for name, value in layers_kl.items():
        parts = [v for k, v in history.items() if k.startswith(f"kl {name}")]
        same(f"kl {name}", sum(parts), value)
    same("penalty", history["penalty"], l2)
    same("loss", history["loss"], expected.mean() + kl / model.size + l2)


def _compare_table(model: Drawn, layers_kl: dict[str, float]) -> None:
    table = losses_by_layer(model.network, data(model)[0])
    is_kl = table["kind"].str.startswith("KL")
    found = table[is_kl].groupby("layer")["nats"].sum()
    if set(found.index) != set(layers_kl):
        raise FaultError(f"KL rows of {set(found.index)} in place of {set(layers_kl)}")
    for name, value in layers_kl.items():
        same(f"nats of {name}", found[name], value)
    same("divisor", table[is_kl]["divisor"], np.full(is_kl.sum(), model.divisor), rtol=2e-3)


def _compare_evaluate(model: Drawn, expected: Any, kl: float, l2: float) -> None:
    """Compare NumPy with what Keras itself reports: a mean over columns, and sum(losses)."""
    if len(model.heads) > 1 and VALUES in model.heads:
        return  # Keras takes the mean over the columns of one output alone
    x = model.inputs[0] if len(model.inputs) == 1 else list(model.inputs)
    y = model.targets[0] if len(model.targets) == 1 else list(model.targets)
    total = model.network.evaluate(x, y, batch_size=model.size, verbose=0)
    total = total[0] if isinstance(total, list) else total
    same("evaluate", total, expected.mean() / model.averaged + kl / model.divisor + l2)


def _compare_checkup(model: Drawn) -> None:
    """Compare the check-up's verdict on the weight of the KL with the divisor."""
    if model.way != "compiled":
        model.network.compile(tf_keras.optimizers.SGD(0.01), _losses(model))
    x, y = ([np.concatenate([a] * 6) for a in part] for part in (model.inputs, model.targets))
    x, y = (part[0] if len(part) == 1 else part for part in (x, y))
    report = checkup(model.network, x, y, num_examples=model.size)
    weights = {"kl-not-scaled", "kl-wrong-count", "kl-counted-twice", "likelihood-averaged"}
    kinds = {f.kind for f in report.alarms}
    # A weight of 1/5 or 1/2 may be meant: the report tells both.
    kinds |= {f.kind for f in report.findings if f.kind == "tempered"}
    wrong = bool(kinds & {*weights, "tempered"})
    should = not np.isclose(model.divisor, model.size * model.averaged, rtol=0.02)
    if len(model.heads) > 1 and VALUES in model.heads:
        return  # one output is averaged over its columns, the other is not
    if any(np.all(array == array[:1]) for array in model.targets):
        return  # targets that are all the same tell no likelihood, and that is said
    if any("rounding hides" in finding.message for finding in report.unknown):
        return  # a small output beside a large one: nothing is claimed
    if wrong != should:
        kinds = [f"{f.verdict} {f.kind}" for f in report.findings]
        raise FaultError(f"checkup, {model.size} rows, KL / {model.divisor:g}: {kinds}")
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
