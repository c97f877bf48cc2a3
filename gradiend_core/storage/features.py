"""A learned feature as a folder: feature.safetensors and feature.json."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from attrs import asdict, fields
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gradiend_core.errors import StorageError
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.storage.files import fresh_folder, write_json

SCHEMA = 1
VECTORS = ("encoder", "decoder", "decoder_bias")


def save_feature(feature: LearnedFeature, folder: str | Path, provenance: Provenance | None = None) -> Path:
    """Writes the feature, whole or not at all."""
    folder = Path(folder)
    tensors = {name: getattr(feature, name).detach().cpu().contiguous() for name in VECTORS}
    for number, part in enumerate(feature.scope.slices):
        if part.index is not None:
            tensors[f"index.{number}"] = part.index.cpu()
    with fresh_folder(folder) as place:
        save_file(tensors, place / "feature.safetensors")
        write_json(
            place / "feature.json",
            {
                "schema": SCHEMA,
                "sha256": _digest(place / "feature.safetensors"),
                "classes": feature.classes,
                "source": feature.source.value,
                "target": feature.target.value,
                "encoder_bias": feature.encoder_bias,
                "best_step": feature.best_step,
                "seed": feature.seed,
                "scope": [[part.name, list(part.shape)] for part in feature.scope.slices],
                "scope_fingerprint": feature.scope.fingerprint(),
                "training": [list(asdict(row).values()) for row in feature.training],
                "provenance": asdict(provenance) if provenance else None,
            },
        )
    return folder


def load_feature(folder: str | Path) -> LearnedFeature:
    """The feature as it was saved; raises StorageError for a folder that is none, or whose content was changed."""
    folder = Path(folder)
    try:
        about = json.loads((folder / "feature.json").read_text(encoding="utf-8"))
        if about["schema"] != SCHEMA:
            raise StorageError(f"{folder} has schema {about['schema']}, this version reads {SCHEMA}")
        if _digest(folder / "feature.safetensors") != about["sha256"]:
            raise StorageError(f"{folder / 'feature.safetensors'} is not the file that was saved (checksum); copy it again")
        return _feature(about, load_file(folder / "feature.safetensors"))
    except OSError as error:
        raise StorageError(f"{folder} holds no feature: {error.strerror} ({Path(error.filename).name})") from error
    except (ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
        raise StorageError(f"{folder} holds no valid feature: {type(error).__name__} {error}") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scope_of(names: list[tuple[str, list[int]]], tensors: dict[str, torch.Tensor]) -> ParameterScope:
    """The scope that a file names, with the indices that are saved beside it."""
    return ParameterScope(
        tuple(
            ParameterSlice(str(name), tuple(map(int, shape)), tensors.get(f"index.{number}"))
            for number, (name, shape) in enumerate(names)
        )
    )


def _feature(about: dict[str, Any], tensors: dict[str, torch.Tensor]) -> LearnedFeature:
    scope = scope_of(about["scope"], tensors)
    if scope.fingerprint() != about["scope_fingerprint"]:
        raise StorageError("the feature's scope is not the one that was saved (fingerprint); copy the folder again")
    vectors = {name: tensors[name] for name in VECTORS}
    for name, vector in vectors.items():
        if vector.shape != (scope.size,) or not bool(torch.isfinite(vector).all()):
            raise StorageError(f"the feature's {name} must be {scope.size} finite numbers, but has shape {tuple(vector.shape)}")
    first, second = about["classes"]
    names = [field.name for field in fields(TrainingRow)]
    return LearnedFeature(
        **vectors, encoder_bias=float(about["encoder_bias"]), scope=scope, classes=(str(first), str(second)),
        source=GradientRole(about["source"]), target=GradientRole(about["target"]), best_step=int(about["best_step"]),
        seed=int(about["seed"]),
        training=tuple(TrainingRow(**dict(zip(names, row, strict=True))) for row in about["training"]),
    )  # fmt: skip
