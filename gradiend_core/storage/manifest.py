"""The seal of a finished folder: manifest.json has the checksum of every file, and is written last. A folder
without it is not finished. Files of a finished folder are checked against it before they are read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gradiend_core.errors import StorageError
from gradiend_core.storage.files import LOCK, MALFORMED, PART, checksum, inside, read_json, write_json

MANIFEST = "manifest.json"
#: the same of a folder that was not finished
UNFINISHED = ".gradiend-unfinished.json"
SCHEMA = 1
#: the checksum of no file
MISSING = ""


def seal(folder: Path, without: str = "", others: Collection[str] = ()) -> None:
    """Writes the checksums of all files in the folder, except `others` and those in the folder `without`,
    which is about to be removed. Raises StorageError where that fails."""
    try:
        sums = _checksums(folder, others)
        kept = {
            name: digests
            for name, digests in sums.items()
            if not without or not name.startswith(f"{without}/")
        }
        _write(folder / MANIFEST, kept)
    except OSError as error:
        raise StorageError(f"{folder} cannot be sealed: {error.strerror}") from error


def is_sealed(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def damage(folder: Path, *, among: str = "") -> list[str]:
    """A sentence for each fault of a sealed folder: files that are missing or were changed. `among` limits it
    to one file, or to the files of a folder ("tables/")."""
    try:
        about = read_json(folder / MANIFEST)
        if about["schema"] != SCHEMA:
            return [
                f"{folder / MANIFEST} has schema {about['schema']!r:.20}, this version reads {SCHEMA}; make"
                " the run again"
            ]
        known = {
            str(name): [str(digest) for digest in sums]
            for name, sums in about["files"].items()
            if name.startswith(among)
        }
        problems = (
            []
            if known or not among or among.endswith("/")
            else [f"{folder / MANIFEST} does not speak of {among}"]
        )
        for name, sums in known.items():
            path = inside(folder, name)
            digest_now = checksum(path) if path.is_file() else MISSING
            if digest_now not in sums and digest_now == MISSING:
                problems.append(f"{path} is missing; copy it again")
            elif digest_now not in sums:
                problems.append(
                    f"{path} is not the file that was written (checksum); copy it again, or make the run"
                    " again"
                )
        return problems
    except OSError as error:
        return [f"{folder} is not finished or not whole: {error.strerror} ({Path(str(error.filename)).name})"]
    except MALFORMED as error:
        return [f"{folder / MANIFEST} cannot be read: {type(error).__name__} {error}; make the run again"]


def not_as_written(folder: Path) -> list[str]:
    """The files in a folder that the last writer did not leave like this, finished or not: the work of a
    user."""
    record = next((folder / name for name in (MANIFEST, UNFINISHED) if (folder / name).is_file()), None)
    try:
        files = read_json(record)["files"] if record else {}
        known = {str(name): list(sums) for name, sums in files.items()}
    except (OSError, *MALFORMED):
        return [MANIFEST]
    links = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink()]
    return links + [name for name in _files(folder) if checksum(folder / name) not in known.get(name, ())]


@contextmanager
def sealed(folder: Path, without: str = "") -> Iterator[None]:
    """A folder that is filled inside the block and sealed at the end. If that fails, a note lists what was
    written, to tell it from a user's files. Older files that are neither ours nor written in the block are
    neither sealed nor noted."""
    before = {name: _version(folder / name) for name in not_as_written(folder)}

    def others() -> list[str]:
        return [name for name, version in before.items() if _version(folder / name) == version]

    try:
        yield
    except BaseException:
        with suppress(OSError):
            _write(folder / UNFINISHED, _checksums(folder, others()))
        raise
    seal(folder, without, others())
    (folder / UNFINISHED).unlink(missing_ok=True)


def expect_whole(folder: Path, *names: str) -> None:
    """Raises StorageError unless the files whose names begin like this are unchanged."""
    for name in names:
        if problems := damage(folder, among=name):
            raise StorageError(problems[0])


@contextmanager
def revised(folder: Path, last: str) -> Iterator[Path]:
    """A place for files that replace those of a sealed folder if nothing goes wrong, `last` as the last one.
    Meanwhile both old and new files are valid, so that a process killed in between leaves a readable
    folder."""
    fresh_folder = Path(tempfile.mkdtemp(dir=folder, prefix=PART))
    try:
        yield fresh_folder
        fresh = sorted(_files(fresh_folder), key=lambda name: name == last)
        known: dict[str, list[str]] = read_json(folder / MANIFEST)["files"]
        new = {name: [checksum(fresh_folder / name)] for name in fresh}
        _write(
            folder / MANIFEST,
            known | {name: [*known.get(name, [MISSING]), *sums] for name, sums in new.items()},
        )
        for name in fresh:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(fresh_folder / name, folder / name)
        _write(folder / MANIFEST, known | new)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}; it is as it was") from error
    finally:
        shutil.rmtree(fresh_folder, ignore_errors=True)


def _files(folder: Path) -> list[str]:
    paths = (
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (LOCK, UNFINISHED) and path != folder / MANIFEST
    )
    return sorted(
        str(path.as_posix()) for path in paths if not any(piece.startswith(PART) for piece in path.parts)
    )


def _version(path: Path) -> tuple[int, int]:
    """A value that changes when a file is written again; the same for all missing files."""
    try:
        status = path.lstat()
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


def _checksums(folder: Path, others: Collection[str] = ()) -> dict[str, list[str]]:
    return {name: [checksum(folder / name)] for name in _files(folder) if name not in others}


def _write(path: Path, files: dict[str, Any]) -> None:
    write_json(path, {"schema": SCHEMA, "files": files})
