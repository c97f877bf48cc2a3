"""The tables of encodings: of each example, by transition and by word."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import torch
from attrs import field, frozen
from torch import Tensor

from gradiend_core.api import Examples

#: beyond this an encoding says a class, within it none
BOUNDARY = 0.5


@frozen
class EncodingRow:
    """The encoding of one example. Its code is the expected encoding, 0 for neutral text. The transition is
    between the classes before any were merged."""

    split: str
    factual_class: str = field(metadata={"column": "class"})
    alternative_class: str
    transition: str
    code: float
    factual: str
    alternative: str
    encoding: float
    text: str


@frozen
class TransitionRow:
    """The encodings of the pairs of one transition between classes, before any were merged."""

    factual_class: str = field(metadata={"column": "class"})
    alternative_class: str
    transition: str
    code: float
    n: int
    mean: float
    std: float
    beyond_boundary: float


@frozen
class WordRow:
    """The encodings of the pairs whose factual filler is one word."""

    factual_class: str = field(metadata={"column": "class"})
    word: str
    code: float
    n: int
    mean: float
    std: float


def rows_of(split: str, examples: Examples, values: Tensor, codes: Sequence[float]) -> list[EncodingRow]:
    return [
        EncodingRow(
            split,
            pair.factual_class,
            pair.alternative_class,
            " → ".join(pair.transition),
            code,
            pair.factual,
            pair.alternative,
            value,
            f"{pair.left}[{pair.factual}]{pair.right}",
        )
        for pair, value, code in zip(examples.pairs, values.tolist(), codes, strict=True)
    ]


def by_transition(rows: Sequence[EncodingRow]) -> list[TransitionRow]:
    """Encodings by transition, strongest first."""
    groups: dict[tuple[str, str, str, float], list[float]] = {}
    for row in rows:
        key = row.factual_class, row.alternative_class, row.transition, row.code
        groups.setdefault(key, []).append(row.encoding)
    result = []
    for key, encoded in sorted(groups.items(), key=lambda item: (-item[0][-1], item[0])):
        first, second, transition, code = key
        values = torch.tensor(encoded, dtype=torch.float64)
        beyond = (values * code > BOUNDARY) if code else (values.abs() > BOUNDARY)
        share, spread = float(beyond.double().mean()), float(values.std(correction=0))
        mean = float(values.mean())
        result.append(TransitionRow(first, second, transition, code, len(values), mean, spread, share))
    return result


def by_word(rows: Sequence[EncodingRow], *, graded: bool) -> list[WordRow]:
    """Encodings by target word and code; where classes are degrees, the code depends on the other word of a
    pair, so that a word has the mean of its codes."""
    groups: dict[tuple[str, str, float | None], list[EncodingRow]] = {}
    for row in rows:
        key = row.factual_class, row.factual.lower(), None if graded else row.code
        groups.setdefault(key, []).append(row)
    result = []
    for (name, word, _), of_word in sorted(groups.items(), key=lambda item: str(item[0])):
        values = torch.tensor([row.encoding for row in of_word], dtype=torch.float64)
        code = fmean(row.code for row in of_word)
        result.append(
            WordRow(name, word, code, len(values), float(values.mean()), float(values.std(correction=0)))
        )
    return result
