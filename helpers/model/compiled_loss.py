"""The compiled loss as a likelihood: known by name, by the log_prob it takes, or by its value."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from .keras_losses import likelihood_of_loss, loss_name
from .likelihood import (
    Likelihood,
    bernoulli,
    categorical,
    check_pairing,
    flatten_heads,
    from_distribution_function,
    from_function,
    of_distribution,
    one_hot,
    plain_distribution,
    poisson,
)
from .loss_fit import check_fit, likelihood_beside
from .recorded_distribution import distribution_in, recording_log_probs

tfd = tfp.distributions

ASK = (
    "Compile with loss=lambda y, rv: -rv.log_prob(y), or pass "
    "likelihood=lambda y, rv: -rv.log_prob(y)."
)


def loss_weights(network: Any) -> list[float]:
    """Return what each output's loss counts, as ``compile`` was told; none if it was not."""
    weights = told_loss_weights(network)
    return [] if weights is None else [float(weight) for weight in flatten_heads(weights)]


def told_loss_weights(network: Any) -> Any:
    """Return ``loss_weights`` as ``compile`` was told them, a list or a dict; else ``None``."""
    return getattr(getattr(network, "compiled_loss", None), "_user_loss_weights", None)


def own_loss_function(loss: Any) -> Callable[..., Any] | None:
    """Return a reader's own loss as a function, ``None`` for what Keras knows by name.

    Raises
    ------
    TypeError
        If it is neither a loss, nor a name, nor a function.
    """
    if isinstance(loss, str) or loss_name(loss):
        return None
    if isinstance(loss, tf_keras.losses.Loss):
        own: Callable[..., Any] = loss.call
        return own
    if not callable(loss):
        raise TypeError(
            f"likelihood is a {type(loss).__name__}: pass a tf_keras loss, its name, a function "
            "(targets, outputs) ↦ negative log-likelihood of each example, or a function outputs ↦ "
            "distribution."
        )
    function: Callable[..., Any] = loss
    return function


def num_arguments(function: Callable[..., Any]) -> int:
    """Return how many arguments without a default a function takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is p.empty for p in parameters)


def distribution_beside_loss(outputs: Any, targets: Any, loss: Any) -> Likelihood:
    """Return the distribution's own likelihood, unless the compiled loss is another number.

    Raises
    ------
    ValueError
        If it is another one: which of the two is meant must be said.
    """
    if not hasattr(plain_distribution(outputs), "_log_prob"):
        name = plain_distribution(outputs).name
        raise ValueError(
            f"{name} has no log_prob inside of a layer, where TFP wraps it: put tfd.Independent "
            "around it, as in tfd.Independent(tfd.Uniform(low, high), 0)."
        )
    if loss is not None and loss_name(loss):
        raise ValueError(
            f"The network puts out a distribution, but is compiled with {loss_name(loss)}, which "
            f"compares the targets with a draw from it. {ASK}"
        )
    found = of_distribution()
    function = None if loss is None else own_loss_function(loss)
    if function is not None and targets is not None:
        _check_same(found, function, targets, outputs)
    elif function is not None and not _takes_targets_as_they_are(function, outputs):
        raise ValueError(
            "The network puts out a distribution, but its compiled loss takes the log_prob of "
            f"something else than the targets, as of their logarithm. {_ask(function)}"
        )
    return found


def _takes_targets_as_they_are(function: Callable[..., Any], outputs: Any) -> bool:
    """Whether a loss takes the log_prob of its targets themselves, as far as draws show it."""
    try:
        drawn = outputs.sample(seed=(1, 2))
        with recording_log_probs() as calls:
            function(drawn, outputs)
        values = [np.asarray(call.value, float) for call in calls]
    except Exception:  # noqa: BLE001 (it takes targets of another shape: compared beside those)
        return True
    drawn = np.asarray(drawn, float).ravel()
    alike = [value.ravel() for value in values if value.size == drawn.size]
    return not alike or any(np.allclose(value, drawn, rtol=1e-5) for value in alike)


def _check_same(
    found: Likelihood, function: Callable[..., Any], targets: Any, outputs: Any
) -> None:
    """Raise unless a loss is the mean or the sum of minus the distribution's log_prob."""
    try:
        theirs = from_function(function).log_prob(targets, outputs)
    except tf.errors.InvalidArgumentError:  # of shapes that do not belong together
        check_pairing(found, targets, outputs)
        raise
    total = -float(tf.reduce_sum(theirs))
    mean = total / max(1, int(tf.size(theirs)))
    try:
        check_pairing(found, targets, outputs)
    except ValueError as error:
        if not _has_row_for_each(theirs, targets):
            raise
        raise ValueError(f"{str(error).partition('. ')[0]}. {_ask(function)}") from error
    ours = _mean_nats(found, targets, outputs)
    if not np.isfinite(ours) and not np.isfinite(total):
        return  # targets outside of the support, which are named where the data are read
    size = int(tf.convert_to_tensor(targets).shape[0])
    count = int(tf.size(found.log_prob(targets, outputs)))
    wanted = [ours, ours / size, ours / count]
    if not any(
        np.isclose(value, w, rtol=1e-3, atol=1e-5) for value in (total, mean) for w in wanted
    ):
        raise ValueError(
            "The network puts out a distribution, but its compiled loss is another number than "
            f"-log_prob of the targets ({mean:.4g} against {ours / count:.4g}). {_ask(function)}"
        )


