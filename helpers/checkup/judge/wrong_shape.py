"""A posterior and a prior of different shapes, so that a KL is broadcast."""

from ...model.entry_units import differ_in_shape
from ..measure.broadcast import BroadcastKL, broadcast_kl
from ..measure.case import Case
from ..report import Finding

CURE = "Make each one event: tfd.Independent(..., reinterpreted_batch_ndims=len(shape))."


def check_shapes(case: Case) -> list[Finding]:
    """Return an alarm where posterior and prior differ in shape, so that a KL is broadcast."""
    findings = []
    for factor in case.factors:
        if factor.entries and differ_in_shape(factor.posterior):
            found = broadcast_kl(case, factor)
            findings += [] if found is None else [_broadcast(factor.posterior.name, found)]
    return findings


def _broadcast(name: str, found: BroadcastKL) -> Finding:
    q, p = found.posterior, found.prior
    text = (
        f"Posterior and prior have different shapes: batch {q.batch_shape} and event "
        f"{q.event_shape} against {p.batch_shape} and {p.event_shape}. The densities are "
        f"broadcast: the entry in losses is worth {found.entry:,.1f} nats where the KL over all "
        f"weights is about {found.kl:,.1f}."
    )
    return Finding(
        kind="wrong-shape",
        verdict="wrong",
        message=text,
        layer=name,
        value=found.entry,
        expected=found.kl,
        sure="measured",
        cure=CURE,
    )
