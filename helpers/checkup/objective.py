"""What is minimised: the number behind ``fit``, a training step, or the reader's own function."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf
import tf_keras
from tf_keras.src.engine import compile_utils

from .batch import Batch
from .state import use_seed
from .watch import Watch, watching

Kind = Literal["fit", "step", "data term", "own", "losses"]
Convention = Callable[[Any, Batch], tuple[Any, ...]]
NETWORK, INPUTS, TARGETS, PAIR = "nitp"

MODEL_NAMES = {"model", "network", "net", "neural_net", "nn", "bnn", "module", "vae", "self", "m"}
TRUTH_NAMES = {"y", "y_true", "true", "target", "targets", "label", "labels", "yt", "truth"}
TRUTH_NAMES |= {"observed", "x_true"}
OUTPUT_NAMES = {"y_pred", "pred", "preds", "prediction", "predictions", "logits", "rv", "rv_y"}
OUTPUT_NAMES |= {"dist", "distribution", "p_y", "py", "y_hat", "yhat", "output", "outputs", "yp"}
OUTPUT_NAMES |= {"rv_x", "p", "q", "model_output"}


@dataclass(frozen=True)
class Objective:
    """The number that is minimised.

    Attributes
    ----------
    kind
        "fit" (compile and fit), "step" (a ``train_step`` of the reader's), "data term" (a loss of
        targets and outputs, to which ``losses`` is added as ``fit`` does), "own" (the reader's
        whole objective) or "losses" (only ``losses`` is known).
    evaluate
        Returns it for a batch.
    understood
        A sentence for the report.
    sure_of_sum
        Whether it is certain that ``losses`` is added as it stands.
    """

    kind: Kind
    evaluate: Callable[[Batch], Any]
    understood: str
    sure_of_sum: bool = True


@dataclass
class Evaluation:
    """One evaluation of the objective: its value, its gradients and what was seen."""

    value: float
    gradients: list[Any]
    watch: Watch
    shares: list[float]  # of each added loss: its factor in the objective


def evaluate(
    objective: Objective,
    batch: Batch,
    variables: list[Any] | None = None,
    *,
    seed: int = 1,
    factor: float = 1.0,
    repeatable: bool = False,
) -> Evaluation:
    """Evaluate the objective once, with the random draws of ``seed``.

    Parameters
    ----------
    objective, batch
        What to evaluate, and on what.
    variables
        Variables to differentiate by; those that are not trainable too.
    seed
        Of TensorFlow's global generator.
    factor
        Multiplies everything that layers add to ``losses``; 0 leaves the data term.
    repeatable
        Whether a second evaluation with the same seed must draw the same numbers (slower).
    """
    use_seed(seed, repeatable=repeatable)
    variables = variables or []
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        with watching(tape, factor) as watch:
            result = objective.evaluate(batch)
        target = _scalar(_chosen(result, watch))
    factors = [added.factor for added in watch.added] if factor else []
    slopes = tape.gradient(target, [*variables, *factors]) if variables or factors else []
    gradients = [_dense(slope) for slope in slopes[: len(variables)]]
    pairs = zip(slopes[len(variables) :], watch.added, strict=False)
    return Evaluation(float(target), gradients, watch, [_share(*pair) for pair in pairs])


def _dense(gradient: Any) -> Any:
    return None if gradient is None else tf.convert_to_tensor(gradient).numpy()


def _share(slope: Any, added: Any) -> float:
    """Return how often an added loss counts in the objective."""
    entry = float(tf.reduce_sum(added.value))
    return 0.0 if slope is None or entry == 0 else float(slope) / entry


def _chosen(result: Any, watch: Watch) -> Any:
    """Return what the reader differentiates, else what the function returned."""
    targets = [t for t in watch.targets if tf.is_tensor(t) and t.dtype.is_floating]
    return targets[-1] if targets else result


def _scalar(result: Any) -> tf.Tensor:
    """Return one number: a tape sums a vector of losses, and so do we."""
    if isinstance(result, dict):
        result = result.get("loss", next(iter(result.values())))
    if isinstance(result, (tuple, list)):
        result = result[0]
    return tf.reduce_sum(tf.convert_to_tensor(result))


def understand(network: Any, batch: Batch, loss: Any) -> Objective:
    """Find out what is minimised, from ``loss`` or from how the network was compiled."""
    if loss is None:
        return _compiled(network) if _is_compiled(network) else _only_losses(network)
    if isinstance(loss, (str, tf_keras.losses.Loss)) or not callable(loss):
        return _with_losses(network, loss, sure=True)
    return _of_callable(network, batch, loss)


def _is_compiled(network: Any) -> bool:
    return bool(getattr(network, "_is_compiled", False) or _has_own_step(network))


def _has_own_step(network: Any) -> bool:
    return getattr(type(network), "train_step", None) is not tf_keras.Model.train_step and hasattr(
        network, "train_step"
    )


def _compiled(network: Any) -> Objective:
    containers = _fresh_containers(network)
    if _has_own_step(network):

        def step(batch: Batch) -> Any:
            with containers:
                return network.train_step((batch.inputs, batch.targets))

        text = "Checked: what the network's own train_step differentiates."
        return Objective("step", step, text)

    def total(batch: Batch) -> Any:
        with containers:
            outputs = network(batch.inputs, training=True)
            return network.compute_loss(batch.inputs, batch.targets, outputs, None)

    text = "Checked: what compile and fit minimise, the compiled loss + sum(losses)."
    return Objective("fit", total, text)


class _fresh_containers:  # noqa: N801 (used as a function)
    """Let ``compute_loss`` build and count in copies of the compiled containers."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.kept = {
            name: vars(network)[name]
            for name in ("compiled_loss", "compiled_metrics")
            if vars(network).get(name) is not None
        }
        loss = self.kept.get("compiled_loss")
        known = isinstance(loss, compile_utils.LossesContainer)
        self.copy = _container(loss, network) if known else None

    def __enter__(self) -> None:
        if self.copy is not None:
            vars(self.network)["compiled_loss"] = self.copy

    def __exit__(self, *_: object) -> None:
        vars(self.network).update(self.kept)


