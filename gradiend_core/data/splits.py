"""Train, validation and test."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from gradiend_core.errors import ConfigError
from gradiend_core.records.pair import SPLITS, MinimalPair


def assign_splits(pairs: Sequence[MinimalPair], shares: tuple[float, float, float]) -> list[MinimalPair]:
    """The pairs in their order, cut into train, validation and test by these shares, none of them empty if it can be."""
    check_shares(shares)
    first = round(len(pairs) * shares[0])
    second = round(len(pairs) * (shares[0] + shares[1]))
    if len(pairs) >= 3:
        first = min(max(first, 1), len(pairs) - 2)
        second = min(max(second, first + 1), len(pairs) - 1)
    names = [SPLITS[(place >= first) + (place >= second)] for place in range(len(pairs))]
    return [evolve(pair, split=name) for pair, name in zip(pairs, names, strict=True)]


def check_shares(shares: Sequence[float]) -> None:
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise ConfigError(f"split shares {tuple(shares)} must be three positive numbers that add up to 1")
