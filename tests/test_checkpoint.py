"""Checkpoints: what comes back, and that no trouble on the disk harms the one that is there."""

import contextlib
import errno
import json
import os
import pathlib
import resource
import shutil
import tempfile
import time

import numpy as np
import pytest

import helpers.saving.checkpoint
from helpers.page.fresh_process import run_programs
from helpers.saving.checkpoint import Checkpoint, load_checkpoint, lock_folder, save_checkpoint

NAMES = ["hidden/kernel", "hidden/bias", "iteration"]
RUN = {"seed": 3, "variables": [[name, [], "float32"] for name in NAMES], "kl_weight": 1 / 17}


def checkpoint(step=6, fill=0.5):
    """A small checkpoint with variables of unequal shapes and types."""
    variables = [
        np.full((5, 3), fill, np.float32),
        np.array([fill, -0.0, 1e-40], np.float32),
        np.array(step, np.int64),
    ]
    rows = np.arange(4.0 * step).reshape(step, 4) / 3
    return Checkpoint(step, variables, rows, RUN)


def assert_same(found, expected):
    assert (found.step, found.run) == (expected.step, expected.run)
    pairs = zip([found.rows, *found.variables], [expected.rows, *expected.variables], strict=True)
    for one, other in pairs:
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_comes_back_byte_for_byte(tmp_path):
    path = save_checkpoint(tmp_path, checkpoint())
    assert path == tmp_path / "training.npz"
    assert_same(load_checkpoint(tmp_path), checkpoint())
    assert names_in(tmp_path) == ["training.npz"]


def test_the_newer_checkpoint_takes_the_place_of_the_older(tmp_path):
    for step in (6, 9):
        save_checkpoint(str(tmp_path), checkpoint(step, fill=step))
    assert_same(load_checkpoint(str(tmp_path)), checkpoint(9, fill=9))
    assert names_in(tmp_path) == ["training.npz"]


def test_before_the_first_step_there_may_be_no_row(tmp_path):
    save_checkpoint(tmp_path, checkpoint(step=0))
    assert load_checkpoint(tmp_path).rows.shape == (0, 4)


@pytest.mark.parametrize("folder", [".", "not there", "not/there"])
def test_where_nothing_was_saved_there_is_no_checkpoint(tmp_path, folder):
    assert load_checkpoint(tmp_path / folder) is None


def test_the_file_holds_plain_arrays(tmp_path):
    path = save_checkpoint(tmp_path, checkpoint())
    with np.load(path, allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} == {"f", "i", "U"}


def test_eleven_megabytes_are_saved_in_a_fifth_of_a_second(tmp_path):
    # The network of the question, its two halves of Adam's memory; the disk's own time aside.
    values = np.random.default_rng(1).normal(size=(3, 957_000)).astype(np.float32)
    big = Checkpoint(9, list(values), np.zeros((9, 4)), {})
    times = []
    for _ in range(3):
        start = time.process_time()
        save_checkpoint(tmp_path, big)
        times.append(time.process_time() - start)
    assert min(times) < 0.2


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (0, np.array([[1.0, np.nan]], np.float32), r"Variable 0 \(hidden/kernel\) holds NaN"),
        (1, np.array([np.inf], np.float32), r"Variable 1 \(hidden/bias\).*after step 9.*kept"),
        (2, np.array(["nine"], object), r"Variable 2 \(iteration\) has dtype object"),
    ],
)
def test_a_spoiled_variable_is_named_and_the_old_checkpoint_stays(tmp_path, index, value, message):
    save_checkpoint(tmp_path, checkpoint())
    spoiled = checkpoint(step=9)
    spoiled.variables[index] = value
    with pytest.raises(ValueError, match=message):
        save_checkpoint(tmp_path, spoiled)
    assert_same(load_checkpoint(tmp_path), checkpoint())
    assert names_in(tmp_path) == ["training.npz"]


# Trouble on the disk. Each is a context in which saving must fail.


