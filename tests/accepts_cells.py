"""One cell of the table "accepts / refuses": a tool, a network, a likelihood, a form of inputs.

A cell is right (its numbers are those of an independent route, NumPy in float64 or a plain
gradient), or refused (TypeError, ValueError or OSError, raised by the helpers themselves, with a
sentence). Whatever else happens is a fault: an exception of a library, or a wrong number.
"""

import pathlib
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import tensorflow as tf
import tf_keras
from readers_networks import NARROW, READERS, Head, N, OwnLayer, Reader, parameters

from helpers.checkup import checkup
from helpers.losses.by_layer import losses_by_layer
from helpers.prediction.predict import predict_by_draws
from helpers.training.train import train_by_elbo

HELPERS = pathlib.Path(__file__).resolve().parents[1] / "helpers"
SEED = 0
RATE = 0.01
BATCH = 4  # rows of the first batch of a dataset; the second holds the rest
COPIES = 8  # of the few rows: what a check-up looks at
PROMISED = (TypeError, ValueError, OSError)
ORDINARY = 0.05  # σ of the networks that are checked up


class FaultError(AssertionError):
    """A third kind of cell."""


class Cell(NamedTuple):
    """Where a cell stands."""

    tool: str
    network: str
    likelihood: str
    inputs: str


class Data(NamedTuple):
    """What is handed to a tool, and the arrays that it stands for."""

    inputs: Any
    targets: Any
    plain: tuple[Any, ...]


# Forms of inputs


def _one_or_all(parts: Any) -> Any:
    return parts[0] if len(parts) == 1 else list(parts)


def _as_tuple(parts: Any) -> tuple[Any, ...]:
    return parts if isinstance(parts, tuple) else (parts,)


def _nested(parts: Any) -> Any:
    return parts[0] if len(parts) == 1 else tuple(parts)


def _names(network: Any, count: int) -> list[str]:
    names = getattr(network, "input_names", None)
    return list(names) if names and len(names) == count else ["numbers"]


def _array(x: Any, y: Any, network: Any) -> Data:
    return Data(_one_or_all(x), _one_or_all(y), x)


def _lists(x: Any, y: Any, network: Any) -> Data:
    return Data(_one_or_all([a.tolist() for a in x]), _one_or_all(y), x)


def _tuple(x: Any, y: Any, network: Any) -> Data:
    return Data(tuple(x), _one_or_all(y), x)


def _dict(x: Any, y: Any, network: Any) -> Data:
    return Data(dict(zip(_names(network, len(x)), x, strict=True)), _one_or_all(y), x)


def _frame(x: Any, y: Any, network: Any) -> Data:
    frames = [pd.DataFrame(a.reshape(len(a), -1)).add_prefix("column ") for a in x]
    return Data(_one_or_all(frames), _one_or_all(y), x)


def _dataset(x: Any, y: Any, network: Any) -> Data:
    plain = tuple(a.astype(object) if a.dtype.kind == "U" else a for a in x)
    pairs = tf.data.Dataset.from_tensor_slices((_nested(plain), _nested(y)))
    return Data(pairs.batch(BATCH), None, x)


