"""The helpers as a package of somebody else's: installed as `tfp_losses`, in nobody's way."""

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
OWN = "MINE = 42\n"
USE = """
import sys
before = set(sys.modules)
import helpers
assert helpers.MINE == 42, "the reader's own helpers"
from tfp_losses import checkup, losses_by_layer, predict_by_draws, train_by_elbo
import tfp_losses.checkup, tfp_losses.losses
from tfp_losses import checkup as again
assert again is checkup and callable(checkup), "the tool, not the package of the same name"
import numpy as np, tensorflow_probability as tfp, tf_keras
net = tf_keras.Sequential([tfp.layers.DenseFlipout(3)])
x, y = np.zeros([7, 5], np.float32), np.zeros([7], np.int32)
history = train_by_elbo(net, x, y, num_epochs=2, batch_size=7, progress=False)
print(len(history), len(losses_by_layer(net, x)), predict_by_draws(net, x, 2).draws.shape)
print(sorted(name for name in sys.modules if name.split(".")[0] == "helpers"))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of an installation, as pip makes it of the book."""
    place = tmp_path_factory.mktemp("installed")
    source = place / "book"
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "helpers", "pyproject.toml", "README.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for name in names:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    code = (
        "import sys; from setuptools import setup; "
        f"sys.argv[1:] = ['-q', 'build', '--build-lib', {str(place / 'lib')!r}]; setup()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    return place / "lib"


def test_only_tfp_losses_is_installed_and_all_of_it(installed):
    assert [path.name for path in installed.iterdir()] == ["tfp_losses"]
    files = {path.relative_to(ROOT / "helpers") for path in (ROOT / "helpers").rglob("*.py")}
    files |= {path.relative_to(ROOT / "helpers") for path in (ROOT / "helpers").rglob("*.json")}
    found = {path.relative_to(installed / "tfp_losses") for path in installed.rglob("*.*")}
    assert found == files


def test_it_works_beside_the_readers_own_helpers(installed, tmp_path):
    (tmp_path / "helpers.py").write_text(OWN)
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(installed), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["2 1 (2, 7, 3)", "['helpers']"], done.stderr[-2000:]


def test_the_code_of_the_readme_runs(installed, tmp_path):
    """All of "Check your own model", in one process, in order, as a reader pastes it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Check your own model")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    code = "\n".join(block for block in blocks if not block.startswith("%pip"))
    shown = """
history_of_fit = my_model.history.history
for column in ("nll", "kl", "elbo"):
    print(column, *history_of_fit[column][::19])
print("steps", len(history))
"""
    done = subprocess.run(
        [sys.executable, "-c", code + shown],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(installed), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    numbers = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[-4:]}
    assert float(numbers["nll"][1]) < float(numbers["nll"][0])
    assert float(numbers["elbo"][1]) > float(numbers["elbo"][0])
    assert numbers["steps"] == [str(20 * 4)]  # 442 rows in batches of 128
    assert "ElboMonitor: " not in done.stdout
    assert "Check-up: " in done.stdout
    assert "WRONG" not in done.stdout


def test_it_names_no_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == []
    assert project["name"] == "tfp-losses"


def test_no_module_names_helpers_as_a_package_of_its_own():
    """Imports are relative, or the installed package would look for `helpers`."""
    for path in (ROOT / "helpers").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(?:from|import) helpers\b", text, re.MULTILINE), path
