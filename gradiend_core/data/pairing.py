"""From texts to balanced, split minimal pairs, with a count of what became of every text."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import regex
from attrs import evolve

from gradiend_core.data.boundaries import not_alone
from gradiend_core.data.collecting import MASK, STAGE, Collector, balanced
from gradiend_core.data.duplicates import near_duplicates
from gradiend_core.data.finding import Finder, Slot
from gradiend_core.data.rules import Classes, recased
from gradiend_core.data.splits import check_shares, split_slots
from gradiend_core.data.tagging import tag
from gradiend_core.errors import DataError
from gradiend_core.records.funnel import Drop, DropCounter, Funnel
from gradiend_core.records.pair import NEUTRAL, NEUTRAL_SLOT, SPLITS, MinimalPair, PairData
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text

if TYPE_CHECKING:
    from gradiend_core.roles.paradigm import PairingTask

LETTERS = regex.compile(r"(?w)\b[\p{L}\p{M}]{2,}\b")
LEAST = 2 * len(SPLITS)


def make_pairs(task: PairingTask, finder: Finder) -> PairData:
    """One pair from each text that has a word of one of the classes: a random match is the slot, and a word
    of another class is the alternative. Texts without any word that `finder` knows are neutral. Equal seeds
    give equal pairs. Raises DataError where a class has too few pairs for every split, or where splits leak;
    where pairs are not split, only if there is none."""
    settings = task.settings
    check_shares(settings.split)
    rng = random.Random(f"{task.seed}:pairs")
    collector = Collector(settings, rng)
    texts: Iterable[Text] = (text for text in map(_stripped, task.texts) if collector.fresh(text))
    if settings.tagger:
        texts = tag(texts, settings.tagger, finder.wants_tags)
    for text in texts:
        collector.take(text, finder.find(text))
    if not collector.seen:
        raise DataError(
            f"there is no text: {collector.read} texts were read{_because(collector.drops.drops())}; give at"
            " least some dozen sentences"
        )
    classes = finder.classes()
    kept = balanced(collector, classes, finder)
    if task.divided:
        _require(kept, classes, finder, collector)
    neutral = collector.neutral.items
    given = collector.slots_given  # the data itself says which slots are neutral
    extra = [
        slot
        for text in neutral
        if not given
        for slot in _word_slot(text, NEUTRAL, finder, rng, collector.drops)
    ]
    extra += collector.identity.items + _neutral_slots(
        [slot for slots_of_class in kept.values() for slot in slots_of_class], finder, settings, rng
    )
    slots = [*(slot for name in classes.names for slot in kept[name]), *extra]
    if task.divided:
        split, near = split_slots(slots, classes, finder, settings, rng, collector.drops)
    else:
        split, near = [(slot, SPLITS[-1]) for slot in slots], True
    paired = _with_alternatives(split, classes, finder, collector, rng)
    pairs = [pair for pair in paired if pair.factual_class in classes.names]
    neutral_pairs = [pair for pair in paired if pair.factual_class not in classes.names]
    if task.divided:
        _every_split(pairs, classes, settings, collector.drops)
    elif not pairs:
        raise DataError(
            f"no pair of {' and '.join(classes.names)} is in {collector.read}"
            f" texts{_because(collector.drops.drops())}; give text with their words"
        )
    counts = Counter(pair.factual_class for pair in pairs)
    funnel = Funnel(
        collector.read,
        collector.matched,
        (*((name, counts[name]) for name in classes.names), (NEUTRAL, len(neutral))),
        collector.drops.drops(),
        _warnings(pairs, collector, classes, near=near),
    )
    words = {name: _words(name, classes, finder, kept[name]) for name in classes.names}
    if finder.drops_multi_token_words():
        used = {finder.key(word) for pair in paired for word in (pair.factual, pair.alternative)}
        words = {
            name: tuple(word for word in forms_of_class if finder.key(word) in used)
            for name, forms_of_class in words.items()
        }
    return PairData(
        classes.names,
        words,
        tuple(pairs),
        tuple(neutral_pairs),
        tuple(text.text for text in neutral),
        funnel,
        finder.drops_multi_token_words(),
        {
            name: tuple(word for one, of in classes.of.items() if of == name for word in finder.related(one))
            for name in classes.names
        },
        classes.grades,
    )


def _stripped(text: Text) -> Text:
    if text.tokens is not None or text.span:
        return text
    stripped = text.text.strip()
    return text if len(stripped) == len(text.text) else evolve(text, text=stripped)


def _word_slot(text: Text, name: str, finder: Finder, rng: random.Random, drops: DropCounter) -> list[Slot]:
    """The text with one of its words as slot, but not the first; None if there is no other word."""
    start, end = text.span or (0, len(text.text))
    words = [
        match
        for match in LETTERS.finditer(text.text, start, end)
        if match.start() > 0
        and not finder.may_be(match.group())
        and not not_alone(text.text, match.start(), match.end())
    ]
    if not words or MASK in text.text:
        drops.add("a neutral text of one word has no slot", text.text)
        return []
    match = rng.choice(words)
    word = match.group()
    left, right = text.text[: match.start()], text.text[match.end() :]
    return [Slot(left, word, right, word, name, text.unit, text.document, text.split)]


def _neutral_slots(
    candidates: list[Slot], finder: Finder, settings: DataSettings, rng: random.Random
) -> list[Slot]:
    """Words in feature texts that say nothing about the feature, as slots."""
    if not settings.neutral_slots:
        return []
    slots: list[Slot] = []
    quiet = DropCounter(STAGE)
    for candidate in rng.sample(candidates, len(candidates)):
        if len(slots) >= settings.neutral_slots:
            break
        text = Text(
            candidate.left + candidate.surface + candidate.right,
            candidate.unit,
            candidate.document,
            candidate.split,
        )
        slots += _word_slot(text, NEUTRAL_SLOT, finder, rng, quiet)
    return slots


def _with_alternatives(
    split: list[tuple[Slot, str]], classes: Classes, finder: Finder, collector: Collector, rng: random.Random
) -> list[MinimalPair]:
    """Candidates as pairs: each candidate without an alternative gets a random one; where words are held out,
    one of its split."""
    by_word = collector.settings.split_by == "word"
    forms: dict[str, list[str]] = {}
    home: dict[tuple[str, str], str] = {}
    for slot, name in split:
        if slot.rule_class in classes.of:
            forms.setdefault(slot.rule_class, [])
            if slot.word not in forms[slot.rule_class]:
                forms[slot.rule_class].append(slot.word)
            home[classes.of[slot.rule_class], slot.word] = name
    pairs = []
    for slot, name in split:
        if slot.rule_class not in classes.of:
            word, of = slot.surface, slot.rule_class
            pairs.append(MinimalPair(slot.left, slot.right, word, word, of, of, name, slot.document))
            continue
        alternatives = finder.alternatives(slot, classes, forms)
        if by_word and not slot.alternative:
            alternatives = {
                other: [word for word in words if home.get((other, word)) == name]
                for other, words in alternatives.items()
            }
            alternatives = {other: words for other, words in alternatives.items() if words}
        if not alternatives:
            reason = (
                "no word of another class in its split"
                if by_word
                else "no allowed transition from the target word"
            )
            collector.drops.add(reason, slot.left + slot.surface + slot.right, classes=[slot.rule_class])
        for other, word in _drawn(alternatives, collector.settings.alternatives, rng):
            pairs.append(_pair(slot, name, classes, finder, other, word))
    return pairs


def _drawn(
    alternatives: Mapping[str, Sequence[str]], count: int, rng: random.Random
) -> list[tuple[str, str]]:
    """At most `count` different words with their classes, taken from the classes in turn."""
    drawn: dict[tuple[str, str], None] = {}
    left = {name: list(dict.fromkeys(words)) for name, words in alternatives.items()}
    while len(drawn) < count and left:
        names = [name for name in left if name not in {of for of, _ in drawn}] or list(left)
        name = rng.choice(names) if len(names) > 1 else names[0]
        word = rng.choice(alternatives[name] if not drawn else left[name])
        drawn[name, word] = None
        left[name].remove(word)
        left = {name: words for name, words in left.items() if words}
    return list(drawn)


def _pair(slot: Slot, split: str, classes: Classes, finder: Finder, other: str, word: str) -> MinimalPair:
    """A slot with a word of another class as a pair."""
    of = classes.of[slot.rule_class]
    merged = Counter(classes.of.values())
    subclasses = classes.others(slot.rule_class).get(other, [])
    having = [one for one in subclasses if finder.key(word) in map(finder.key, finder.listed(one))]
    return MinimalPair(
        slot.left,
        slot.right,
        slot.surface,
        slot.alternative or recased(slot.surface, slot.word, word, slot.left, slot.right),
        of,
        other,
        split,
        slot.document,
        slot.rule_class if merged[of] > 1 else "",
        (having[0] if len(having) == 1 else slot.alternative_class) if merged[other] > 1 else "",
        classes.grades.get(of),
        classes.grades.get(other),
    )


def _words(name: str, classes: Classes, finder: Finder, kept: list[Slot]) -> tuple[str, ...]:
    """The words of a class: as listed, or as they occur where classes are given by lemmas or by the data."""
    words = [
        word for rule_class, of in classes.of.items() if of == name for word in finder.listed(rule_class)
    ]
    return tuple(dict.fromkeys(words or [slot.word for slot in kept]))


def _require(kept: Mapping[str, list[Slot]], classes: Classes, finder: Finder, collector: Collector) -> None:
    """Raises DataError unless every class has enough pairs for every split."""
    for name, candidates in kept.items():
        if len(candidates) < LEAST:
            words = ", ".join(_words(name, classes, finder, candidates)) or "no words found"
            raise DataError(
                f"class {name} ({words}) has {len(candidates)} pairs in {collector.read} texts, but at least"
                f" {LEAST} are needed{_because(collector.drops.drops())}; give more text, or text with these"
                " words"
            )


def _every_split(
    pairs: list[MinimalPair], classes: Classes, settings: DataSettings, drops: DropCounter
) -> None:
    counts = Counter((pair.split, pair.factual_class) for pair in pairs)
    for name in classes.names:
        for split in SPLITS:
            if not counts[split, name]:
                raise DataError(
                    f"class {name} has no {split} pair when split by {settings.split_by}: too few"
                    f" {settings.split_by}s have it{_because(drops.drops())}; give more text, or another"
                    " data.split_by"
                )


def _because(drops: tuple[Drop, ...]) -> str:
    return "".join(f"; dropped {drop.count}: {drop.reason}" for drop in drops)


def _warnings(
    pairs: list[MinimalPair], collector: Collector, classes: Classes, *, near: bool
) -> tuple[str, ...]:
    """Warnings: a rule that drops most of a class, and pairs whose two fillers are the same word."""
    messages = []
    offered: Counter[str] = Counter()
    for (rule_class, _), reservoir in collector.slots.items():
        offered[rule_class] += reservoir.offered
    for (reason, rule_class), count in collector.drops.by_class():
        if rule_class in classes.of and count > (total := count + offered[rule_class]) / 2:
            messages.append(
                f"{count:,} of {total:,} texts with a word of {rule_class} were dropped: {reason}"
            )
    if not near:
        alike = near_duplicates([(pair.left, pair.right) for pair in pairs])
        splits_of: dict[int, set[str]] = {}
        for pair in pairs:
            splits_of.setdefault(alike[pair.left, pair.right], set()).add(pair.split)
        if across := sum(len(splits_of[alike[pair.left, pair.right]]) > 1 for pair in pairs):
            messages.append(
                f"{across:,} of {len(pairs):,} pairs are nearly the same as one in another split, so the test"
                " has little that was not learned from"
            )
    same = sum(pair.factual == pair.alternative for pair in pairs)
    if same:
        messages.append(
            f"{same:,} pairs have the same word as factual and alternative, so that their gradients do not"
            " differ"
        )
    return tuple(messages)
