"""Batches of one class each."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence


def class_batches(labels: Sequence[float], size: int, seed: int) -> Iterator[list[int]]:
    """Endless batches of row numbers, all of one class, the classes in turn.

    The mean gradient of a batch is one training example of the encoder-decoder, so a batch must not mix classes. Each class
    is shuffled anew whenever it has been used up, so every row is used, and as often as any other of its class.
    """
    streams = [
        _endless([row for row, label in enumerate(labels) if label == each], random.Random(f"{seed}:batches:{each}"))
        for each in sorted(set(labels), reverse=True)
    ]
    while True:
        for stream in streams:
            yield [next(stream) for _ in range(size)]


def _endless(rows: list[int], rng: random.Random) -> Iterator[int]:
    while True:
        rng.shuffle(rows)
        yield from rows
