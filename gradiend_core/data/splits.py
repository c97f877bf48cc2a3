"""Training, validation and test splits that keep together what belongs together."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

from gradiend_core.data.duplicates import near_duplicates
from gradiend_core.data.finding import Finder, Slot
from gradiend_core.data.rules import Classes
from gradiend_core.errors import ConfigError, DataError
from gradiend_core.records.funnel import DropCounter
from gradiend_core.records.pair import SPLITS
from gradiend_core.records.run import DataSettings

#: groups of near-duplicates that each class must have to be divided by them
LEAST_GROUPS = 10
#: what data sets call their splits
GIVEN = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


def split_slots(
    candidates: list[Slot],
    classes: Classes,
    finder: Finder,
    settings: DataSettings,
    rng: random.Random,
    drops: DropCounter,
) -> tuple[list[tuple[Slot, str]], bool]:
    """Each candidate with its split, and whether near-duplicates were kept together."""
    near = settings.split_by != "given"
    if settings.split_by == "given":
        bare = [slot for slot in candidates if not slot.split and slot.rule_class not in classes.of]
        drawn = iter(assign_splits([{slot.rule_class: 1} for slot in bare], settings.split, rng))
        splits = [
            next(drawn) if not slot.split and slot.rule_class not in classes.of else given_split(slot.split)
            for slot in candidates
        ]
    else:
        group = _grouping(candidates, classes, finder, settings)
        groups_of: dict[str, set[int]] = {name: set() for name in classes.names} if near else {}
        for number, slot in zip(group, candidates, strict=True):
            if slot.rule_class in classes.of and near:
                groups_of[classes.of[slot.rule_class]].add(number)
        if min(map(len, groups_of.values()), default=LEAST_GROUPS) < LEAST_GROUPS:
            near = False  # texts of few templates, all alike
            group = _grouping(candidates, classes, finder, settings, near=False)
        units = len({slot.document if settings.split_by == "document" else slot.unit for slot in candidates})
        if settings.split_by != "word" and len(set(group)) < len(SPLITS) <= units:
            raise DataError(
                f"the {units} {settings.split_by}s cannot be divided, as the same context stands in several"
                " of them, which ties them together; take out what is repeated, or set data.split_by"
            )
        sizes: list[Counter[str]] = [Counter() for _ in set(group)]
        for number, slot in zip(group, candidates, strict=True):
            sizes[number][classes.of.get(slot.rule_class, slot.rule_class)] += 1
        by_group = assign_splits(sizes, settings.split, rng)
        splits = [by_group[number] for number in group]
    if settings.split_by == "word":
        candidates, splits = _own_contexts(candidates, splits, drops)
    features = [
        (slot, split) for slot, split in zip(candidates, splits, strict=True) if slot.rule_class in classes.of
    ]
    check_leaks(
        "the context", [f"{slot.left}…{slot.right}" for slot, _ in features], [split for _, split in features]
    )
    if settings.split_by == "document":
        check_leaks("document", [slot.document for slot in candidates], splits)
    return list(zip(candidates, splits, strict=True)), near


def _own_contexts(
    candidates: list[Slot], splits: list[str], drops: DropCounter
) -> tuple[list[Slot], list[str]]:
    """The slots without those whose context is in an earlier split with another word."""
    home: dict[tuple[str, str], str] = {}
    for split in SPLITS:
        for slot, assigned in zip(candidates, splits, strict=True):
            if assigned == split:
                home.setdefault((slot.left, slot.right), split)
    kept = [
        (slot, assigned)
        for slot, assigned in zip(candidates, splits, strict=True)
        if home[slot.left, slot.right] == assigned
    ]
    if len(kept) < len(candidates):
        drops.add("its context is in another split, with another word", count=len(candidates) - len(kept))
    return [slot for slot, _ in kept], [assigned for _, assigned in kept]


def _grouping(
    candidates: list[Slot], classes: Classes, finder: Finder, settings: DataSettings, *, near: bool = True
) -> list[int]:
    """Which candidates stay together: those of one text, document or word, and feature slots with the same
    context or, if so wanted, nearly the same."""
    if settings.split_by == "document" and not all(slot.document for slot in candidates):
        bare = next(slot for slot in candidates if not slot.document)
        raise DataError(
            f'data.split_by = "document", but the text {(bare.left + bare.surface + bare.right)[:60]!r} has'
            " no document; set data.document_column, or give CoNLL-U with documents or a folder of files"
        )
    positions: dict[tuple[str, str], list[int]] = {}
    if settings.split_by == "word" and finder.aligned():
        for rule_class in classes.of:
            for position, word in enumerate(finder.listed(rule_class)):
                positions.setdefault((rule_class, word), []).append(position)

    contexts = [(slot.left, slot.right) for slot in candidates if slot.rule_class in classes.of]
    alike = near_duplicates(contexts) if near else {context: n for n, context in enumerate(contexts)}

    def keys(slot: Slot) -> list[object]:
        # neutral slots say nothing of the feature, and common ones, "There was a ___.", would tie all texts
        # together
        context: list[object] = []
        if slot.rule_class in classes.of:
            context = [("context", slot.left, slot.right), ("near", alike[slot.left, slot.right])]
        if settings.split_by == "document":
            return [("document", slot.document), *context]
        if settings.split_by == "word" and slot.rule_class in classes.of:
            positions_of_word = positions.get((slot.rule_class, slot.word))
            return (
                [("place", position) for position in positions_of_word]
                if positions_of_word
                else [("word", slot.rule_class, slot.word)]
            )
        return [("text", slot.unit), *context]

    return connected(map(keys, candidates))


def assign_splits(
    sizes: Sequence[Mapping[str, int]], shares: Sequence[float], rng: random.Random
) -> list[str]:
    """The split of each group, such that each class comes as close as possible to its fractions, and reaches
    every split if possible. `sizes` has the number of examples of each class in a group. Large groups are
    assigned first; ties are broken at random."""
    check_shares(shares)
    totals: Counter[str] = Counter()
    for size in sizes:
        totals.update(size)
    have: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    order = list(range(len(sizes)))
    rng.shuffle(order)
    order.sort(key=lambda group: -sum(sizes[group].values()))
    assigned = [""] * len(sizes)
    for group in order:

        def missing(split: str, share: float, size: Mapping[str, int]) -> tuple[int, float]:
            """How many of the group's classes the split lacks, and how far it is from its fraction of
            them."""
            lacks = sum(not have[split][name] for name in size)
            return lacks, sum(share * totals[name] - have[split][name] for name in size)

        scores = [missing(split, share, sizes[group]) for split, share in zip(SPLITS, shares, strict=True)]
        assigned[group] = SPLITS[scores.index(max(scores))]
        have[assigned[group]].update(sizes[group])
    return assigned


def check_shares(shares: Sequence[float]) -> None:
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise ConfigError(f"split shares {tuple(shares)} must be three positive numbers that add up to 1")


def connected(keys: Iterable[Sequence[Hashable]]) -> list[int]:
    """A number for each item, the same for items that share a key, directly or through other items."""
    from scipy.cluster.hierarchy import DisjointSet

    sets, firsts = DisjointSet(), []
    for keys_of_text in keys:
        for key in keys_of_text:
            sets.add(key)
            sets.merge(keys_of_text[0], key)
        firsts.append(keys_of_text[0])
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(sets[first], len(numbers)) for first in firsts]


def given_split(name: str) -> str:
    """The split that a data set's name for it means."""
    if name.casefold() not in GIVEN:
        raise DataError(
            f"a text's split is {name!r}, which is none of {', '.join(GIVEN)}; set data.split_column, or"
            " data.split_by"
        )
    return GIVEN[name.casefold()]


def check_leaks(what: str, keys: Iterable[Hashable], splits: Iterable[str]) -> None:
    """Raises DataError if an item is in two splits."""
    home: dict[Hashable, str] = {}
    leaks = [
        (key, home[key], split)
        for key, split in zip(keys, splits, strict=True)
        if home.setdefault(key, split) != split
    ]
    if leaks:
        key, one, other = leaks[0]
        shown = str(key) if len(str(key)) <= 80 else f"{str(key)[:77]}..."
        raise DataError(
            f"{len(leaks)} pairs leak: {what} {shown!r} is in {one} and in {other}; "
            'split anew with data.split_by = "text" or "document"'
        )
