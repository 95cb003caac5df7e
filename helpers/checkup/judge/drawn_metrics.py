"""Metrics that measure something else than the prediction: a draw, or logits under a threshold."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from ...model.likelihood import flatten_heads, plain_distribution
from ..measure.case import Case
from ..measure.seen_outputs import SeenOutput, is_of_classes, seen_outputs
from ..report import Finding

tfd = tfp.distributions


def check_metrics(case: Case) -> list[Finding]:
    """Return a note for every output whose compiled metrics do not measure its prediction."""
    outputs = seen_outputs(case)
    metrics = _metrics(case.network)
    if not metrics:
        return []
    found = []
    for output in outputs:
        if output.is_drawn:
            found.append(_of_a_draw(output, metrics))
        elif "accuracy" in metrics and _is_column_of_logits(case, output):
            found.append(_under_threshold())
    return list(dict.fromkeys(found))


def _metrics(network: Any) -> list[str]:
    """Return the names of the metrics that the network was compiled with."""
    container = getattr(network, "compiled_metrics", None)
    user = [getattr(container, f"_user_{kind}", None) for kind in ("metrics", "weighted_metrics")]
    every = [metric for part in user if part is not None for metric in flatten_heads(part)]
    names = [
        m if isinstance(m, str) else getattr(m, "name", getattr(m, "__name__", "")) for m in every
    ]
    return [{"acc": "accuracy"}.get(name, name) for name in names if name]


def _of_a_draw(output: SeenOutput, metrics: list[str]) -> Finding:
    what = "mode" if is_of_classes(output.outputs) else "mean"
    where = f" {output.name}" if output.name else ""
    text = (
        f"The output{where} is a distribution, and Keras' metrics ({', '.join(metrics)}) compare "
        "the targets with a draw from it, not with the prediction: they look worse than the "
        "network is. predict returns a draw too."
    )
    cure = (
        f"Give the last layer convert_to_tensor_fn=tfd.Distribution.{what}; for a prediction, "
        "average network(x) over many passes, each of which draws the weights anew."
    )
    return Finding(kind="metric-of-a-draw", verdict="look", message=text, cure=cure)


def _is_column_of_logits(case: Case, output: SeenOutput) -> bool:
    """Whether an output is one column of logits of yes or no."""
    if tf.convert_to_tensor(output.outputs).shape[-1:] != [1]:
        return False
    if output.is_distribution:
        return _gives_logits(output.outputs)
    heads = [head for head in case.data.heads if head.head == output.name]
    return any("yes or no" in head.name and "logits" in head.name for head in heads)


def _gives_logits(distribution: Any) -> bool:
    """Whether what Keras takes of a distribution of yes or no are its logits."""
    plain = plain_distribution(distribution)
    inner = getattr(plain, "distribution", plain)  # inside Independent
    if not isinstance(inner, tfd.Bernoulli):
        return False
    taken, logits = tf.convert_to_tensor(distribution), inner.logits_parameter()
    return bool(np.allclose(tf.reshape(taken, [-1]), tf.reshape(logits, [-1])))


def _under_threshold() -> Finding:
    text = (
        "Keras' accuracy of one column counts a yes from 0.5 on, but the outputs are logits, whose "
        "yes begins at 0."
    )
    cure = "Compile with metrics=[tf_keras.metrics.BinaryAccuracy(threshold=0.0)]."
    return Finding(kind="metric-of-a-draw", verdict="look", message=text, cure=cure)
