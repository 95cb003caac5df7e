"""What makes a training the same one, so that a checkpoint is continued by no other."""

import hashlib
import json
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from ..draws.noise import NOISE_VERSION
from ..model.untouched import variables_of
from .checkpoint import Checkpoint

ANEW = "start anew in another folder"
# Each part of a run: how it is called, and how to make it as it was.
PARTS = {
    "tensorflow": ("TensorFlow", f"Install the saved version, or {ANEW}."),
    "tensorflow_probability": ("TensorFlow Probability", f"Install the saved version, or {ANEW}."),
    "tf_keras": ("tf_keras", f"Install the saved version, or {ANEW}."),
    "layers": ("layer", f"Build the network as it was, or {ANEW}."),
    "variables": ("variable", f"Build the network as it was, or {ANEW}."),
    **{
        name: (name, f"Pass the {name} that were trained on, in their order, or {ANEW}.")
        for name in ("inputs", "targets", "weights", "validation_data")
    },
    "likelihood": ("likelihood", f"Pass the saved likelihood, or {ANEW}."),
    "noise_version": ("version of the noise", f"Use the helpers of then, or {ANEW}."),
    "optimizer": ("optimizer", f"Pass a new optimizer with the saved settings, or {ANEW}."),
    **{
        name: (name, f"Pass the saved {name}, or {ANEW}.")
        for name in ("seed", "batch_size", "kl_weight", "num_draws", "jit_compile")
    },
}
MOST_LINES = 3  # for one part: a network that is another differs in every variable


def training_variables(
    neural_net: tf_keras.Model, optimizer: tf_keras.optimizers.Optimizer
) -> list[tf.Variable]:
    """Return the network's variables, then the optimizer's, which is built if it is not yet.

    The tables of layers that look up words stand among the weights, but are no variables.
    """
    if isinstance(optimizer, tf_keras.optimizers.legacy.Optimizer):
        optimizer._create_all_weights(neural_net.trainable_variables)
    else:
        optimizer.build(neural_net.trainable_variables)
    return [*variables_of(neural_net), *optimizer.variables()]


def describe_run(
    neural_net: tf_keras.Model,
    optimizer: tf_keras.optimizers.Optimizer,
    data: dict[str, Any],
    *,
    likelihood: str,
    seed: int,
    batch_size: int,
    kl_weight: float,
    num_draws: int,
    jit_compile: bool,
) -> dict[str, Any]:
    """Return what makes a training the same one, for :func:`check_same_run`.

    Parameters
    ----------
    neural_net
        The network, built.
    optimizer
        Is built if it is not yet.
    data
        Fingerprints of inputs, targets, weights and validation data.
    likelihood
        What it is, in words.
    seed, batch_size, kl_weight, num_draws, jit_compile
        As training takes them, ``None`` replaced by what it stands for.

    Returns
    -------
    dict
        Of numbers, strings, lists and dicts, as JSON knows them.
    """
    inner = neural_net._flatten_layers(include_self=False)
    layers = [layer for layer in inner if not isinstance(layer, tf_keras.layers.InputLayer)]
    config = dict(optimizer.get_config())
    for name in ("name", "jit_compile", "is_legacy_optimizer"):  # change no number that is drawn
        config.pop(name, None)
    run = {
        **{library.__name__: library.__version__ for library in (tf, tfp, tf_keras)},
        "layers": [_layer(layer) for layer in layers],
        "variables": [
            [variable.name.split(":")[0], list(variable.shape), variable.dtype.name]
            for variable in training_variables(neural_net, optimizer)
        ],
        **data,
        "likelihood": likelihood,
        "optimizer": {"class": type(optimizer).__name__, **config},
        "noise_version": NOISE_VERSION,
        "seed": seed,
        "batch_size": batch_size,
        "kl_weight": kl_weight,
        "num_draws": num_draws,
        "jit_compile": jit_compile,
    }
    described: dict[str, Any] = json.loads(json.dumps(run, default=_plain))
    return described


def check_same_run(checkpoint: Checkpoint, run: dict[str, Any]) -> None:
    """Raise unless the checkpoint is of this run, which may have more epochs than before.

    Layers may have other names: those that Keras makes up change when a cell runs again.

    Raises
    ------
    ValueError
        With a line for each difference: what was saved, what is asked for, how to mend it.
    """
    lines: list[str] = []
    for part, (name, cure) in PARTS.items():
        saved, asked = _items(checkpoint.run, part, name), _items(run, part, name)
        labels = [x for x in saved | asked if saved.get(x, ("",)) != asked.get(x, ("",))]
        for label in labels[:MOST_LINES]:
            old, new = (" ".join(map(str, x.get(label, ("nothing",)))) for x in (saved, asked))
            lines.append(f"- {label}: saved {old}, asked for {new}. {cure}")
        if len(labels) > MOST_LINES:
            lines.append(f"- and {len(labels) - MOST_LINES} more differences of this kind.")
    if lines:
        raise ValueError(
            f"The folder holds a checkpoint of another run (step {checkpoint.step}), so it is left "
            "as it is, and nothing was trained:\n" + "\n".join(lines)
        )


LOOK_UPS = (
    tf_keras.layers.StringLookup,
    tf_keras.layers.IntegerLookup,
    tf_keras.layers.TextVectorization,
)


def _layer(layer: tf_keras.layers.Layer) -> list[Any]:
    """Return name, class, activation, vocabulary and priors of a layer."""
    activation = getattr(layer, "activation", None)
    kind = [layer.name, type(layer).__name__, _plain(activation) if activation else "linear"]
    if isinstance(layer, LOOK_UPS):
        words = json.dumps(layer.get_vocabulary(), default=str)
        kind.append(f"vocabulary {hashlib.sha256(words.encode()).hexdigest()[:12]}")
    priors = {part: getattr(layer, f"{part}_prior", None) for part in ("kernel", "bias")}
    return kind + [
        f"{part} prior {_prior(prior)}"
        for part, prior in priors.items()
        if isinstance(prior, tfp.distributions.Distribution)
    ]


def _prior(prior: tfp.distributions.Distribution) -> str:
    """Tell one fixed prior from another by its log-density at one half (nats per weight)."""
    if prior.variables:  # a prior that is learnt is among the variables
        return type(prior).__name__
    try:
        point = tf.fill([*prior.batch_shape, *prior.event_shape], tf.constant(0.5, prior.dtype))
        nats = float(tf.reduce_sum(prior.log_prob(point))) / point.shape.num_elements()
    except (NotImplementedError, TypeError, ValueError):
        return type(prior).__name__
    return f"of log-density {nats:.4f} at 0.5"


def _plain(value: Any) -> Any:
    """Return what JSON does not know as a number or list, or by its name."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return getattr(value, "__name__", type(value).__name__)


def _items(run: dict[str, Any], part: str, name: str) -> dict[str, tuple[Any, ...]]:
    """Return what is compared of one part: a label for each item, and its value in words."""
    value = run.get(part)
    if part == "layers":
        return {f"{name} {index}": tuple(row[1:]) for index, row in enumerate(value or [])}
    if part == "variables":  # in a name only the end is the layer's own
        rows = [(row[0].split("/")[-1], tuple(row[1]), row[2]) for row in value or []]
        return {f"{name} {index}": row for index, row in enumerate(rows)}
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        names = [name if len(value) == 1 else f"{name} {i + 1}" for i in range(len(value))]
        pairs = zip(names, value, strict=True)
        return {f"{n}, {key}": (x,) for n, item in pairs for key, x in item.items()}
    if isinstance(value, dict):
        return {f"{name}, {key}": (item,) for key, item in value.items()}
    return {name: (value,)}
