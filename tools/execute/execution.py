"""Execute one notebook alone, as a Colab reader would, in a kernel of its own."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import os
import pathlib
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellTimeoutError, DeadKernelError

from tools.book.root import BookError
from tools.book.settings import Book
from tools.execute.memory import Peak
from tools.execute.outputs import explain_error, notebook_troubles
from tools.execute.stand_in import STAND_IN, Kernel, environment

os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else jupyter_client's look for
# kernels loads the debugger, which writes four lines about frozen modules
SEED = re.compile(r"^SEED = 0[ \t]*$", re.MULTILINE)
STARTUP_SECONDS = 300  # a kernel that shares its core with two TensorFlows starts slowly
LATE_OUTPUT_SECONDS = 120


class ColabClient(NotebookClient):
    """nbclient without its signal handlers: several clients share one event loop here.

    Each of nbclient's own handlers would replace the one before; Ctrl-C would stop one kernel and
    leave the others. Here it cancels the tasks, and each task shuts its kernel down.
    """

    def __init__(self, notebook: nbformat.NotebookNode, kernel: Kernel, **options: Any) -> None:
        super().__init__(notebook, **options)
        self.kernel_command = kernel.command
        self.peak = Peak()

    @asynccontextmanager
    async def async_setup_kernel(self, **kwargs: Any) -> AsyncIterator[None]:
        """Start the kernel, watch its memory, and shut it down whatever happens."""
        self.km = self.create_kernel_manager()
        self.km._kernel_spec = KernelSpec(argv=self.kernel_command, language="python")
        try:
            await self.async_start_new_kernel(**kwargs)
            await self.async_start_new_kernel_client()
            provisioner = self.km.provisioner
            assert isinstance(provisioner, LocalProvisioner), "kernels run on this machine"
            assert provisioner.pid is not None, "started above"
            async with self.peak.of(provisioner.pid):
                yield
        finally:
            await asyncio.shield(self._async_cleanup_kernel())


@dataclasses.dataclass
class Result:
    """What came of one notebook: outputs, seconds, the most memory in MiB, what is wrong with it.

    The memory is that of the kernel and of all programs that it started, together.
    """

    path: pathlib.Path
    notebook: nbformat.NotebookNode
    seconds: float
    troubles: list[str]
    memory: float = 0.0


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the notebooks of one run have in common.

    `origin` is the repository that they fetch the book from, `leads` says which addresses in an
    output lead somewhere, `passes` how often a notebook runs from top to bottom in its kernel.
    With `claims_only` nothing counts but cells that fail: newer libraries say what these do not.
    """

    book: Book
    origin: str
    leads: Callable[[str], bool]
    kernel: Kernel = STAND_IN
    passes: int = 1
    claims_only: bool = False


def with_seed(notebook: nbformat.NotebookNode, seed: int, name: str) -> None:
    """Replace `SEED = 0` by another seed; a chapter with code but without that line is wrong."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    count = 0
    for cell in cells:
        cell.source, found = SEED.subn(f"SEED = {seed}", cell.source)
        count += found
    if cells and count != 1:
        raise BookError(f"{name} has {count} lines `SEED = 0`, so no other seed can be tried")


async def execute(
    setting: Setting,
    path: pathlib.Path,
    *,
    seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Execute the notebook at `path` in an empty folder and check its outputs.

    `progress` is called with the number of code cells done and their total.
    """
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    if seed is not None:
        try:
            with_seed(notebook, seed, path.name)
        except BookError as error:
            return Result(path, notebook, 0.0, [str(error)])
    notebook.cells = [copy.deepcopy(c) for _ in range(setting.passes) for c in notebook.cells]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        client = _client(setting, notebook, pathlib.Path(place))
        troubles = await _run(setting, client, pathlib.Path(place), progress)
    seconds = time.perf_counter() - start
    return Result(path, notebook, seconds, troubles, client.peak.mebibytes)


async def _run(
    setting: Setting,
    client: ColabClient,
    place: pathlib.Path,
    progress: Callable[[int, int], None] | None,
) -> list[str]:
    """Run all cells below the empty folder `place`; returns what went wrong."""
    home, content, notebook = place / "home", place / "content", client.nb
    home.mkdir()
    content.mkdir()
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    if progress:
        client.on_cell_executed = lambda **_: progress(client.code_cells_executed, total)
    variables = environment(setting.book, setting.origin, home, setting.kernel)
    try:
        await client.async_execute(cwd=str(content), env=variables)
    except CellControlSignal as error:  # a failing cell, or one that takes too long
        return [_failing_cell(notebook, error)]
    except (DeadKernelError, RuntimeError, TimeoutError) as error:
        return [f"the kernel died or does not answer: {type(error).__name__}: {error}"]
    if setting.claims_only:
        return []
    # Whoever runs a notebook again is shown some warnings that name the first time: not our fault.
    first = nbformat.v4.new_notebook(cells=notebook.cells[: len(notebook.cells) // setting.passes])
    return notebook_troubles(first, setting.leads, widgets=setting.kernel.faithful)


def _client(setting: Setting, notebook: nbformat.NotebookNode, place: pathlib.Path) -> ColabClient:
    """A client whose kernel talks through sockets in `place`, so that ports cannot clash."""
    client = ColabClient(
        notebook,
        setting.kernel,
        timeout=setting.book.timeout,
        startup_timeout=STARTUP_SECONDS,
        iopub_timeout=LATE_OUTPUT_SECONDS,
        raise_on_iopub_timeout=True,
        record_timing=False,  # times in the cells' metadata would change jupyter-cache's key
        coalesce_streams=True,  # how a print is cut into messages depends on the machine's load
        kernel_name="python3",
    )
    client.config.KernelManager.transport = "ipc"
    client.config.KernelManager.ip = str(place / "k")
    return client


def _failing_cell(notebook: nbformat.NotebookNode, error: Exception) -> str:
    """Explain the error of the cell that failed, or show the one that took too long."""
    if isinstance(error, CellTimeoutError):
        return f"{error}\nThe limit is execute.timeout in _config.yml."
    for number, cell in enumerate(notebook.cells):
        if any(out["output_type"] == "error" for out in cell.get("outputs", [])):
            return explain_error(cell, number)
    return str(error)
