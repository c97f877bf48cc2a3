"""Gradients of single examples on disk: computed once, read by every step, seed, learning rate and feature on
the same text.

The base model is frozen, so a row of G never changes. A store holds the factual and the alternative row of
each example over one scope; the difference follows from these. It is a folder of safetensors files, each with
some examples, and a manifest that is written after each file: an interrupted build continues, and a damaged
file is built again."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from attrs import frozen
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gradiend_core.errors import ConfigError, StorageError
from gradiend_core.gradients import parallel
from gradiend_core.gradients.batching import micro_batches
from gradiend_core.gradients.examples import origin, subset
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.progress import progress
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.run import StoreSettings
from gradiend_core.records.scope import ParameterScope
from gradiend_core.roles.gradients import GradientMatrix
from gradiend_core.roles.source import Examples
from gradiend_core.storage.files import MALFORMED, checksum, locked, read_json, write_json

SCHEMA = 1
STORED = (GradientRole.FACTUAL, GradientRole.ALTERNATIVE)
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
#: bytes in one file, about
FILE = 2**27
MANIFEST = "manifest.json"
#: the names of stores, which `key_of` gives them
KEY = re.compile(r"[0-9a-f]{24}")
GIB = 2**30


@frozen(eq=False)
class StoredRows:
    """The rows of one set of examples, mapped into memory: for each example the tensors of its file and its
    position there."""

    files: tuple[dict[str, Tensor], ...]
    positions: tuple[tuple[int, int], ...]

    def row(self, example: int, role: GradientRole) -> Tensor:
        file, position = self.positions[example]
        return self.files[file][role.value][position]


@frozen(eq=False)
class StoredGradients:
    """A gradient matrix whose rows are read instead of computed, without the base model. It has the rows of
    the examples that it was built for, and of any subset."""

    scope: ParameterScope
    device: torch.device
    rows_of: dict[int, StoredRows]
    _examples: tuple[Examples, ...]  # keeps alive what the keys of `rows_of` are the ids of
    dtype: torch.dtype = torch.float32

    @classmethod
    def of(
        cls, gradients: GradientOperator, stored: Sequence[tuple[Examples, StoredRows]]
    ) -> StoredGradients:
        return cls(
            gradients.scope,
            gradients.device,
            {id(examples): rows for examples, rows in stored},
            tuple(examples for examples, _ in stored),
        )

    def project(self, examples: Examples, directions: Tensor, role: GradientRole) -> Tensor:
        """As `GradientOperator.project`."""
        stored, numbers = self._find(examples)
        directions = directions.to(self.device, self.dtype)
        result = torch.zeros(len(numbers), len(directions), dtype=self.dtype, device=self.device)
        for role_stored, weight in _parts(role):
            for i, number in enumerate(numbers):
                result[i] += weight * (
                    directions @ stored.row(number, role_stored).to(self.device, self.dtype)
                )
        return result

    def accumulate(
        self,
        examples: Examples,
        rows: Sequence[int],
        coefficients: Tensor,
        roles: Sequence[GradientRole],
        out: Tensor | None = None,
        *,
        add: bool = False,
    ) -> Tensor:
        """As `GradientOperator.accumulate`."""
        stored, numbers = self._find(examples)
        if out is None:
            total = torch.zeros(len(roles), self.scope.size, dtype=self.dtype, device=self.device)
        else:
            total = out if add else out.zero_()
        # what roles share is read once: sums of stored rows, of which each role is a combination
        weights = coefficients.expand(len(roles), len(rows)) if coefficients.dim() > 1 else coefficients[None]
        needed = {
            (stored_role, r if len(weights) > 1 else 0)
            for r, role in enumerate(roles)
            for stored_role, _ in _parts(role)
        }
        sums = {key: torch.zeros(self.scope.size, dtype=self.dtype, device=self.device) for key in needed}
        values = weights.tolist()
        for (stored_role, combination), total_of_role in sums.items():
            for row, coefficient in zip(rows, values[combination], strict=True):
                if coefficient:
                    total_of_role.add_(
                        stored.row(numbers[row], stored_role).to(self.device), alpha=coefficient
                    )
        for r, role in enumerate(roles):
            for stored_role, weight in _parts(role):
                total[r].add_(sums[stored_role, r if len(weights) > 1 else 0], alpha=weight)
        return total

    def _find(self, examples: Examples) -> tuple[StoredRows, list[int]]:
        whole, numbers = origin(examples)
        if id(whole) not in self.rows_of:
            raise StorageError(
                "these examples are not in the store; project them with the model's own gradients"
            )
        return self.rows_of[id(whole)], numbers


def _parts(role: GradientRole) -> list[tuple[GradientRole, float]]:
    return [
        (stored_role, weight) for stored_role, weight in zip(STORED, role.loss_weights, strict=True) if weight
    ]


def estimate(gradients: GradientOperator, examples: Sequence[Examples], precision: str = "float32") -> int:
    """Bytes that stores of these examples take."""
    count = sum(len(example_set.pairs) for example_set in examples)
    return count * len(STORED) * gradients.scope.size * PRECISIONS[precision].itemsize


def key_of(gradients: GradientOperator, examples: Examples, model: str, precision: str) -> str:
    """A hash of everything that the rows depend on: the model's weights, the tokens, the loss, scope and
    precision."""
    digest = hashlib.sha256()
    source = gradients.source
    about = [
        SCHEMA,
        model,
        f"{type(source).__module__}.{type(source).__qualname__}",
        precision,
        gradients.passes.bfloat16,
        torch.__version__,
    ]
    about += [repr(getattr(source, "config", None)), getattr(source, "fitted", "")]
    digest.update(json.dumps([*about, gradients.scope.fingerprint()]).encode())
    for rows in micro_batches(examples.lengths):
        digest.update(repr(rows).encode())  # the same examples in another order are other rows
        for value in attrs.asdict(examples.batch(rows, "cpu"), recurse=False).values():
            digest.update(
                value.contiguous().numpy().tobytes() if isinstance(value, Tensor) else repr(value).encode()
            )
    return digest.hexdigest()[:24]


def open_store(
    root: Path,
    gradients: GradientOperator,
    examples: Examples,
    model: str,
    precision: str = "float32",
    tell: Callable[[int], None] = lambda _: None,
) -> StoredRows:
    """The rows of these examples: read from `root` where they are stored and intact, otherwise computed and
    stored there. `model` is the fingerprint of the model's weights; `tell` is called with the number of
    examples that are ready."""
    folder = root / key_of(gradients, examples, model, precision)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the gradient store {folder} cannot be written: {error.strerror}; set store.folder"
        ) from error
    with locked(folder):  # another process that needs the same rows waits for them
        return _opened(folder, gradients, examples, model, precision, tell)


def _opened(
    folder: Path,
    gradients: GradientOperator,
    examples: Examples,
    model: str,
    precision: str,
    tell: Callable[[int], None],
) -> StoredRows:
    known = _manifest(folder)
    order = sorted(range(len(examples.pairs)), key=lambda row: examples.lengths[row])
    per_file = max(1, FILE // (len(STORED) * gradients.scope.size * PRECISIONS[precision].itemsize))
    files, positions = [], dict[int, tuple[int, int]]()
    for number, start in enumerate(range(0, len(order), per_file)):
        rows, name = order[start : start + per_file], f"{number:05}.safetensors"
        if known.get(name) != _checksum(folder / name):
            known[name] = _build(folder / name, gradients, examples, rows, PRECISIONS[precision])
            write_json(
                folder / MANIFEST,
                {"schema": SCHEMA, "model": model, "scope": gradients.scope.fingerprint(), "files": known},
            )
        with safe_open(folder / name, "pt") as file:
            files.append({role.value: file.get_tensor(role.value) for role in STORED})
        positions |= {row: (number, position) for position, row in enumerate(rows)}
        tell(len(rows))
    folder.touch()  # the most recently used are kept longest
    return StoredRows(tuple(files), tuple(positions[row] for row in range(len(order))))


def make_room(root: Path, needed: int, limit: int) -> None:
    """Removes the stores least recently used until `needed` bytes fit under the limit."""
    if needed > limit:
        raise StorageError(
            f"the gradient store would take {needed / GIB:.1f} GiB, more than store.limit_gib ="
            f' {limit / GIB:.3g}; narrow the scope, raise the limit, or set store.use = "never"'
        )
    folders = sorted(
        (path.parent for path in root.glob(f"*/{MANIFEST}") if KEY.fullmatch(path.parent.name)),
        key=lambda path: path.stat().st_mtime,
    )
    sizes = {folder: sum(file.stat().st_size for file in folder.iterdir()) for folder in folders}
    for folder in folders:
        if sum(sizes.values()) + needed <= limit:
            break
        del sizes[folder]
        with locked(folder):  # whoever is opening it has mapped its files before they go
            shutil.rmtree(folder, ignore_errors=True)


def matrix_of(
    gradients: GradientOperator,
    example_sets: Sequence[Examples],
    model: str,
    settings: StoreSettings,
    *,
    several: bool,
) -> GradientMatrix:
    """The gradient matrix that learning uses: the store where the settings ask for it, otherwise the model.
    `several` says whether more than one feature is learned from these examples."""
    needed, limit = estimate(gradients, example_sets, settings.precision), int(settings.limit_gib * GIB)
    wanted = settings.use == "always" or (settings.use == "auto" and several and needed <= limit)
    if wanted and parallel.count() > 1:
        if settings.use == "always":
            raise ConfigError(
                'store.use = "always" is for one process; leave it out, or start the run without torchrun'
            )
        wanted = False
    if not wanted:
        return gradients
    root = Path(settings.folder or Path.home() / ".cache" / "gradiend").expanduser() / "gradients"
    make_room(root, needed, limit)
    with progress("gradients stored", sum(len(examples.pairs) for examples in example_sets)) as texts:
        stored = [
            (examples, open_store(root, gradients, examples, model, settings.precision, texts.advance))
            for examples in example_sets
        ]
    return StoredGradients.of(gradients, stored)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        about = read_json(folder / MANIFEST)
        return dict(about["files"]) if about["schema"] == SCHEMA else {}
    except (OSError, *MALFORMED):
        return {}


def _build(
    path: Path, gradients: GradientOperator, examples: Examples, rows: Sequence[int], dtype: torch.dtype
) -> str:
    """Computes rows and writes them as one file, completely or not at all; returns its checksum."""
    block = torch.empty(len(STORED), len(rows), gradients.scope.size, dtype=dtype)
    for positions, batch in gradients.rows(subset(examples, rows), STORED):
        block[:, positions] = batch.to("cpu", dtype)
    if not bool(torch.isfinite(block).all()):
        raise StorageError("some gradients of this model are not finite; nothing can be learned from them")
    fresh = path.with_suffix(".part")
    try:
        save_file({role.value: values for role, values in zip(STORED, block.unbind(), strict=True)}, fresh)
        fresh.replace(path)
    except (OSError, SafetensorError) as error:
        fresh.unlink(missing_ok=True)
        raise StorageError(
            f"the gradient store {path.parent} cannot be written: {error}; set store.folder"
        ) from error
    return checksum(path)


def _checksum(path: Path) -> str:
    try:
        return checksum(path)
    except OSError:
        return ""
