"""Random networks on which the four tools must agree; 10,000 of them at night.

A usual run asks one tool about each network, in turn. RANDOM_MODELS=300 asks all four about so
many, from the seed RANDOM_FIRST on.
"""

import os

import pytest
from accepts_cells import FaultError
from random_models import TOOLS, TURNS, check, drawn

FIRST = int(os.environ.get("RANDOM_FIRST", "0"))
COUNT = int(os.environ.get("RANDOM_MODELS", "104"))
WHOLE = "RANDOM_MODELS" in os.environ


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_the_tools_agree_on_the_network_of_a_seed(seed):
    check(seed, TOOLS if WHOLE else TURNS[seed % len(TURNS)])


def test_each_tool_has_its_turn():
    asked = [tool for turn in TURNS for tool in turn]
    assert set(asked) == set(TOOLS)


def test_networks_are_of_many_kinds():
    texts = [drawn(seed).text for seed in range(24)]
    for word in ("DenseFlipout", "DenseVariational", "Dense(", "softmax", "poisson", "normal"):
        assert any(word in text for text in texts), word
    assert len({text.split(": ", 1)[1] for text in texts}) == 24


def test_a_disagreement_is_a_fault(monkeypatch):
    import random_models

    monkeypatch.setattr(random_models, "kls", lambda model: dict.fromkeys(model.prior_scales, 2.0))
    with pytest.raises(FaultError, match="nats of"):
        check(0, ("table",))
