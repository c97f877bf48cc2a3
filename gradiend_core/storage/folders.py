"""Output folders: written completely or not at all, by one process at a time, and never over a user's
files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from gradiend_core.errors import StorageError
from gradiend_core.storage.files import LOCK, PART, locked
from gradiend_core.storage.manifest import UNFINISHED, is_sealed, not_as_written, seal


def expect_free(folder: Path, *, overwrite: bool = False) -> None:
    """Raises StorageError unless the folder is absent or empty. With `overwrite` it may also be a folder
    written by us with every file unchanged: whatever a user added or edited is never replaced."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder} is a file; give a new folder")
    if not _content(folder):
        return
    if not overwrite:
        more = ", or overwrite it (--overwrite, overwrite=True)" if is_sealed(folder) else ""
        raise StorageError(f"{folder} is not empty; give a new folder{more}")
    if not is_sealed(folder) and not (folder / UNFINISHED).is_file():
        raise StorageError(
            f"{folder} is never overwritten, as nothing says which of its files gradiend wrote; give a new"
            " folder, or remove it"
        )
    if changed := not_as_written(folder):
        raise StorageError(
            f"{folder} is not overwritten, as {changed[0]} in it is not as gradiend wrote it; move it"
            " elsewhere, or give a new folder"
        )


def clear(folder: Path) -> None:
    """Empties a folder that `expect_free` has accepted with `overwrite`."""
    (folder / UNFINISHED).unlink(missing_ok=True)
    for path in _content(folder):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def fresh_folder(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A new folder to fill, which is sealed and becomes `folder` if nothing goes wrong. Raises StorageError
    as `expect_free` does."""
    folder = folder.resolve()
    expect_free(folder, overwrite=overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh, old = (Path(tempfile.mkdtemp(dir=folder.parent, prefix=PART)) for _ in range(2))
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}") from error
    try:
        yield fresh
        os.chmod(fresh, 0o755)
        seal(fresh)
        expect_free(folder, overwrite=overwrite)  # somebody may have put files there meanwhile
        if _content(folder) and folder == Path.cwd():
            clear(folder)
        elif _content(folder):  # moved aside in one step, as removing takes many
            os.replace(folder, old)
        if folder == Path.cwd():  # whoever stands in it would be left in a folder that is gone
            for path in fresh.iterdir():
                os.replace(path, folder / path.name)
        else:
            os.replace(fresh, folder)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"cannot write {folder}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        for folder_left in (fresh, old):
            shutil.rmtree(folder_left, ignore_errors=True)


@contextmanager
def files_added(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, whose files are moved into `folder` if nothing goes wrong. Other files there
    stay."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder, prefix=PART))
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}") from error
    try:
        yield fresh
        for path in fresh.iterdir():
            os.replace(path, folder / path.name)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def claimed(folder: Path, marker: str) -> Iterator[None]:
    """Creates an output folder and keeps other processes from writing there meanwhile. A folder without a
    `marker` file of the same kind of output was not started by us, and is refused unless it is empty.
    Half-written files of a killed process are removed."""
    begun = (folder / LOCK).exists() or is_sealed(folder)
    if _content(folder) and not (begun and (folder / marker).exists()):
        why = f"{marker} is missing" if begun else "it was not begun by gradiend"
        raise StorageError(f"output folder {folder} is not empty and holds no run ({why}); choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"output folder {folder} cannot be written: {error.strerror}; choose another with --output"
        ) from error
    with locked(
        folder, f"output folder {folder} is being written by another process; wait for it, or choose another"
    ):
        for left in [*folder.rglob(f"{PART}*")]:
            inner = [parent for parent in left.parents if parent != folder and parent.is_relative_to(folder)]
            if any((parent / LOCK).exists() for parent in inner):
                continue  # a folder with a writer of its own, such as a run of a suite
            with suppress(OSError):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield


def _content(folder: Path) -> list[Path]:
    """The content of a folder without lock files and half-written files."""
    if not folder.is_dir():
        return []
    return [
        path
        for path in folder.iterdir()
        if path.name not in (LOCK, UNFINISHED) and not path.name.startswith(PART)
    ]
