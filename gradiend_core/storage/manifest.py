"""The seal of a finished folder: manifest.json has the checksum of every file, and is written last.

A folder without it is not finished. What is read from a finished folder is compared with it first.
"""

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
    """Writes the checksums of all files in the folder, but of `others` and of those in the folder `without`,
    which is about to go. Raises StorageError where it cannot be."""
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
    """What is wrong with a sealed folder, in a sentence each: files that are missing or are not as they were
    written. `among` limits it to one file, or to those of a folder, "tables/"."""
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
    """The files in a folder that are not as the last writer left them, finished or not: a person's work."""
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
    """A folder that is filled inside, and sealed at the end. Where that fails, a note says what was written,
    so that it can be told from what a person puts there. Files that were there before, are not ours, and were
    not written inside are neither sealed nor noted."""
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
    """Raises StorageError unless the files, whose names begin so, are those that were written."""
    for name in names:
        if problems := damage(folder, among=name):
            raise StorageError(problems[0])


@contextmanager
def revised(folder: Path, last: str) -> Iterator[Path]:
    """A place for files that replace those of a sealed folder when nothing went wrong, `last` as the last
    one. While they do, old and new ones are valid, so that a process killed in between leaves a folder that
    can be read."""
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
    """What changes when a file is written again; of one that is not there, nothing."""
    try:
        status = path.lstat()
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


def _checksums(folder: Path, others: Collection[str] = ()) -> dict[str, list[str]]:
    return {name: [checksum(folder / name)] for name in _files(folder) if name not in others}


def _write(path: Path, files: dict[str, Any]) -> None:
    write_json(path, {"schema": SCHEMA, "files": files})
