"""Layers that draw their weights several times in one call, as ``sample(20)`` in TFP's layers does.

What they put out has an axis of the draws, which the network must bring down to one prediction.
"""

from typing import Any


def draws_in_one_call(layer: Any) -> int:
    """Return how many draws of its weights a layer of TFP took when it was called last, at least 1.

    They are what ``kernel_posterior_tensor_fn`` returned, before the axes of the weights.
    """
    most = 1
    for part in ("kernel", "bias"):
        tensor = getattr(layer, f"{part}_posterior_tensor", None)
        posterior = getattr(layer, f"{part}_posterior", None)
        if tensor is None or posterior is None:
            continue
        own = posterior.batch_shape.rank + posterior.event_shape.rank
        extra = tensor.shape[: max(0, tensor.shape.rank - own)]
        most = max(most, int(extra.num_elements() or 1))
    return most


def word_on_several_draws(network: Any) -> str:
    """Return that a layer draws several times in one call, for a network to average; "" if none.

    Parameters
    ----------
    network
        A network that was called before.
    """
    for layer in network._flatten_layers():
        if (draws := draws_in_one_call(layer)) > 1:
            return (
                f"Layer {layer.name} draws its weights {draws} times in one call "
                "(kernel_posterior_tensor_fn), so that what the network puts out is an average "
                "over draws, not the output under one. Leave kernel_posterior_tensor_fn and "
                "bias_posterior_tensor_fn at their defaults, and take no mean over draws inside"
            )
    return ""