class Batches(tf_keras.utils.Sequence):
    """The examples as a reader's own Sequence gives them."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return -(-len(self.x[0]) // BATCH)

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return tuple(_nested([a[rows] for a in part]) for part in (self.x, self.y))


def _sequence(x: Any, y: Any, network: Any) -> Data:
    return Data(Batches(x, y), None, x)


def _whole(x: Any, y: Any, network: Any) -> Data:
    made = tuple(np.arange(a.size).reshape(a.shape) % 4 if a.dtype.kind == "U" else a for a in x)
    made = tuple(np.rint(2 * a).astype("int64") if a.dtype.kind == "f" else a for a in made)
    return Data(_one_or_all(made), _one_or_all(y), made)


def _strings(x: Any, y: Any, network: Any) -> Data:
    made = tuple(a.astype(str) for a in x)
    return Data(_one_or_all(made), _one_or_all(y), made)


def _sparse(x: Any, y: Any, network: Any) -> Data:
    plain = (a.astype(object) if a.dtype.kind == "U" else a for a in x)
    return Data(_one_or_all([tf.sparse.from_dense(a) for a in plain]), _one_or_all(y), x)


def _ragged(x: Any, y: Any, network: Any) -> Data:
    rows = [[a[i].ravel()[: 1 + i].tolist() for i in range(len(a))] for a in x]
    return Data(_one_or_all([tf.ragged.constant(part) for part in rows]), _one_or_all(y), x)


def _shorter(x: Any, y: Any, network: Any) -> Data:
    return Data(_one_or_all([a[:-1] for a in x]), _one_or_all(y), x)


def _with_nan(x: Any, y: Any, network: Any) -> Data:
    made = [a.astype(object if a.dtype.kind == "U" else "float32") for a in x]
    for a in made:
        a[2, 0] = np.nan
    return Data(_one_or_all(made), _one_or_all(y), x)


INPUTS: dict[str, Callable[[Any, Any, Any], Data]] = {
    "array": _array,
    "nested lists": _lists,
    "tuple of arrays": _tuple,
    "dict by name": _dict,
    "frame": _frame,
    "Dataset": _dataset,
    "Sequence": _sequence,
    "whole numbers": _whole,
    "words": _strings,
    "sparse": _sparse,
    "ragged": _ragged,
    "a row less": _shorter,
    "with NaN": _with_nan,
}
NEVER = {"sparse", "ragged", "a row less", "with NaN"}  # right for no network

# How the likelihood is said: for each output (what is passed, what is compiled)


def _loss_or(head: Head, instead: Any) -> Any:
    return instead if head.loss is None else head.loss


def _name(head: Head) -> str:
    return "mse" if head.loss is None else str(head.loss.name)


LIKELIHOODS: dict[str, Callable[[Head], tuple[Any, Any]]] = {
    "nothing said": lambda head: (None, None),
    "compiled": lambda head: (None, _loss_or(head, head.of_two)),
    "Keras loss": lambda head: (_loss_or(head, tf_keras.losses.Huber()), None),
    "its name": lambda head: (_name(head), None),
    "function of two": lambda head: (head.of_two, None),
    "function of one": lambda head: (head.of_one, None),
    "another loss": lambda head: (head.wrong, None),
    "squared error": lambda head: ("mse", None),
}
NO_LIKELIHOOD = {"another loss", "squared error"}  # right for no network


def said(reader: Reader, likelihood: str) -> tuple[Any, Any]:
    """Return what is passed as likelihood, and what the network is compiled with."""
    passed, compiled = zip(*(LIKELIHOODS[likelihood](h) for h in reader.heads), strict=True)
    return (None if x[0] is None else _one_or_all(x) for x in (passed, compiled))


def built(reader: Reader, rho: float = NARROW, seed: int = SEED) -> Any:
    """Return a new network of a reader, built, the same for the same seed, layers' names too."""
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(seed)
    network = reader.make(rho)
    network(_tensors(_as_tuple(reader.inputs)))
    return network


def _tensors(x: tuple[Any, ...]) -> Any:
    made = [tf.constant(a.astype(object) if a.dtype.kind == "U" else a) for a in x]
    made = [tf.cast(t, tf.float32) if t.dtype == tf.int64 else t for t in made]
    return _one_or_all(made)


# The independent route


def outputs_of(network: Any, x: tuple[Any, ...]) -> list[Any]:
    """Return all outputs of a network in a list."""
    outputs = network(_tensors(x))
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def nats_of(reader: Reader, network: Any, x: tuple[Any, ...]) -> Any:
    """Return the negative log-likelihood of each example in NumPy, summed over the outputs."""
    parts = zip(reader.heads, _as_tuple(reader.targets), outputs_of(network, x), strict=True)
    return sum(head.nats(y, parameters(output)) for head, y, output in parts)


def softplus(rho: Any) -> Any:
    """Return σ as TFP's layers make it."""
    return np.finfo("float32").eps + np.logaddexp(0, rho)


def kl_of_layers(network: Any) -> dict[str, float]:
    """Return KL(q ‖ N(0, 1)) of each Bayesian layer from its variables, float64, in nats."""
    found = {}
    for layer in network.layers:
        values = {v.name.split("/")[-1]: v.numpy().astype(float) for v in layer.weights}
        if "kernel_posterior_loc:0" in values:
            mean = values["kernel_posterior_loc:0"]
            sigma = softplus(values["kernel_posterior_untransformed_scale:0"])
        elif isinstance(layer, OwnLayer):
            mean, sigma = values["mu:0"], np.logaddexp(0, values["rho:0"])
        elif type(layer).__name__ == "DenseVariational":
            mean, sigma = np.split(next(iter(values.values())), 2)
            sigma = np.logaddexp(0, sigma)
        else:
            continue
        found[layer.name] = float(np.sum(0.5 * (sigma**2 + mean**2 - 1) - np.log(sigma)))
    return found


