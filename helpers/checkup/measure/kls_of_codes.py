"""The KLs of codes: those of TFP's regularisers, and those that readers write by hand."""

import numpy as np

from .case import Case
from .encoder_kl import EncoderKL, encoder_kls
from .held_codes import latent_codes

TOLERANCE = 0.3  # of a ratio that is estimated from draws


def kls_of_codes(case: Case) -> list[EncoderKL]:
    """Return the KL of each code beside the mean KL of an example, as far as it was measured."""
    measured = encoder_kls(case)
    names = {name for kl in measured for name in (kl.name, *kl.of)}
    by_hand = [
        EncoderKL(name=code.name, ratio=code.weight, entries=1, of=())
        for code in latent_codes(case)
        if np.isfinite(code.weight) and code.name not in names
    ]
    return [*measured, *by_hand]


def weighs_one(ratio: float) -> bool:
    """Whether a KL counts once for each example."""
    return abs(ratio - 1) < TOLERANCE
