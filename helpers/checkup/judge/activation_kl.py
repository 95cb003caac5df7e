"""What the KL of activations weighs: one per example, so it is never divided by N."""

from ..measure.case import Case
from ..measure.encoder_kl import EncoderKL
from ..measure.kls_of_codes import TOLERANCE, kls_of_codes, weighs_one
from ..measure.seen_outputs import is_of_network
from ..report import Finding


def check_activation_kls(case: Case) -> list[Finding]:
    """Return what each regulariser of TFP's, or the reader, adds beside the mean KL per example."""
    averaged = case.data.averaged_over > 1 and not case.bayesian_layers
    return [
        _judge(case, kl)
        for kl in kls_of_codes(case)
        if not (averaged and weighs_one(kl.ratio))  # the mean beside it is what is wrong
    ]


def _judge(case: Case, kl: EncoderKL) -> Finding:
    if case.network.name in kl.of and case.data.is_identified and is_of_network(case):
        return _of_predictions(kl)
    rows, n = case.batch.size, case.setup.num_examples
    ratio = kl.ratio / rows if case.data.is_sum else kl.ratio
    if case.data.averaged_over > 1 and not case.bayesian_layers:
        ratio *= case.data.averaged_over
    cases = [(1.0, _right), (2.0, _twice), (0.0, _none), (rows, _summed), (1 / n, _per_n)]
    for wanted, finding in cases:
        close = abs(ratio - wanted) < TOLERANCE * wanted or (wanted == 0 and abs(ratio) < 0.1 / n)
        if close and not (finding is _twice and kl.entries < 2):
            return finding(kl.name, ratio)
    return _tempered(kl.name, ratio)


def _of_predictions(kl: EncoderKL) -> Finding:
    text = (
        "The distribution whose KL is added is the one that the network puts out, under which the "
        "targets are likely or not. It is no code and has no prior: the KL pulls the predictions "
        "themselves towards its second distribution, which no ELBO does."
    )
    return Finding(
        kind="activation-kl",
        verdict="wrong",
        message=text,
        layer=kl.name,
        value=kl.ratio,
        expected=0.0,
        sure="measured",
        cure=(
            "Leave KLDivergenceRegularizer, or KLDivergenceAddLoss, out of the last layer. For "
            "uncertain weights take layers with a posterior, such as tfp.layers.DenseFlipout."
        ),
    )


def _right(name: str, ratio: float) -> Finding:
    text = "The KL of the encoder is the mean over the batch, as it should be beside a mean NLL."
    return Finding(
        kind="activation-kl",
        verdict="right",
        message=text,
        layer=name,
        value=ratio,
        expected=1.0,
    )


def _twice(name: str, ratio: float) -> Finding:
    text = (
        "The KL of the encoder is counted twice. TFP 0.25's layer returns its distribution and its "
        "value, and Keras regularises both."
    )
    cure = (
        "Give KLDivergenceRegularizer weight=0.5, or put KLDivergenceAddLoss(prior) after the "
        "layer instead."
    )
    return Finding(
        kind="kl-counted-twice",
        verdict="wrong",
        message=text,
        layer=name,
        value=ratio,
        expected=1.0,
        sure="measured",
        cure=cure,
    )


def _none(name: str, ratio: float) -> Finding:
    text = "The layer adds the KL of the encoder to losses, but what you minimise does not feel it."
    return Finding(
        kind="kl-missing",
        verdict="wrong",
        message=text,
        layer=name,
        value=ratio,
        expected=1.0,
        sure="measured",
        cure="Add sum(network.losses) after the forward pass.",
    )


def _summed(name: str, ratio: float) -> Finding:
    text = (
        "The KL of the encoder is the sum over the batch, beside a mean of the data term: it "
        "weighs too much by the number of rows. KLDivergenceAddLoss(use_exact_kl=True) does that "
        "in TFP 0.25."
    )
    return Finding(
        kind="kl-wrong-count",
        verdict="wrong",
        message=text,
        layer=name,
        value=ratio,
        expected=1.0,
        sure="measured",
        cure="Give it weight=1/batch_size, or add tf.reduce_mean(tfd.kl_divergence(q, prior)).",
    )


def _per_n(name: str, ratio: float) -> Finding:
    text = (
        "The KL of the encoder is divided by N. It is a KL of each example, not of the weights: "
        "beside a mean NLL its mean belongs undivided."
    )
    return Finding(
        kind="kl-wrong-count",
        verdict="wrong",
        message=text,
        layer=name,
        value=ratio,
        expected=1.0,
        sure="measured",
        cure="Drop the division.",
    )


def _tempered(name: str, ratio: float) -> Finding:
    text = (
        f"The KL of the encoder weighs {ratio:.3g} times as much as in the ELBO: a β-VAE if you "
        "mean it."
    )
    return Finding(
        kind="tempered",
        verdict="look",
        message=text,
        layer=name,
        value=ratio,
        expected=1.0,
        sure="likely",
        cure="If you do not mean it, give the KL weight 1 beside a mean NLL.",
    )
