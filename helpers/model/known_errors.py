"""From an error to its cause: by the text, and by the argument that a layer was at work on.

Introduced in chapters/21-error-index.md, "Error index".
"""

import re
import traceback
from typing import NamedTuple

from .error_causes import (
    CALLED,
    CAUSES,
    DRAWS,
    FIVE,
    FUNCTIONS,
    KL,
    LOG_PROB,
    MAKERS,
    RETURNED,
    THREE,
)

FOLDER = re.compile(r"(tensorflow_probability[/\\]python[/\\]layers|(tf_)?keras[/\\]src)[/\\]")
# While Keras reads or copies a model, the same texts mean another thing: functions that came back
# as names. What to say of those depends on the file, not on an argument.
READING = re.compile(r"tf_keras[/\\]src[/\\](saving|models[/\\]cloning)")
DISTRIBUTIONS = re.compile(r"tensorflow_probability[/\\]python[/\\]distributions[/\\]")
COMPILED_LOG_PROB = re.compile(DISTRIBUTIONS.pattern + r"\w+\.py\", line \d+, in log_prob")
# From here on Keras repeats the arguments of the call, which say nothing of the cause.
ARGUMENTS = "Call arguments received by"


class Place(NamedTuple):
    """Where in a layer of TFP something was raised, and what stands there.

    ``name`` is the argument at work, as the reader writes it, or what the layer does there;
    ``file``, ``function`` and ``line`` are regular expressions for a line of the traceback;
    ``wants`` says what the argument must be.
    """

    name: str
    file: str
    function: str
    line: str
    wants: str


class Explanation(NamedTuple):
    """Cause and cure of an error, in sentences; code stands between backticks."""

    cause: str
    cure: str


LAYERS = r"(dense|conv)_variational\.py"
VARIATIONAL = r"dense_variational_v2\.py"
OUTPUT = r"distribution_layer\.py"
A_DISTRIBUTION = f"a function of {FIVE} that returns a distribution"
PLACES = (
    *(
        Place(name, LAYERS, "build", rf"self\.{name.removesuffix('_fn')} = ", A_DISTRIBUTION)
        for name in FUNCTIONS
    ),
    Place(
        "kernel_divergence_fn",
        LAYERS,
        "_apply_divergence",
        "divergence_fn",
        "a function of `(posterior, prior, weights or None)` that returns one number (the same "
        "for `bias_divergence_fn`)",
    ),
    Place(
        RETURNED,
        LAYERS,
        "_apply_divergence",
        "add_loss|identity",
        "one number of floating point",
    ),
    Place(
        DRAWS[0],
        LAYERS,
        "_apply_variational_kernel",
        "",
        "`kernel_posterior_fn` returns a distribution in the shape of the kernel, "
        "`kernel_posterior_tensor_fn` makes one tensor of it",
    ),
    Place(
        DRAWS[1],
        LAYERS,
        "_apply_variational_bias",
        "",
        "`bias_posterior_fn` returns a distribution in the shape of the bias, "
        "`bias_posterior_tensor_fn` makes one tensor of it",
    ),
    Place("activation", f"{LAYERS}|{VARIATIONAL}", "call", r"self\.activation\(", "a function"),
    Place("input_shape", r"base_layer\.py", "__init__", "input_shape", "a tuple, `(4,)`"),
    Place(
        "activity_regularizer",
        r"base_layer\.py",
        "_handle_activity_regularization",
        "",
        "a regulariser of Keras: an object, a function, or one of the names `'l1'`, `'l2'`",
    ),
    Place("the inputs", LAYERS, "call", "convert_to_tensor", "dense tensors of floating point"),
    Place(
        MAKERS[0],
        VARIATIONAL,
        "build",
        "_make_posterior_fn",
        f"a function of {THREE} that returns a `tf_keras.Sequential`, a distribution layer last",
    ),
    Place(
        MAKERS[1],
        VARIATIONAL,
        "build",
        "_make_prior_fn",
        f"a function of {THREE} that returns a function of the inputs",
    ),
    Place(
        CALLED[0],
        VARIATIONAL,
        "call",
        r"self\._posterior\(",
        "it is called with the inputs, and gives a distribution that is also a tensor",
    ),
    Place(
        CALLED[1],
        VARIATIONAL,
        "call",
        r"self\._prior\(",
        "it is called with the inputs, and gives a distribution",
    ),
    Place(
        KL,
        VARIATIONAL,
        "kl_divergence_fn|_fn",
        "",
        "posterior and prior are distributions over kernel and bias, one vector of the same size",
    ),
    Place(
        "the draw of DenseVariational",
        VARIATIONAL,
        "call",
        "",
        "the posterior is one vector of all numbers of the kernel, then those of the bias",
    ),
    Place(
        "the KL of a distribution layer",
        OUTPUT,
        "kl_divergence_fn|_fn",
        r"distribution_a\.|distribution_b|weight",
        "`KLDivergenceRegularizer` and `KLDivergenceAddLoss` compare two distributions",
    ),
    Place(
        "make_distribution_fn",
        f"{OUTPUT}|distribution_tensor_coercible\\.py",
        "_fn|__init__|_parameter_control_dependencies",
        "make_distribution_fn|d\\.dtype|distribution\\.",
        "a function of one tensor that returns a distribution",
    ),
    Place(
        "convert_to_tensor_fn",
        r"distribution_tensor_coercible\.py",
        "_value",
        "",
        "a function of the distribution that returns a tensor",
    ),
    Place(
        "the parameters of a distribution layer",
        OUTPUT,
        "new|_event_size|params_size",
        "",
        "the layer before has `params_size(...)` units",
    ),
)


def explain(error: BaseException) -> Explanation | None:
    """Return cause and cure of an error of TFP's layers, or None if it is not known.

    Where the text fits no row of the table, the place where it was raised still tells which
    argument was at work, and what that argument must be.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if any(READING.search(frame.filename) for frame in frames):
        return None
    text = " ".join(str(error).split()).partition(ARGUMENTS)[0]
    place = place_of(error)
    name = place.name if place else LOG_PROB if _asks_for_log_prob(error, text) else ""
    for row in CAUSES:
        if re.search(row.text, text) and (not row.raised_in or name in row.raised_in):
            return Explanation(row.cause, row.cure)
    if place is None:
        return None
    return Explanation(
        f"It was raised while the layer was at work on `{place.name}`."
        if place.name.isidentifier()
        else f"It was raised in {place.name}.",
        f"What is needed there: {place.wants}.",
    )


def _asks_for_log_prob(error: BaseException, text: str) -> bool:
    """Whether it was raised in the log_prob of a distribution, as a loss asks for it.

    What Keras has compiled names its frames in the text alone.
    """
    frames = traceback.extract_tb(error.__traceback__)
    raised = any(
        frame.name == "log_prob" and DISTRIBUTIONS.search(frame.filename) for frame in frames
    )
    return raised or bool(COMPILED_LOG_PROB.search(text))


def place_of(error: BaseException) -> Place | None:
    """Return the innermost place in TFP's layers from which an error came, if there is one."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not FOLDER.search(frame.filename):
            continue
        for place in PLACES:
            if (
                re.search(rf"[/\\]({place.file})$", frame.filename)
                and re.fullmatch(place.function, frame.name)
                and re.search(place.line, frame.line or "")
            ):
                return place
    return None
