"""In which order a reader's function wants network, inputs and targets, told by its arguments."""

import inspect
from collections.abc import Callable
from typing import Any

from .batch import Batch

Convention = Callable[[Any, Batch], tuple[Any, ...]]
NETWORK, INPUTS, TARGETS, PAIR = "nitp"

MODEL_NAMES = {"model", "network", "net", "neural_net", "nn", "bnn", "module", "vae", "self", "m"}
TRUTH_NAMES = {"y", "y_true", "true", "target", "targets", "label", "labels", "yt", "truth"}
TRUTH_NAMES |= {"observed", "x_true"}
OUTPUT_NAMES = {"y_pred", "pred", "preds", "prediction", "predictions", "logits", "rv", "rv_y"}
OUTPUT_NAMES |= {"dist", "distribution", "p_y", "py", "y_hat", "yhat", "output", "outputs", "yp"}
OUTPUT_NAMES |= {"rv_x", "p", "q", "model_output"}


def argument_names(loss: Any) -> list[str]:
    """Return the names of the positional arguments without a default."""
    function = getattr(loss, "python_function", loss)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ["", ""]
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return ["", ""]
    required = [p for p in parameters if p.kind in kinds and p.default is p.empty]
    return [p.name.lower() for p in required]


def conventions(names: list[str]) -> list[Convention]:
    """Return the ways in which a function with these arguments may want to be called."""
    if not names:
        return [lambda _, __: ()]
    if len(names) == 1:
        return _ways(NETWORK if names[0] in MODEL_NAMES else "", INPUTS, PAIR)
    if len(names) == 2:
        if names[0] in MODEL_NAMES:
            return _ways(NETWORK + INPUTS, NETWORK + PAIR)
        swapped = names[0] in TRUTH_NAMES and names[1] not in TRUTH_NAMES
        return _ways(TARGETS + INPUTS if swapped else "", INPUTS + TARGETS, NETWORK + INPUTS)
    return _ways(
        INPUTS + TARGETS + NETWORK if names[-1] in MODEL_NAMES else NETWORK + INPUTS + TARGETS
    )


def _ways(*orders: str) -> list[Convention]:
    """Return functions that arrange network, inputs and targets in these orders."""

    def arranged(order: str) -> Convention:
        """Return the function that puts together the arguments in this order."""

        def arrange(network: Any, batch: Batch) -> tuple[Any, ...]:
            """Return the arguments: network, inputs, targets or their pair, one for each letter."""
            parts = {
                NETWORK: network,
                INPUTS: batch.inputs,
                TARGETS: batch.targets,
                PAIR: (batch.inputs, batch.targets),
            }
            return tuple(parts[letter] for letter in order)

        return arrange

    return [arranged(order) for order in orders if order]
