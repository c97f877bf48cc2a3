"""Texts whose slot is marked by hand: "The chef was tired, so [he|they] left."."""

from __future__ import annotations

import re

from gradiend_core.errors import DataError
from gradiend_core.records.pair import NEUTRAL, MinimalPair

#: the class of such slots, where they have none of the feature
MARKED = "marked texts"
SLOT = re.compile(r"\[([^\[\]|]+)(?:\|([^\[\]|]+))?\]")


def marked(text: str) -> MinimalPair:
    """The pair of a text with its fillers in brackets: "The chef was tired, so [he|they] left." With one
    filler, "The chef was [tired].", the slot is neutral. Raises DataError for a text without exactly one such
    slot."""
    pieces = SLOT.split(text)
    if len(pieces) != 4 or pieces[1] == "MASK":
        problem = "several slots" if len(pieces) > 4 else "no slot with its fillers"
        raise DataError(
            f"{text!r:.200} has {problem}; mark one, with its factual and its alternative filler, as in "
            '"The chef was tired, so [he|they] left."'
        )
    left, factual, alternative, right = pieces
    of = NEUTRAL if alternative is None else ""
    return MinimalPair(left, right, factual, alternative or factual, of, of, "test")


def written(pair: MinimalPair) -> str:
    """The text with its fillers in brackets, the factual one first: "So [he|they] left."."""
    fillers = pair.factual if pair.alternative == pair.factual else f"{pair.factual}|{pair.alternative}"
    return f"{pair.left}[{fillers}]{pair.right}"
