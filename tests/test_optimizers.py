"""The check-up of a network that is kept on several devices: its variables are no plain numbers."""

import json

import pytest

from helpers.page.fresh_process import run_programs

PROGRAM = """
import runpy
runpy.run_module("check_on_devices", run_name="__main__")
"""


@pytest.fixture(scope="module")
def results():
    """What the program found on two devices."""
    (done,) = run_programs({"two": PROGRAM}).values()
    assert done.error == ""
    return json.loads(done.output.splitlines()[-1])


def test_a_trained_network_on_two_devices_is_checked_in_full(results):
    assert results["right"] == {"ok": True, "alarms": [], "unknown": [], "same": True}


def test_its_illness_is_found_there_too(results):
    assert results["unscaled"]["alarms"] == ["kl-not-scaled"]
    assert results["unscaled"]["unknown"] == []
