"""Which examples share a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradiend_core.gradients.padding import interacts, seen_padding

if TYPE_CHECKING:
    import torch
    from torch import nn

    from gradiend_core.roles.source import Examples

#: tokens, padding included, in one forward pass
TOKEN_BUDGET = 4096
#: what it costs a processor to start a batch, in tokens of it: so many to read the weights, and, divided by
#: the number of these, to call the layers
READ, CALL = 64.0, 1.5e8
#: an accelerator waits for batches rather than for tokens
FEWEST = 1e9
#: in place of a cost, of a model that sees padding, so that batches have none
NONE = -1.0
#: in place of it, of a model whose examples change each other
ALONE = -2.0


def batch_cost(model: nn.Module, device: torch.device) -> float:
    """The cost of starting a batch, in tokens: another batch pays off once it saves that much padding. NONE
    for a model that sees padding, ALONE for a model whose examples change each other."""
    if interacts(model):
        return ALONE
    if seen_padding(model):
        return NONE
    if device.type != "cpu":
        return FEWEST
    return READ + CALL / max(1, sum(parameter.numel() for parameter in model.parameters()))


def micro_batches(
    lengths: Sequence[int],
    *,
    same_length: bool = False,
    most: int | None = None,
    budget: int = TOKEN_BUDGET,
    cost: float = FEWEST,
) -> Iterator[list[int]]:
    """Positions in batches sorted by length, each within the token budget, padding included. Of all such
    batches these are the cheapest: the cost is their tokens, and for each batch the cost of starting one.
    With `same_length` or a `cost` of NONE no batch has padding; with ALONE each has one position."""
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    ascending = np.array([lengths[row] for row in order], dtype=np.int64)
    first_of_length = np.searchsorted(ascending, ascending)
    most = 1 if cost == ALONE else most or len(order)
    start = max(cost, 0.0) if cost != NONE else FEWEST
    # the least cost of all positions before each, and where the last batch of these begins
    least, begins = np.zeros(len(order) + 1), np.zeros(len(order) + 1, dtype=np.int64)
    for end, length in enumerate(ascending, 1):
        low = max(0, end - max(1, min(most, budget // max(1, length))))
        if same_length or cost == NONE:
            low = max(low, first_of_length[end - 1])
        costs = least[low:end] + start + length * np.arange(end - low, 0, -1)
        best = int(costs.argmin())
        least[end], begins[end] = costs[best], low + best
    ends = [len(order)] if order else []
    while ends and begins[ends[-1]]:
        ends.append(int(begins[ends[-1]]))
    for end in reversed(ends):
        yield order[begins[end] : end]


def example_batches(model: nn.Module, examples: Examples, device: torch.device) -> Iterator[list[int]]:
    """Rows of examples in batches that suit the model."""
    return micro_batches(examples.lengths, cost=batch_cost(model, device))


def rows_of(batch: Any) -> int:
    """How many rows of a batch belong to each example, one after the other; a batch with more than one row
    says so itself."""
    return int(getattr(batch, "rows_per_example", 1))