def penalty_of(reader: Reader, network: Any) -> float:
    """Return what stands beside likelihood and KL in the loss: L2, and −log p of biases / N."""
    total = 0.0
    for layer in network.layers:
        if reader.l2 and type(layer).__name__ == "Dense":
            total += reader.l2 * float(np.sum(layer.kernel.numpy().astype(float) ** 2))
        if getattr(layer, "bias_prior", None) is not None:
            bias = layer.bias_posterior.mean().numpy().astype(float)
            total += float(np.sum(0.5 * bias**2 + 0.5 * np.log(2 * np.pi))) / N
    return total


def weights_after(reader: Reader, network: Any, rate: float) -> list[Any]:
    """Return the trainable weights after one plain step down the objective."""
    variables = network.trainable_variables
    targets = [tf.constant(y) for y in _as_tuple(reader.targets)]
    with tf.GradientTape() as tape:
        outputs = outputs_of(network, _as_tuple(reader.inputs))
        nll = sum(
            tf.reduce_sum(head.of_two(y, out))
            for head, y, out in zip(reader.heads, targets, outputs, strict=True)
        )
        l2 = [x for x in network.losses if reader.l2] and sum(
            reader.l2 * tf.reduce_sum(layer.kernel**2)
            for layer in network.layers
            if type(layer).__name__ == "Dense"
        )
        kl = tf.add_n(network.losses) - (l2 or 0.0)
        loss = nll / N + kl * reader.divisor / N + (l2 or 0.0)
    gradients = tape.gradient(loss, variables)
    pairs = zip(variables, gradients, strict=True)
    return [(v - rate * tf.convert_to_tensor(g)).numpy() for v, g in pairs]


