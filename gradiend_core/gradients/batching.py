"""Which examples share a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradiend_core.gradients.padding import interacts, seen_padding

if TYPE_CHECKING:
    import torch
    from torch import nn

    from gradiend_core.roles.source import Examples

#: tokens, padding included, in one forward pass
TOKEN_BUDGET = 4096
#: a batch of at least so many tokens gains nothing by growing, on a processor
LARGE = 256
#: the share of padding that is never worth another batch, and the parameter × token products that one costs
#: to start
SMALL_SHARE, START = 1 / 20, 1.5e8
#: tokens of padding that a model which sees it may have
NONE = -1.0
#: in place of it, of a model whose examples change each other
ALONE = -2.0


def allowed_padding(model: nn.Module, device: torch.device) -> float:
    """How many tokens of padding in a batch cost less than another batch: few of a large model, hundreds of a
    tiny one, and any number on an accelerator, which waits for batches rather than for tokens. None of a
    model that sees padding."""
    if interacts(model):
        return ALONE
    if seen_padding(model):
        return NONE
    return (
        START / max(1, sum(parameter.numel() for parameter in model.parameters()))
        if device.type == "cpu"
        else math.inf
    )


def micro_batches(
    lengths: Sequence[int],
    *,
    same_length: bool = False,
    most: int | None = None,
    budget: int = TOKEN_BUDGET,
    padding: float = math.inf,
) -> Iterator[list[int]]:
    """Positions in batches sorted by length, within the token budget. Where it would hold more than so many
    tokens of `padding`, or any with `same_length` or a `padding` of NONE, a batch ends; with ALONE each has
    one."""
    batch: list[int] = []
    tokens = 0
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        length, padded = lengths[row], (len(batch) + 1) * lengths[row]
        wasted = padded - tokens - length
        wasteful = tokens >= LARGE and wasted > max(padding, SMALL_SHARE * padded)
        if batch and (
            padded > budget
            or len(batch) == most
            or padding == ALONE
            or wasteful
            or ((same_length or padding == NONE) and wasted)
        ):
            yield batch
            batch, tokens = [], 0
        batch.append(row)
        tokens += length
    if batch:
        yield batch


def example_batches(model: nn.Module, examples: Examples, device: torch.device) -> Iterator[list[int]]:
    """Rows of examples in batches with as much padding as the model allows."""
    return micro_batches(examples.lengths, padding=allowed_padding(model, device))


def rows_of(batch: Any) -> int:
    """How many rows a model is given for each example of a batch, one after the other; a batch of more than
    one says so."""
    return int(getattr(batch, "rows_per_example", 1))
