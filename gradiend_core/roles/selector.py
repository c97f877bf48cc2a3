"""Parameter selectors choose the weights that are the columns of the gradient matrix."""

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
    """Everything that a selector may use."""

    #: the model whose weights are selected
    model: nn.Module
    #: the gradient matrix over any weights; nothing is computed before a selector asks for it
    gradients: Callable[[ParameterScope], ModelGradients]
    #: the training pairs
    train: Examples
    #: the pairs of classes that are to be learned
    axes: tuple[tuple[str, str], ...]
    #: the random seed
    seed: int


class Selector(Protocol):
    """Selects the weights that take part. Built by its factory from its configuration. A selector that reads
    gradients or draws weights can have two more methods, which take a model without weights: `size(model)`,
    the number of weights that it selects and of how many, and `held(model)`, the bytes that it needs
    meanwhile. With them the memory of its runs can be estimated."""

    def select(self, task: SelectionTask) -> ParameterScope:
        """The scope. Parameters are named as in `model.named_parameters()`, tied weights once."""
