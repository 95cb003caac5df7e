"""A usual run takes a sample of the longest families of tests, and a night all of them."""

import pathlib

import pytest
from sampling import in_sample

CONFTEST = (pathlib.Path(__file__).parent / "conftest.py").read_text("utf-8")
FAMILY = """
import pytest

@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", [f"patient-{i}" for i in range(60)])
def test_of_a_family(name):
    pass

def test_of_its_own():
    pass
"""

pytest_plugins = ["pytester"]
NAMES = [f"test_checkup.py::test_trap[{i}]" for i in range(600)]


def test_a_sample_is_the_same_each_time_and_about_as_large_as_it_is_said(monkeypatch):
    monkeypatch.delenv("SAMPLED", raising=False)
    taken = [name for name in NAMES if in_sample(name, 3)]
    assert taken == [name for name in NAMES if in_sample(name, 3)]
    assert 150 < len(taken) < 250


def test_a_night_takes_all(monkeypatch):
    monkeypatch.setenv("SAMPLED", "all")
    assert all(in_sample(name, 3) for name in NAMES)


@pytest.mark.parametrize("sampled", ["", "all"])
def test_what_is_left_out_is_counted_and_nothing_else_is(pytester, monkeypatch, sampled):
    monkeypatch.setenv("SAMPLED", sampled)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(FAMILY)
    pytester.syspathinsert(pathlib.Path(__file__).parent)
    found = pytester.runpytest_inprocess("-p", "no:cacheprovider").parseoutcomes()
    assert found["passed"] + found.get("deselected", 0) == 61
    assert (found["passed"] == 61) == bool(sampled)
    assert found["passed"] > 10
