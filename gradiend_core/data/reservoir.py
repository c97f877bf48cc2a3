"""A fair sample of a stream of unknown length, in bounded memory."""

from __future__ import annotations

import random
from typing import Generic, TypeVar

from attrs import field, mutable

T = TypeVar("T")


@mutable
class Reservoir(Generic[T]):
    """Keeps `limit` of all offered items, each with the same chance (Vitter's algorithm R); 0 keeps all."""

    limit: int
    rng: random.Random
    items: list[T] = field(factory=list, init=False)
    offered: int = field(default=0, init=False)

    def offer(self, item: T) -> None:
        self.offered += 1
        if not self.limit or len(self.items) < self.limit:
            self.items.append(item)
        elif (position := self.rng.randrange(self.offered)) < self.limit:
            self.items[position] = item
