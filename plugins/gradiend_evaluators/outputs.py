"""Edits of a model's output, which need no learning: the words of a class become likelier everywhere."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradiend_core.api import EvaluationTask, Goal, WeightUpdate, axis_words, word_tokens

#: a bias of the logits at rate 1 counts as this relative length, so that a search begins at a quarter of a
#: nat
LENGTH = 0.004


class LogitBias:
    """While applied at a rate, adds the rate times a bias to the logits of some tokens, wherever the model
    predicts."""

    feature_factor, relative_length = 0.0, LENGTH

    def __init__(self, output_layer: nn.Module, bias: Tensor) -> None:
        self.output_layer, self.bias = output_layer, bias
        self._handle: torch.utils.hooks.RemovableHandle | None = None

    def apply(self, learning_rate: float) -> None:
        self.restore()
        self._handle = self.output_layer.register_forward_hook(
            lambda _, __, logits: logits + learning_rate * self.bias.to(logits)
        )

    def restore(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None


def logit_bias(task: EvaluationTask, goal: Goal, *, contrast: bool) -> LogitBias | None:
    """1 for the tokens of the class's words and, as a `contrast`, −1 for those of the other class; None where
    the output layer cannot be determined, or both classes have a word in common."""
    layer, tokens = output_layer(task), _tokens(task, goal)
    if layer is None or tokens is None:
        return None
    weight: Tensor = layer.weight  # type: ignore[assignment]  # `output_layer` has looked
    bias = torch.zeros(weight.shape[0], device=task.gradients.device)
    bias[tokens[0]] = goal.sign
    if contrast:
        bias[tokens[1]] = -goal.sign
    return LogitBias(layer, bias)


def only_output_rows(task: EvaluationTask, goal: Goal, update: WeightUpdate) -> WeightUpdate | None:
    """An update restricted to the rows of the output layer for words of the classes; None where they are not
    in its scope."""
    layer, tokens = output_layer(task), _tokens(task, goal)
    if layer is None or tokens is None:
        return None
    names = {name for name, value in task.gradients.model.named_parameters() if value is layer.weight}
    direction = torch.zeros_like(update.direction)
    for parameter, columns in update.scope.with_columns():
        if parameter.name in names and parameter.index is None:
            rows = torch.tensor(tokens[0] + tokens[1], device=direction.device)
            there, here = (
                update.direction[columns].view(parameter.shape),
                direction[columns].view(parameter.shape),
            )
            here[rows] = there[rows]
    if not direction.any():
        return None
    return WeightUpdate(direction, update.scope, update.feature_factor, update.learning_rate)


def output_layer(task: EvaluationTask) -> nn.Module | None:
    """The layer that computes the logits, None where the model does not say which."""
    find = getattr(task.gradients.model, "get_output_embeddings", None)
    layer = find() if find else None
    return layer if isinstance(getattr(layer, "weight", None), Tensor) else None


def _tokens(task: EvaluationTask, goal: Goal) -> tuple[list[int], list[int]] | None:
    """The tokens of the goal's class, and those of the other; None where they overlap or one has none."""
    sides = [word_tokens(task.tokenizer, words) for words in axis_words(task.data.words, goal.classes)]
    of, other = sides if goal.of == goal.classes[0] else sides[::-1]
    return (sorted(of), sorted(other)) if of and other and not of & other else None
