"""A learned feature as a folder: feature.safetensors and feature.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from attrs import asdict, fields

from gradiend_core.errors import StorageError
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.scope import ParameterScope
from gradiend_core.storage.artefacts import load_artefact, save_artefact
from gradiend_core.storage.files import MALFORMED
from gradiend_core.storage.folders import fresh_folder
from gradiend_core.storage.hub import local_folder
from gradiend_core.storage.scopes import expect_vector, scope_read, scope_written

SCHEMA = 4
VECTORS = ("encoder", "decoder", "decoder_bias")
#: what the bases of a parameter's rows and columns are called
SIDES = ("rows", "columns")


def save_feature(
    feature: LearnedFeature,
    folder: str | Path,
    provenance: Provenance | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Writes the feature completely or not at all. Raises StorageError for a folder that is not empty; with
    `overwrite`, a folder written by us is replaced."""
    folder = Path(folder)
    scope, indices = scope_written(feature.scope)
    tensors = {name: getattr(feature, name) for name in VECTORS} | indices
    if feature.encoder is feature.decoder:
        del tensors["encoder"]
    if feature.curvature is not None:
        tensors["curvature"] = feature.curvature
    for name, sides in feature.bases.items():
        tensors |= {f"{side}:{name}": basis for side, basis in zip(SIDES, sides, strict=True)}
    content = scope | {
        "classes": list(feature.classes),
        "source": feature.source.value,
        "target": feature.target.value,
        "encoder_bias": feature.encoder_bias,
        "encoder_scale": feature.encoder_scale,
        "best_step": feature.best_step,
        "seed": feature.seed,
        "training": [list(asdict(row).values()) for row in feature.training],
        "provenance": asdict(provenance) if provenance else None,
    }
    with fresh_folder(folder, overwrite=overwrite) as fresh:
        save_artefact(fresh, "feature", SCHEMA, content, tensors)
    return folder


def load_feature(folder: str | Path) -> LearnedFeature:
    """The saved feature, from a folder or the hub ("hub:OWNER/NAME"). Raises StorageError for a folder
    without a feature, or whose content was changed."""
    folder = local_folder(folder)
    try:
        return _feature(*load_artefact(folder, "feature", SCHEMA))
    except OSError as error:
        raise StorageError(
            f"{folder} holds no feature: {error.strerror} ({Path(str(error.filename)).name})"
        ) from error
    except MALFORMED as error:
        raise StorageError(f"{folder} holds no valid feature: {type(error).__name__} {error}") from error


def _feature(about: dict[str, Any], tensors: dict[str, torch.Tensor]) -> LearnedFeature:
    scope = scope_read(about, tensors)
    tensors.setdefault("encoder", tensors["decoder"])
    vectors = {name: expect_vector(f"feature's {name}", tensors[name], scope) for name in VECTORS}
    if "curvature" in tensors:
        vectors["curvature"] = expect_vector(
            "feature's curvature", tensors["curvature"], scope, torch.bfloat16
        )
    first, second = about["classes"]
    names = [field.name for field in fields(TrainingRow)]
    return LearnedFeature(
        **vectors,
        bases=_bases(tensors, scope),
        encoder_bias=float(about["encoder_bias"]),
        encoder_scale=float(about["encoder_scale"]),
        scope=scope,
        classes=(str(first), str(second)),
        source=GradientRole(about["source"]),
        target=GradientRole(about["target"]),
        best_step=int(about["best_step"]),
        seed=int(about["seed"]),
        training=tuple(TrainingRow(**dict(zip(names, row, strict=True))) for row in about["training"]),
    )


def _bases(
    tensors: dict[str, torch.Tensor], scope: ParameterScope
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    bases = {}
    for parameter in scope.slices:
        sides = [tensors.get(f"{side}:{parameter.name}") for side in SIDES]
        if all(side is None for side in sides):
            continue
        rows, columns = sides
        if (
            rows is None
            or columns is None
            or (*rows.shape, *columns.shape) != tuple(size for size in parameter.shape for _ in range(2))
        ):
            raise StorageError(
                f"the bases of {parameter.name} do not fit its shape {parameter.shape}; make the run again"
            )
        bases[parameter.name] = rows, columns
    return bases
