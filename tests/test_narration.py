"""Sentences made by code."""

import helpers.page.narration


def test_a_sentence_is_shown_as_markdown(monkeypatch):
    shown = []
    monkeypatch.setattr(helpers.page.narration, "display", shown.append)
    helpers.page.narration.say("The entries add to **5.0** nats, $\\sigma$ included.")
    assert [text._repr_markdown_() for text in shown] == [
        "The entries add to **5.0** nats, $\\sigma$ included."
    ]
