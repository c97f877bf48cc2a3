"""CoNLL-U files: sentences with gold lemmas and tags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradiend_core.data.tables import opened
from gradiend_core.errors import DataError
from gradiend_core.records.text import Text, Token

MISSING = object()


def read_conllu(path: Path, first: int = 0) -> Iterator[Text]:
    """One text for each sentence; documents are marked by the file's "newdoc" comments. A word that contracts
    several syntactic words, such as German *zum* (*zu* + *dem*), has no tags: only a word that stands alone
    in the text can be a slot."""
    from conllu import parse_incr
    from conllu.exceptions import ParseException

    document = ""
    with opened(path) as lines:
        try:
            for number, sentence in enumerate(parse_incr(lines)):
                if any(key.startswith("newdoc") for key in sentence.metadata):
                    document = (
                        next((v for k, v in sentence.metadata.items() if k == "newdoc id"), "")
                        or f"{path.name}:{number}"
                    )
                if any(word.get("misc", MISSING) is MISSING or word["id"] is None for word in sentence):
                    lacking = f"sentence {number + 1} has a word without a number, or without ten columns"
                    raise DataError(f"texts {str(path)!r} is not CoNLL-U: {lacking}")
                text, tokens = _placed(sentence)
                yield Text(text, first + number, document, tokens=tokens)
        except ParseException as error:
            raise DataError(f"texts {str(path)!r} is not CoNLL-U: {str(error).splitlines()[0]}") from error


def _placed(sentence: Any) -> tuple[str, tuple[Token, ...]]:
    """The sentence's text, and its words at their positions."""
    text: str = sentence.metadata.get("text") or ""
    pieces: list[str] = []
    tokens: list[Token] = []
    at = covered = 0
    for word in sentence:
        number = word["id"]
        if not isinstance(number, int) and number[1] == ".":  # an empty node stands for nothing in the text
            continue
        if isinstance(number, int) and number <= covered:
            continue
        if not isinstance(number, int):
            covered = number[2]
        form = word["form"]
        start = text.find(form, at) if text else sum(map(len, pieces))
        if start < 0:  # the comment disagrees with the words: trust the words
            return _placed(_without_text(sentence))
        at = start + len(form)
        gap = "" if (word["misc"] or {}).get("SpaceAfter") == "No" else " "
        pieces += [form, gap]
        if isinstance(number, int):
            tags = {"upos": word["upos"] or "", "xpos": word["xpos"] or "", **(word["feats"] or {})}
            tokens.append(Token(start, at, word["lemma"] or "", tags))
    return text or "".join(pieces).rstrip(), tuple(tokens)


def _without_text(sentence: Any) -> Any:
    sentence.metadata = {key: value for key, value in sentence.metadata.items() if key != "text"}
    return sentence
