"""A weight update as a folder: update.safetensors and update.json, exact and without the model."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from gradiend_core.errors import StorageError
from gradiend_core.records.update import WeightUpdate
from gradiend_core.storage.artefacts import load_artefact, save_artefact
from gradiend_core.storage.files import MALFORMED, write_text
from gradiend_core.storage.fingerprints import model_fingerprint
from gradiend_core.storage.folders import fresh_folder
from gradiend_core.storage.hub import local_folder
from gradiend_core.storage.scopes import expect_vector, scope_read, scope_written

SCHEMA = 2


def save_update(
    update: WeightUpdate, folder: str | Path, made_for: str = "", card: str = "", *, overwrite: bool = False
) -> Path:
    """Writes the direction entry by entry, with indices where a parameter is not whole; completely or not at
    all. `made_for` is the fingerprint of the model's weights. Raises StorageError for a folder that is not
    empty; with `overwrite`, a folder written by us is replaced."""
    folder = Path(folder)
    scope, tensors = scope_written(update.scope)
    tensors |= {
        f"values.{number}": update.direction[columns]
        for number, (_, columns) in enumerate(update.scope.with_columns())
    }
    content = scope | {
        "model_fingerprint": made_for,
        "feature_factor": update.feature_factor,
        "learning_rate": update.learning_rate,
    }
    with fresh_folder(folder, overwrite=overwrite) as new:
        save_artefact(new, "update", SCHEMA, content, tensors)
        if card:
            write_text(new / "README.md", card)
    return folder


def load_update(folder: str | Path, model: nn.Module | None = None) -> WeightUpdate:
    """The saved update, from a folder or the hub ("hub:OWNER/NAME"), for `apply_update` or `applied`. Raises
    StorageError for a folder without one, or one that was changed or made for other weights than those of
    `model`."""
    folder = local_folder(folder)
    try:
        about, tensors = load_artefact(folder, "update", SCHEMA)
        scope = scope_read(about, tensors)
        direction = torch.cat([tensors[f"values.{number}"] for number in range(len(scope.slices))])
        update = WeightUpdate(direction, scope, float(about["feature_factor"]), float(about["learning_rate"]))
        made_for = str(about["model_fingerprint"])
    except OSError as error:
        raise StorageError(
            f"{folder} holds no update: {error.strerror} ({Path(str(error.filename)).name})"
        ) from error
    except MALFORMED as error:
        raise StorageError(f"{folder} holds no valid update: {type(error).__name__} {error}") from error
    expect_vector(f"update in {folder}", direction, scope)
    if model is not None and made_for and (this := model_fingerprint(model)) != made_for:
        raise StorageError(
            f"the update in {folder} was made for the weights {made_for}, and this model has {this}"
        )
    return update
