"""The Fisher information of what a model predicts in ordinary text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from gradiend_core.gradients.curvature import Losses, eigenbases, squared_gradients
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.roles.abilities import PreparedTexts
from gradiend_core.roles.source import Examples


def fisher_diagonal(
    gradients: GradientOperator, checked_on: Examples, prepared: Sequence[PreparedTexts], seed: int
) -> Tensor:
    """The diagonal of the Fisher information over the scope, averaged over predicted tokens, [n]."""
    squares = squared_gradients(gradients, checked_on, _losses(gradients, prepared, seed))
    return squares.div_(tokens(prepared))


def fisher_in_eigenbases(
    gradients: GradientOperator,
    checked_on: Examples,
    prepared: Sequence[PreparedTexts],
    seed: int,
    *,
    inputs_only: bool = False,
) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]:
    """The same diagonal, but for linear weights in the eigenbases of their covariances (EKFAC, arXiv
    1806.03884), with these bases by parameter; other weights have none. Takes two passes over the texts. With
    `inputs` only, each direction of the inputs counts equally for all outputs, as in MEMIT (arXiv
    2210.07229)."""
    bases = eigenbases(gradients, checked_on, _losses(gradients, prepared, seed))
    losses = _losses(gradients, prepared, seed + 1)
    squares = squared_gradients(gradients, checked_on, losses, bases=bases)
    if inputs_only:
        from gradiend_core.rewriting.lora import transposed  # it imports transformers

        for number, (parameter, columns) in enumerate(gradients.scope.with_columns()):
            if number in bases:
                matrix = squares[columns].view(parameter.shape)
                module = gradients.model.get_submodule(parameter.name.rpartition(".")[0])
                matrix.copy_(matrix.mean(int(transposed(module)), keepdim=True).expand_as(matrix))
    names = {gradients.scope.slices[number].name: sides for number, sides in bases.items()}
    return squares.div_(tokens(prepared)), names


def tokens(prepared: Sequence[PreparedTexts]) -> int:
    return sum(len(batch.targets) for batch in prepared)


def _losses(gradients: GradientOperator, prepared: Sequence[PreparedTexts], seed: int) -> list[Losses]:
    generator = torch.Generator(gradients.device).manual_seed(seed)
    return [
        Losses(len(batch), partial(drawn_losses, gradients.model, batch, generator)) for batch in prepared
    ]


def drawn_losses(model: nn.Module, batch: PreparedTexts, generator: torch.Generator) -> Tensor:
    """For each row the sum of −log P of tokens drawn from the model's predictions, each with a random sign,
    [rows]."""
    log_probabilities = batch.logits(model).float().log_softmax(-1)
    with torch.no_grad():
        drawn = log_probabilities.exp().multinomial(1, generator=generator)
        signs = torch.randint(2, drawn.shape, generator=generator, device=drawn.device) * 2 - 1
    losses = (-signs * log_probabilities.gather(1, drawn))[:, 0]
    return losses.new_zeros(len(batch)).index_add(0, batch.rows, losses)
