"""An environment of its own for each family of peers, made on demand, never the book's."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / ".environments"
# Variables that would change how many threads or which compiler a contender uses.
DROPPED = ("OMP_", "MKL_", "OPENBLAS_", "TF_", "XLA_", "JAX_", "TORCH_", "PYTHON")
LIST_VERSIONS = """
import importlib.metadata, json, platform
found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_version(), "packages": dict(sorted(found.items()))}))
"""


def clean_variables() -> dict[str, str]:
    """Return the environment variables of a contender's process: no settings of the caller's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1"}


def interpreter(environment: str, given: dict[str, str]) -> str:
    """Return the Python of an environment: a given one, the book's, or one that is made now."""
    if environment in given:
        return given[environment]
    return sys.executable if environment == "book" else str(made(environment))


def made(environment: str, folder: pathlib.Path = FOLDER, source: pathlib.Path = HERE) -> str:
    """Make the environment from its pinned requirements, unless it is there and up to date.

    Raises
    ------
    subprocess.CalledProcessError
        If the installation fails; nothing that is half made is kept.
    """
    requirements = source / f"requirements-{environment}.txt"
    place = folder / environment
    python, stamp = place / "bin" / "python", place / "made-from"
    key = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == key:
        return str(python)
    shutil.rmtree(place, ignore_errors=True)
    sys.stderr.write(f"Making the environment {environment!r} from {requirements.name} ...\n")
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-r", str(requirements)], check=True)
    stamp.write_text(key)
    return str(python)


def versions(python: str) -> dict[str, Any]:
    """Return Python's version and those of all packages of an environment."""
    command = [python, "-c", LIST_VERSIONS]
    done = subprocess.run(
        command, env=clean_variables(), check=True, capture_output=True, text=True
    )
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed
