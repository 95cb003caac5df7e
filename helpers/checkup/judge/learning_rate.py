"""Whether the learning rate is the one that the reader wrote."""

from ..measure.case import Case
from ..measure.optimizers import optimizers_at_default
from ..measure.source_code import readers_sources, written_rates
from ..report import Finding, Sureness, Verdict


def check_learning_rate(case: Case) -> list[Finding]:
    """Return a finding if an optimizer runs at its class's default learning rate."""
    found = [_judge(name, rate) for name, rate in optimizers_at_default(case)]
    return [finding for finding in found if finding is not None][:1]


def _judge(name: str, rate: float) -> Finding | None:
    ignored, others = written_rates(name)
    if ignored and rate not in ignored:
        return _ignored(name, rate, ignored[-1], others=others)
    if not ignored and readers_sources():
        return None
    text = f"{name} runs at its default learning rate, {rate:g}. An old lr= would be ignored."
    return Finding(
        kind="learning-rate-default",
        verdict="look",
        message=text,
        value=rate,
        sure="possible",
        cure=f"Write {name}(learning_rate=...).",
    )


def _ignored(name: str, rate: float, written: float, *, others: bool) -> Finding:
    """Judge an ``lr=`` that is written; only possibly this optimizer's if there are others."""
    where = "Somewhere in your code " if others else ""
    text = (
        f"{where}{name} is given lr={written:g}. tf_keras ignores lr=: this optimizer runs "
        f"at its default learning rate, {rate:g}."
    )
    verdict: Verdict = "look" if others else "wrong"
    sure: Sureness = "possible" if others else "likely"
    return Finding(
        kind="learning-rate-ignored",
        verdict=verdict,
        message=text,
        value=rate,
        expected=written,
        sure=sure,
        cure=f"Write {name}(learning_rate=...).",
    )
