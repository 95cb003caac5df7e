"""What a step minimises: the mean negative log-likelihood, and what ``losses`` adds to it.

Introduced in chapters/19-step-cost.md, "Operations in a training step".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from ..model.checks import check_weights
from ..model.entry_units import EntryUnit, entry_units, word_on_bare
from ..model.heads import arrange_targets, head_names, weights_of_heads
from ..model.inputs import Examples, as_tensors
from ..model.likelihood import AnyLikelihood, flatten_heads
from ..model.lost_masks import check_padding, lost_masks
from ..model.network_call import call_network
from ..model.outputs import find_likelihood
from ..model.several_draws import word_on_several_draws
from ..model.untouched import untouched
from .loss_terms import LossTerms, loss_terms

FEW = (7, 5, 11, 13)  # rows on which a network is tried; a prime is no other axis' length by chance


@dataclass(frozen=True)
class NegativeElbo:
    """The negative ELBO of a network, divided by N, and its terms.

    Attributes
    ----------
    likelihood
        Of what the network puts out.
    terms
        What it makes of the entries of ``losses``.
    """

    likelihood: AnyLikelihood
    terms: LossTerms

    def of_examples(self, neural_net: tf_keras.Model, batch: Examples) -> tf.Tensor:
        """Return the negative log-likelihood of each example [batch], nats, outside of training."""
        outputs = neural_net(batch.inputs, training=False)
        targets = one_or_all(tf.nest.flatten(batch.targets))
        return self.likelihood.of_examples(targets, outputs, batch.weights)

    def of_batch(
        self, neural_net: tf_keras.Model, batch: Examples, share: float, kl_share: float
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the terms [1 + terms] on a batch, and the number to be minimised.

        Call it inside a ``GradientTape``.

        Parameters
        ----------
        neural_net
            The network; it is called, which fills ``losses``.
        batch
            Inputs, targets and weights, as tensors.
        share, kl_share
            What the mean negative log-likelihood counts, and what ``losses`` counts: 1 and 1, but
            on several devices, each of which sees a part.
        """
        outputs = neural_net(batch.inputs, training=True)
        targets = one_or_all(tf.nest.flatten(batch.targets))
        nats = self.likelihood.of_examples(targets, outputs, batch.weights)
        nll = tf.reduce_mean(nats)
        terms = self.terms.of(neural_net)
        loss = share * nll + kl_share * tf.cast(self.terms.weighted(terms), nll.dtype)
        return tf.concat([nll[None], tf.cast(terms, nll.dtype)], 0), loss


@dataclass(frozen=True)
class Understood:
    """What was found out about a network from a few examples.

    Attributes
    ----------
    likelihood
        Of what it puts out.
    units
        What each entry of its ``losses`` is.
    input_types
        Of each leaf of the inputs, as it takes them.
    outputs
        What it put out for these examples.
    places
        For each head the shape of its predictions for one example: () if there is one.
    """

    likelihood: AnyLikelihood
    units: list[EntryUnit]
    input_types: list[tf.DType]
    outputs: Any
    places: list[tuple[int, ...]]

    def negative_elbo(self, kl_weight: float) -> NegativeElbo:
        """Return what is to be minimised, with that weight of the KL in nats."""
        return NegativeElbo(self.likelihood, loss_terms(self.units, kl_weight))


