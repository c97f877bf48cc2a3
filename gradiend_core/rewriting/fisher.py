"""The Fisher information of what a model predicts in ordinary text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from gradiend_core.gradients.curvature import Losses, squared_gradients
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.roles.abilities import PreparedTexts
from gradiend_core.roles.source import Examples


def fisher_diagonal(
    gradients: GradientOperator, checked_on: Examples, prepared: Sequence[PreparedTexts], seed: int
) -> Tensor:
    """The diagonal of the Fisher information of the predicted tokens, their mean, over the scope, [n]."""
    generator = torch.Generator(gradients.device).manual_seed(seed)
    batches = [
        Losses(len(batch), partial(drawn_losses, gradients.model, batch, generator)) for batch in prepared
    ]
    squares = squared_gradients(gradients, checked_on, batches)
    return squares.div_(sum(len(batch.targets) for batch in prepared))


def drawn_losses(model: nn.Module, batch: PreparedTexts, generator: torch.Generator) -> Tensor:
    """For each row the sum of −log P of tokens drawn from the model's own predictions, each with a random
    sign, [rows]."""
    log_probabilities = batch.logits(model).float().log_softmax(-1)
    with torch.no_grad():
        drawn = log_probabilities.exp().multinomial(1, generator=generator)
        signs = torch.randint(2, drawn.shape, generator=generator, device=drawn.device) * 2 - 1
    losses = (-signs * log_probabilities.gather(1, drawn))[:, 0]
    return losses.new_zeros(len(batch)).index_add(0, batch.rows, losses)