def same(what: str, found: Any, expected: Any, rtol: float = 2e-4, atol: float = 2e-4) -> None:
    """Raise FaultError unless numbers are the same but for float32 and the tiny σ."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=rtol, atol=atol):
        raise FaultError(f"{what}: {found} in place of {expected}")


# The tools


def train(reader: Reader, likelihood: str, form: str) -> None:
    """Compare the first row of the history, and one step, with the independent route."""
    network = built(reader)
    passed, compiled = said(reader, likelihood)
    if compiled is not None:
        network.compile(tf_keras.optimizers.SGD(RATE), compiled)
    data = INPUTS[form](_as_tuple(reader.inputs), _as_tuple(reader.targets), network)
    is_stream = data.targets is None
    history = train_by_elbo(
        network,
        data.inputs,
        data.targets,
        likelihood=passed,
        num_epochs=1,
        batch_size=None if is_stream else N,
        optimizer=tf_keras.optimizers.SGD(0.0 if is_stream else RATE),
        jit_compile=False,
        progress=False,
    )
    twin = built(reader)
    nats, kls = nats_of(reader, twin, data.plain), kl_of_layers(twin)
    means = [nats[:BATCH].mean(), nats[BATCH:].mean()] if is_stream else [nats.mean()]
    kl, penalty = sum(kls.values()), penalty_of(reader, twin)
    same("negative_log_likelihood", history["negative_log_likelihood"], means)
    same("kl", history["kl"], np.full(len(means), kl))
    for name, value in kls.items():
        parts = [c for c in history if c == f"kl {name}" or c.startswith(f"kl {name} ")]
        same(f"kl {name}", history[parts].iloc[0].sum(), value)
    same("penalty", history["penalty"], np.full(len(means), penalty))
    same("loss", history["loss"], np.array(means) + kl / N + penalty)
    same("elbo", history["elbo"], -N * np.array(means) - kl, atol=2e-3)
    if not is_stream and form == "array":
        after = weights_after(reader, twin, RATE)
        for variable, value in zip(network.trainable_variables, after, strict=True):
            same(f"{variable.name} after a step", variable.numpy(), value)


def predict(reader: Reader, likelihood: str, form: str) -> None:
    """Compare draws and densities with the independent route."""
    network = built(reader)
    passed, compiled = said(reader, likelihood)
    if compiled is not None:
        network.compile(tf_keras.optimizers.SGD(RATE), compiled)
    targets = _as_tuple(reader.targets)
    data = INPUTS[form](_as_tuple(reader.inputs), targets, network)
    found = predict_by_draws(network, data.inputs, 2, likelihood=passed, jit_compile=False)
    density = found.log_predictive_density(data.targets)
    twin = built(reader)
    same("log_predictive_density", density, -nats_of(reader, twin, data.plain))
    if likelihood == "function of two" and not hasattr(found, "draws"):
        return
    parts = found.flat if len(reader.heads) > 1 else [found]
    outputs = outputs_of(twin, data.plain)
    for head, part, output in zip(reader.heads, parts, outputs, strict=True):
        expected = head.means(parameters(output))
        same("draws", np.asarray(part.draws), np.stack([expected, expected]))
        same("mean", part.mean, expected)


def list_losses(reader: Reader, likelihood: str, form: str) -> None:
    """Compare the table with the KL of each layer, and with the sum of losses."""
    network = built(reader)
    data = INPUTS[form](_as_tuple(reader.inputs), _as_tuple(reader.targets), network)
    table = losses_by_layer(network, data.inputs)
    twin = built(reader)
    outputs_of(twin, data.plain)
    is_kl = table["kind"].str.startswith("KL")
    kls = table[is_kl].groupby("layer")["nats"].sum()
    expected = kl_of_layers(twin)
    if set(kls.index) != set(expected):
        raise FaultError(f"KL rows of {set(kls.index)} in place of {set(expected)}")
    for name, value in expected.items():
        same(f"nats of {name}", kls[name], value)
    formula = table[is_kl & (table["class"] != OwnLayer.__name__)]  # of its σ nobody tells
    same("difference", formula["difference"], np.zeros(len(formula)), atol=5e-3)
    same("sum of entries", table["entry"].sum(), float(tf.add_n(twin.losses)))


def check_up(reader: Reader, likelihood: str, form: str) -> None:
    """Compare the alarms with what the network was built to be."""
    network = built(reader, float(np.log(np.expm1(ORDINARY))))
    passed, compiled = said(reader, likelihood)
    loss = compiled if compiled is not None else passed
    if likelihood == "function of one":
        loss = _one_or_all([_minus_log_prob(head.of_one) for head in reader.heads])
    if loss is not None:
        network.compile(tf_keras.optimizers.Adam(0.003), loss)
    x, y = (_copies(part) for part in (reader.inputs, reader.targets))
    data = INPUTS[form](x, y, network)
    report = checkup(network, data.inputs, data.targets, num_examples=N)
    alarms = {finding.kind for finding in report.alarms}
    expected = {"kl-not-scaled"} if reader.divisor == 1 else set()
    must_not = likelihood in NO_LIKELIHOOD or form in NEVER
    if not must_not and alarms == expected and not report.unchecked:
        return
    if report.ok:
        raise FaultError("a clean bill of health")
    if not must_not and not alarms <= {*expected, *NOT_ANSWERED}:
        raise FaultError(f"alarms {alarms}")
    raise RefusalError(_reason(report, expected))


class RefusalError(ValueError):
    """What a check-up says in place of a verdict."""


NOT_ANSWERED = {"cannot-run", "no-likelihood"}


def _reason(report: Any, expected: set[str]) -> str:
    """Return the alarm that says why there is no verdict, or what was not measured."""
    others = [str(it.message) for it in report.alarms if it.kind not in expected]
    return (others or [f"Not measured: {text}" for text in report.unchecked] or [str(report)])[0]


def _minus_log_prob(of_one: Any) -> Any:
    """Return a loss for ``fit``, which hands class numbers on as a column."""

    def loss(targets: Any, outputs: Any) -> Any:
        found = of_one(outputs)
        rank = found.batch_shape.rank + found.event_shape.rank
        column = targets.shape.rank > rank and targets.shape[-1] == 1
        return -found.log_prob(tf.squeeze(targets, -1) if column else targets)

    return loss


def _copies(parts: Any) -> tuple[Any, ...]:
    return tuple(np.concatenate([a] * COPIES) for a in _as_tuple(parts))


TOOLS = {
    "train_by_elbo": train,
    "predict_by_draws": predict,
    "losses_by_layer": list_losses,
    "checkup": check_up,
}


def is_ours(error: BaseException) -> bool:
    """Whether an exception was raised by the helpers themselves, not by a library below them."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return HELPERS in pathlib.Path(last.filename).resolve().parents


def outcome(cell: Cell) -> str:
    """Return "right", or "refused: " and the sentence.

    Raises
    ------
    FaultError
        If the cell is neither.
    """
    reader = READERS[cell.network]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            TOOLS[cell.tool](reader, cell.likelihood, cell.inputs)
        except RefusalError as refusal:
            return f"refused: {refusal}"
        except FaultError as fault:
            raise FaultError(f"{cell}: {fault}") from None
        except PROMISED as error:
            if not is_ours(error):
                where = traceback.extract_tb(error.__traceback__)[-1]
                text = f"{type(error).__name__} of {where.filename}:{where.lineno}: {error}"
                raise FaultError(f"{cell}: {text}") from error
            return f"refused: {error}"
        except Exception as error:
            raise FaultError(f"{cell}: {type(error).__name__}: {error}") from error
    must_not = cell.inputs in NEVER or cell.likelihood in NO_LIKELIHOOD
    if must_not and cell.tool not in ("losses_by_layer", "checkup"):
        raise FaultError(f"{cell}: was accepted")
    return "right"
