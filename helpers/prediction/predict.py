"""Predictions as averages over draws from the weight posterior.

Introduced in chapters/04-elbo.md, "Five weights side by side".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from ..draws.replay import trace
from ..draws.xla_lowering import XlaRefusalError
from ..model.checks import check_keras_version, check_number, check_weights, check_whole
from ..model.heads import head_names, in_order, like_heads
from ..model.inputs import Examples, as_tensors
from ..model.likelihood import (
    AnyLikelihood,
    HeadsLikelihood,
    flatten_heads,
    plain_distribution,
)
from ..model.lost_masks import lost_masks
from ..model.network_call import call_network
from ..model.outputs import find_likelihood, said_in_training
from ..model.several_draws import word_on_several_draws
from ..model.untouched import state_kept
from .chunks import compile_pieces, fit_pieces
from .drawn_outputs import DrawnOutputs, LeafPart, ObjectPart, Part
from .drawn_predictions import FEW, HeadsPredictions, Predictions
from .input_blocks import Block, InputBlocks
from .output_leaves import LeafNetwork, output_shape
from .rows_apart import check_rows_apart
from .training_draws import check_draws_outside_training

tfd = tfp.distributions

Draw = Callable[[Block, int], Part]  # (some examples, seed) ↦ their outputs under all draws

# XLA's compilation pays when the layers' results of all draws and examples take so many bytes.
BYTES_THAT_PAY = 4e10


def predict_by_draws(
    neural_net: tf_keras.Model,
    inputs: Any,
    num_draws: int,
    seed: int = 0,
    *,
    likelihood: Any = None,
    max_memory: float = 2**28,
    jit_compile: bool | None = None,
) -> Predictions | HeadsPredictions:
    """Return what the network predicts under ``num_draws`` draws of its weights.

    Every draw is a call of its own: copies of an example inside *one* batch share noise, so that
    their spread is not the posterior's. Averaged are probabilities and densities, not logits.

    Many draws are computed at a time, on as many examples as the memory allows. A draw depends on
    ``seed`` and its number alone: neither more draws nor another bound, nor other batches of a
    dataset change it, but for rounding. A network with a draw that cannot be numbered so (a gamma
    distribution, a draw inside a loop), or with a distribution that TensorFlow cannot take apart,
    is called once a draw, on all examples in memory, whatever the bound.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model.
    inputs
        Inputs in any form that ``fit`` takes: an array [examples, …], a list, tuple or dict of
        arrays, a frame, a batched ``tf.data.Dataset``, a ``Sequence``. A dataset is read once, in
        its order; targets that it brings are kept for ``log_predictive_density``.
    num_draws
        S, the number of draws, at least 1.
    seed
        Of the draws: the same call gives the same ones.
    likelihood
        What the outputs say of the targets, where neither
        :func:`~helpers.training.train.train_by_elbo` was told it, nor a distribution that the
        network puts out, nor its compiled loss says it: a ``tf_keras`` loss, its name, or a
        function outputs ↦ distribution, such as ``lambda outputs: tfd.Normal(outputs, noise)``; for
        several outputs one for each.
    max_memory
        About how many bytes noise and results of the layers may take, beside inputs and result.
    jit_compile
        Whether XLA compiles the network: a second or two at the start, less time for each draw, the
        same draws. ``None`` means: when there is enough to compute to pay for it.

    Returns
    -------
    Predictions or HeadsPredictions
        ``.draws`` [draws, examples, …], ``.mean``, ``.stddev``, ``.interval(level)``,
        ``.epistemic``, ``.aleatoric``, ``.log_predictive_density(targets)``; of a network with
        several outputs, these for each, and the joint density.

    Raises
    ------
    TypeError, ValueError
        If the network is not of ``tf_keras``, the inputs hold NaN or have no form that it takes,
        nothing says what the outputs are, ``num_draws`` is below 1, or ``max_memory`` is too small
        for one draw of a few examples.
    """
    seed = check_whole("seed", seed, 0)
    tf.random.set_seed(seed)  # for the weights of a network that was never called
    num_draws = _checked_draws(neural_net, num_draws, max_memory)
    blocks = InputBlocks(inputs)
    predict = _compile(neural_net, blocks, num_draws, likelihood, max_memory, jit_compile)
    return predict(blocks, seed)


def compile_prediction(
    neural_net: tf_keras.Model,
    inputs: Any,
    num_draws: int,
    *,
    likelihood: Any = None,
    max_memory: float = 2**28,
    jit_compile: bool | None = None,
) -> Callable[[Any, int], Predictions | HeadsPredictions]:
    """Return (inputs, seed) ↦ what :func:`predict_by_draws` returns, to be called many times.

    Parameters
    ----------
    neural_net, num_draws, likelihood, max_memory, jit_compile
        As in :func:`predict_by_draws`.
    inputs
        Of the form and the shapes of those that will be predicted.

    Raises
    ------
    TypeError, ValueError
        As :func:`predict_by_draws`.
    """
    num_draws = _checked_draws(neural_net, num_draws, max_memory)
    blocks = InputBlocks(inputs)
    predict = _compile(neural_net, blocks, num_draws, likelihood, max_memory, jit_compile)
    return lambda others, seed: predict(InputBlocks(others), seed)


def _checked_draws(neural_net: Any, num_draws: Any, max_memory: float) -> int:
    """Return the number of draws, once the other options are such that they can be made."""
    check_keras_version(neural_net)
    check_number("max_memory", max_memory, 1, math.inf, "a positive number of bytes")
    return check_whole("num_draws", num_draws, 1, "how often to draw the weights")


def _compile(
    neural_net: tf_keras.Model,
    blocks: InputBlocks,
    num_draws: int,
    likelihood: Any,
    max_memory: float,
    jit_compile: bool | None,
) -> Callable[[InputBlocks, int], Predictions | HeadsPredictions]:
    """Return (inputs, seed) ↦ predictions, for inputs like these."""
    size = blocks.head.examples.num_examples
    few = blocks.head.examples.rows(np.unique(np.linspace(0, size - 1, min(size, FEW)).astype(int)))
    if neural_net.built:
        check_weights(neural_net)
    outputs, kinds = call_network(neural_net, few.inputs)
    _check_outputs(outputs, few.num_examples)
    if said := word_on_several_draws(neural_net):
        raise ValueError(f"{said}.")
    found = _likelihood(neural_net, outputs, few, likelihood)
    names = head_names(neural_net, outputs) if isinstance(found, HeadsLikelihood) else []
    network = LeafNetwork(neural_net, few.inputs, kinds, outputs)
    if network.comes_apart:
        check_rows_apart(network, as_tensors(tf.nest.flatten(few.inputs), kinds))
    draw, has_noise = _drawer(network, size, num_draws, max_memory, jit_compile)
    if not has_noise:
        check_draws_outside_training(neural_net, as_tensors(few.inputs, kinds))

    def predict(inputs: InputBlocks, seed: int) -> Predictions | HeadsPredictions:
        """Return the predictions for all blocks together, with the targets that these brought."""
        parts, brought = [], []
        with state_kept(neural_net):
            for block in inputs:
                _check_shapes(block, network)
                parts.append(draw(block, seed))
                brought.append(block.examples.targets)
        # Tracing leaves graph tensors in `losses`; an eager call, values.
        neural_net(as_tensors(few.inputs, kinds))
        targets = None if brought[0] is None else _joined(brought)
        head = inputs.head.examples.rows(slice(0, FEW))
        lost = lost_masks(neural_net, as_tensors(head.inputs, kinds))
        drawn = DrawnOutputs(parts, num_draws)
        return _predictions(drawn, found, names, targets, has_noise=has_noise, lost=lost)

    return predict


def _likelihood(network: Any, outputs: Any, few: Examples, given: Any) -> AnyLikelihood:
    """Return the likelihood, which targets tell only if nothing else does.

    What the reader said of it in training holds until the network is compiled anew.
    """
    given = said_in_training(network) if given is None else given
    try:
        return find_likelihood(network, outputs, given=given)
    except ValueError:
        if few.targets is None:
            raise
    return find_likelihood(network, outputs, as_tensors(few.targets), given)


def _drawer(
    network: LeafNetwork,
    num_examples: int,
    num_draws: int,
    max_memory: float,
    jit_compile: bool | None,
) -> tuple[Draw, bool]:
    """Return what computes the outputs of some examples, and whether draws differ."""
    pieces = None
    if network.comes_apart:
        pieces = fit_pieces(network, num_examples, num_draws, max_memory)
    if pieces is None or not network.can_rebuild(pieces.counts):
        return lambda block, seed: _one_by_one(network, block, num_draws, seed), True
    for head in network.heads:
        if head.template is None and not all(pieces.counts[head.leaves]):
            raise ValueError(
                "The network puts out as many rows for many examples as for few: the first axis of "
                "each output must count the examples."
            )
    may_choose = jit_compile is None
    if jit_compile is None:
        jit_compile = pieces.bytes_of_all > BYTES_THAT_PAY
    try:
        compiled = compile_pieces(pieces, num_draws, jit_compile)
    except XlaRefusalError:
        if not may_choose:
            raise
        compiled = compile_pieces(pieces, num_draws, jit_compile=False)

    def draw(block: Block, seed: int) -> Part:
        """Return the outputs of a block under all draws; refuse those that are not numbers."""
        leaves = compiled(block.leaves, block.first, seed)
        _check_numbers(leaves)
        return LeafPart(_numbers(block), network.heads, leaves, pieces.counts)

    return draw, pieces.has_noise


def _one_by_one(network: LeafNetwork, block: Block, num_draws: int, seed: int) -> Part:
    """Return the outputs, one call of the network a draw, with TensorFlow's own generator."""
    tf.random.set_seed(seed)
    inputs = as_tensors(block.leaves, network.kinds)
    if any(head.template is not None for head in network.heads):
        calls = [flatten_heads(network.call(inputs)) for _ in range(num_draws)]
        return ObjectPart(_numbers(block), [list(map(plain_distribution, it)) for it in calls])
    one_draw = trace(network.__call__, *network.specs(len(block.leaves[0])))
    columns = zip(*(one_draw(*inputs) for _ in range(num_draws)), strict=True)
    leaves = [np.stack([leaf.numpy() for leaf in column]) for column in columns]
    _check_numbers(leaves)
    return LeafPart(_numbers(block), network.heads, leaves, [True] * len(leaves))


