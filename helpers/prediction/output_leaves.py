"""A network as a function of tensors to tensors: what it takes and puts out, apart and together.

The parameters of a distribution are tensors, so it can leave a compiled graph as those, and be put
together again outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from ..model.kept_logits import kept_logits, operations_noted
from ..model.likelihood import flatten_heads, plain_distribution

tfd = tfp.distributions


class HeadForm(NamedTuple):
    """How one output comes apart.

    ``template`` is the distribution that is put together, ``None`` for a tensor; ``leaves`` says
    which of all leaves belong to it. Behind them come the logits that Keras notes on probabilities,
    if it ``has_logits``, and the mask of padded steps, if it ``has_mask``.
    """

    template: Any
    leaves: slice
    has_logits: bool
    has_mask: bool

    def rebuild(self, leaves: Sequence[Any]) -> Any:
        """Return the output of which these are the leaves, of any number of examples."""
        own = [tf.convert_to_tensor(leaf) for leaf in leaves]
        mask = own.pop() if self.has_mask else None
        logits = own.pop() if self.has_logits else None
        if self.template is None:
            (output,) = own
        else:
            output = tf.nest.pack_sequence_as(self.template, own, expand_composites=True)
        return noting(output, logits, mask)


def noting(output: Any, logits: Any = None, mask: Any = None) -> Any:
    """Return an output with what Keras notes on one: its logits, and the mask of padded steps."""
    if logits is not None:
        output._keras_logits = logits
    if mask is not None:
        output._keras_mask = mask
    return output


class LeafNetwork:
    """A network called with flat inputs, returning flat outputs.

    Parameters
    ----------
    network
        A ``tf_keras`` model; built.
    inputs, kinds
        A few of its inputs in their structure, and the type of each leaf.
    outputs
        What it puts out for them.
    """

    def __init__(
        self, network: tf_keras.Model, inputs: Any, kinds: list[tf.DType], outputs: Any
    ) -> None:
        self.network, self.structure, self.kinds = network, inputs, kinds
        self.heads: list[HeadForm] = []
        self._leaves: list[tf.Tensor] = []
        for head in flatten_heads(outputs):
            start = len(self._leaves)
            self._leaves += _leaves(head) if _comes_apart(head) else []
            stop = len(self._leaves)
            template = plain_distribution(head) if isinstance(head, tfd.Distribution) else None
            kept = _logits(head) is not None, _mask(head) is not None
            self.heads.append(HeadForm(template, slice(start, stop), *kept))

    @property
    def comes_apart(self) -> bool:
        """Whether every output is a tensor, or a distribution that tensors and types describe."""
        return all(head.leaves.start < head.leaves.stop for head in self.heads)

    def specs(self, num_examples: int | None) -> list[tf.TensorSpec]:
        """Return shapes and types of flat inputs for so many examples."""
        leaves = zip(tf.nest.flatten(self.structure), self.kinds, strict=True)
        return [tf.TensorSpec([num_examples, *leaf.shape[1:]], kind) for leaf, kind in leaves]

    def call(self, leaves: Sequence[Any]) -> Any:
        """Return the outputs as the network gives them."""
        with operations_noted():
            return self.network(tf.nest.pack_sequence_as(self.structure, list(leaves)))

    def __call__(self, *leaves: Any) -> list[tf.Tensor]:
        """Return the outputs as tensors."""
        heads = flatten_heads(self.call(leaves))
        return [leaf for head in heads for leaf in _leaves(head)]

    def can_rebuild(self, counts: Sequence[bool]) -> bool:
        """Whether outputs of fewer examples can be put together: tried on the first of them.

        Parameters
        ----------
        counts
            For each leaf, whether its first axis counts the examples.
        """
        pairs = zip(self._leaves, counts, strict=True)
        first = [leaf[:1] if it else leaf for leaf, it in pairs]
        try:
            shapes = [output_shape(head.rebuild(first[head.leaves])) for head in self.heads]
        except Exception:  # noqa: BLE001 (a distribution that fixes its number of examples)
            return False
        return all(shape.rank and shape[0] == 1 for shape in shapes)


def output_shape(output: Any) -> tf.TensorShape:
    """Return the shape of a tensor, or of what a distribution describes."""
    if isinstance(output, tfd.Distribution):
        return output.batch_shape.concatenate(output.event_shape)
    return tf.convert_to_tensor(output).shape


def _comes_apart(head: Any) -> bool:
    plain = plain_distribution(head)
    is_distribution = isinstance(head, tfd.Distribution)
    return not is_distribution or isinstance(plain, tf.__internal__.CompositeTensor)


def _leaves(head: Any) -> list[tf.Tensor]:
    if isinstance(head, tfd.Distribution):
        tensors = tf.nest.flatten(plain_distribution(head), expand_composites=True)
    else:
        tensors = [tf.convert_to_tensor(head)]
    return [*tensors, *(part for part in (_logits(head), _mask(head)) if part is not None)]


def _logits(head: Any) -> Any:
    """Return the logits of probabilities, which tell 1 − 1e-30 from 1, as in training."""
    return None if isinstance(head, tfd.Distribution) else kept_logits(head)


def _mask(head: Any) -> Any:
    return getattr(head, "_keras_mask", None)
