"""What is in the data: classes, words and lengths, and what was dropped, as tables."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from gradiend_core.data.filtering import WORD
from gradiend_core.data.rules import folded
from gradiend_core.records.pair import SPLITS, PairData
from gradiend_core.records.report import Table


def audit(data: PairData, tokenizer: Any = None) -> Mapping[str, Table]:
    """The tables of an audit. With a (Hugging Face) tokenizer, also how many tokens each word is in the
    middle of a sentence."""
    tables = {
        "funnel": _funnel(data),
        "classes": _classes(data),
        "words": _words(data),
        "lengths": _lengths(data),
    }
    tables["overlap"] = _overlap(data)
    return tables if tokenizer is None else {**tables, "tokens": _tokens(data, tokenizer)}


@frozen
class FunnelRow:
    """What happened to texts at one stage, with up to three examples."""

    stage: str
    reason: str
    count: int
    example_1: str = ""
    example_2: str = ""
    example_3: str = ""


@frozen
class ClassRow:
    """Pairs of one transition from class to class, by split."""

    factual_class: str
    alternative_class: str
    train: int
    validation: int
    test: int


@frozen
class WordRow:
    """Pairs whose factual filler is a word, by split, and how often it is an alternative."""

    own_class: str = field(metadata={"column": "class"})
    word: str
    train: int
    validation: int
    test: int
    as_alternative: int


@frozen
class LengthRow:
    """Numbers of words of the pairs of a class: in the text, or before its slot."""

    own_class: str = field(metadata={"column": "class"})
    words_of: str
    pairs: int
    least: int
    median: float
    most: int


@frozen
class OverlapRow:
    """How many pairs of a split begin as a training pair does: to a causal model, which sees only what is
    before the slot, these are the same example."""

    split: str
    pairs: int
    as_in_training: int = field(metadata={"column": "with the left context of a training pair"})


@frozen
class TokenRow:
    """How many tokens a word has in the middle of a sentence."""

    own_class: str = field(metadata={"column": "class"})
    word: str
    tokens: int
    pieces: str


def _funnel(data: PairData) -> Table:
    funnel = data.funnel
    return Table.of(
        FunnelRow,
        [
            FunnelRow("reading", "read", funnel.read),
            FunnelRow("matching", "matched", funnel.matched),
            *(FunnelRow("kept", name, count) for name, count in funnel.kept),
            *(FunnelRow(drop.stage, drop.reason, drop.count, *drop.examples) for drop in funnel.drops),
        ],
    )


def _classes(data: PairData) -> Table:
    counts = Counter(
        (pair.factual_class, pair.alternative_class, pair.split) for pair in data.pairs + data.neutral_pairs
    )
    cells = sorted({key[:2] for key in counts}, key=lambda cell: (cell[0] not in data.classes, cell))
    return Table.of(
        ClassRow, [ClassRow(*cell, *(counts[*cell, split] for split in SPLITS)) for cell in cells]
    )


def _words(data: PairData) -> Table:
    counts = Counter((pair.factual_class, folded(pair.factual), pair.split) for pair in data.pairs)
    drawn = Counter((pair.alternative_class, folded(pair.alternative)) for pair in data.pairs)
    cells = sorted({key[:2] for key in counts} | set(drawn))
    rows = []
    for cell in cells:
        train, validation, test = (counts[*cell, split] for split in SPLITS)
        rows.append(WordRow(*cell, train, validation, test, drawn[cell]))
    return Table.of(WordRow, rows)


def _lengths(data: PairData) -> Table:
    rows = []
    for name in data.classes:
        pairs = [pair for pair in data.pairs if pair.factual_class == name]
        for what, texts in (
            ("text", [pair.text for pair in pairs]),
            ("before the slot", [pair.left for pair in pairs]),
        ):
            lengths = sorted(len(WORD.findall(text)) for text in texts)
            median = statistics.median(lengths)
            rows.append(LengthRow(name, what, len(pairs), lengths[0], median, lengths[-1]))
    return Table.of(LengthRow, rows)


def _overlap(data: PairData) -> Table:
    beginnings = {pair.left for pair in data.split("train")}
    rows = []
    for split in SPLITS[1:]:
        pairs = data.split(split)
        rows.append(OverlapRow(split, len(pairs), sum(pair.left in beginnings for pair in pairs)))
    return Table.of(OverlapRow, rows)


def _tokens(data: PairData, tokenizer: Any) -> Table:
    rows = []
    for name, words in data.words.items():
        for word in words:
            head, whole = (tokenizer.tokenize(text) for text in ("a", f"a {word}"))
            pieces = whole[len(head) :]
            rows.append(TokenRow(name, word, len(pieces), " ".join(pieces)))
    return Table.of(TokenRow, rows)
