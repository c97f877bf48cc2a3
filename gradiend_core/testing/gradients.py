"""The three products of the gradient matrix, compared with autograd on each example alone."""

from __future__ import annotations

import torch
from torch import Tensor

from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.roles.source import Examples


def naive_gradients(gradients: GradientOperator, examples: Examples, role: GradientRole) -> Tensor:
    """G, formed row by row: one forward and one backward pass for each example alone, [examples, n]."""
    parameters, rows = gradients.passes.parameters, []
    for parameter in parameters:  # some models come with frozen ones
        parameter.requires_grad_(True)
    for row in range(len(examples.pairs)):
        losses = gradients.source.losses(gradients.model, examples.batch([row], gradients.device))[0]
        loss = (losses * losses.new_tensor(role.loss_weights)).sum()
        gradient = torch.autograd.grad(loss, parameters, allow_unused=True)
        whole = [torch.zeros_like(p) if g is None else g for g, p in zip(gradient, parameters, strict=True)]
        gradients_by_slice = zip(gradients.scope.slices, whole, strict=True)
        rows.append(
            torch.cat([parameter_slice.taken(g.flatten()) for parameter_slice, g in gradients_by_slice])
        )
    return torch.stack(rows).to(gradients.dtype)


def product_errors(
    gradients: GradientOperator, examples: Examples, role: GradientRole, seed: int = 0
) -> dict[str, float]:
    """The largest error of each product, relative to the largest correct value."""
    matrix, generator = naive_gradients(gradients, examples, role), torch.Generator().manual_seed(seed)
    n = gradients.scope.size
    directions = torch.randn(2, n, generator=generator, dtype=gradients.dtype)
    coefficients = torch.randn(len(matrix), generator=generator, dtype=gradients.dtype)
    columns = torch.randperm(n, generator=generator)[: min(n, 200)].sort().values
    rows = list(range(len(matrix)))
    pairs = {
        "project": (gradients.project(examples, directions, role), matrix @ directions.T),
        "accumulate": (gradients.accumulate(examples, rows, coefficients, [role])[0], coefficients @ matrix),
        "columns": (gradients.columns(examples, columns, role), matrix[:, columns]),
    }
    return {
        name: float((product - right).abs().max() / right.abs().max())
        for name, (product, right) in pairs.items()
    }
