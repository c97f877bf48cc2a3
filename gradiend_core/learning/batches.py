"""Batches that each hold one class."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def class_batches(
    groups: Mapping[Name, Sequence[int]], size: int, seed: int
) -> Iterator[tuple[Name, list[int]]]:
    """Endless batches of row numbers, each of one class and with its name, the classes in turn. The mean
    gradient of a batch is one training example of the encoder-decoder, so a batch must not mix classes. Each
    class is reshuffled when it has been used up, so every row of a class is used equally often."""
    streams = {
        name: _endless(list(rows), random.Random(f"{seed}:batches:{name}"))
        for name, rows in groups.items()
        if rows
    }
    while True:
        for name, stream in streams.items():
            yield name, [next(stream) for _ in range(size)]


def _endless(rows: list[int], rng: random.Random) -> Iterator[int]:
    while True:
        rng.shuffle(rows)
        yield from rows
