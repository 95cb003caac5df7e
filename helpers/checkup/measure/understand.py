"""Finding out what is minimised: what ``fit`` minimises, or the loss that the reader passed."""

from typing import Any

import tensorflow as tf
import tf_keras
from tf_keras.src.engine import compile_utils

from ...model.watch import watching
from .batch import Batch
from .call_conventions import MODEL_NAMES, OUTPUT_NAMES, argument_names, conventions
from .objective import Objective


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
            """Return what the network's own ``train_step`` returns for a batch, its logs."""
            with containers:
                return network.train_step(_element(batch))

        text = "Checked: what the network's own train_step differentiates."
        return Objective("step", step, text)

    def total(batch: Batch) -> Any:
        """Return what ``fit`` minimises on a batch: a scalar, compiled loss + sum(losses)."""
        with containers:
            outputs = network(batch.inputs, training=True)
            return network.compute_loss(batch.inputs, batch.targets, outputs, batch.weights)

    text = "Checked: what compile and fit minimise, the compiled loss + sum(losses)."
    return Objective("fit", total, text)


def _element(batch: Batch) -> tuple[Any, ...]:
    """Return a batch as ``fit`` hands it to ``train_step``."""
    pair = (batch.inputs, batch.targets)
    return pair if batch.weights is None else (*pair, batch.weights)


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
        """Return the sum of the entries of ``losses`` after a call: a scalar, 0 without any."""
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
        """Return the given loss of a batch, weighted as by ``fit``, + sum(losses): a scalar."""
        outputs = network(batch.inputs, training=True)
        return container(
            batch.targets,
            outputs,
            sample_weight=batch.weights,
            regularization_losses=network.losses,
        )

    text = "Checked: the given loss + sum(losses), as fit would add them."
    return Objective("data term", total, text, sure_of_sum=sure)


def _of_callable(network: Any, batch: Batch, loss: Any) -> Objective:
    """Tell a data term from a whole objective, by its argument names and by what it calls."""
    names = argument_names(loss)
    if len(names) == 2 and names[1] in OUTPUT_NAMES and names[0] not in MODEL_NAMES:
        return _with_losses(network, loss, sure=_is_compiled(network))
    for arguments in conventions(names):
        if arguments is not None and _calls_network(loss, arguments(network, batch)):
            return _own(network, loss, arguments)
    if len(names) == 2:
        return _with_losses(network, loss, sure=_is_compiled(network))
    arguments = next(iter(conventions(names)))
    return _own(network, loss, arguments)


def _own(network: Any, loss: Any, arguments: Any) -> Objective:
    def total(batch: Batch) -> Any:
        """Return what the given function returns for network, inputs and targets of a batch."""
        return loss(*arguments(network, batch))

    return Objective("own", total, "Checked: the given function, as the whole objective.")


def _calls_network(loss: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether the function runs a Keras layer when called like this."""
    with tf.GradientTape() as tape, watching(tape) as watch:
        try:
            loss(*arguments)
        except Exception:  # noqa: BLE001 (then it was not meant to be called like this)
            return any(layer for layer, _ in watch.called)
    return bool(watch.called)
