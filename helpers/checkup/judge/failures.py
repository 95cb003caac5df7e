"""Networks that do not run, and checks that cannot cope with one: the error and its usual cause."""

import re

from ...model.known_errors import explain
from ..report import Finding

# How TensorFlow tells, inside of a message, where in a compiled function it was raised.
COMPILED_FRAME = re.compile(r'^ *File ".*", line \d+, in .*\n.*\n', re.MULTILINE)


def cannot_run(error: Exception, instead: str = "") -> Finding:
    """Return the alarm for a network, or a loss, that raises.

    Parameters
    ----------
    error
        What it raises.
    instead
        What to write, if that is known from elsewhere.
    """
    if _is_vectorized(error):  # it does run outside of the check-up
        return not_checked("the objective", error)
    text = COMPILED_FRAME.sub("", str(error)).replace("in user code:", "")
    text = re.sub(r"0x[0-9a-fA-F]{6,}", "0x…", text)
    text = re.sub(r"numpy= ?.*", "…", " ".join(text.split()))
    short = text if len(text) < 400 else f"{text[:400]} …"
    message = f"It does not run: {type(error).__name__}: {short}"
    known = None if instead else explain(error)
    if known is not None:
        message += f"{'' if short.endswith(('.', '…')) else '.'} {_plain(known.cause)}"
    return Finding(
        kind="cannot-run",
        verdict="wrong",
        message=message,
        sure="measured",
        cure=_plain(known.cure) if known is not None else instead,
    )


def diverged(error: ValueError) -> Finding:
    """Return the alarm for a network whose weights are no numbers any more."""
    text, _, cure = str(error).partition(". ")
    return Finding(
        kind="not-finite", verdict="wrong", message=f"{text}.", sure="measured", cure=cure
    )


def out_of_scope(error: ValueError) -> Finding:
    """Return the finding that a network is of a kind that the check-up does not examine."""
    text, _, cure = str(error).partition(". ")
    return Finding(
        kind="not-checked",
        verdict="unknown",
        message=f"This could not be checked: the network. {text}.",
        sure="measured",
        cure=cure,
    )


def not_checked(what: str, error: Exception) -> Finding:
    """Return the finding that a check could not cope with this network."""
    if _is_vectorized(error):
        text = (
            f"This could not be checked: {what}. The check-up reads numbers at every step, and "
            "inside of tf.vectorized_map there are none."
        )
        cure = "Write a loop of Python over the draws, or tf.map_fn, at least for the check."
        return Finding(kind="not-checked", verdict="unknown", message=text, cure=cure)
    text = f"This could not be checked: {what} ({type(error).__name__}: {str(error)[:200]})."
    return Finding(kind="not-checked", verdict="unknown", message=text, sure="possible")


def _is_vectorized(error: Exception) -> bool:
    """Whether an error names what ``tf.vectorized_map`` traces."""
    return "loop_body/" in str(error)


def _plain(text: str) -> str:
    """Return sentences as the report prints them: without the marks of code."""
    return text.replace("`", "")
