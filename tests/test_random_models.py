"""Random networks on which the four tools must agree.

A usual run asks one tool about each network, in turn, and takes one in three of as many networks as
there are bodies and turns; CI asks about 300. At night RANDOM_MODELS=1000 asks all four about so
many, from the seed RANDOM_FIRST on.
"""

import os

import pytest
from accepts_cells import FaultError
from random_models import TOOLS, TURNS, check
from random_networks import BODIES, drawn

FIRST = int(os.environ.get("RANDOM_FIRST", "0"))
USUAL = 300 if os.environ.get("CI") else len(BODIES) * len(TURNS)
COUNT = int(os.environ.get("RANDOM_MODELS", USUAL))
WHOLE = "RANDOM_MODELS" in os.environ


@pytest.mark.sampled(1 if WHOLE or os.environ.get("CI") else 3)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_the_tools_agree_on_the_network_of_a_seed(seed):
    check(seed, TOOLS if WHOLE else TURNS[seed % len(TURNS)])


@pytest.mark.parametrize(("seed", "tool"), [(2740, "table"), (4221, "checkup")])
def test_seeds_that_were_once_at_fault(seed, tool):
    """A layer whose activation saturates; a small output beside a large one, blurred by draws."""
    check(seed, (tool,))


def test_each_tool_has_its_turn():
    asked = [tool for turn in TURNS for tool in turn]
    assert set(asked) == set(TOOLS)


def test_each_body_meets_each_turn():
    pairs = {(seed % len(BODIES), seed % len(TURNS)) for seed in range(len(BODIES) * len(TURNS))}
    assert len(pairs) == len(BODIES) * len(TURNS)


def test_networks_are_of_many_kinds():
    texts = [drawn(seed).text for seed in range(24)]
    for word in (
        "DenseFlipout",
        "DenseVariational",
        "Convolution",
        "OwnDense",
        "Dense(",
        "softmax",
    ):
        assert any(word in text for text in texts), word
    assert len({text.split(": ", 1)[1] for text in texts}) == 24


def test_a_disagreement_is_a_fault(monkeypatch):
    import random_models

    monkeypatch.setattr(random_models, "_kls", lambda part: [2.0])
    with pytest.raises(FaultError, match="nats of"):
        check(0, ("table",))