@contextlib.contextmanager
def files_may_not_grow_beyond(size):
    """A limit of the system's: writing stops in the middle, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def full_device():
    """The new file leads to /dev/full, whose every write says that no space is left."""
    plain = pathlib.Path.open

    def open_full(path, mode="r", **options):
        return plain(pathlib.Path("/dev/full") if "w" in mode else path, mode, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pathlib.Path, "open", open_full)
        yield


@contextlib.contextmanager
def failing(function, number):
    """`os.fsync` or `os.replace` fails with an error number."""

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, function, fail)
        yield


@pytest.fixture
def saved():
    """A folder with the checkpoint of step 6, which every user of the system may look into."""
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    save_checkpoint(folder, checkpoint())
    yield folder
    shutil.rmtree(folder)


TROUBLE = {
    "file too large": (lambda: files_may_not_grow_beyond(700), errno.EFBIG, "ulimit -f"),
    "full when synced": (lambda: failing("fsync", errno.ENOSPC), errno.ENOSPC, "Free some space"),
    "quota": (lambda: failing("fsync", errno.EDQUOT), errno.EDQUOT, "your quota"),
    "broken disk": (lambda: failing("fsync", errno.EIO), errno.EIO, "Pass another folder"),
    "read-only": (lambda: failing("replace", errno.EROFS), errno.EROFS, "you may write to"),
}
if pathlib.Path("/dev/full").exists():  # not on macOS
    TROUBLE["device full"] = (full_device, errno.ENOSPC, "No space left.*Free some space")


@pytest.mark.parametrize("case", TROUBLE)
def test_trouble_on_the_disk_leaves_the_old_checkpoint(saved, case):
    trouble, number, advice = TROUBLE[case]
    with trouble(), pytest.raises(OSError, match=advice) as caught:
        save_checkpoint(saved, checkpoint(step=9))
    assert caught.value.errno == number
    assert "could not be saved in" in str(caught.value)
    assert str(saved) in str(caught.value)
    assert "The checkpoint saved before is intact." in str(caught.value)
    assert names_in(saved) == ["training.npz"]
    assert_same(load_checkpoint(saved), checkpoint())
    save_checkpoint(saved, checkpoint(step=9))  # once the trouble is over
    assert_same(load_checkpoint(saved), checkpoint(step=9))


def test_the_limit_stops_the_write_in_its_middle(tmp_path):
    with (
        files_may_not_grow_beyond(700),
        (tmp_path / "file").open("wb") as file,
        contextlib.suppress(OSError),
    ):
        os.write(file.fileno(), bytes(500))
        os.write(file.fileno(), bytes(500))
    assert (tmp_path / "file").stat().st_size == 700


@contextlib.contextmanager
def as_someone_else():
    """The rights of a user who owns nothing; root may write everywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_folder_without_permission_is_refused(saved):
    saved.chmod(0o555)
    for action in (lambda: save_checkpoint(saved, checkpoint(9)), lock_folder(saved).__enter__):
        with as_someone_else(), pytest.raises(PermissionError, match="folder that you may write"):
            action()
    saved.chmod(0o755)
    assert_same(load_checkpoint(saved), checkpoint())
    assert names_in(saved) == ["training.npz"]


def test_a_checkpoint_that_may_not_be_read_is_an_error_not_a_new_start(saved):
    (saved / "training.npz").chmod(0)
    with as_someone_else(), pytest.raises(PermissionError, match=r"could not be read in"):
        load_checkpoint(saved)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("kept")
    for folder in (file, file / "below"):
        with pytest.raises(OSError, match="is a file: pass a folder"):
            save_checkpoint(folder, checkpoint())
        with pytest.raises(OSError, match="is a file: pass a folder"):
            load_checkpoint(folder)
        with pytest.raises(OSError, match="is a file: pass a folder"), lock_folder(folder):
            pass
    assert file.read_text() == "kept"


def test_a_folder_that_vanished_is_not_made_again_behind_the_readers_back(tmp_path):
    with lock_folder(tmp_path / "drive") as folder:
        shutil.rmtree(folder)
        with pytest.raises(FileNotFoundError, match=r"Is the drive still mounted\?") as caught:
            save_checkpoint(folder, checkpoint())
    assert "intact" not in str(caught.value)
    assert not folder.exists()


def test_an_unfinished_file_of_a_killed_process_is_ignored_and_removed_by_the_next_save(tmp_path):
    save_checkpoint(tmp_path, checkpoint())
    (tmp_path / "training.npz.4194305.unfinished").write_bytes(b"half")
    assert_same(load_checkpoint(tmp_path), checkpoint())
    save_checkpoint(tmp_path, checkpoint(9))
    assert names_in(tmp_path) == ["training.npz"]


def test_stopped_by_hand_while_saving_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, checkpoint())

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, checkpoint(9))
    assert names_in(tmp_path) == ["training.npz"]
    assert_same(load_checkpoint(tmp_path), checkpoint())


def test_a_drive_that_cannot_sync_a_folder_or_lock_a_file_still_serves(tmp_path, monkeypatch):
    import fcntl

    plain = os.fsync

    def sync_files_only(handle):
        if os.path.isdir(f"/dev/fd/{handle}"):  # noqa: PTH112
            raise OSError(errno.EINVAL, "no sync of folders")
        plain(handle)

    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(os, "fsync", sync_files_only)
    monkeypatch.setattr(fcntl, "flock", refuse)
    with lock_folder(tmp_path):
        save_checkpoint(tmp_path, checkpoint())
    assert_same(load_checkpoint(tmp_path), checkpoint())


