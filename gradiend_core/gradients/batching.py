"""Which examples share a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

#: tokens, padding included, in one forward pass
TOKEN_BUDGET = 4096


def micro_batches(
    lengths: Sequence[int], *, same_length: bool = False, most: int | None = None, budget: int = TOKEN_BUDGET
) -> Iterator[list[int]]:
    """Positions in batches sorted by length, so that padding is small, within the token budget."""
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    groups = groupby(order, key=lambda row: lengths[row]) if same_length else [(0, order)]
    for _, group in groups:
        batch: list[int] = []
        for row in group:
            if batch and ((len(batch) + 1) * lengths[row] > budget or len(batch) == most):
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch
