"""Where the book explains each kind of finding: the only helper that names the site's pages."""

SITE = "https://your_account.github.io/tfp-losses-book/"

PAGES = {
    "keras-3": "13-which-keras",
    "kl-missing": "11-life-of-losses",
    "kl-stale": "11-life-of-losses",
    "kl-frozen-at-trace": "11-life-of-losses",
    "kl-counted-twice": "11-life-of-losses",
    "layer-lost": "11-life-of-losses",
    "frozen-layer": "11-life-of-losses",
    "regularisers-mixed-in": "11-life-of-losses",
    "kl-not-scaled": "04-training",
    "kl-wrong-count": "03-elbo",
    "kl-wrong-sign": "03-elbo",
    "kl-weight-variable": "11-life-of-losses",
    "kl-weight": "03-elbo",
    "kl-in-nats": "03-elbo",
    "tempered": "09-prior-strength",
    "monte-carlo-kl": "08-priors",
    "wrong-shape": "08-priors",
    "trainable-prior": "08-priors",
    "bias-point-estimate": "08-priors",
    "bias-penalised": "08-priors",
    "twin-layers": "02-inspecting-losses",
    "collapsed-onto-prior": "09-prior-strength",
    "scale-shrunk": "09-prior-strength",
    "no-scale-gradient": "11-life-of-losses",
    "no-gradient": "11-life-of-losses",
    "no-likelihood": "06-exact-answer",
    "likelihood": "06-exact-answer",
    "activation-kl": "10-activations",
    "learning-rate-ignored": "05-then-and-now",
    "learning-rate-default": "05-then-and-now",
    "cannot-run": "15-error-index",
}


def link_to(kind: str) -> str:
    """Return the address of the page that explains a kind of finding."""
    page, _, anchor = PAGES.get(kind, "14-check-up").partition("#")
    return f"{SITE}chapters/{page}.html" + (f"#{anchor}" if anchor else "")
