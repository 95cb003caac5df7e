"""What the network puts out on the batch: a tensor or a distribution, and what Keras takes."""

from typing import Any, NamedTuple

import tensorflow_probability as tfp

from ...model.activations import activation_of_head, last_activation
from ...model.heads import head_names, places_with_loss
from ...model.likelihood import flatten_heads, plain_distribution
from .case import Case
from .final_outputs import outputs_beside_targets

tfd = tfp.distributions


class SeenOutput(NamedTuple):
    """One output of the network.

    ``activation`` is that of its last layer, "linear" for none, "" if unknown; ``is_drawn`` says
    whether Keras' losses and metrics would compare the targets with a draw from it; ``place``
    counts the outputs of the network from 0.
    """

    name: str
    outputs: Any
    activation: str
    is_drawn: bool
    place: int = 0

    @property
    def is_distribution(self) -> bool:
        """Whether it is a distribution."""
        return isinstance(self.outputs, tfd.Distribution)


def seen_outputs(case: Case) -> list[SeenOutput]:
    """Return the outputs that have a loss; none if what is minimised calls no network."""
    watch, of_last_call = case.evaluations[0].watch, case.data.of_last_call
    found = outputs_beside_targets(case.network, watch, of_last_call=of_last_call)
    if found is None:
        return []
    leaves = flatten_heads(found)
    if len(leaves) == 1:
        activation = last_activation(case.network) if is_of_network(case) else ""
        return [SeenOutput("", leaves[0], activation, _is_drawn(leaves[0]))]
    names = head_names(case.network, found)
    is_fit = case.objective.kind == "fit"
    kept = places_with_loss(case.network, names) if is_fit else range(len(names))
    return [
        SeenOutput(
            names[i],
            leaves[i],
            activation_of_head(case.network, i, len(leaves)),
            _is_drawn(leaves[i]),
            i,
        )
        for i in kept
    ]


def is_of_network(case: Case) -> bool:
    """Whether the outputs that the targets belong to are those of the reader's network itself."""
    is_called = any(layer is case.network for layer, _ in case.called)
    return is_called and not case.data.of_last_call


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
