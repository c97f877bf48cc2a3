"""What each token adds to the gradient of an example along a direction: the same product as
`GradientOperator.project`, before it is summed over tokens and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve, frozen
from torch import Tensor, nn
from torch.nn.functional import pad

from gradiend_core.gradients.batching import micro_batches, rows_of
from gradiend_core.gradients.passes import of_role
from gradiend_core.gradients.taps import Use
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.roles.gradients import TokenProducts
from gradiend_core.roles.source import Examples

if TYPE_CHECKING:
    from gradiend_core.gradients.operator import GradientOperator


def by_token(
    gradients: GradientOperator, examples: Examples, direction: Tensor, role: GradientRole
) -> list[TokenProducts]:
    """Each example's gradient along one direction [n] by parameters and tokens, exact to rounding. Examples
    of one length share a pass, so that none is padded."""
    scope, coverage = gradients.scope, gradients.coverage(examples)
    passes = evolve(gradients.passes, bfloat16=False)
    parts_of_direction = [direction[columns] for _, columns in scope.with_columns()]
    whole = [
        parameter.spread(values).view(parameter.shape)
        for parameter, values in zip(scope.slices, parts_of_direction, strict=True)
    ]
    result: dict[int, TokenProducts] = {}
    budget = coverage.budget(gradients.memory)
    for rows in micro_batches(examples.lengths, same_length=True, budget=budget):
        batch, tokens = _Tokens.of(examples.batch(rows, gradients.device), len(rows), gradients.model)
        values = torch.zeros(len(rows), len(scope.slices), tokens.count + 1, dtype=gradients.dtype)

        def receive(
            use: Use,
            inputs: Sequence[Tensor],
            delta: Tensor,
            values: Tensor = values,
            tokens: _Tokens = tokens,
        ) -> None:
            of_parameter = whole[use.slice_number].to(delta)
            products = use.layer.by_token(use.name, inputs, delta, of_parameter).to(values)
            tokens.add(use.layer.module, products, values[:, use.slice_number])

        if coverage.taps.uses:
            with passes.backward(coverage.taps, len(rows), receive, rows=rows_of(batch)) as backward:
                backward(of_role(passes.losses(batch), role).sum())
        for number in coverage.others:
            alone = {number: parts_of_direction[number][None].to(gradients.device, gradients.dtype)}
            only = evolve(coverage, others=(number,))
            products = gradients.along_others(examples, rows, batch, alone, role, only)
            values[:, number, -1] += products[:, 0].to(values)
        slots = [[]] * len(rows) if tokens.slots is None else tokens.slots.tolist()
        for row, ids, at, of_row in zip(rows, tokens.ids.tolist(), slots, values, strict=True):
            result[row] = TokenProducts(tuple(ids), tuple(dict.fromkeys(at)), of_row)
    return [result[row] for row in range(len(examples.lengths))]


@frozen(eq=False)
class _Tokens:
    """The tokens of a batch, and which of them a module was given."""

    ids: Tensor  # [examples, tokens]
    #: how many of them are the text's, and how many the decoder's
    sides: tuple[int, int]
    slots: Tensor | None  # [examples, predictions], the positions whose logits are asked for
    head: nn.Module | None

    @classmethod
    def of(cls, batch: Any, examples: int, model: nn.Module) -> tuple[Any, _Tokens]:
        """And the batch, in which the decoder has another number of tokens than the encoder."""
        ids = getattr(batch, "input_ids", None)
        if ids is None:  # a source of its own kind, whose tokens are not known
            return batch, cls(torch.zeros(examples, 0, dtype=torch.long), (0, 0), None, None)
        ids = ids.flatten(1).cpu()
        decoder = getattr(batch, "decoder_input_ids", None)
        if decoder is not None and decoder.shape[1] == ids.shape[1]:
            decoder = pad(decoder, (0, 1), value=int(decoder[0, 0]))  # no earlier token can see it
            batch = evolve(batch, decoder_input_ids=decoder)
        sides = ids.shape[1], 0 if decoder is None else decoder.shape[1]
        slots = getattr(batch, "slot", None)
        positions = getattr(batch, "positions", None)
        if slots is not None:
            slots = slots[:, None].cpu() + (sides[0] if decoder is not None else 0)
        elif positions is not None:
            row = torch.arange(positions.shape[1])[:, None] * (sides[0] // positions.shape[1])
            slots = (positions.cpu() + row).flatten(1)
        if decoder is not None:
            ids = torch.cat([ids, decoder.cpu()], 1)
        head = getattr(model, "get_output_embeddings", lambda: None)()
        return batch, cls(ids, sides, slots, head)

    @property
    def count(self) -> int:
        return self.ids.shape[1]

    def add(self, module: nn.Module, products: Tensor, values: Tensor) -> None:
        """Adds what a module gives, [examples, its tokens], and other axes such as heads, in any order, to
        the tokens, [examples, tokens + 1]. Where two axes are as long as there are tokens, nobody knows which
        is theirs."""
        of_text, of_decoder = self.sides
        if module is self.head and self.slots is not None and products.shape[1:] == self.slots.shape[1:]:
            values.scatter_add_(1, self.slots, products)
            return
        for first, count in ((0, of_text), (of_text, of_decoder)):
            if (summed := _over(products, count)) is not None:
                values[:, first : first + count] += summed
                return
        values[:, -1] += products.sum(tuple(range(1, products.dim())))


def _over(products: Tensor, tokens: int) -> Tensor | None:
    """Summed over all axes but those of examples and tokens, [examples, tokens]; None where the tokens have
    no axis, or may have either of two."""
    if not tokens:
        return None
    if products.dim() == 2:
        of_one = products.shape[1] // tokens
        return (
            products.unflatten(1, (tokens, of_one)).sum(2) if of_one * tokens == products.shape[1] else None
        )
    axes = [axis for axis in range(1, products.dim()) if products.shape[axis] == tokens]
    return products.movedim(axes[0], 1).flatten(2).sum(2) if len(axes) == 1 else None
