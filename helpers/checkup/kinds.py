"""The kinds of findings, each with the page that explains it: the only helper that names pages."""

SITE = "https://your_account.github.io/tfp-losses-book/"

PAGES = {
    "keras-3": "16-which-keras#no-error-and-nothing-trains-tfkerasmodel",
    "kl-missing": "14-life-of-losses#losses-read-before-the-call-in-a-tffunction",
    "kl-stale": "03-inspecting-losses#where-it-breaks-reading-at-the-wrong-moment",
    "kl-frozen-at-trace": "14-life-of-losses#losses-read-before-the-call-in-a-tffunction",
    "kl-counted-twice": "14-life-of-losses#counted-more-than-once",
    "layer-lost": "14-life-of-losses#layers-in-a-closure-missing-variables",
    "frozen-layer": "14-life-of-losses#frozen-layers-keep-their-entry",
    "regularisers-mixed-in": "14-life-of-losses#l2-penalties-in-losses",
    "kl-not-scaled": "04-elbo#five-weights-side-by-side",
    "kl-wrong-count": "04-elbo#what-one-batch-can-stand-for",
    "kl-wrong-sign": "04-elbo#where-the-two-terms-come-from",
    "kl-weight-variable": "14-life-of-losses#warming-the-kl-up",
    "kl-weight": "04-elbo#one-loss-in-three-sizes",
    "kl-in-nats": "04-elbo#what-fit-adds-by-itself",
    "not-a-kl": "18-check-up#how-the-weight-of-a-kl-is-measured",
    "kl-constant": "18-check-up#how-the-weight-of-a-kl-is-measured",
    "tempered": "11-prior-strength#cold-and-tempered-posteriors",
    "monte-carlo-kl": "10-priors#negative-numbers-in-losses",
    "wrong-shape": "10-priors#where-it-breaks-priors-of-the-wrong-shape",
    "trainable-prior": "10-priors#learned-priors-empirical-bayes",
    "bias-point-estimate": "03-inspecting-losses#the-bias-that-has-no-entry",
    "point-estimate": "10-priors#bias-prior-and-bias-posterior-four-settings",
    "bias-penalised": "03-inspecting-losses#the-bias-that-has-no-entry",
    "twin-layers": "03-inspecting-losses#a-trap-default-layers-start-as-twins",
    "collapsed-onto-prior": "11-prior-strength#posterior-collapse-scales-near-0-or-at-the-prior",
    "scale-shrunk": "11-prior-strength#posterior-collapse-scales-near-0-or-at-the-prior",
    "scale-stuck": "11-prior-strength#posterior-collapse-scales-near-0-or-at-the-prior",
    "narrow-start": "11-prior-strength#posterior-collapse-scales-near-0-or-at-the-prior",
    "draws-differ": "10-priors#densevariational-its-posterior-and-prior-functions",
    "no-scale-gradient": "14-life-of-losses#a-gradient-that-is-none",
    "no-likelihood": "08-exact-answer#mean-squared-error-as-the-loss",
    "draws-averaged": "09-estimators#several-draws-in-a-step",
    "likelihood-averaged": "07-your-likelihood#sum-within-an-example-average-over-examples",
    "likelihood-weighted": "07-your-likelihood#several-heads-and-loss-weights",
    "likelihood-unknown": "04-elbo#where-the-two-terms-come-from",
    "outputs-cut-off": "18-check-up#is-the-data-term-a-likelihood-targets-that-are-broadcast",
    "metric-of-a-draw": "18-check-up#is-the-data-term-a-likelihood-targets-that-are-broadcast",
    "targets-outside": "18-check-up#is-the-data-term-a-likelihood-targets-that-are-broadcast",
    "mask-lost": "07-your-likelihood#time-steps-sequence-labelling",
    "inputs-not-scaled": "18-check-up#is-the-data-term-a-likelihood-targets-that-are-broadcast",
    "targets-not-paired": "18-check-up#is-the-data-term-a-likelihood-targets-that-are-broadcast",
    "likelihood": "04-elbo#where-the-two-terms-come-from",
    "activation-kl": "12-activations#a-kl-for-every-image",
    "learning-rate-ignored": "06-then-and-now#the-optimizer-and-a-learning-rate-that-is-ignored",
    "learning-rate-default": "06-then-and-now#the-optimizer-and-a-learning-rate-that-is-ignored",
    "cannot-run": "21-error-index",
    "not-finite": "08-exact-answer#a-noise-scale-that-is-learned",
    "not-checked": "18-check-up#what-the-check-up-cannot-see",
}


def link_to(kind: str) -> str:
    """Return the address of the page that explains a kind of finding.

    Raises
    ------
    KeyError
        If the table does not hold the kind.
    """
    if kind not in PAGES:
        raise KeyError(
            f"{kind!r} is no kind of finding: add it to the table PAGES in {__name__}, with the "
            "page that explains it."
        )
    page, _, anchor = PAGES[kind].partition("#")
    return f"{SITE}chapters/{page}.html" + (f"#{anchor}" if anchor else "")
