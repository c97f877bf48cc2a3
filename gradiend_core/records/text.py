"""A text as it was read, in which a paradigm looks for slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


@frozen
class Token:
    """A word of a text, `text[start:end]`, with its lemma and tags; "upos" and "xpos" are tags too, beside
    Case, Gender, …"""

    start: int
    end: int
    lemma: str = ""
    tags: Mapping[str, str] = field(factory=dict)


@frozen
class Text:
    """A text and what is known about it. `unit` is the line or row that it was read from: sentences of one
    unit always share a split. `document` and `split` are empty where not given. Slots lie in `span`, by
    default the whole text; the rest is context. `tokens` is None for a text without tags. `row` has the other
    columns of a table."""

    text: str
    unit: int = 0
    document: str = ""
    split: str = ""
    span: tuple[int, int] | None = None
    tokens: tuple[Token, ...] | None = None
    row: Mapping[str, Any] | None = None
