"""Checkpoints of a training: one file that is whole or absent, and a lock on its folder."""

import contextlib
import errno
import io
import json
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FILE, LOCK, UNFINISHED = "training.npz", "training.lock", ".unfinished"
FORMAT = 1  # of the file; also to be raised when the same run would draw other numbers

# Folder systems (of cloud drives, for instance) that know no locks or no sync of a folder.
UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK}
NO_PERMISSION = "Pass a folder that you may write to."
CURES = {
    errno.ENOSPC: "Free some space, or pass a folder on another disk.",
    errno.EDQUOT: "Free some of your quota, or pass a folder on another disk.",
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f), or pass a folder elsewhere.",
    errno.EROFS: NO_PERMISSION,
    errno.EACCES: NO_PERMISSION,
    errno.EPERM: NO_PERMISSION,
    errno.ENOENT: "Is the drive still mounted? Make the folder again, or pass another one.",
    errno.ENOTDIR: "A part of this path is a file: pass a folder.",
    errno.EEXIST: "This path is a file: pass a folder.",
}
# What zipfile, NumPy and json say of bytes that are no checkpoint.
DAMAGE = (
    *(ValueError, TypeError, LookupError, EOFError, AttributeError, MemoryError, OverflowError),
    *(RuntimeError, OSError, SyntaxError, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training after some steps.

    Attributes
    ----------
    step
        Steps taken so far.
    variables
        Values of the network's variables, then of the optimizer's, as
        :func:`~helpers.saving.same_run.training_variables` lists them.
    rows
        History so far [steps, columns], float64.
    run
        What :func:`~helpers.saving.same_run.describe_run` returned for this run.
    place
        What tells later that data and network are still the same at this step.
    """

    step: int
    variables: list[npt.NDArray[Any]]
    rows: npt.NDArray[np.float64]
    run: dict[str, Any]
    place: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(folder: str | os.PathLike[str], checkpoint: Checkpoint) -> Path:
    """Save the checkpoint in ``folder``, in place of the one that is there; return its path.

    The new file takes the old one's name only when all of it is on the disk. Killed at any moment,
    this leaves the old checkpoint or the new one, and at most an unfinished file beside it that
    the next call removes.

    Raises
    ------
    OSError
        If it cannot be written: what stood in the way, where, and how to mend it. The old
        checkpoint is intact.
    ValueError
        If a variable holds NaN or infinite values. The old checkpoint is intact.
    """
    _check_variables(checkpoint)
    path = Path(folder) / FILE
    content = _encode(checkpoint)
    unfinished = path.with_name(f"{FILE}.{os.getpid()}{UNFINISHED}")
    try:
        for left_behind in path.parent.glob(f"{FILE}.*{UNFINISHED}"):
            left_behind.unlink(missing_ok=True)
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        trouble = f"The checkpoint ({len(content) / 1e6:,.3g} MB) could not be saved"
        raise _explained(error, trouble, path) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
    return path


def load_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint | None:
    """Return the checkpoint that is saved in ``folder``, or ``None`` if there is none.

    Raises
    ------
    OSError
        If ``folder`` is a file, or the checkpoint cannot be read.
    ValueError
        If the file is damaged, or of a format that only newer helpers know.
    """
    path = Path(folder) / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _explained(error, "The checkpoint could not be read", path) from error
    try:
        found_format, checkpoint = _decode(content)
    except DAMAGE as error:
        raise ValueError(
            f"{path} is damaged or no checkpoint ({error}). Put back a copy of it if you have "
            "one; else delete it, and training starts anew."
        ) from error
    if checkpoint is None:
        raise ValueError(
            f"{path} has format {found_format}, but these helpers read formats up to {FORMAT}: "
            "it was saved by newer ones. Fetch the newest helpers, or start anew in another folder."
        )
    return checkpoint


@contextlib.contextmanager
def lock_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Make ``folder`` if need be, and keep other processes from training into it meanwhile.

    The lock ends with the block or, at the latest, with the process, however that ends. Where the
    folder's file system knows no locks, as on some cloud drives, there is none. A folder that was
    made here goes again when the block fails before anything is saved in it.

    Raises
    ------
    BlockingIOError
        If another training holds the lock.
    OSError
        If the folder cannot be made or written to.
    """
    folder = Path(folder)
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _explained(error, "No checkpoint can be saved", folder / FILE) from error
    try:
        _lock(handle, folder)
        try:
            yield folder
        except BaseException:
            if is_new:
                _remove_unused(folder)
            raise
    finally:
        os.close(handle)


def _remove_unused(folder: Path) -> None:
    """Remove a folder that holds nothing but the lock, which this process has."""
    with contextlib.suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()


def _check_variables(checkpoint: Checkpoint) -> None:
    names = [name for name, *_ in checkpoint.run.get("variables", [])]
    for index, variable in enumerate(checkpoint.variables):
        name = f"Variable {index} ({names[index] if index < len(names) else 'unnamed'})"
        if variable.dtype.kind not in "biufc":
            raise ValueError(
                f"{name} has dtype {variable.dtype}, which the file cannot hold: keep variables "
                "in float32."
            )
        if not np.isfinite(variable).all():
            raise ValueError(
                f"{name} holds NaN or infinite values after step {checkpoint.step}: it is not "
                "saved, and a checkpoint saved before is kept. Try a smaller learning rate."
            )


def _encode(checkpoint: Checkpoint) -> bytes:
    """Return the bytes of the file: an archive of arrays, not compressed, without pickle."""
    about = {
        "step": int(checkpoint.step),
        "num_variables": len(checkpoint.variables),
        "run": checkpoint.run,
        "place": checkpoint.place,
    }
    buffer = io.BytesIO()
    np.savez(
        buffer,
        format=np.array(FORMAT),
        about=np.array(json.dumps(about)),
        rows=np.asarray(checkpoint.rows, np.float64),
        **{f"variable_{index}": value for index, value in enumerate(checkpoint.variables)},
    )
    return buffer.getvalue()


def _decode(content: bytes) -> tuple[int, Checkpoint | None]:
    """Return the format and what :func:`_encode` was given; ``None`` if the format is newer."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found_format = int(arrays["format"])
        if found_format > FORMAT:
            return found_format, None
        about = json.loads(str(arrays["about"]))
        variables = [arrays[f"variable_{index}"] for index in range(about["num_variables"])]
        place = about.get("place", {})
        step, run = about["step"], about["run"]
        return found_format, Checkpoint(step, variables, arrays["rows"], run, place)


def _sync_folder(folder: Path) -> None:
    """Wait until the new name of a file is on the disk, where the system can do so."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    """Lock the open file and write this process's number into it."""
    if sys.platform == "win32":
        return
    import fcntl  # unknown to Windows

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(handle, 20, 0).decode() or "unknown"
        raise BlockingIOError(
            error.errno,
            f"Another training (process {owner}) saves itself in {folder}. Wait for its end, stop "
            "it, or pass another folder.",
        ) from error
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise _explained(error, "The folder could not be locked", folder / FILE) from error
    with contextlib.suppress(OSError):  # on a full disk the lock holds without the number
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)


def _explained(error: OSError, trouble: str, path: Path) -> OSError:
    """Return an error of the same kind that says what, where, why, how to mend, and what is safe.

    Python makes the fitting subclass, PermissionError for instance, of the number.
    """
    number = error.errno or errno.EIO
    cure = CURES.get(number, "Pass another folder.")
    there = False
    with contextlib.suppress(OSError):
        there = path.is_file()
    safe = " The checkpoint saved before is intact." if there else ""
    return OSError(number, f"{trouble} in {path.parent}: {os.strerror(number)}. {cure}{safe}")
