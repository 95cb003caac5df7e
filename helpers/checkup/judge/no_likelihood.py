"""Whether the data term is a likelihood, output by output."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ...model.compiled_loss import told_loss_weights
from ...model.heads import for_each_head
from ...model.keras_losses import ABSOLUTE, LIKELIHOODS, SQUARED, loss_name
from ...model.likelihood import has_heads
from ...model.network_call import can_be_called
from ..measure.averaged_draws import AVERAGED
from ..measure.case import Case
from ..measure.data_term import OTHER_ROWS, OTHERWISE, HeadTerm
from ..measure.head_losses import losses_of_heads
from ..measure.kls_of_codes import kls_of_codes
from ..measure.known_losses import AS_PROBABILITIES, OF_SIGMOID
from ..measure.outside_support import outside_support
from ..measure.seen_outputs import SeenOutput, seen_outputs
from ..report import Finding, Sureness, Verdict
from .targets_outside import CURE as CURE_OF_TARGETS
from .targets_outside import said_by_kind

SUMMED = (
    "lambda y, rv: -rv.log_prob(y) beside a network that ends in tfp.layers.IndependentNormal, or "
    "lambda y, outputs: -tfd.Independent(tfd.Normal(outputs, noise), 1).log_prob(y)"
)
CURE = (
    f"Compile with {SUMMED}, with a noise that you choose or learn; for classes, with the "
    "cross-entropy."
)


def check_likelihood(case: Case) -> list[Finding]:
    """Return what the data term is, and an alarm if it is no negative log-likelihood."""
    if case.objective.kind == "losses" or not (case.bayesian_layers or kls_of_codes(case)):
        return []
    heads = case.data.heads or (HeadTerm(),)
    names, seen = _loss_names(case, heads), seen_outputs(case)
    outputs = seen if len(seen) == len(heads) else [None] * len(heads)
    left_out = _left_out(case, heads)
    found = [
        _of_outputs(output, name) or left_out.get(head.head) or _judge(case, head, name)
        for head, name, output in zip(heads, names, outputs, strict=True)
    ]
    return _grouped(found, heads)


def _left_out(case: Case, heads: tuple[HeadTerm, ...]) -> dict[str, Finding]:
    """Return a note for each output whose loss counts 0 times."""
    weights = told_loss_weights(case.network)
    names = [head.head for head in heads]
    if case.objective.kind != "fit" or weights is None or not has_heads(weights):
        return {}
    if len(weights) != len(heads):
        return {}
    text = "loss_weights is 0 for it, so the data term does not depend on its targets."
    cure = "Give it the weight 1, or leave the output out of the network that is trained."
    note = Finding(kind="likelihood-weighted", verdict="look", message=text, cure=cure)
    pairs = zip(names, for_each_head(weights, names, "loss_weights"), strict=True)
    return {name: note for name, weight in pairs if weight == 0}


def _grouped(found: list[Finding], heads: tuple[HeadTerm, ...]) -> list[Finding]:
    """Return each finding once, naming the outputs that share it where there are several."""
    groups: dict[Finding, list[str]] = {}
    for finding, head in zip(found, heads, strict=True):
        groups.setdefault(finding, []).append(head.head)
    if len(heads) == 1:
        return list(groups)
    return [
        dataclasses.replace(finding, message=f"{_outputs(names)}: {finding.message}")
        for finding, names in groups.items()
    ]


def _outputs(names: list[str]) -> str:
    return f"Output{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _of_outputs(output: SeenOutput | None, name: str) -> Finding | None:
    """Return an alarm for outputs of which the loss cannot make a likelihood, whatever it is."""
    if output is None:
        return None
    if output.is_distribution:
        return _of_a_draw(output, name) if name else None
    one_column = tf.convert_to_tensor(output.outputs).shape[-1:] == [1]
    by_softmax = output.activation == "softmax" or "categorical_crossentropy" in name
    if name == "poisson" and output.activation == "linear":
        return _rates_below_zero()
    return _one_column(output, name) if one_column and by_softmax else None


def _of_a_draw(output: SeenOutput, name: str) -> Finding:
    what = "a draw from it" if output.is_drawn else "one number of it"
    text = (
        f"The network puts out a distribution, but the loss is {name}, which compares the targets "
        f"with {what}. Its spread is not used, and a draw of a class has no gradient."
    )
    cure = "Compile with loss=lambda y, rv: -rv.log_prob(y)."
    return Finding(kind="no-likelihood", verdict="wrong", message=text, sure="measured", cure=cure)


def _rates_below_zero() -> Finding:
    text = (
        "poisson takes the outputs for rates, but nothing keeps them above 0: the logarithm of a "
        "rate below 0 is NaN, and so is the loss from then on."
    )
    cure = (
        'Give the last layer activation="softplus", or compile with loss=lambda y, outputs: '
        "-tfd.Independent(tfd.Poisson(log_rate=outputs), 1).log_prob(y)."
    )
    return Finding(kind="no-likelihood", verdict="wrong", message=text, sure="measured", cure=cure)


def _one_column(output: SeenOutput, name: str) -> Finding:
    by = "softmax" if output.activation == "softmax" else name
    text = (
        f"There is one output column, and {by} makes of one column the probability 1 for every "
        "example, so nothing is learned."
    )
    cure = (
        "For yes or no leave out the activation and compile with "
        "tf_keras.losses.BinaryCrossentropy(from_logits=True); for classes give the last layer one "
        "unit for each."
    )
    return Finding(kind="no-likelihood", verdict="wrong", message=text, sure="measured", cure=cure)


def _judge(case: Case, head: HeadTerm, name: str) -> Finding:
    """Return what the data term is for one output, by the first rule that knows it."""
    if head.paired is False:
        return _unpaired(head)
    if head.role == "broadcast":
        return _unlike_columns(head)
    if head.role == "joint":
        return _joint(head)
    if name in LIKELIHOODS and not case.data.is_identified and said_by_kind(case):
        return _unknown(case)
    if name in SQUARED or (head.name == "squared error" and _is_plain(case, head)):
        return _squared()
    no_likelihood = name and name not in LIKELIHOODS and not head.is_likelihood
    if no_likelihood or head.name == "absolute error":
        return _absolute(name or "the absolute error", case)
    if np.isfinite(head.smoothing):
        return _smoothed(head)
    if head.role == "misread":
        return MISREAD[head.name](case)
    if head.slope < 0:
        return _negated(case)
    if head.is_likelihood:
        return _likelihood(head)
    if head.is_blurred and len(case.data.heads) > 1:
        return _blurred()
    return _scaled_error(head) if head.role == "error" else _unknown(case)


def _likelihood(head: HeadTerm) -> Finding:
    count = round(head.predictions, 2)
    noise = f", {head.noise:.3g}" if np.isfinite(head.noise) else ""
    many = f" An example has {count:g} predictions." if count > 1 else ""
    text = f"The data term is a negative log-likelihood: {head.name}{noise}.{many}"
    return Finding(kind="likelihood", verdict="right", message=text)


def _unpaired(head: HeadTerm) -> Finding:
    targets, outputs = head.shapes
    text = (
        "The data term does not depend on which target belongs to which input: in another order "
        f"of the targets it is the same. {_shapes(targets, outputs)}, every target under every "
        "prediction, so the network learns what is common to all targets."
    )
    return Finding(
        kind="targets-not-paired",
        verdict="wrong",
        message=text,
        sure="measured",
        cure=_pairing(targets, outputs),
    )


def _shapes(targets: tuple[int, ...], outputs: tuple[int, ...]) -> str:
    if targets == outputs:
        return f"Both have shape {targets}, but somewhere in the loss they are broadcast"
    return f"Targets of shape {targets} beside outputs of shape {outputs} are broadcast"


def _pairing(targets: tuple[int, ...], outputs: tuple[int, ...]) -> str:
    if len(targets) == len(outputs) + 1 and targets[-1] == 1:
        return "Write t[..., :1] in place of t[..., 0] in the network, or pass targets[:, 0]."
    if len(outputs) == len(targets) + 1 and outputs[-1] == 1:
        return "Pass targets[:, None], or take outputs[:, 0] in the loss."
    return (
        "Give targets and predictions the same shape where the loss compares them, and take the "
        "mean over the examples at the very end."
    )


def _unlike_columns(head: HeadTerm) -> Finding:
    targets, outputs = head.shapes
    text = (
        f"Targets of shape {targets} beside outputs of shape {outputs} are broadcast: each target "
        "is compared with several predictions of its row."
    )
    return Finding(
        kind="targets-not-paired",
        verdict="wrong",
        message=text,
        sure="measured",
        cure=_as_many(targets, outputs),
    )


def _as_many(targets: tuple[int, ...], outputs: tuple[int, ...]) -> str:
    text = "Give the last layer as many outputs as there are targets for an example"
    if np.prod(targets[1:]) != 1 or not outputs:
        return f"{text}."
    return (
        f"{text}; or, if the targets are class numbers, pass one-hot rows, "
        f"tf.one_hot(targets, {outputs[-1]})."
    )


def _squared() -> Finding:
    text = (
        "The data term is the mean squared error. As a likelihood that is a Gaussian whose noise "
        "has variance 1/2 (C/2 for C output columns, whose mean Keras takes), whatever the unit of "
        "the targets, so the balance with the KL is an accident."
    )
    return Finding(
        kind="no-likelihood",
        verdict="wrong",
        message=text,
        value=0.5,
        sure="measured",
        cure=CURE,
    )


def _absolute(name: str, case: Case) -> Finding:
    named = case.objective.kind in ("fit", "data term")
    text = (
        f"The data term is {name}, which is no log-likelihood, so no weight of the KL beside it "
        "gives an ELBO."
    )
    if name in {*ABSOLUTE, "the absolute error"}:
        text = (
            f"The data term is {name.replace('the ', 'the mean ')}. As a likelihood that is a "
            "Laplace distribution of scale 1 (C for C output columns, whose mean Keras takes), "
            "whatever the unit of the targets, so the balance with the KL is an accident."
        )
    sure: Sureness = "measured" if named else "likely"
    return Finding(kind="no-likelihood", verdict="wrong", message=text, sure=sure, cure=CURE)


def _scaled_error(head: HeadTerm) -> Finding:
    text = (
        f"The data term is {head.slope:.4g} times the {head.name}. As a likelihood that is one of "
        "a fixed noise, whose constant is left out: right if you chose the factor so, as "
        "1 / (2 noise²) and summed over the columns. That cannot be seen."
    )
    return Finding(
        kind="likelihood-unknown", verdict="unknown", message=text, value=head.slope, cure=CURE
    )


def _unknown(case: Case) -> Finding:
    loss = case.setup.loss or getattr(case.network, "loss", None)
    name = getattr(loss, "__name__", "") if not has_heads(loss) else ""
    called = f" ({name})" if name and case.objective.kind in ("fit", "data term") else ""
    if not case.data.heads:
        text = "Without targets it cannot be measured which likelihood the data term is."
        cure = "Pass the targets too; for an autoencoder, the inputs as targets."
        if case.batch.targets is not None:
            text = "One row cannot tell which likelihood the data term is."
            cure = "Pass more rows, inputs and targets: ten are enough, and N as num_examples."
        return Finding(kind="likelihood-unknown", verdict="unknown", message=text, cure=cure)
    if said := said_by_kind(case) or outside_support(case):
        text = f"Beside such targets it cannot be told which likelihood the data term is. {said}"
        return Finding(
            kind="likelihood-unknown", verdict="unknown", message=text, cure=CURE_OF_TARGETS
        )
    if said := _all_the_same(case):
        cure = (
            "Pass examples with other targets too: shuffle a dataset before it is batched, which "
            "training needs as well."
        )
        return Finding(kind="likelihood-unknown", verdict="unknown", message=said, cure=cure)
    text = (
        f"The data term{called} equals no log-likelihood that is known here: of the distribution "
        "that the network puts out, of classes, of yes or no, of counts. If it is none, no weight "
        "of the KL beside it gives an ELBO, 1/N neither."
    )
    if case.setup.likelihood is not None:
        text += " It is not the likelihood that you passed either, nor a multiple of it."
    cure = (
        "Minimise a negative log-likelihood in nats, summed over all that belongs to an example: "
        f"for numbers {SUMMED}; for classes or pixels the cross-entropy. If your loss is one, pass "
        "it as checkup(..., likelihood=...), a function (targets, outputs) ↦ nats of each example."
    )
    if not can_be_called(case.network):
        cure = (
            "Give the model def call(self, inputs), which returns what its last part puts out, so "
            "that its outputs are known."
        )
    if far := _far_from_zero(case):
        text, cure = f"{text} {far}", "Train on (targets - targets.mean()) / targets.std()."
    return Finding(kind="likelihood-unknown", verdict="unknown", message=text, cure=cure)


def _blurred() -> Finding:
    text = (
        "Beside the other outputs the data term of this one is so small that rounding hides which "
        "likelihood it is."
    )
    cure = (
        "Check it alone: network = tf_keras.Model(network.inputs, [its output]), compiled with its "
        "loss, or with targets of the other outputs in another unit."
    )
    return Finding(kind="likelihood-unknown", verdict="unknown", message=text, cure=cure)


def _all_the_same(case: Case) -> str:
    """Return that no row has another target than the first, "" if some have."""
    leaves = [np.asarray(leaf) for leaf in tf.nest.flatten(case.batch.targets)]
    if not all(np.all(leaf == leaf[:1]) for leaf in leaves):
        return ""
    return (
        f"All {case.batch.size} targets that were looked at are the same. A loss is known by how "
        "it changes with the targets, so it cannot be told which likelihood the data term is."
    )


FAR = 1e4  # standard deviations of the targets from 0; of a square, float32 leaves no digit


def _far_from_zero(case: Case) -> str:
    """Return what float32 does to targets that lie far from 0, "" if they do not."""
    leaves = [x for x in tf.nest.flatten(case.batch.targets) if x.dtype.is_floating]
    for array in (np.asarray(leaf, float) for leaf in leaves):
        mean, stddev = float(array.mean()), float(array.std())
        if stddev and abs(mean) > FAR * stddev:
            return (
                f"The targets lie around {mean:.3g} and differ by {stddev:.3g} only, so that "
                "rounding hides what a loss makes of them."
            )
    return ""


def _joint(head: HeadTerm) -> Finding:
    text = (
        "The network puts out one distribution for all rows of a batch together (batch shape (), "
        f"event shape {head.shapes[1]}). Its log_prob is one number, so there is no log-likelihood "
        "of each example, whose mean a weight of the KL belongs to."
    )
    cure = (
        "Leave the axis of the examples in the batch shape, as in tfd.Independent(tfd.Normal(mean, "
        "noise), reinterpreted_batch_ndims=1). Only where the rows do depend on one another, as "
        "under a Gaussian process, keep it: what its KL weighs you must check yourself."
    )
    return Finding(kind="likelihood-unknown", verdict="unknown", message=text, cure=cure)


def _smoothed(head: HeadTerm) -> Finding:
    share = round(head.smoothing, 4)
    text = (
        f"The labels are smoothed (label_smoothing={share:g}): the data term is the log-likelihood "
        "of labels that are spread over all classes, not of your targets. With the KL beside it "
        "the network counts noise in the labels that the data do not have."
    )
    return Finding(
        kind="no-likelihood",
        verdict="wrong",
        message=text,
        value=share,
        expected=0.0,
        sure="measured",
        cure="Leave label_smoothing at 0; the KL is the regulariser.",
    )


def _softmax_twice(_: Case) -> Finding:
    return _squashed_twice("softmax")


def _sigmoid_twice(_: Case) -> Finding:
    return _squashed_twice("sigmoid")


def _squashed_twice(squash: str) -> Finding:
    return Finding(
        kind="no-likelihood",
        verdict="wrong",
        message=f"The outputs are probabilities already, and the loss applies {squash} once more.",
        sure="measured",
        cure=f"Drop the {squash} of the last layer, or from_logits=True.",
    )


def _logits_as_probabilities(_: Case) -> Finding:
    return Finding(
        kind="no-likelihood",
        verdict="wrong",
        message="The outputs are logits, but the loss takes them for probabilities.",
        sure="measured",
        cure="Use from_logits=True, or give the last layer a softmax (one column: a sigmoid).",
    )


def _softmax_of_sigmoid(_: Case) -> Finding:
    text = (
        "The network ends in sigmoid, but the loss is that of one class out of several: Keras "
        "takes what stands before the sigmoid and minimises the cross-entropy of its softmax. What "
        "the network puts out, one sigmoid for each column, is not the probability that is trained."
    )
    return Finding(
        kind="no-likelihood",
        verdict="wrong",
        message=text,
        sure="measured",
        cure=(
            'For one class out of several end in activation="softmax"; for several yes or no at '
            "once compile with a binary cross-entropy that is summed over the columns, loss=lambda "
            "y, outputs: -tfd.Independent(tfd.Bernoulli(probs=outputs), 1).log_prob(y)."
        ),
    )


def _depends_otherwise(_: Case) -> Finding:
    text = (
        "With the targets the data term changes as a negative log-likelihood does, but not with "
        "the outputs: its normaliser is missing (the log of the sum over the classes, log σ), or "
        "something that depends on the outputs is added to it (an entropy, a penalty)."
    )
    return Finding(
        kind="no-likelihood",
        verdict="wrong",
        message=text,
        sure="measured",
        cure=(
            "Minimise the whole -log_prob of the targets, and nothing of the outputs beside it: "
            "for classes the cross-entropy from logits; for values -rv.log_prob(y)."
        ),
    )


def _of_other_rows(_: Case) -> Finding:
    text = (
        "The data term compares inputs with the targets of other rows: one input and its own "
        "target, changed together, change it as if they had nothing to do with each other. So the "
        "network learns what is common to all targets."
    )
    return Finding(
        kind="targets-not-paired",
        verdict="wrong",
        message=text,
        sure="measured",
        cure=(
            "Bring inputs and targets into the same order: shuffle both by the same indices; for "
            "several draws in the rows, tf.repeat both or tf.tile both."
        ),
    )


def _averaged_draws(_: Case) -> Finding:
    text = (
        "Each example has several draws of the network, by several calls or as several rows, and "
        "the data term is not the mean of the losses of these draws: it takes the loss of their "
        "average, or compares them. In an ELBO the losses "
        "are averaged. The log of averaged probabilities is more than the average of their logs, "
        "so the objective is no bound on the evidence."
    )
    return Finding(
        kind="draws-averaged",
        verdict="wrong",
        message=text,
        sure="measured",
        cure=(
            "Take the loss of each draw, and the mean of these: tf.reduce_mean([loss(targets, "
            "network(inputs)) for _ in range(draws)]); of rows, loss(tf.repeat(targets, draws, 0), "
            "network(tf.repeat(inputs, draws, 0)))."
        ),
    )


MISREAD: dict[str, Callable[[Case], Finding]] = {
    "softmax twice": _softmax_twice,
    "sigmoid twice": _sigmoid_twice,
    AS_PROBABILITIES: _logits_as_probabilities,
    OF_SIGMOID: _softmax_of_sigmoid,
    AVERAGED: _averaged_draws,
    OTHERWISE: _depends_otherwise,
    OTHER_ROWS: _of_other_rows,
}


def _negated(case: Case) -> Finding:
    """Judge a data term that grows with the likelihood."""
    if case.factors and all(factor.value < 0 for factor in case.factors):
        text = "This is an ELBO, which grows with the fit: minimise its negative."
        verdict: Verdict = "look"
        if case.evaluations[0].watch.updated:
            text += (
                " Whether your step turns its gradients round before it applies them is not seen."
            )
            verdict = "unknown"
        return Finding(kind="likelihood", verdict=verdict, message=text, value=-1.0, expected=1.0)
    text = (
        "The data term has the wrong sign: it is the log-likelihood itself, so that minimising it "
        "makes the fit worse."
    )
    return Finding(
        kind="no-likelihood",
        verdict="wrong",
        message=text,
        value=-1.0,
        expected=1.0,
        sure="measured",
        cure="Minimise -log_prob.",
    )


def _is_plain(case: Case, head: HeadTerm) -> bool:
    """Whether it is that error itself: no factor 1 / (2 noise²), no constant of a density."""
    slope = head.slope / case.batch.size if case.data.is_sum else head.slope
    return abs(slope - 1) < 1e-3 and abs(head.intercept) < 1e-3 * (1 + abs(head.slope))


def _loss_names(case: Case, heads: tuple[HeadTerm, ...]) -> list[str]:
    """Return the names of Keras' losses, "" for a loss of the reader's own, for each output."""
    return ["" if loss is None else loss_name(loss) for loss in losses_of_heads(case, heads)]
