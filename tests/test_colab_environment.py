"""An environment as Colab's: what of its list is installed, and what is said of the rest."""

import pytest

from tools import colab_environment as tool

FREEZE = """#  $ python3 -m pip freeze
numpy==2.1.3
torch @ https://download.pytorch.org/whl/cpu/torch.whl
nvidia-nccl-cu13==2.31.2
google-colab @ file:///colabtools/dist/google_colab-1.0.0.tar.gz
ipywidgets==7.7.1
pip==24.1.2
pip-tools==1.0
antlr4-python3-runtime==4.9.3
"""


def test_what_needs_a_gpu_or_has_no_version_is_left_out():
    wanted = [
        "numpy==2.1.3",
        "ipywidgets==7.7.1",
        "pip-tools==1.0",
        "antlr4-python3-runtime==4.9.3",
    ]
    assert tool.installable(FREEZE) == wanted


def pip(monkeypatch, without):
    """Let pip refuse packages one by one, as it does; returns the calls."""
    calls = []

    def run(command, **_):
        pins = [word for word in command if "==" in str(word)]
        calls.append(pins)
        gone = [pin for pin in pins if pin in without]
        said = f"ERROR: No matching distribution found for {gone[0]}" if gone else ""
        return type("Done", (), {"returncode": bool(gone), "stderr": said})

    monkeypatch.setattr(tool.subprocess, "run", run)
    return calls


def test_what_has_no_wheel_is_left_out_and_told(monkeypatch):
    calls = pip(monkeypatch, {"a==1", "c.d==3"})
    assert tool.install("python", ["a==1", "b==2", "c.d==3"]) == ["a==1", "c.d==3"]
    assert calls[-1] == ["b==2"]


def test_another_failure_of_pip_stops_with_its_words(monkeypatch):
    done = type("Done", (), {"returncode": 1, "stderr": "no space left"})
    monkeypatch.setattr(tool.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(SystemExit, match="no space left"):
        tool.install("python", ["a==1"])


@pytest.mark.parametrize("pin", ["tensorflow==2.30.0", "tf_keras==2.30", "tf-keras==2.30"])
def test_what_chapters_live_on_may_not_be_missing(pin):
    tool.refuse_incomplete(["a==1"])
    with pytest.raises(SystemExit, match="is it the one that Colab has"):
        tool.refuse_incomplete(["a==1", pin])
