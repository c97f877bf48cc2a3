"""Words that a feature was not learned from, in texts that it has not seen: pairs that tell its classes
apart, such as was and were, and unrelated pairs as controls."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import regex
import torch
from attrs import field, frozen
from torch import Tensor

from gradiend_core.api import (
    EvaluationTask,
    Examples,
    GradientRole,
    MinimalPair,
    ModelGradients,
    Text,
    connected,
    located,
    not_alone,
)
from gradiend_evaluators.directions import beside_random_directions

#: what stands before a word when its tokens are looked up
BEFORE = "so "
#: pairs whose words share this much of the tokens that tell them apart count as one: dog/dogs and cat/cats
SHARED = 0.5
#: groups of pairs from which on there are enough
ENOUGH = 6
WORD = regex.compile(r"(?w)\b[\p{L}\p{M}]+\b")
#: the most frequent words of the texts that controls are drawn from, without the first of them
FREQUENT, CONTROLS = 30, 400


@frozen(eq=False)
class WordPairs:
    """Pairs of words, with texts that have one of the two and could have the other: `examples` with their
    gradients (pairs of single tokens separately from others), and for each example, in this order, the number
    of its pair and its code, +1 for the first word. `groups` has a number for each pair; pairs of one group
    differ in the same tokens."""

    words: tuple[tuple[str, str], ...]
    examples: tuple[tuple[Examples, ModelGradients], ...]
    groups: tuple[int, ...]
    pair_of: Tensor = field(init=False)
    codes: Tensor = field(init=False)

    def __attrs_post_init__(self) -> None:
        numbers = {words: (number, 1.0) for number, words in enumerate(self.words)}
        numbers |= {words[::-1]: (number, -1.0) for words, (number, _) in list(numbers.items())}
        known = [numbers[pair.factual, pair.alternative] for some, _ in self.examples for pair in some.pairs]
        object.__setattr__(self, "pair_of", torch.tensor([number for number, _ in known], dtype=torch.long))
        object.__setattr__(self, "codes", torch.tensor([code for _, code in known]))

    def __len__(self) -> int:
        return len(self.words)

    def of_model(self, task: EvaluationTask, count: int) -> WordPairs:
        """The same pairs in at most `count` of the texts of each word, with the gradients of another model
        that has the same tokenizer."""
        sides = []
        for some, _ in self.examples:
            numbers = Counter[tuple[str, str]]()
            fewer = []
            for pair in some.pairs:
                numbers[words := (pair.factual, pair.alternative)] += 1
                if numbers[words] <= count:
                    fewer.append(pair)
            sides.append(task.spans(fewer))
        return WordPairs(self.words, tuple(sides), self.groups)

    def project(self, direction: Tensor, role: GradientRole, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """Each example's gradient along a direction [n], [examples], and along `count` random ones,
        [examples, count]."""
        values, drawn = zip(
            *(
                beside_random_directions(gradients, some, direction, role, count, seed)
                for some, gradients in self.examples
            ),
            strict=True,
        )
        return torch.cat(values), torch.cat(drawn)


def in_texts(
    task: EvaluationTask, words: Sequence[tuple[str, str]], texts: Sequence[Text], count: int, least: int
) -> WordPairs | None:
    """These pairs in at most `count` texts of each word. A pair is left out if one of its words is in fewer
    than `least` texts, or if a word of the classes contains the tokens that tell the pair apart. None where
    no pair is left.

    Where the tokens of one word begin the other, such as prince and princess in some tokenizers, its
    probability includes that of the other; such pairs are left out where enough groups remain without
    them."""
    classes, learned = task.feature.classes, set[int]()
    for ids in _ids(task, [word for forms in task.data.words.values() for word in forms]).values():
        learned |= set(ids)
    ids_of = _ids(task, [word for pair in words for word in pair])
    told_by = {(one, two): frozenset(ids_of[one]) ^ frozenset(ids_of[two]) for one, two in words}
    slots = _slots(texts, [word for pair in words for word in pair], count)
    words = [
        pair
        for pair in words
        if told_by[pair]
        and not told_by[pair] & learned
        and min(len(slots[pair[0]]), len(slots[pair[1]])) >= least
    ]
    whole = [(one, two) for one, two in words if not _begins(ids_of[one], ids_of[two])]
    if len(set(_groups([told_by[pair] for pair in whole]))) >= ENOUGH:
        words = whole
    pairs = [
        MinimalPair(left, right, one, other, *of, "test", document)
        for two in words
        for (one, other), of in ((two, classes), (two[::-1], classes[::-1]))
        for left, right, document in slots[one]
    ]
    examples = _prepared(task, pairs, ids_of)
    taken = Counter((pair.factual, pair.alternative) for some, _ in examples for pair in some.pairs)
    kept = [pair for pair in words if min(taken[pair], taken[pair[::-1]]) >= least]
    if not kept:
        return None
    if len(kept) < len(words):
        both = {*kept, *(pair[::-1] for pair in kept)}
        pairs = [pair for pair in pairs if (pair.factual, pair.alternative) in both]
        examples = _prepared(task, pairs, ids_of)
    return WordPairs(tuple(kept), examples, _groups([told_by[pair] for pair in kept]))


def _prepared(
    task: EvaluationTask, pairs: Sequence[MinimalPair], ids_of: Mapping[str, tuple[int, ...]]
) -> tuple[tuple[Examples, ModelGradients], ...]:
    """Prepared pairs; those of two single tokens are separate from the others, as they cost half as much."""
    sides: tuple[list[MinimalPair], list[MinimalPair]] = [], []
    for pair in pairs:
        several = len(ids_of[pair.factual]) > 1 or len(ids_of[pair.alternative]) > 1
        sides[several].append(pair)
    return tuple(task.spans(side) for side in sides if side)


def control_words(
    task: EvaluationTask, related: Sequence[tuple[str, str]], texts: Sequence[Text], count: int
) -> tuple[tuple[str, str], ...]:
    """Pairs of frequent words that are unrelated to the classes, drawn with the seed."""
    known = {word.casefold() for forms in task.data.words.values() for word in forms}
    known |= {word.casefold() for pair in related for word in pair}
    counts = Counter(word for text in texts for word in WORD.findall(text.text) if word.islower())
    frequent = [word for word, _ in counts.most_common(FREQUENT + CONTROLS) if word not in known]
    frequent = frequent[FREQUENT:] or frequent
    drawn = random.Random(f"{task.seed}:controls").sample(frequent, len(frequent))
    return tuple(zip(drawn[: 2 * count : 2], drawn[1 : 2 * count : 2], strict=False))


def _slots(texts: Sequence[Text], words: Sequence[str], count: int) -> dict[str, list[tuple[str, str, str]]]:
    """Texts with each word, as (left, right, document): one slot of each text, and no text for two words."""
    slots: dict[str, list[tuple[str, str, str]]] = {word: [] for word in words}
    for text in texts:
        standing = [
            match
            for match in WORD.finditer(text.text)
            if match.group() in slots
            and len(slots[match.group()]) < count
            and text.text[: match.start()].strip()
            and not not_alone(text.text, match.start(), match.end())
        ]
        if standing:
            rarest = min(standing, key=lambda match: len(slots[match.group()]))
            left, right = text.text[: rarest.start()], text.text[rarest.end() :]
            slots[rarest.group()].append((left, right, text.document))
    return slots


def _ids(task: EvaluationTask, words: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The tokens of each word in the middle of a sentence."""
    different = list(dict.fromkeys(words))
    tokenized = located(task.tokenizer, [(BEFORE, word, "") for word in different])
    return {
        word: tuple(tokens.ids[position] for position in tokens.inside)
        for word, tokens in zip(different, tokenized, strict=True)
    }


def _begins(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether the tokens of one word are the first tokens of the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _groups(told_by: Sequence[frozenset[int]]) -> tuple[int, ...]:
    """A number for each pair; pairs that share half of the tokens that tell them apart are in one group."""

    def keys() -> Iterator[list[int]]:
        for number, one in enumerate(told_by):
            alike = [
                other
                for other, tokens in enumerate(told_by[:number])
                if len(one & tokens) >= SHARED * len(one | tokens)
            ]
            yield [number, *alike]

    return tuple(connected(keys()))
