"""A scope, and vectors over it, in an artefact: names and shapes in its content, indices among its
tensors."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor

from gradiend_core.errors import StorageError
from gradiend_core.records.scope import ParameterScope, ParameterSlice


def scope_written(scope: ParameterScope) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The part of a scope for an artefact's content, and the part for its tensors."""
    content = {
        "scope": [[parameter_slice.name, list(parameter_slice.shape)] for parameter_slice in scope.slices],
        "scope_fingerprint": scope.fingerprint(),
    }
    return content, {
        f"index.{n}": parameter_slice.index
        for n, parameter_slice in enumerate(scope.slices)
        if parameter_slice.index is not None
    }


def scope_read(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> ParameterScope:
    """The scope in an artefact. Raises StorageError for one that no model can have, or that was changed."""
    slices = tuple(
        ParameterSlice(str(name), tuple(map(int, shape)), tensors.get(f"index.{number}"))
        for number, (name, shape) in enumerate(about["scope"])
    )
    if not slices or len({parameter_slice.name for parameter_slice in slices}) < len(slices):
        raise StorageError("the scope has no parameter, or one twice; copy the folder again")
    for parameter_slice in slices:
        index, whole = parameter_slice.index, prod(parameter_slice.shape)
        inside = index is None or (
            index.dtype == torch.int64
            and index.dim() == 1
            and len(index) > 0
            and bool((index.diff() > 0).all())
            and int(index[0]) >= 0
            and int(index[-1]) < whole
        )
        if min(parameter_slice.shape, default=1) < 1 or not inside:
            raise StorageError(
                f"the scope's {parameter_slice.name!r:.80} of shape {parameter_slice.shape} has no such"
                " entries; copy the folder again"
            )
    scope = ParameterScope(slices)
    if scope.fingerprint() != about["scope_fingerprint"]:
        raise StorageError("the scope is not the one that was saved (fingerprint); copy the folder again")
    return scope


def expect_vector(
    name: str, vector: Tensor, scope: ParameterScope, dtype: torch.dtype = torch.float32
) -> Tensor:
    """The vector. Raises StorageError unless it fits the scope: [n], of this dtype, finite."""
    if vector.shape != (scope.size,) or vector.dtype != dtype or not bool(torch.isfinite(vector).all()):
        raise StorageError(
            f"the {name} must be {scope.size} finite {str(dtype).removeprefix('torch.')} numbers, but is"
            f" {vector.dtype} of shape {tuple(vector.shape)}, {int((~torch.isfinite(vector)).sum())} not"
            " finite; make it again"
        )
    return vector