def _container(loss: Any, network: Any) -> Any:
    names = getattr(network, "output_names", None)
    return compile_utils.LossesContainer(loss._user_losses, loss._user_loss_weights, names)


def _only_losses(network: Any) -> Objective:
    def total(batch: Batch) -> Any:
        network(batch.inputs)
        return tf.add_n([tf.reduce_sum(x) for x in network.losses]) if network.losses else 0.0

    text = (
        "Checked: the network and its losses alone, since it is not compiled and no loss= was "
        "given; how you weigh the KL in your own loop is not known."
    )
    return Objective("losses", total, text, sure_of_sum=False)


def _with_losses(network: Any, loss: Any, *, sure: bool) -> Objective:
    container = compile_utils.LossesContainer(loss)

    def total(batch: Batch) -> Any:
        outputs = network(batch.inputs, training=True)
        return container(batch.targets, outputs, regularization_losses=network.losses)

    text = "Checked: the given loss + sum(losses), as fit would add them."
    return Objective("data term", total, text, sure_of_sum=sure)


def _of_callable(network: Any, batch: Batch, loss: Any) -> Objective:
    """Tell a data term from a whole objective, by its argument names and by what it calls."""
    names = _argument_names(loss)
    if len(names) == 2 and names[1] in OUTPUT_NAMES and names[0] not in MODEL_NAMES:
        return _with_losses(network, loss, sure=_is_compiled(network))
    for arguments in _conventions(names):
        if arguments is not None and _calls_network(loss, arguments(network, batch)):
            return _own(network, loss, arguments)
    if len(names) == 2:
        return _with_losses(network, loss, sure=_is_compiled(network))
    arguments = next(iter(_conventions(names)))
    return _own(network, loss, arguments)


def _own(network: Any, loss: Any, arguments: Any) -> Objective:
    def total(batch: Batch) -> Any:
        return loss(*arguments(network, batch))

    return Objective("own", total, "Checked: the given function, as the whole objective.")


def _argument_names(loss: Any) -> list[str]:
    """Return the names of the positional arguments without a default."""
    function = getattr(loss, "python_function", loss)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ["", ""]
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return ["", ""]
    required = [p for p in parameters if p.kind in kinds and p.default is p.empty]
    return [p.name.lower() for p in required]


def _conventions(names: list[str]) -> list[Convention]:
    """Return the ways in which a function with these arguments may want to be called."""
    if not names:
        return [lambda _, __: ()]
    if len(names) == 1:
        return _ways(NETWORK if names[0] in MODEL_NAMES else "", INPUTS, PAIR)
    if len(names) == 2:
        if names[0] in MODEL_NAMES:
            return _ways(NETWORK + INPUTS, NETWORK + PAIR)
        swapped = names[0] in TRUTH_NAMES and names[1] not in TRUTH_NAMES
        return _ways(TARGETS + INPUTS if swapped else "", INPUTS + TARGETS, NETWORK + INPUTS)
    return _ways(
        INPUTS + TARGETS + NETWORK if names[-1] in MODEL_NAMES else NETWORK + INPUTS + TARGETS
    )


def _ways(*orders: str) -> list[Convention]:
    """Return functions that arrange network, inputs and targets in these orders."""

    def arranged(order: str) -> Convention:
        def arrange(network: Any, batch: Batch) -> tuple[Any, ...]:
            parts = {
                NETWORK: network,
                INPUTS: batch.inputs,
                TARGETS: batch.targets,
                PAIR: (batch.inputs, batch.targets),
            }
            return tuple(parts[letter] for letter in order)

        return arrange

    return [arranged(order) for order in orders if order]


def _calls_network(loss: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether the function runs a Keras layer when called like this."""
    with tf.GradientTape() as tape, watching(tape) as watch:
        try:
            loss(*arguments)
        except Exception:  # noqa: BLE001 (then it was not meant to be called like this)
            return any(layer for layer, _ in watch.called)
    return bool(watch.called)
