"""Keras' losses as likelihoods: which of them are one, and what to write in place of the others."""

from __future__ import annotations

from typing import Any

import tf_keras

from .likelihood import Likelihood, bernoulli, categorical, one_hot, poisson

LIKELIHOODS = {
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "binary_crossentropy",
    "poisson",
}
SQUARED = {"mean_squared_error", "mse", "root_mean_squared_error"}
ABSOLUTE = {"mean_absolute_error", "mae"}
SHORT = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
}


def loss_name(loss: Any) -> str:
    """Return the name of a loss of Keras in lower case with underscores, "" for any other.

    Parameters
    ----------
    loss
        A name, a function or an object.
    """
    if isinstance(loss, str):
        try:
            loss = tf_keras.losses.get(loss)
        except ValueError:
            return ""
    if not _is_of_keras(loss):
        return ""
    function = getattr(loss, "fn", loss)
    name = getattr(function, "__name__", "") or getattr(loss, "name", "")
    return SHORT.get(name.lower(), name.lower())


def likelihood_of_loss(loss: Any, *, from_logits: bool | None = None) -> Likelihood:
    """Return the likelihood whose negative logarithm a loss of Keras is.

    Parameters
    ----------
    loss
        A name or an object of ``tf_keras.losses``. Keras means over pixels, steps and columns; the
        likelihood sums.
    from_logits
        Whether the outputs are logits; ``None`` for what the loss says.

    Raises
    ------
    ValueError
        If the loss is no log-likelihood, or is unknown: what to write in its place.
    """
    name = loss_name(loss)
    if name not in LIKELIHOODS:
        raise ValueError(no_likelihood(name or str(loss)))
    options = _options(loss)
    _check_plain(name, options)
    if from_logits is None:
        from_logits = bool(options.get("from_logits", False))
    if name == "sparse_categorical_crossentropy":
        return categorical(from_logits=from_logits, ignored=options.get("ignore_class"))
    if name == "categorical_crossentropy":
        return one_hot(from_logits=from_logits)
    if name == "binary_crossentropy":
        return bernoulli(from_logits=from_logits)
    return poisson()


def ignores_classes(loss: Any) -> bool:
    """Whether a loss of Keras leaves out the targets of one class number."""
    return _is_of_keras(loss) and _options(loss).get("ignore_class") is not None


def no_likelihood(name: str) -> str:
    """Return why a loss of this name is no log-likelihood, and what to write in its place."""
    gaussian = (
        "end the network with tfpl.DistributionLambda(lambda t: tfd.Normal(t, noise)), or pass "
        "likelihood=lambda outputs: tfd.Normal(outputs, noise), with a noise that you choose or "
        "learn, in the unit of the targets"
    )
    if name in SQUARED:
        return (
            f"{name} is no log-likelihood: as one it would be a Gaussian whose noise has variance "
            f"1/2 whatever the unit of the targets. Instead {gaussian}."
        )
    if name in ABSOLUTE:
        return (
            f"{name} is no log-likelihood: as one it would be a Laplace distribution of scale 1, "
            f"whatever the unit of the targets, without its constant. Instead {gaussian}, or a "
            "tfd.Laplace."
        )
    return (
        f"{name} is no log-likelihood, so no weight of the KL beside it gives an ELBO. For classes "
        "pass likelihood=tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True); for "
        f"numbers {gaussian}."
    )


def _options(loss: Any) -> dict[str, Any]:
    """Return the settings of a loss object; a name or a function stands for the defaults."""
    return dict(loss.get_config()) if isinstance(loss, tf_keras.losses.Loss) else {}


def _check_plain(name: str, options: dict[str, Any]) -> None:
    """Raise for settings that make another number of the log-likelihood.

    Raises
    ------
    ValueError
        If labels are smoothed, or classes lie along another axis than the last.
    """
    if options.get("label_smoothing"):
        raise ValueError(
            f"{name} smooths the labels (label_smoothing={options['label_smoothing']}), so it is "
            "not the log-likelihood of your targets: leave label_smoothing at 0."
        )
    if options.get("axis", -1) != -1:
        raise ValueError(
            f"{name} takes axis {options['axis']} for the classes: put the classes on the last "
            "axis of the outputs."
        )


def _is_of_keras(loss: Any) -> bool:
    modules = (type(loss).__module__, getattr(loss, "__module__", "") or "")
    return any(name.startswith(("tf_keras", "keras.")) for name in modules)
