"""What is in the data: classes, words and lengths, and what was dropped, as tables."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

from gradiend_core.data.collecting import WORD
from gradiend_core.data.rules import folded
from gradiend_core.records.funnel import EXAMPLES
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


def _funnel(data: PairData) -> Table:
    rows = [
        (drop.stage, drop.reason, drop.count, *drop.examples, *[""] * (EXAMPLES - len(drop.examples)))
        for drop in data.funnel.drops
    ]
    head = [
        ("reading", "read", data.funnel.read, *[""] * EXAMPLES),
        ("matching", "matched", data.funnel.matched, *[""] * EXAMPLES),
    ]
    head += [("kept", name, count, *[""] * EXAMPLES) for name, count in data.funnel.kept]
    return Table(("stage", "reason", "count", *(f"example_{n + 1}" for n in range(EXAMPLES))), (*head, *rows))


def _classes(data: PairData) -> Table:
    counts = Counter(
        (pair.factual_class, pair.alternative_class, pair.split) for pair in data.pairs + data.neutral_pairs
    )
    cells = sorted({key[:2] for key in counts}, key=lambda cell: (cell[0] not in data.classes, cell))
    rows = [(*cell, *(counts[*cell, split] for split in SPLITS)) for cell in cells]
    return Table(("factual_class", "alternative_class", *SPLITS), tuple(rows))


def _words(data: PairData) -> Table:
    counts = Counter((pair.factual_class, folded(pair.factual), pair.split) for pair in data.pairs)
    drawn = Counter((pair.alternative_class, folded(pair.alternative)) for pair in data.pairs)
    cells = sorted({key[:2] for key in counts} | set(drawn))
    rows = [(*cell, *(counts[*cell, split] for split in SPLITS), drawn[cell]) for cell in cells]
    return Table(("class", "word", *SPLITS, "as_alternative"), tuple(rows))


def _lengths(data: PairData) -> Table:
    rows = []
    for name in data.classes:
        own = [pair for pair in data.pairs if pair.factual_class == name]
        for what, texts in (
            ("text", [pair.text for pair in own]),
            ("before the slot", [pair.left for pair in own]),
        ):
            lengths = sorted(len(WORD.findall(text)) for text in texts)
            rows.append((name, what, len(own), lengths[0], statistics.median(lengths), lengths[-1]))
    return Table(("class", "words_of", "pairs", "least", "median", "most"), tuple(rows))


def _overlap(data: PairData) -> Table:
    """How many pairs of validation and test begin as a training pair does: to a causal model, which sees only
    what is before the slot, these are the same example."""
    seen = {pair.left for pair in data.split("train")}
    rows = [
        (split, len(own := data.split(split)), sum(pair.left in seen for pair in own)) for split in SPLITS[1:]
    ]
    return Table(("split", "pairs", "with the left context of a training pair"), tuple(rows))


def _tokens(data: PairData, tokenizer: Any) -> Table:
    rows = []
    for name, words in data.words.items():
        for word in words:
            head, whole = (tokenizer.tokenize(text) for text in ("a", f"a {word}"))
            pieces = whole[len(head) :]
            rows.append((name, word, len(pieces), " ".join(pieces)))
    return Table(("class", "word", "tokens", "pieces"), tuple(rows))
