"""Minimal pairs by words: each class is a list of words, a slot is where one of them stands."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence

from attrs import field, frozen

from gradiend_core.data.splits import assign_splits
from gradiend_core.errors import ConfigError, DataError
from gradiend_core.records.funnel import Drop, DropCounter, Funnel
from gradiend_core.records.pair import NEUTRAL, SPLITS, MinimalPair, PairData

STAGE = "matching"
#: a word with a letter or mark next to it is another word; an apostrophe makes it part of a contraction
APOSTROPHES = "'’ʼ"
WORD = re.compile(r"[^\W\d_]{2,}")


@frozen
class WordRules:
    """`words` by class, and `not_neutral`: further words that a neutral text must not hold. `swaps` restricts which words may
    stand for a word; a word that it does not name may be replaced by any of another class. Case does not matter."""

    words: Mapping[str, tuple[str, ...]]
    not_neutral: tuple[str, ...] = ()
    swaps: Mapping[str, tuple[str, ...]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        owner: dict[str, str] = {}
        for name, words in self.words.items():
            if not words:
                raise ConfigError(f"class {name} has no words; give at least one")
            for word in words:
                if owner.setdefault(word.lower(), name) != name:
                    raise ConfigError(
                        f"{word!r} is a word of both {owner[word.lower()]} and {name}; a slot's class must be clear"
                    )

    def class_of(self, word: str) -> str:
        """The class of a word in any case."""
        return next(name for name, words in self.words.items() if word.lower() in (each.lower() for each in words))

    def alternatives(self, word: str, classes: Sequence[str]) -> dict[str, list[str]]:
        """The words of each of these classes that may stand for a word; its own class, and classes without any, are left out."""
        allowed = self.swaps.get(word.lower())
        own = self.class_of(word)
        found = {
            name: [each for each in self.words[name] if allowed is None or each in allowed] for name in classes if name != own
        }
        return {name: words for name, words in found.items() if words}


def any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Matches these words where they stand alone, longest first."""
    ordered = sorted({word.lower() for word in words}, key=lambda word: (-len(word), word))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, ordered))})(?!\w)", re.IGNORECASE)


def make_pairs(
    texts: Iterable[str], rules: WordRules, classes: tuple[str, ...], *, seed: int, max_per_class: int, max_neutral: int,
    shares: tuple[float, float, float],
) -> PairData:  # fmt: skip
    """One pair from each text that has a word of one of the classes: one match is the slot, a word of another class, drawn at
    random, is the alternative. Texts without any word of `rules` are neutral. Equal seeds give equal pairs.
    """
    rng = random.Random(f"{seed}:pairs")
    targets = any_of(word for name in classes for word in rules.words[name])
    other = any_of([*(word for words in rules.words.values() for word in words), *rules.not_neutral])
    drops, seen = DropCounter(STAGE), set()
    found: dict[str, list[MinimalPair]] = {name: [] for name in classes}
    neutral: list[str] = []
    read = matched = 0
    for text in texts:
        read += 1
        text = text.strip()
        if not text:
            drops.add("empty")
        elif text in seen:
            drops.add("the same text again", text)
        elif matches := list(targets.finditer(text)):
            matched += 1
            whole = [match for match in matches if text[match.end() : match.end() + 1] not in tuple(APOSTROPHES)]
            if whole:
                pair = _pair(text, rng.choice(whole), rules, classes, rng)
                if pair:
                    found[pair.factual_class].append(pair)
                else:
                    drops.add("no allowed transition from the target word", text)
            else:
                drops.add("the target word is part of a contraction", text)
        elif other.search(text):
            drops.add("no target word, but a related one, so not neutral", text)
        else:
            neutral.append(text)
        seen.add(text)
    if not any(seen):
        raise DataError(f"there is no text: {read} texts were read, all of them empty; give at least some dozen sentences")
    pairs = []
    for name in classes:
        rng.shuffle(found[name])
        if len(found[name]) > max_per_class:
            drops.add(f"more than {max_per_class} pairs of class {name}", count=len(found[name]) - max_per_class)
        pairs += assign_splits(found[name][:max_per_class], shares)
    _require(found, rules, read, drops.drops())
    rng.shuffle(neutral)
    if len(neutral) > max_neutral:
        drops.add(f"more than {max_neutral} neutral texts", count=len(neutral) - max_neutral)
    neutral = neutral[:max_neutral]
    slots = [pair for text in neutral for pair in _neutral_pair(text, rng, drops)]
    neutral_pairs = tuple(assign_splits(slots, shares))
    kept = [(name, min(len(found[name]), max_per_class)) for name in classes] + [(NEUTRAL, len(neutral))]
    funnel = Funnel(read, matched, tuple(kept), drops.drops())
    words = {name: rules.words[name] for name in classes}
    return PairData(classes, words, tuple(pairs), neutral_pairs, tuple(neutral), funnel)


def _pair(text: str, match: re.Match[str], rules: WordRules, classes: tuple[str, ...], rng: random.Random) -> MinimalPair | None:
    factual = match.group()
    factual_class, others = rules.class_of(factual), rules.alternatives(factual, classes)
    if not others:
        return None
    alternative_class = rng.choice(list(others)) if len(others) > 1 else next(iter(others))
    word = rng.choice(others[alternative_class])
    left, right = text[: match.start()], text[match.end() :]
    capital = starts_sentence(left) if factual in ("I", "i") else factual[:1].isupper()
    alternative = word[:1].upper() + word[1:] if capital else word
    return MinimalPair(left, right, factual, alternative, factual_class, alternative_class, "train")


def starts_sentence(left: str) -> bool:
    """Whether a word after this text would begin a sentence."""
    before = left.rstrip().rstrip("\"“'‘(")
    return not before.strip() or before.rstrip()[-1:] in tuple(".!?…:")


def _neutral_pair(text: str, rng: random.Random, drops: DropCounter) -> list[MinimalPair]:
    """The text with one of its words, not the first, as slot; none if there is no other word."""
    words = list(WORD.finditer(text))[1:]
    if not words:
        drops.add("a neutral text of one word has no slot", text)
        return []
    match = rng.choice(words)
    word = match.group()
    return [MinimalPair(text[: match.start()], text[match.end() :], word, word, NEUTRAL, NEUTRAL, "train")]


def _require(found: Mapping[str, list[MinimalPair]], rules: WordRules, read: int, drops: tuple[Drop, ...]) -> None:
    """Every class must reach every split."""
    for name, pairs in found.items():
        if len(pairs) < 2 * len(SPLITS):
            why = "".join(f"; dropped {drop.count}: {drop.reason}" for drop in drops)
            words = ", ".join(rules.words[name])
            raise DataError(
                f"class {name} ({words}) has {len(pairs)} pairs in {read} texts, but at least {2 * len(SPLITS)} are needed{why}; "
                "give more text, or text with these words"
            )
