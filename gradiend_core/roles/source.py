"""Gradient sources: only they know how a model turns a pair into a loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from gradiend_core.records.funnel import Drop
from gradiend_core.records.pair import MinimalPair
from gradiend_core.records.run import GradientSettings

if TYPE_CHECKING:
    from torch import Tensor, nn


class Examples(Protocol):
    """Pairs prepared for a model once; batches are made from them as often as needed."""

    @property
    def pairs(self) -> Sequence[MinimalPair]:
        """The pairs that the model can take, in their given order."""

    @property
    def drops(self) -> Sequence[Drop]:
        """The pairs that it cannot take, with reasons."""

    @property
    def lengths(self) -> Sequence[int]:
        """A size for each example; examples of one size share a batch without padding."""

    def batch(self, rows: Sequence[int], device: Any) -> Any:
        """These rows as an attrs record whose tensor fields have the example as first axis (None where
        unused). Where the model is given several rows for each example, one after the other, the record's
        `rows_per_example` says how many."""


class GradientSource(Protocol):
    """What the core needs to compute the three products of the gradient matrix. Settings that losses depend
    on are in its `config`, which is also part of the key of stored gradients."""

    @staticmethod
    def accepts(model: str) -> bool:
        """Whether this source suits a model, given by name or folder, judged by its config alone."""

    def load(self, model: str, settings: GradientSettings) -> tuple[Any, Any]:
        """The model in evaluation mode, and its tokenizer or None, with the dtype and on the device of the
        settings. On the device "meta" the model has no weights, and none are read: plans are made with it."""

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        """The pairs as examples for this model."""

    def losses(self, model: nn.Module, batch: Any) -> Tensor:
        """The losses of each example with its factual and its alternative filler, [examples, 2], from one
        forward."""
