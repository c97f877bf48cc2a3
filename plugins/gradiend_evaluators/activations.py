"""Edits of a model's activations instead of its weights: a vector added to a layer's output, or a concept
erased from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from gradiend_core.api import (
    ConfigError,
    EvaluationTask,
    FillsSlots,
    Goal,
    ModelError,
    example_batches,
    labels_of,
    subset,
)


def chosen_layers(model: nn.Module, numbers: Sequence[int]) -> dict[int, nn.Module]:
    """Layers by their number in the model's longest list of layers; by default the middle one."""
    layers = max(
        (module for module in model.modules() if isinstance(module, nn.ModuleList)), key=len, default=None
    )
    if not layers:
        raise ModelError(f"{type(model).__name__} has no list of layers, so its activations cannot be edited")
    for number in numbers:
        if not 0 <= number < len(layers):
            raise ConfigError(
                f"evaluators.baselines.layers has {number}, but the model's layers are 0 to {len(layers) - 1}"
            )
    return {number: layers[number] for number in numbers or (len(layers) // 2,)}


class ActivationEdit:
    """While applied at a rate, `change(output)` times the rate is added to a layer's output at every
    token."""

    feature_factor = 0.0

    def __init__(self, layer: nn.Module, change: Callable[[Tensor], Tensor], relative_length: float) -> None:
        self.layer, self.change, self.relative_length = layer, change, relative_length
        self._stack = ExitStack()

    def apply(self, learning_rate: float) -> None:
        self.restore()

        def edited(_: nn.Module, __: Any, output: Any) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            hidden = hidden + learning_rate * self.change(hidden)
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        self._stack.callback(self.layer.register_forward_hook(edited).remove)

    def restore(self) -> None:
        self._stack.close()


def outputs(task: EvaluationTask, layer: nn.Module, rows: Sequence[int], filler: int | None) -> Tensor:
    """A layer's output at the slot of training pairs, [pairs, width]: before the slot is filled, where the
    model predicts from it, or at the token of the factual (0) or alternative (1) filler."""
    examples, source = subset(task.examples["train"], rows), task.source
    model, device = task.gradients.model, task.gradients.device
    by_pair: dict[int, Tensor] = {}
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(
        lambda _, __, output: seen.append(output[0] if isinstance(output, tuple) else output)
    )
    try:
        with torch.inference_mode():
            for positions_in_rows in example_batches(model, examples, device):
                batch = examples.batch(positions_in_rows, device)
                positions = batch.slot
                if filler is not None and isinstance(source, FillsSlots):
                    batch, positions = source.filled(batch, filler)
                seen.clear()
                source.losses(model, batch)
                at_slot = seen[-1][
                    torch.arange(len(positions_in_rows), device=positions.device), positions
                ].float()
                by_pair |= dict(zip(positions_in_rows, at_slot, strict=True))
    finally:
        handle.remove()
    return torch.stack([by_pair[row] for row in range(len(rows))])


def added_difference(
    task: EvaluationTask, layer: nn.Module, rows: Sequence[int], goal: Goal
) -> ActivationEdit:
    """Contrastive activation addition (arXiv 2312.06681): the mean difference between a layer's outputs at
    the class's fillers and at the other's, in the same texts."""
    factual, alternative = (outputs(task, layer, rows, filler) for filler in (0, 1))
    code = labels_of([task.examples["train"].pairs[row] for row in rows], task.feature.classes).to(factual)
    sign = goal.sign if goal.of == goal.classes[0] else -goal.sign
    direction = sign * (code[:, None] * (factual - alternative)).mean(0)
    length = float(direction.norm() / factual.norm(dim=1).mean())
    return ActivationEdit(layer, lambda hidden: direction.to(hidden), length)


def erased(task: EvaluationTask, layer: nn.Module, rows: Sequence[int]) -> ActivationEdit:
    """LEACE (arXiv 2306.03819): the smallest affine change after which no linear probe can tell the classes
    from a layer's output at the slot. Raises ImportError where concept-erasure is not installed."""
    from concept_erasure import LeaceEraser

    hidden = outputs(task, layer, rows, None)
    labels = labels_of([task.examples["train"].pairs[row] for row in rows], task.feature.classes)
    eraser = LeaceEraser.fit(hidden, (labels > 0).to(hidden))

    def change(hidden_states: Tensor) -> Tensor:
        flat = hidden_states.reshape(-1, hidden_states.shape[-1])
        erased_output: Tensor = eraser(flat.float())
        return (erased_output.to(hidden_states) - flat).reshape(hidden_states.shape)

    return ActivationEdit(layer, change, 0.0)