def test_the_new_name_is_given_when_the_content_is_on_the_disk(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        plain = getattr(os, name)

        def noted(*arguments, _plain=plain, _name=name):
            calls.append(_name)
            return _plain(*arguments)

        monkeypatch.setattr(os, name, noted)
    save_checkpoint(tmp_path, checkpoint())
    assert calls == ["fsync", "replace", "fsync"]  # the file, its name, the folder


# Damaged files.


def load_or_error(folder, content):
    """Return what loading gives, or None if it refuses with the cure; else fail."""
    (folder / "training.npz").write_bytes(content)
    try:
        return load_checkpoint(folder)
    except ValueError as error:
        message = str(error)
    assert "training.npz is damaged or no checkpoint" in message
    assert "delete it, and training starts anew" in message
    return None


def test_a_file_cut_short_anywhere_is_refused_with_the_cure(tmp_path):
    content = save_checkpoint(tmp_path, checkpoint()).read_bytes()
    assert load_or_error(tmp_path, content) is not None
    for length in range(len(content)):
        assert load_or_error(tmp_path, content[:length]) is None, length


def test_a_byte_changed_anywhere_never_gives_other_numbers(tmp_path):
    content = bytearray(save_checkpoint(tmp_path, checkpoint()).read_bytes())
    refused = 0
    for place in range(len(content)):
        content[place] ^= 0b10101
        found = load_or_error(tmp_path, bytes(content))
        content[place] ^= 0b10101
        if found is None:
            refused += 1
        else:  # a date or a flag of the archive, which nobody reads
            assert_same(found, checkpoint())
    assert refused > len(content) / 2


@pytest.mark.parametrize("content", [b"", b"a picture", b"\x93NUMPY\x01\x00v\x00{", b"PK\x05\x06"])
def test_another_file_of_that_name_is_refused(tmp_path, content):
    assert load_or_error(tmp_path, content) is None


def test_another_archive_and_a_single_array_are_refused(tmp_path):
    for save in (np.save, np.savez):
        with (tmp_path / "other").open("wb") as file:
            save(file, np.arange(3))
        assert load_or_error(tmp_path, (tmp_path / "other").read_bytes()) is None


def test_pickled_objects_are_never_loaded(tmp_path):
    with (tmp_path / "training.npz").open("wb") as file:
        about = json.dumps({"step": 1, "num_variables": 1, "run": {}})
        evil = np.array([{"object": 1}], object)
        np.savez(file, format=1, about=about, rows=np.zeros((1, 4)), variable_0=evil)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load_checkpoint(tmp_path)


def test_a_file_of_newer_helpers_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(helpers.saving.checkpoint, "FORMAT", 2)
    save_checkpoint(tmp_path, checkpoint())
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"has format 2, but.*up to 1.*Fetch the newest helpers"):
        load_checkpoint(tmp_path)


# One training at a time.


def test_a_second_training_in_the_same_process_is_refused_until_the_first_ends(tmp_path):
    with lock_folder(tmp_path / "new" / "folder") as folder:
        with pytest.raises(
            BlockingIOError, match=rf"process {os.getpid()}\) saves itself in .*new"
        ):
            lock_folder(folder).__enter__()
        with lock_folder(tmp_path / "other"):
            pass
    with lock_folder(folder):
        pass


def test_the_lock_ends_with_an_error(tmp_path):
    with pytest.raises(RuntimeError), lock_folder(tmp_path):
        raise RuntimeError
    with lock_folder(tmp_path):
        pass


def test_another_process_is_refused_and_told_whom_to_wait_for(tmp_path):
    program = (
        "from helpers.saving.checkpoint import lock_folder\n"
        f"with lock_folder({str(tmp_path)!r}): print('trains')"
    )
    with lock_folder(tmp_path):
        error = run_programs({"second": program})["second"].error
    assert error.startswith("BlockingIOError")
    assert f"Another training (process {os.getpid()}) saves itself in {tmp_path}" in error
    assert "Wait for its end, stop it, or pass another folder." in error
    assert run_programs({"later": program})["later"] == ("trains", "")


@pytest.mark.parametrize("was_there", [False, True])
def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path, was_there):
    folder = tmp_path / "runs" / "first"
    if was_there:
        folder.mkdir(parents=True)
    with pytest.raises(ZeroDivisionError), lock_folder(folder):
        raise ZeroDivisionError
    assert folder.exists() is was_there


def test_a_folder_in_which_something_was_saved_stays(tmp_path):
    folder = tmp_path / "first"
    with pytest.raises(IsADirectoryError), lock_folder(folder):
        (folder / "training.npz").mkdir() or folder.read_bytes()
    assert (folder / "training.npz").exists()
