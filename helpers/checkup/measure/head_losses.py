"""The loss of each output, as the reader wrote it."""

from collections.abc import Callable
from typing import Any

from ...model.compiled_loss import own_loss_function
from ...model.heads import for_each_head
from ...model.likelihood import has_heads
from ...model.recorded_distribution import distribution_in
from .case import Case
from .data_term import ASKED, HeadTerm


def losses_of_heads(case: Case, heads: tuple[HeadTerm, ...]) -> list[Any]:
    """Return the loss of each output that has one, ``None`` where that is not known."""
    unknown = [None] * len(heads)
    if case.objective.kind not in ("fit", "data term"):
        return unknown
    loss: Any = case.setup.loss
    if case.objective.kind == "fit":
        loss = getattr(case.network, "loss", None)
    if not has_heads(loss):
        return [loss] * len(heads)
    if not isinstance(loss, dict):
        loss = [part for part in loss if part is not None]  # Keras leaves those outputs alone
    try:
        return for_each_head(loss, [head.head for head in heads], "loss")
    except ValueError:
        return unknown


def asked_distribution(
    head: HeadTerm, loss: Any, outputs: Any, targets: Any
) -> Callable[[Any], Any] | None:
    """Return outputs ↦ the distribution of which a reader's loss takes the log_prob, if any.

    Parameters
    ----------
    head, loss
        What the data term is for the output, and how the reader wrote it.
    outputs, targets
        Of the batch.
    """
    if head.name != ASKED or loss is None:
        return None
    function = own_loss_function(loss)
    return None if function is None else distribution_in(function, outputs, targets)
