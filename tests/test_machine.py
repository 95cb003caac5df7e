"""What is said, before pip, on machines for which there is no TensorFlow; all of them are faked."""

import platform
import subprocess
import sys

import pytest

from tools import environment, machine
from tools.machine import ELSEWHERE, Machine, this_machine, what_is_missing

LINUX = Machine("Linux", "x86_64", (3, 13))
MAC = Machine("Darwin", "arm64", (3, 12), macos=14)
GOOD = {
    "Linux": LINUX,
    "Linux on arm": LINUX._replace(processor="aarch64"),
    "the oldest Python": LINUX._replace(python=(3, 11)),
    "a Mac of today": MAC,
    "the oldest macOS": MAC._replace(macos=12),
}
BAD = {
    "an Intel Mac": (MAC._replace(processor="x86_64"), "Macs with an Intel processor"),
    "an Intel Python on Apple silicon": (
        MAC._replace(processor="x86_64", translated=True),
        "made for Intel processors, and runs translated",
    ),
    "an old macOS": (MAC._replace(macos=11), "needs macOS 12"),
    "Windows": (LINUX._replace(system="Windows", processor="amd64"), "wsl --install"),
    "Git's shell on Windows": (LINUX._replace(system="MINGW64_NT-10.0"), "wsl --install"),
    "a Raspberry Pi of 32 bits": (LINUX._replace(processor="armv7l", bits=32), "32 bits"),
    "POWER": (LINUX._replace(processor="ppc64le"), "Linux on ppc64le"),
    "Alpine": (LINUX._replace(libc=""), "musl"),
    "FreeBSD": (LINUX._replace(system="FreeBSD", processor="amd64"), "no TensorFlow for FreeBSD"),
    "an old Python": (LINUX._replace(python=(3, 10)), "This is Python 3.10"),
    "a new Python": (LINUX._replace(python=(3, 14)), "This is Python 3.14"),
    "PyPy": (LINUX._replace(implementation="pypy"), "This is pypy"),
    "free-threaded Python": (LINUX._replace(free_threaded=True), "free-threaded Python 3.13t"),
}


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_said_where_there_are_packages(name):
    assert what_is_missing(GOOD[name]) == ""


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_says_what_is_missing(name):
    fake, said = BAD[name]
    text = what_is_missing(fake)
    assert said in text
    assert "\n" not in text
    advice = ("make environment", "wsl", "image of", "newer")
    assert ELSEWHERE in text or any(it in text for it in advice), "and what to do"


def test_this_machine_can():
    assert what_is_missing(this_machine()) == ""
    assert this_machine().python == sys.version_info[:2]


@pytest.mark.parametrize(("said", "translated"), [("1\n", True), ("0\n", False), ("", False)])
def test_a_translated_python_is_recognised(said, translated, monkeypatch):
    def sysctl(command, **_options):
        assert command[-1] == "sysctl.proc_translated"
        return subprocess.CompletedProcess(command, 0, stdout=said)

    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("14.5", ("", "", ""), "x86_64"))
    monkeypatch.setattr(machine.subprocess, "run", sysctl)
    found = this_machine()
    assert (found.translated, found.macos) == (translated, 14)
    assert ("runs translated" in what_is_missing(found)) == translated


def test_a_mac_without_sysctl_is_an_old_one(monkeypatch):
    def missing(*_arguments, **_options):
        raise FileNotFoundError

    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(machine.subprocess, "run", missing)
    assert not this_machine().translated


@pytest.mark.parametrize("found", [None, "of another time"])
def test_the_environment_asks_before_pip(found, monkeypatch, tmp_path):
    """Neither a folder is made nor a package fetched where nothing could be installed."""
    monkeypatch.setattr(environment, "this_machine", lambda: MAC._replace(processor="x86_64"))
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(environment, "stamp", lambda: ["wanted"])
    monkeypatch.setattr(environment, "make", lambda step: pytest.fail(f"{step} was begun"))
    if found:
        (tmp_path / "stamp").write_text(found)
    with pytest.raises(SystemExit) as ended:
        environment.main([])
    assert str(ended.value) == BAD_TEXT


BAD_TEXT = what_is_missing(MAC._replace(processor="x86_64"))


def test_a_finished_environment_is_not_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "this_machine", lambda: pytest.fail("asked"))
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(environment, "stamp", lambda: ["wanted"])
    (tmp_path / "stamp").write_text("wanted\n")
    assert environment.main([]) == 0
