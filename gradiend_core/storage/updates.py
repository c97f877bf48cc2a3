"""A weight update as a folder: update.safetensors and update.json. Without the model, and exact."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from gradiend_core.errors import StorageError
from gradiend_core.records.update import WeightUpdate
from gradiend_core.storage.features import scope_of
from gradiend_core.storage.files import fresh_folder, write_json, write_text
from gradiend_core.storage.fingerprints import model_fingerprint

SCHEMA = 1


def save_update(update: WeightUpdate, folder: str | Path, made_for: str = "", card: str = "") -> Path:
    """Writes the direction, entry by entry, with the indices where a parameter is not whole; whole or not at all. `made_for` is
    the fingerprint of the model's weights."""
    folder, tensors = Path(folder), {}
    for number, (part, place) in enumerate(update.scope.parts()):
        tensors[f"values.{number}"] = update.direction[place].detach().cpu().contiguous()
        if part.index is not None:
            tensors[f"index.{number}"] = part.index.cpu()
    with fresh_folder(folder) as new:
        save_file(tensors, new / "update.safetensors")
        write_json(new / "update.json", {
            "schema": SCHEMA, "sha256": hashlib.sha256((new / "update.safetensors").read_bytes()).hexdigest(),
            "model_fingerprint": made_for, "feature_factor": update.feature_factor,
            "learning_rate": update.learning_rate, "scope": [[part.name, list(part.shape)] for part in update.scope.slices],
            "scope_fingerprint": update.scope.fingerprint(),
        })  # fmt: skip
        if card:
            write_text(new / "README.md", card)
    return folder


def load_update(folder: str | Path, model: nn.Module | None = None) -> WeightUpdate:
    """The update as it was saved, to be given to `apply_update` or `applied`. Raises StorageError for a folder that is none, was
    changed, or was made for other weights than those of `model`."""
    folder = Path(folder)
    try:
        about = json.loads((folder / "update.json").read_text(encoding="utf-8"))
        if about["schema"] != SCHEMA:
            raise StorageError(f"{folder} has schema {about['schema']}, this version reads {SCHEMA}")
        if hashlib.sha256((folder / "update.safetensors").read_bytes()).hexdigest() != about["sha256"]:
            raise StorageError(f"{folder / 'update.safetensors'} is not the file that was saved (checksum); copy it again")
        tensors = load_file(folder / "update.safetensors")
        scope = scope_of(about["scope"], tensors)
        direction = torch.cat([tensors[f"values.{number}"] for number in range(len(scope.slices))])
        update = WeightUpdate(direction, scope, float(about["feature_factor"]), float(about["learning_rate"]))
        made_for = str(about["model_fingerprint"])
    except OSError as error:
        raise StorageError(f"{folder} holds no update: {error.strerror} ({Path(error.filename).name})") from error
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise StorageError(f"{folder} holds no valid update: {type(error).__name__} {error}") from error
    if direction.shape != (update.scope.size,) or update.scope.fingerprint() != about["scope_fingerprint"]:
        raise StorageError(f"the update in {folder} does not fit its own scope; copy the folder again")
    if not bool(torch.isfinite(direction).all()):
        raise StorageError(f"the update in {folder} has values that are not finite; make it again")
    if model is not None and made_for and (this := model_fingerprint(model)) != made_for:
        raise StorageError(f"the update in {folder} was made for the weights {made_for}, and this model has {this}")
    return update
