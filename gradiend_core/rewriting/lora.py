"""A weight update as a LoRA adapter (arXiv 2106.09685) for peft: the change of each weight matrix, truncated
to a rank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from attrs import evolve, frozen
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from gradiend_core.errors import ConfigError, ModelError
from gradiend_core.gradients.quantised import QuantisedLinear
from gradiend_core.records.update import WeightUpdate
from gradiend_core.storage.files import write_json, write_text
from gradiend_core.storage.folders import fresh_folder

#: ranks whose errors are reported beside that of the export
RANKS = (1, 2, 4, 8, 16, 32, 64)


@frozen(eq=False)
class LoraFactors:
    """For each module that can have an adapter, A [rank, in] and B [out, rank], with B·A close to the change
    of its weight. `errors` has for each rank the length of the lost part, relative to the whole update.
    `left_out` names the parameters that no adapter can change, and `held` is the fraction of the update's
    squared length in the others."""

    rank: int
    factors: dict[str, tuple[Tensor, Tensor]]
    errors: dict[int, float]
    held: float
    left_out: tuple[str, ...]


def lora_factors(model: nn.Module, update: WeightUpdate, rank: int) -> LoraFactors:
    """Truncated singular value decompositions of an update's matrices. Raises ModelError where no matrix can
    have an adapter."""
    if rank < 1:
        raise ConfigError(f"the rank of an adapter is {rank}; give 1 or more")
    whole, kept = update.norm**2, dict.fromkeys(sorted({*RANKS, rank}), 0.0)
    factors, left_out = {}, []
    tied = _shared(model)
    for parameter_slice, columns in update.scope.with_columns():
        name, _, kind = parameter_slice.name.rpartition(".")
        module = model.get_submodule(name)
        if (
            kind != "weight"
            or not isinstance(module, (nn.Linear, Conv1D, QuantisedLinear))
            or parameter_slice.name in tied
        ):
            left_out.append(parameter_slice.name)
            continue
        change = parameter_slice.spread(update.direction[columns]).float() * update.learning_rate
        if transposed(module):
            change = change.T
        left, sizes, right = torch.linalg.svd(change, full_matrices=False)
        for each_rank in kept:
            kept[each_rank] += float(sizes[:each_rank].square().sum())
        few = min(rank, len(sizes))
        root = sizes[:few].sqrt()
        factors[name] = (
            _padded(root[:, None] * right[:few], rank, 0),
            _padded(left[:, :few] * root, rank, 1),
        )
    if not factors:
        raise ModelError(
            f"no adapter can hold this update: it changes only {', '.join(left_out[:5])}; save it as sparse"
            " or full"
        )
    held = _held(update, left_out)
    errors = (
        {each_rank: max(0.0, 1 - value / whole) ** 0.5 for each_rank, value in kept.items()}
        if whole
        else dict.fromkeys(kept, 0.0)
    )
    return LoraFactors(rank, factors, errors, held, tuple(left_out))


def save_lora(
    model: Any,
    update: WeightUpdate,
    folder: str | Path,
    rank: int,
    base: str,
    card: str = "",
    *,
    overwrite: bool = False,
    factors: LoraFactors | None = None,
) -> LoraFactors:
    """Writes an adapter that `peft.PeftModel.from_pretrained` loads onto the base model. Raises StorageError
    for a folder that is not empty; with `overwrite`, a folder written by us is replaced. `factors` are the
    `lora_factors` of this update, if known."""
    try:
        from peft import LoraConfig
        from peft.utils import SAFETENSORS_WEIGHTS_NAME
    except ImportError as error:
        raise ConfigError(
            'an adapter needs peft, which is not installed; pip install "gradiend-core[lora]"'
        ) from error
    from safetensors.torch import save_file

    factors = factors or lora_factors(model, update, rank)
    convolution = any(transposed(model.get_submodule(name)) for name in factors.factors)
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=sorted(factors.factors),
        base_model_name_or_path=base,
        fan_in_fan_out=convolution,
        inference_mode=True,
    )
    tensors = {}
    for name, (a, b) in factors.factors.items():
        tensors[f"base_model.model.{name}.lora_A.weight"] = a.contiguous().cpu()
        tensors[f"base_model.model.{name}.lora_B.weight"] = b.contiguous().cpu()
    with fresh_folder(Path(folder), overwrite=overwrite) as fresh:
        config.save_pretrained(str(fresh))
        save_file(tensors, fresh / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
        about = {"relative_error_by_rank": factors.errors, "held": factors.held, "left_out": factors.left_out}
        write_json(fresh / "gradiend.json", about)
        if card:
            write_text(fresh / "README.md", card)
    return factors


def adapter_update(model: nn.Module, update: WeightUpdate, factors: LoraFactors) -> WeightUpdate:
    """The change that an adapter makes to the weights, B·A, over the scope of the update."""
    pieces = []
    for parameter_slice, columns in update.scope.with_columns():
        name = parameter_slice.name.rpartition(".")[0]
        if parameter_slice.name in factors.left_out or name not in factors.factors:
            pieces.append(torch.zeros_like(update.direction[columns], dtype=torch.float32))
            continue
        a, b = factors.factors[name]
        change = b @ a
        change = change.T if transposed(model.get_submodule(name)) else change
        pieces.append(parameter_slice.taken(change.flatten()))
    return evolve(update, direction=torch.cat(pieces), learning_rate=1.0)


def transposed(module: nn.Module) -> bool:
    """Whether the module stores its weight as [in, out]."""
    return isinstance(module, Conv1D) or (isinstance(module, QuantisedLinear) and module.transposed)


def _shared(model: nn.Module) -> set[str]:
    """Parameters that several modules share: an adapter on one of these modules would change that one
    alone."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {name for names_of_one in names.values() if len(names_of_one) > 1 for name in names_of_one}


def _held(update: WeightUpdate, left_out: list[str]) -> float:
    squares = {
        parameter_slice.name: float(update.direction[columns].square().sum())
        for parameter_slice, columns in update.scope.with_columns()
    }
    return (
        1 - sum(squares[name] for name in left_out) / sum(squares.values()) if any(squares.values()) else 1.0
    )


def _padded(factor: Tensor, rank: int, dim: int) -> Tensor:
    """The factors of a smaller matrix, filled with zeros to the rank that peft uses for all modules."""
    missing = rank - factor.shape[dim]
    if not missing:
        return factor
    shape = list(factor.shape)
    shape[dim] = missing
    return torch.cat([factor, factor.new_zeros(shape)], dim)
