"""What a network puts out, and so which likelihood it is trained by: told apart, or asked for.

In this order: what the reader says, the distribution that the network puts out, the compiled loss,
the activation of the last layer, the likelihood that the network was trained by, class numbers
beside columns. What none of them tells is asked for.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import tensorflow_probability as tfp

from .activations import activation_of_head, last_activation
from .compiled_loss import (
    distribution_beside_loss,
    loss_weights,
    num_arguments,
    of_compiled_loss,
    own_loss_function,
)
from .heads import arrange_targets, for_each_head, head_names, like_heads
from .likelihood import (
    AnyLikelihood,
    HeadsLikelihood,
    Likelihood,
    check_pairing,
    flatten_heads,
    from_distribution_function,
    from_function,
    has_heads,
)
from .loss_fit import likelihood_beside
from .plain_outputs import of_plain_tensor
from .recorded_distribution import distribution_in
from .targets import check_targets

tfd = tfp.distributions


@dataclass(frozen=True)
class _Training:
    """What a network was trained by: the likelihood, what the reader said, how it was compiled."""

    likelihood: AnyLikelihood
    said: Any
    compiled: Any


_TRAINED_BY: weakref.WeakKeyDictionary[Any, _Training] = weakref.WeakKeyDictionary()


def find_likelihood(
    network: Any, outputs: Any, targets: Any = None, given: Any = None
) -> AnyLikelihood:
    """Return the likelihood of what a network puts out.

    Parameters
    ----------
    network
        A ``tf_keras`` model, compiled or not.
    outputs
        What it puts out for a few examples: a tensor, a distribution, or several of them.
    targets
        Of these examples, where they are known.
    given
        What the reader says: a ``tf_keras`` loss or its name, a function (targets, outputs) ↦
        negative log-likelihood of each example (nats), a function outputs ↦ distribution, or one of
        these for each head.

    Raises
    ------
    ValueError
        If the likelihood cannot be told, or what tells it is no likelihood, or does not fit the
        outputs: what to write. If targets and outputs do not belong together.
    """
    if has_heads(outputs):
        return _of_heads(network, outputs, targets, given)
    if has_heads(given) or (given is None and has_heads(targets)):
        raise ValueError(
            "The network has one output, but several targets or likelihoods were passed: pass one."
        )
    loss = None if given is not None else getattr(network, "loss", None)
    loss = next(iter(flatten_heads(loss)), None) if has_heads(loss) else loss
    found = _of_head(outputs, targets, given, loss, last_activation(network), trained_by(network))
    if targets is not None:
        check_targets(found, [targets], outputs)
        check_pairing(found, targets, outputs)
    return found


def remember_likelihood(network: Any, likelihood: AnyLikelihood, said: Any = None) -> None:
    """Note the likelihood that a network was trained by, so that predictions need not ask.

    Parameters
    ----------
    network, likelihood
        What was trained, and by what.
    said
        What the reader said of it, if anything.
    """
    _TRAINED_BY[network] = _Training(likelihood, said, getattr(network, "compiled_loss", None))


def trained_by(network: Any) -> AnyLikelihood | None:
    """Return the likelihood that was noted for a network, if any."""
    known = _TRAINED_BY.get(network)
    return None if known is None else known.likelihood


def said_in_training(network: Any) -> Any:
    """Return what the reader said of the likelihood in training, if no ``compile`` came after."""
    known = _TRAINED_BY.get(network)
    if known is None or known.compiled is not getattr(network, "compiled_loss", None):
        return None
    return known.said


def _of_heads(network: Any, outputs: Any, targets: Any, given: Any) -> HeadsLikelihood:
    """Return the likelihood of several outputs, each told by its own loss and targets."""
    names, leaves = head_names(network, outputs), flatten_heads(outputs)
    many = [None] * len(names)
    ys = many if targets is None else arrange_targets(network, targets, outputs)
    said = many if given is None else for_each_head(given, names, "likelihood")
    loss = getattr(network, "loss", None) if given is None else None
    losses = many if loss is None else for_each_head(loss, names, "loss")
    _check_loss_weights(network, given)
    known = trained_by(network)
    before = known.flat if isinstance(known, HeadsLikelihood) else many
    heads = []
    for index, name in enumerate(names):
        try:
            activation = activation_of_head(network, index, len(names))
            head = _of_head(
                leaves[index], ys[index], said[index], losses[index], activation, before[index]
            )
            if ys[index] is not None:
                check_targets(head, [ys[index]], leaves[index])
                check_pairing(head, ys[index], leaves[index])
        except ValueError as error:
            raise ValueError(f"Output {name!r}: {error}") from error
        heads.append(head)
    return HeadsLikelihood(like_heads(outputs, iter(heads)))


def _check_loss_weights(network: Any, given: Any) -> None:
    """Raise if heads were compiled with weights: the log-likelihood is their plain sum."""
    weights = loss_weights(network)
    if given is None and any(weight != 1 for weight in weights):
        raise ValueError(
            f"The network was compiled with loss_weights={weights}, but the log-likelihood of an "
            "example is the plain sum over its outputs: pass likelihood= with one loss for each "
            "output, or compile without loss_weights."
        )


def _of_head(
    outputs: Any, targets: Any, given: Any, loss: Any, activation: str, before: Any
) -> Likelihood:
    """Return the likelihood of one output, by the first of the ways that tells it."""
    if given is not None:
        return _said(outputs, targets, given, activation)
    if isinstance(outputs, tfd.Distribution):
        return distribution_beside_loss(outputs, targets, loss)
    if loss is not None:
        return of_compiled_loss(outputs, targets, loss, activation)
    return of_plain_tensor(outputs, targets, activation, before)


def _said(outputs: Any, targets: Any, given: Any, activation: str) -> Likelihood:
    """Return the likelihood that the reader says, once it fits the outputs."""
    function = own_loss_function(given)
    if function is None:
        return likelihood_beside(outputs, given, activation)
    if num_arguments(function) == 1:
        return from_distribution_function(function)
    return from_function(function, distribution_in(function, outputs, targets))
