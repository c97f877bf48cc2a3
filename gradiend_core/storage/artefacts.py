"""An artefact: a folder with NAME.safetensors and NAME.json, read only if both are unchanged. The JSON file
has a schema version, the checksum of the tensors, and its own content with its checksum. Tensors are written
first, so the JSON file always refers to complete ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from gradiend_core.errors import StorageError
from gradiend_core.storage.files import checksum, inside, read_json, write_json


def save_artefact(
    folder: Path,
    name: str,
    schema: int,
    content: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    file: str = "",
) -> None:
    """Writes both files to an existing folder; `file` is the name of the tensors' file if it is not
    NAME.safetensors."""
    file = file or f"{name}.safetensors"
    save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, folder / file)
    about = {
        "schema": schema,
        "tensors": file,
        "tensors_sha256": checksum(folder / file),
        "content_sha256": _digest(content),
    }
    write_json(folder / f"{name}.json", {**about, "content": content})


def load_artefact(
    folder: Path, name: str, schema: int, device: str = "cpu"
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Content and tensors as they were saved. Raises StorageError for another schema and for changed files,
    OSError for missing files, and one of `files.MALFORMED` for files of another kind."""
    about = read_json(folder / f"{name}.json")
    if about["schema"] != schema:
        raise StorageError(
            f"{folder} has schema {about['schema']!r:.20}, this version reads {schema}; make it again"
        )
    tensors, content = inside(folder, about["tensors"]), about["content"]
    for path, digest, written in (
        (folder / f"{name}.json", _digest(content), about["content_sha256"]),
        (tensors, checksum(tensors), about["tensors_sha256"]),
    ):
        if digest != written:
            raise StorageError(f"{path} is not the file that was saved (checksum); copy it again")
    return content, load_file(tensors, device=device)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