def _has_row_for_each(theirs: tf.Tensor, targets: Any) -> bool:
    """Whether a loss gives as many numbers as there are examples."""
    return int(tf.size(theirs)) == int(tf.convert_to_tensor(targets).shape[0])


def _ask(function: Callable[..., Any]) -> str:
    return (
        "If that is the negative log-likelihood that you mean, one number for each example, "
        f"{_pass(function)}. Else pass the targets as the distribution describes them, and compile "
        "with loss=lambda y, rv: -rv.log_prob(y)."
    )


def _pass(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "")
    return f"pass likelihood={name}" if name.isidentifier() else "pass that loss as likelihood="


def _mean_nats(likelihood: Likelihood, targets: Any, outputs: Any) -> float:
    return float(-tf.reduce_sum(likelihood.log_prob(targets, outputs)))


def of_compiled_loss(outputs: Any, targets: Any, loss: Any, activation: str) -> Likelihood:
    """Return the likelihood of which the compiled loss is the mean.

    Raises
    ------
    ValueError
        If it is none, or is not known.
    """
    if loss_name(loss) or isinstance(loss, str):
        try:
            likelihood_of_loss(loss)
        except ValueError as error:
            raise ValueError(
                f"The network is compiled with a loss that cannot be used: {error}"
            ) from None
        return likelihood_beside(outputs, loss, activation)
    function = own_loss_function(loss)
    assert function is not None
    distribution = distribution_in(function, outputs, targets)
    if distribution is not None:
        return from_distribution_function(_named(distribution, function))
    if targets is not None and (known := _recognised(function, targets, outputs)) is not None:
        return known
    name = getattr(function, "__name__", type(loss).__name__)
    raise ValueError(
        f"The network is compiled with a loss of your own, {name}, and it is not known whether "
        "that is a negative log-likelihood in nats. If it is one, and returns one number for each "
        f"example, {_pass(function)}."
    )


def _named(
    distribution: Callable[[Any], Any], function: Callable[..., Any]
) -> Callable[[Any], Any]:
    # AutoGraph looks a function's text up by its name, and warns if that is another one.
    kept: Callable[[Any], Any] = tf.autograph.experimental.do_not_convert(distribution)
    kept.__name__ = getattr(function, "__name__", "your loss")
    return kept


def _recognised(function: Callable[..., Any], targets: Any, outputs: Any) -> Likelihood | None:
    """Return the usual likelihood that a function is the mean of, on several pairings, if any."""
    for candidate in usual_likelihoods():
        try:
            check_fit(candidate, outputs, "")
            pairs = [
                (
                    float(tf.reduce_mean(function(y, outputs))),
                    -float(tf.reduce_mean(candidate.log_prob(y, outputs))),
                )
                for y in (tf.roll(targets, steps, axis=0) for steps in (0, 1, 2))
            ]
        except Exception:  # noqa: BLE001 (a likelihood of another shape)
            continue
        ours, theirs = np.transpose(pairs)
        if np.allclose(ours, theirs, rtol=1e-4) and np.ptp(theirs) > 1e-6:
            return candidate
    return None


def usual_likelihoods() -> list[Likelihood]:
    """Return the likelihoods of classes, of yes or no and of counts, of logits and of the like."""
    made = [
        make(from_logits=x) for make in (categorical, one_hot, bernoulli) for x in (True, False)
    ]
    return [*made, poisson()]
