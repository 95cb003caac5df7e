"""Which outputs the targets belong to, where a reader's own objective calls several networks."""

from typing import Any

from ...model.likelihood import has_heads
from ...model.watch import Watch


def outputs_beside_targets(network: Any, watch: Watch, *, of_last_call: bool = False) -> Any:
    """Return what the network put out last, or what the last network that was called did.

    Parameters
    ----------
    network
        The reader's.
    watch
        What happened in one evaluation of the objective.
    of_last_call
        Whether to return the outputs of the last layer with weights that no other layer called,
        as of a decoder or of a head that is a network of its own. They are returned as well where
        the objective calls the parts of the network, never the network itself.

    Returns
    -------
    Any
        A tensor, a distribution or a structure of these; None if no layer was called.
    """
    own = [out for layer, out in watch.called if layer is network and out is not None]
    if own and not of_last_call:
        return own[-1]
    for layer, out in reversed(watch.outermost):  # several heads have names in one network only
        if out is not None and not has_heads(out) and layer.weights:
            return out
    return own[-1] if own else None
