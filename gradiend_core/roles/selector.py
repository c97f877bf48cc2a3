"""A parameter selector: which weights are the columns of the gradient matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gradiend_core.records.scope import ParameterScope

if TYPE_CHECKING:
    from torch import nn


class Selector(Protocol):
    """Made by its factory from its configuration."""

    def select(self, model: nn.Module, seed: int) -> ParameterScope:
        """The scope; parameters are named as `model.named_parameters()` names them, tied weights once."""
