"""Random directions, as a control."""

from __future__ import annotations

import torch
from torch import Tensor

from gradiend_core.api import Examples, GradientRole, ModelGradients

#: numbers that they may take together; over a larger scope each is of so many random weights, which as few
#: directions as these have too: what a text costs grows with the weights, not with the directions
BUDGET, FEW = 2**25, 200


def beside_random_directions(
    gradients: ModelGradients,
    examples: Examples,
    direction: Tensor,
    role: GradientRole,
    count: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Each example's gradient along a direction [n], [examples], and along `count` random ones, [examples,
    count], in one pass."""
    if not count:
        values = gradients.project(examples, direction[None], role).cpu()
        return values[:, 0], values[:, 1:]
    generator = torch.Generator().manual_seed(seed)
    scope, size = gradients.scope, BUDGET // max(count, FEW)
    if size < scope.size:
        scope = scope.narrowed(torch.randint(scope.size, (size,), generator=generator).unique())
    drawn = torch.empty(count, scope.size).normal_(generator=generator)
    values = gradients.project(examples, direction[None], role, others=(scope, drawn)).cpu()
    return values[:, 0], values[:, 1:]
