"""Writing files completely or not at all, and locking folders."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from gradiend_core.errors import StorageError

#: what begins the name of a file or folder that is not whole yet
PART = ".gradiend-part-"
LOCK = ".gradiend.lock"
#: what the parsers of damaged or hostile files raise, and what their content does to code that believes in it
MALFORMED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    SafetensorError,
)


def write_text(path: Path, text: str) -> None:
    """Replaces the content of a file: at every moment it has the old or the new content."""
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=PART)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises OSError, or ValueError for a file without an object."""
    content = json.loads(path.read_bytes().decode("utf-8"), parse_constant=_refuse)
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no JSON object")
    return content


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number")


def checksum(path: Path) -> str:
    """The SHA-256 of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inside(folder: Path, name: Any) -> Path:
    """The path of a file that another file names. Raises StorageError where it would leave the folder."""
    path = folder / name if isinstance(name, str) and name and "\0" not in name else folder / ".."
    file = path.resolve()
    plain = path.is_relative_to(folder) and ".." not in path.parts
    roots = [folder.resolve(), *(_blobs_of(folder) if plain else ())]
    if not any(file.is_relative_to(root) and file != root for root in roots):
        raise StorageError(
            f"{folder} names the file {name!r:.80}, which is not inside of it; nothing outside is read"
        )
    return path


def _blobs_of(folder: Path) -> list[Path]:
    """The folder that the files of a snapshot in the hub's cache link to; None elsewhere."""
    snapshots = (parent for parent in folder.absolute().parents if parent.name == "snapshots")
    return [(parent.parent / "blobs").resolve() for parent in snapshots if (parent.parent / "blobs").is_dir()]


@contextmanager
def locked(folder: Path, refused: str = "") -> Iterator[None]:
    """Lets only one process in at a time; the others wait, or get an error. The lock of a process that dies
    is released."""
    lock = FileLock(folder / LOCK, timeout=0 if refused else -1, is_singleton=True)
    try:
        lock.acquire()
    except Timeout as error:
        raise StorageError(refused) from error
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