def understand_network(
    neural_net: tf_keras.Model, few: Examples, likelihood: Any = None
) -> Understood:
    """Find out what a network puts out, and what its ``losses`` hold.

    Parameters
    ----------
    neural_net
        Of ``tf_keras``; it is built if it is not yet.
    few
        A few examples with targets.
    likelihood
        What the reader says of it, or ``None``.

    Raises
    ------
    TypeError, ValueError
        As :func:`~helpers.training.train.train_by_elbo` says.
    """
    if few.targets is None:
        raise ValueError("There are no targets: pass targets, or a dataset of (inputs, targets).")
    if neural_net.built:
        check_weights(neural_net)
    several, few = few, few.rows(slice(0, _few_rows(few)))
    outputs, types = call_network(neural_net, few.inputs)
    if said := word_on_several_draws(neural_net):
        raise ValueError(f"{said}: the losses of the draws are averaged, not the draws.")
    if not neural_net.losses:
        _check_training_alone(neural_net, as_tensors(few.inputs, types))
        raise ValueError(
            "The network has no entry in losses, so this would be maximum likelihood, not an ELBO. "
            "Use TFP's layers with their prior and divergence left in place."
        )
    targets = arrange_targets(neural_net, as_tensors(few.targets), outputs)
    found = find_likelihood(neural_net, outputs, one_or_all(targets), likelihood)
    logs = [
        head.log_prob(y, out)
        for head, y, out in zip(found.flat, targets, flatten_heads(outputs), strict=True)
    ]
    _check_support(logs, flatten_heads(outputs))
    _check_padding(neural_net, several, types, found)
    inputs = as_tensors(few.inputs, types)
    units = entry_units(neural_net, inputs)
    if bare := word_on_bare(neural_net, inputs, units):
        raise ValueError(f"{bare}.")
    return Understood(found, units, types, outputs, [tuple(log.shape)[1:] for log in logs])


def _check_training_alone(neural_net: tf_keras.Model, inputs: Any) -> None:
    """Raise if layers add to losses when they train, and at no other call."""
    with untouched(neural_net):
        neural_net(inputs, training=True)
        number = len(neural_net.losses)
    if number:
        raise ValueError(
            f"The network adds {number} entries to losses when it is called with training=True, "
            "and none else, so nothing can be measured on them: let the layers add their KL at "
            "every call. fit and evaluate are the only ones to read it."
        )


def _check_padding(
    neural_net: tf_keras.Model, several: Examples, types: list[tf.DType], found: AnyLikelihood
) -> None:
    """Raise if padded steps of some examples, whose mask the network loses, would count as data."""
    inputs = as_tensors(several.inputs, types)
    lost = lost_masks(neural_net, inputs)
    if lost is None:
        return
    outputs = neural_net(inputs)
    targets = arrange_targets(neural_net, as_tensors(several.targets), outputs)
    weights = None if several.weights is None else as_tensors(several.weights)
    each = weights_of_heads(weights, head_names(neural_net, outputs))
    parts = zip(found.flat, targets, flatten_heads(outputs), each, strict=True)
    for index, (head, target, output, own) in enumerate(parts):
        check_padding(lost, index, head, target, output, own)


def _is_finite(output: Any) -> bool:
    """Whether a tensor holds no NaN and no infinite value; of a distribution it is not known."""
    if hasattr(output, "log_prob"):
        return True
    return bool(tf.reduce_all(tf.math.is_finite(tf.cast(output, tf.float64))))


def _check_support(logs: list[tf.Tensor], outputs: list[Any]) -> None:
    """Raise if the likelihood of an example is 0 or no number, before any training.

    Raises
    ------
    ValueError
        If it is.
    """
    for log, output in zip(logs, outputs, strict=True):
        array = np.asarray(log, float)
        bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
        if bad.size and not _is_finite(output):
            raise ValueError(
                f"The network's outputs are not finite before training, for example {bad[0]}: its "
                "last layer overflowed. Scale the inputs, to [0, 1] for instance, and look at the "
                "start of the weights."
            )
        if bad.size:
            raise ValueError(
                f"The log-likelihood of example {bad[0]} is {array[bad[0]].min()} before training: "
                "its target lies outside of what the output distribution can be (a number below 0 "
                "under a LogNormal or Gamma, say), or a scale is 0 or not finite."
            )


def _few_rows(few: Examples) -> int:
    """Return how many rows to try: a number that no other axis has."""
    lengths = {length for leaf in few.leaves() for length in tuple(leaf.shape)[1:]}
    return next((size for size in FEW if size not in lengths and size <= few.num_examples), FEW[0])


def one_or_all(targets: list[Any]) -> Any:
    """Return the targets of one head alone, of several in a list."""
    return targets[0] if len(targets) == 1 else targets
