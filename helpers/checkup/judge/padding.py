"""Padded steps that count as data, because a layer hands their mask on to nobody."""

from typing import Any

import numpy as np

from ...model.lost_masks import LostMasks, dropped_masks, lost_masks
from ...model.watch import Watch
from ..measure.case import Case
from ..measure.objective import evaluate
from ..report import Finding


def check_masks(case: Case) -> list[Finding]:
    """Return an alarm where padding counts in the data term, a note where layers only see it."""
    if not case.bayesian_layers or case.objective.kind == "losses" or not _is_dropped(case):
        return []
    lost = lost_masks(case.network, case.batch.inputs)
    share = _felt_share(case) if lost is not None else 0.0
    if lost is None or not share:
        return []
    at_outputs = any(mask is not None for mask in lost.of_outputs)
    return [_padding_is_data(case, lost, share) if at_outputs else _padding_is_read(lost)]


def _is_dropped(case: Case) -> bool:
    """Whether a mask ends in a layer whose steps go on."""
    return any(not np.all(mask) for _, mask, _ in dropped_masks(case.evaluations[0].watch))


def _felt_share(case: Case) -> float:
    """Return the share of padded steps, 0 if the data term does not change with any of them."""
    seen: list[tuple[Any, Any]] = []

    def outputs(watch: Watch) -> list[list[Any]]:
        """Return the tensors that the layers put out in which a mask ended."""
        seen[:] = [(mask, out) for _, mask, out in dropped_masks(watch)]
        return [[out for _, out in seen]]

    run = evaluate(case.objective, case.batch, factor=0.0, sources=outputs)
    for (mask, _), slope in zip(seen, run.of_sources[0], strict=True):
        padded = ~np.asarray(mask)
        if slope is not None and np.any(np.asarray(slope)[padded]):
            return float(padded.mean())
    return 0.0


def _padding_is_data(case: Case, lost: LostMasks, share: float) -> Finding:
    text = (
        f"The mask of padded steps ends in {lost.names}, which hands none on: "
        f"{share:.0%} of the steps here are padding, and count in the data term as if they had "
        "been observed."
    )
    cure = lost.cure
    # With a mask, Keras' mean is over the steps that exist; with weights it stays what it is.
    if case.data.averaged_over > 1 and "supports_masking" in cure:
        existing = (1 - share) * case.data.averaged_over * case.setup.num_examples
        cure += (
            " Without the padding the loss is a mean over the steps that exist: divide the KL by "
            f"their number, about {existing:.0f}."
        )
    return Finding(
        kind="mask-lost",
        verdict="wrong",
        message=text,
        layer=lost.names,
        value=share,
        expected=0.0,
        sure="measured",
        cure=cure,
    )


def _padding_is_read(lost: LostMasks) -> Finding:
    text = (
        f"The mask of padded steps ends in {lost.names}, which hands none on: the "
        "layers behind it read padding as if it were data."
    )
    return Finding(
        kind="mask-lost",
        verdict="look",
        message=text,
        layer=lost.names,
        sure="measured",
        cure=lost.cure,
    )
