"""Directions that nothing was learned for."""

from __future__ import annotations

import torch
from torch import Tensor

from gradiend_core.api import Examples, GradientRole, ModelGradients

#: numbers that they may take together; over a larger scope each is of so many random weights
BUDGET = 2**27


def along_random_directions(
    gradients: ModelGradients, examples: Examples, role: GradientRole, count: int, seed: int
) -> Tensor:
    """Each example's gradient along `count` random directions, [examples, count], in one pass."""
    if not count:
        return torch.zeros(len(examples.pairs), 0)
    generator = torch.Generator().manual_seed(seed)
    size = BUDGET // count
    if size < gradients.scope.size:
        columns = torch.randint(gradients.scope.size, (size,), generator=generator).unique()
        gradients = gradients.over(gradients.scope.narrowed(columns))
    directions = torch.empty(count, gradients.scope.size).normal_(generator=generator)
    return gradients.project(examples, directions, role).cpu()
