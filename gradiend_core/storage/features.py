"""A learned feature as a folder: feature.safetensors and feature.json."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import torch
from attrs import asdict, fields

from gradiend_core.errors import StorageError
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.storage.artefacts import load_artefact, save_artefact
from gradiend_core.storage.files import MALFORMED, fresh_folder

SCHEMA = 2
VECTORS = ("encoder", "decoder", "decoder_bias")


def save_feature(feature: LearnedFeature, folder: str | Path, provenance: Provenance | None = None) -> Path:
    """Writes the feature, whole or not at all."""
    folder = Path(folder)
    tensors = {name: getattr(feature, name) for name in VECTORS}
    for number, part in enumerate(feature.scope.slices):
        if part.index is not None:
            tensors[f"index.{number}"] = part.index
    content = {
        "classes": list(feature.classes), "source": feature.source.value, "target": feature.target.value,
        "encoder_bias": feature.encoder_bias, "best_step": feature.best_step, "seed": feature.seed,
        "scope": [[part.name, list(part.shape)] for part in feature.scope.slices],
        "scope_fingerprint": feature.scope.fingerprint(),
        "training": [list(asdict(row).values()) for row in feature.training],
        "provenance": asdict(provenance) if provenance else None,
    }  # fmt: skip
    with fresh_folder(folder) as place:
        save_artefact(place, "feature", SCHEMA, content, tensors)
    return folder


def load_feature(folder: str | Path) -> LearnedFeature:
    """The feature as it was saved; raises StorageError for a folder that is none, or whose content was changed."""
    folder = Path(folder)
    try:
        return _feature(*load_artefact(folder, "feature", SCHEMA))
    except OSError as error:
        raise StorageError(f"{folder} holds no feature: {error.strerror} ({Path(str(error.filename)).name})") from error
    except MALFORMED as error:
        raise StorageError(f"{folder} holds no valid feature: {type(error).__name__} {error}") from error


def scope_of(names: list[tuple[str, list[int]]], tensors: dict[str, torch.Tensor]) -> ParameterScope:
    """The scope that a file names, with the indices that are saved beside it. Raises StorageError for one that no model has."""
    slices = tuple(
        ParameterSlice(str(name), tuple(map(int, shape)), tensors.get(f"index.{number}"))
        for number, (name, shape) in enumerate(names)
    )
    if not slices or len({part.name for part in slices}) < len(slices):
        raise StorageError("the scope has no parameter, or one twice; copy the folder again")
    for part in slices:
        index, whole = part.index, prod(part.shape)
        inside = index is None or (
            index.dtype == torch.int64 and index.dim() == 1 and len(index) > 0
            and bool((index.diff() > 0).all()) and int(index[0]) >= 0 and int(index[-1]) < whole
        )  # fmt: skip
        if min(part.shape, default=1) < 1 or not inside:
            raise StorageError(f"the scope's {part.name!r:.80} of shape {part.shape} has no such entries; copy the folder again")
    return ParameterScope(slices)


def expect_vector(name: str, vector: torch.Tensor, scope: ParameterScope) -> torch.Tensor:
    """The vector; raises StorageError unless it is one over the scope: [n], float32, finite."""
    if vector.shape != (scope.size,) or vector.dtype != torch.float32 or not bool(torch.isfinite(vector).all()):
        raise StorageError(
            f"the {name} must be {scope.size} finite float32 numbers, but is {vector.dtype} of shape {tuple(vector.shape)}, "
            f"{int((~torch.isfinite(vector)).sum())} not finite; make it again"
        )
    return vector


def _feature(about: dict[str, Any], tensors: dict[str, torch.Tensor]) -> LearnedFeature:
    scope = scope_of(about["scope"], tensors)
    if scope.fingerprint() != about["scope_fingerprint"]:
        raise StorageError("the feature's scope is not the one that was saved (fingerprint); copy the folder again")
    vectors = {name: expect_vector(f"feature's {name}", tensors[name], scope) for name in VECTORS}
    first, second = about["classes"]
    names = [field.name for field in fields(TrainingRow)]
    return LearnedFeature(
        **vectors, encoder_bias=float(about["encoder_bias"]), scope=scope, classes=(str(first), str(second)),
        source=GradientRole(about["source"]), target=GradientRole(about["target"]), best_step=int(about["best_step"]),
        seed=int(about["seed"]),
        training=tuple(TrainingRow(**dict(zip(names, row, strict=True))) for row in about["training"]),
    )  # fmt: skip