def _check_shapes(block: Block, network: LeafNetwork) -> None:
    shapes = [tuple(leaf.shape[1:]) for leaf in block.leaves]
    wanted = [tuple(spec.shape[1:]) for spec in network.specs(None)]
    if shapes != wanted:
        raise ValueError(
            f"An example has the shapes {shapes}, but the prediction was compiled for {wanted}."
        )


def _predictions(
    drawn: DrawnOutputs, found: AnyLikelihood, names: list[str], targets: Any, **known: Any
) -> Predictions | HeadsPredictions:
    """Return the predictions of one output, or of several in their structure."""
    if not isinstance(found, HeadsLikelihood):
        return Predictions(drawn, found, targets=targets, **known)
    many = [None] * len(names) if targets is None else in_order(targets, names)
    heads = (
        Predictions(drawn, one, head=index, targets=many[index], **known)
        for index, one in enumerate(found.flat)
    )
    return HeadsPredictions(like_heads(found.heads, heads), names, found, targets)


def _numbers(block: Block) -> range:
    return range(block.first, block.first + block.examples.num_examples)


def _check_outputs(outputs: Any, num_examples: int) -> None:
    """Raise unless each output has a row for each example.

    Raises
    ------
    ValueError
        If it has not, or is a joint distribution.
    """
    for head in flatten_heads(outputs):
        if isinstance(plain_distribution(head), tfd.JointDistribution):
            raise ValueError(  # noqa: TRY004 (the network is wrong, not the type passed)
                "The network puts out a joint distribution: put out its parts, as a list or dict "
                "of distributions."
            )
        shape = output_shape(head)
        if not shape.rank or shape[0] != num_examples:
            raise ValueError(
                f"The network maps {num_examples} examples to an output of shape {tuple(shape)}: "
                "the first axis must count the examples."
            )


def _check_numbers(leaves: list[Any]) -> None:
    """Raise if a network puts out NaN.

    Raises
    ------
    ValueError
        If it does: its weights have diverged, or an input is out of all measure.
    """
    for leaf in leaves:
        if leaf.dtype.kind == "f" and np.isnan(leaf).any():
            raise ValueError(
                "The network puts out NaN: its weights or its predictions have grown beyond all "
                "bounds, usually in training. Train anew with a smaller learning rate."
            )


def _joined(parts: list[Any]) -> Any:
    """Return the targets of all blocks in one structure."""
    columns = zip(*(tf.nest.flatten(part) for part in parts), strict=True)
    return tf.nest.pack_sequence_as(parts[0], [np.concatenate(column) for column in columns])
