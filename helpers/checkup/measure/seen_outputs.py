"""What the network puts out on the batch: a tensor or a distribution, and what Keras takes."""

from typing import Any, NamedTuple

import tensorflow_probability as tfp

from ...model.activations import activation_of_head, last_activation
from ...model.heads import head_names
from ...model.likelihood import flatten_heads, plain_distribution
from .case import Case

tfd = tfp.distributions


class SeenOutput(NamedTuple):
    """One output of the network.

    ``activation`` is that of its last layer, "linear" for none, "" if unknown; ``is_drawn`` says
    whether Keras' losses and metrics would compare the targets with a draw from it.
    """

    name: str
    outputs: Any
    activation: str
    is_drawn: bool

    @property
    def is_distribution(self) -> bool:
        """Whether it is a distribution."""
        return isinstance(self.outputs, tfd.Distribution)


def seen_outputs(case: Case) -> list[SeenOutput]:
    """Return all outputs of the network; none if what is minimised does not call it as a whole."""
    every = [out for layer, out in case.called if layer is case.network and out is not None]
    if not every:
        return []
    leaves = flatten_heads(every[-1])
    if len(leaves) == 1:
        activation = last_activation(case.network)
        return [SeenOutput("", leaves[0], activation, _is_drawn(leaves[0]))]
    names = head_names(case.network, every[-1])
    return [
        SeenOutput(name, out, activation_of_head(case.network, i, len(leaves)), _is_drawn(out))
        for i, (name, out) in enumerate(zip(names, leaves, strict=True))
    ]


def is_of_classes(distribution: Any) -> bool:
    """Whether a distribution is one of classes, or of yes or no."""
    plain = plain_distribution(distribution)
    inner = getattr(plain, "distribution", plain)  # inside Independent
    return any(word in type(inner).__name__ for word in ("Categorical", "Bernoulli"))


def is_continuous(distribution: Any) -> bool:
    """Whether a distribution is one of values that can be reparameterized, as a Gaussian is."""
    kind = getattr(distribution, "reparameterization_type", None)
    return kind == tfd.FULLY_REPARAMETERIZED


def _is_drawn(outputs: Any) -> bool:
    """Whether a distribution becomes a tensor by a draw, as TFP's layers do unless told."""
    convert = getattr(outputs, "_convert_to_tensor_fn", None)
    return isinstance(outputs, tfd.Distribution) and "sample" in getattr(convert, "__name__", "")
