"""A parameter selector: which weights are the columns of the gradient matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from gradiend_core.records.scope import ParameterScope
from gradiend_core.roles.gradients import ModelGradients
from gradiend_core.roles.source import Examples

if TYPE_CHECKING:
    from torch import nn


@frozen(eq=False)
class SelectionTask:
    """Everything that a selector may use: the model, the gradient matrix over any scope of it, and the
    training examples with the axes to be learned on them. What looks at no gradient costs nothing."""

    model: nn.Module
    gradients: Callable[[ParameterScope], ModelGradients]
    train: Examples
    axes: tuple[tuple[str, str], ...]
    seed: int


class Selector(Protocol):
    """Made by its factory from its configuration.

    One that looks at gradients, or draws, has two methods more, which are given a model without weights:
    `size(model)`, the number of weights that it takes and of how many, and `held(model)`, the bytes of memory
    that it needs meanwhile; then the memory of its runs can be planned."""

    def select(self, task: SelectionTask) -> ParameterScope:
        """The scope; parameters are named as `model.named_parameters()` names them, tied weights once."""
