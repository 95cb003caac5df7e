"""Networks that do not run, and checks that cannot cope with one: the error and its usual cause."""

import re

from ..report import Finding

CAUSES = (
    (
        "AddN",
        "kernel_divergence_fn must return one number: wrap the distributions in tfd.Independent, "
        "or take tf.reduce_sum.",
    ),
    (
        "registered for",
        "There is no closed form of this KL. Draw it: w = q.sample(); "
        "q.log_prob(w) - p.log_prob(w), with posterior and prior as one event each.",
    ),
    (
        "dtype float32 for Tensor with dtype float16",
        "TFP's layers do not work in mixed precision: give them dtype='float32'.",
    ),
    (
        "dtype float32 for Tensor with dtype bfloat16",
        "TFP's layers do not work in mixed precision: give them dtype='float32'.",
    ),
    (
        "Tensor conversion requested dtype float",
        "The inputs are whole numbers: cast them, inputs.astype('float32').",
    ),
    (
        "'NoneType' object has no attribute",
        "In Flipout layers the third argument of "
        "kernel_divergence_fn is None: draw a sample of your own, w = q.sample().",
    ),
    (
        "unsupported operand type(s) for",
        "In Flipout layers the third argument of "
        "kernel_divergence_fn is None: draw a sample of your own, w = q.sample().",
    ),
    (
        "Attempt to convert a value (None)",
        "In Flipout layers the third argument of "
        "kernel_divergence_fn is None: draw a sample of your own, w = q.sample().",
    ),
)


def cannot_run(error: Exception) -> Finding:
    """Return the alarm for a network, or a loss, that raises."""
    text = re.sub(r"0x[0-9a-fA-F]{6,}", "0x…", str(error))
    text = re.sub(r"numpy= ?.*", "…", " ".join(text.split()))
    short = text if len(text) < 400 else f"{text[:400]} …"
    cure = next((cure for mark, cure in CAUSES if mark in text), "")
    message = f"It does not run: {type(error).__name__}: {short}"
    return Finding(kind="cannot-run", verdict="wrong", message=message, sure="measured", cure=cure)


def not_checked(what: str, error: Exception) -> Finding:
    """Return the finding that a check could not cope with this network."""
    text = f"This could not be checked: {what} ({type(error).__name__}: {str(error)[:200]})."
    return Finding(kind="not-checked", verdict="unknown", message=text, sure="possible")
