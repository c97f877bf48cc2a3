"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gradiend_core.errors import StorageError


def write_text(path: Path, text: str) -> None:
    """The file has the old or the new content at every moment."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes the place of `folder` when nothing went wrong."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}") from error
    try:
        yield place
        os.chmod(place, 0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(place, folder)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def claim_output(folder: Path, marker: str) -> None:
    """Makes an output folder, before any work is done. A folder with other things in it is refused, never mixed with a run."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / marker).exists():
        raise StorageError(f"output folder {folder} is not empty and holds no run ({marker} is missing); choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(f"output folder {folder} cannot be written: {error.strerror}; choose another with --output") from error
