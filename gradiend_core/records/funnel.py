"""What happened to every text: read, matched, kept, or dropped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from attrs import field, frozen, mutable

EXAMPLES = 3


@frozen
class Drop:
    """Texts or slots that were dropped for one reason, with up to three examples."""

    stage: str
    reason: str
    count: int
    examples: tuple[str, ...] = ()


@frozen
class Funnel:
    """Counts from texts to examples. `kept` is by class."""

    read: int
    matched: int
    kept: tuple[tuple[str, int], ...]
    drops: tuple[Drop, ...] = ()
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The funnel as lines of text."""
        kept = ", ".join(f"{name} {count:,}" for name, count in self.kept)
        lines = [f"read {self.read:,} texts, {self.matched:,} with a target word; kept {kept}"]
        for drop in self.drops:
            example = f"  e.g. {drop.examples[0]!r}" if drop.examples else ""
            lines.append(f"  dropped {drop.count:,}: {drop.reason} ({drop.stage}){example}")
        return lines


@mutable
class DropCounter:
    """Collects drops while data is made."""

    stage: str
    _drops: dict[str, tuple[int, tuple[str, ...]]] = field(factory=dict, init=False)
    _by_class: Counter[tuple[str, str]] = field(factory=Counter, init=False)

    def add(self, reason: str, example: str = "", count: int = 1, classes: Iterable[str] = ()) -> None:
        """Counts a drop; `classes` are those that lose something."""
        for name in set(classes):
            self._by_class[reason, name] += count
        total, examples = self._drops.get(reason, (0, ()))
        if example and len(examples) < EXAMPLES:
            examples = (*examples, example if len(example) <= 80 else example[:77] + "...")
        self._drops[reason] = (total + count, examples)

    def by_class(self) -> list[tuple[tuple[str, str], int]]:
        """The count of each (reason, class), largest first."""
        return sorted(self._by_class.items(), key=lambda item: (-item[1], item[0]))

    def drops(self) -> tuple[Drop, ...]:
        ordered = sorted(self._drops.items(), key=lambda item: -item[1][0])
        return tuple(Drop(self.stage, reason, count, examples) for reason, (count, examples) in ordered)


def merge(drops: Iterable[Drop]) -> tuple[Drop, ...]:
    """Drops of one stage and reason added up, in the order of their first appearance."""
    merged: dict[tuple[str, str], Drop] = {}
    for drop in drops:
        before = merged.get((drop.stage, drop.reason))
        count, examples = (before.count, before.examples) if before else (0, ())
        merged[drop.stage, drop.reason] = Drop(
            drop.stage, drop.reason, count + drop.count, (examples + drop.examples)[:EXAMPLES]
        )
    return tuple(merged.values())
