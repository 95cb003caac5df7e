"""Whether the outputs of an example depend on that example alone, however examples are batched."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..model.finite_draws import finite_draws
from ..model.reachable import reachable
from ..model.untouched import untouched, use_seed
from .output_leaves import LeafNetwork

Array = npt.NDArray[np.float64]
SAME = 1e-4  # relative to the largest output: what rounding may change

MIXED = (
    "The outputs of an example depend on the other examples of its batch, so a prediction would "
    "depend on what stands beside it: a layer takes means over the batch (BatchNormalization "
    "called with training=True, or one of your own), or attends across it. Let each example stand "
    "alone, as under the moving averages of BatchNormalization()(x)."
)


def check_rows_apart(network: LeafNetwork, inputs: list[Any]) -> None:
    """Raise if the first row of the outputs changes with the rows that stand beside it.

    Parameters
    ----------
    network
        The network; it is left as it was.
    inputs
        A few examples, one tensor for each input.

    Raises
    ------
    ValueError
        If it does, where the same random numbers are drawn.
    """
    if int(inputs[0].shape[0]) < 2:
        return
    alone = [tf.repeat(leaf[:1], leaf.shape[0], axis=0) for leaf in inputs]
    with untouched(network.network), finite_draws():
        among, again, beside = (_first_rows(network, x) for x in (inputs, inputs, alone))
    if _are_same(among, again) and not _are_same(among, beside):
        raise ValueError(MIXED)


def _first_rows(network: LeafNetwork, inputs: list[Any]) -> list[Array]:
    """Return the first row of each output, with the random numbers of one seed."""
    use_seed(1, repeatable=True)
    for found in reachable(network.network):
        if isinstance(found, tf.random.Generator):
            found.reset_from_seed(1)
    rows = [np.asarray(tf.convert_to_tensor(leaf)) for leaf in network(*inputs)]
    return [row[0].astype(float) for row in rows if row.ndim and row.dtype.kind in "biuf"]


def _are_same(one: list[Array], other: list[Array]) -> bool:
    return all(
        np.allclose(a, b, rtol=SAME, atol=SAME * float(np.max(np.abs(a), initial=0.0)))
        for a, b in zip(one, other, strict=True)
    )
