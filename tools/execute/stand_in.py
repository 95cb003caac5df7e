"""What a chapter meets on Colab, made on this machine and without the internet.

git serves the book's address from the files on disk and refuses every other one, pip has no index,
`google.colab` can be imported, the helpers cannot: a notebook must fetch them in its first cell.

There are two kinds of kernel. The *stand-in* makes the book's pages: the book's own environment, an
empty `google.colab`, no progress bars (they would stand in the pages), one thread for each chapter.
The *faithful* one is Colab's own kernel in an environment of Colab's packages
(`python -m tools colab-environment`), with nothing set that Colab does not set.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

from tools.book.root import BookError
from tools.book.settings import Book

DROPPED = ("PYTHONPATH", "PYTHONSTARTUP", "GIT_", "PIP_", "IPYTHON", "MPL", "JUPYTER_", "TF_CPP_")
STARTUP = """import atexit
import gc
import sys
import types

sys.modules["google.colab"] = types.ModuleType("google.colab")
gc.set_threshold(100_000, 20, 20)
atexit.register(gc.freeze)
"""  # "google" itself is left alone: protobuf, which TensorFlow needs, lives below it. Looking for
# garbage seldom, and not at the end, saves a third of what it takes TensorFlow to start and end.
SET_HERE = {  # of the stand-in alone
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TF_NUM_INTRAOP_THREADS": "1",  # as many chapters as cores: more threads only wait
    "TQDM_DISABLE": "1",
}
NOT_SERVED = {".git", ".venv", "_build", "__pycache__"}


def git(*arguments: str, cwd: pathlib.Path) -> str:
    """Run git and return what it prints; a failure shows git's own words."""
    identity = ["-c", "user.name=book", "-c", "user.email=book@invalid"]
    command = ["git", *identity, "-c", "commit.gpgsign=false", *arguments]
    environment = {name: v for name, v in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BookError(f"git {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


def files_on_disk(root: pathlib.Path) -> list[str]:
    """The book's files as a clone would hold them once the changes of now are committed."""
    if (root / ".git").exists():
        names = git("ls-files", "-z", "-co", "--exclude-standard", cwd=root).split("\0")
        return [name for name in names if name and (root / name).is_file()]
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [path.as_posix() for path in files if not NOT_SERVED & set(path.parts)]


def make_origin(book: Book, folder: pathlib.Path) -> str:
    """Make a repository of the files on disk in `folder`; returns its address."""
    folder.mkdir(parents=True)
    git("init", "--quiet", "-b", book.branch, ".", cwd=folder)
    for name in files_on_disk(book.root):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(book.root / name, folder / name)
    git("add", "--all", "--force", cwd=folder)
    git("commit", "--quiet", "--no-verify", "-m", "The files on disk", cwd=folder)
    return folder.as_uri()


@dataclasses.dataclass(frozen=True)
class Kernel:
    """The kernel that notebooks run in: its Python, and whether it is Colab's own."""

    python: pathlib.Path
    faithful: bool = False

    @property
    def command(self) -> list[str]:
        """The command that starts it."""
        start = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        if self.faithful:
            start.append("--IPKernelApp.kernel_class=google.colab._kernel.Kernel")
            start.append("--InteractiveShellApp.extensions=google.colab")
        return start


STAND_IN = Kernel(pathlib.Path(sys.executable))


def faithful_kernel(folder: pathlib.Path) -> Kernel:
    """The kernel of the environment that `python -m tools colab-environment` made in `folder`."""
    python = folder.absolute() / "bin" / "python"
    probe = [str(python), "-c", "import google.colab._kernel, ipywidgets"]
    if not python.exists() or subprocess.run(probe, capture_output=True, check=False).returncode:
        raise BookError(
            f"{folder} is no environment of Colab's: "
            "make one with python -m tools colab-environment"
        )
    return Kernel(python, faithful=True)


def environment(
    book: Book, origin: str, home: pathlib.Path, kernel: Kernel = STAND_IN
) -> dict[str, str]:
    """The environment of a chapter's kernel, with the empty folder `home` as its home."""
    dropped = (*DROPPED, *SET_HERE) if kernel.faithful else DROPPED
    kept = {name: v for name, v in os.environ.items() if not name.startswith(dropped)}
    startup = home / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    if not kernel.faithful:
        (startup / "00-colab.py").write_text(STARTUP, encoding="utf-8")
        kept |= SET_HERE
    return {
        **kept,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "PIP_NO_INDEX": "1",
        "GIT_ALLOW_PROTOCOL": "file",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{origin}.insteadOf",
        "GIT_CONFIG_VALUE_0": book.address,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def refuse_reachable_helpers(
    variables: dict[str, str], folder: pathlib.Path, kernel: Kernel = STAND_IN
) -> None:
    """Stop when `import helpers` works unfetched: a chapter without its first cell would pass."""
    probe = "import importlib.util as u, sys; sys.exit(u.find_spec('helpers') is None)"
    found = subprocess.run(
        [kernel.python, "-c", probe], cwd=folder, env=variables, capture_output=True, check=False
    )
    if found.returncode == 0:
        raise BookError(
            "helpers can be imported here before a chapter fetches them: a chapter that forgets "
            f"to would pass. Run: {kernel.python} -m pip uninstall tfp-losses"
        )
