"""A gradient source made of four functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from gradiend_callable import CallableSettings
from gradiend_core.api import ConfigError, Examples, GradientSettings, MinimalPair, ModelError, function_named


@frozen(eq=False)
class CallableBatch:
    """Both sides of some pairs."""

    inputs: Tensor  # [examples, ...]
    factual: Tensor  # [examples, ...]
    alternative: Tensor  # [examples, ...]


@frozen(eq=False)
class Side:
    """The input of a loss: some examples with one of their fillers."""

    inputs: Tensor
    targets: Tensor


@frozen(eq=False)
class CallableExamples:
    """All pairs as tensors."""

    pairs: tuple[MinimalPair, ...]
    inputs: Tensor
    factual: Tensor
    alternative: Tensor
    drops: tuple[()] = ()

    @property
    def lengths(self) -> tuple[int, ...]:
        return (1,) * len(self.pairs)

    def batch(self, rows: Sequence[int], device: Any) -> CallableBatch:
        chosen = torch.tensor(rows, dtype=torch.long)
        return CallableBatch(
            *(values[chosen].to(device) for values in (self.inputs, self.factual, self.alternative))
        )


class CallableSource:
    """Must be named to be used."""

    def __init__(self, config: CallableSettings) -> None:
        self.config = config
        self._model = function_named(config.model, "source.model")
        self._inputs = function_named(config.inputs, "source.inputs")
        self._targets = function_named(config.targets, "source.targets")
        self._loss = function_named(config.loss, "source.loss")

    @staticmethod
    def accepts(model: str) -> bool:
        return False

    def load(self, model: str, settings: GradientSettings) -> tuple[Any, Any]:
        made = self._model(model)
        if not isinstance(made, nn.Module):
            raise ModelError(
                f"{self.config.model} gave {type(made).__name__} for {model!r}, not a torch module"
                " (source.model)"
            )
        auto = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = None if settings.dtype == "auto" else getattr(torch, settings.dtype)
        return made.to(auto if settings.device == "auto" else settings.device, dtype).eval(), None

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        kept = tuple(pair for pair in pairs if pair.factual != pair.alternative)
        if not kept:
            return CallableExamples((), torch.empty(0), torch.empty(0), torch.empty(0))
        fillers = [pair.factual for pair in kept], [pair.alternative for pair in kept]
        tensors = {"inputs": self._inputs(kept)}
        tensors |= {
            name: self._targets(kept, fillers_of_side)
            for name, fillers_of_side in zip(("factual", "alternative"), fillers, strict=True)
        }
        for name, values in tensors.items():
            if not isinstance(values, Tensor) or len(values) != len(kept):
                what = "source.inputs" if name == "inputs" else "source.targets"
                raise ConfigError(
                    f"{what} must give a tensor with a row for each of {len(kept)} pairs, and gave"
                    f" {values!r:.60}"
                )
        dtype = next(model.parameters()).dtype
        tensors = {
            name: values.to(dtype) if values.is_floating_point() else values
            for name, values in tensors.items()
        }
        return CallableExamples(kept, **tensors)

    def losses(self, model: nn.Module, batch: CallableBatch) -> Tensor:
        sides = [
            self._loss(model, Side(batch.inputs, targets)) for targets in (batch.factual, batch.alternative)
        ]
        for losses in sides:
            if losses.shape != (len(batch.inputs),):
                wanted, shape = len(batch.inputs), tuple(losses.shape)
                raise ConfigError(
                    f"source.loss must give a loss for each of {wanted} examples, and gave {shape}"
                )
        return torch.stack(sides, 1)
