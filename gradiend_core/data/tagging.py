"""Tags from spaCy for texts that have none. Users install spaCy and its models themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from attrs import evolve

from gradiend_core.errors import ConfigError
from gradiend_core.records.text import Text, Token

BATCH = 256


def tag(texts: Iterable[Text], name: str, wanted: Callable[[Text], bool]) -> Iterator[Text]:
    """The texts in their order. Those that are wanted and have no tags are tagged by the spaCy model `name`
    (a package or a folder)."""
    model = _load(name)
    waiting = iter(texts)
    while group := list(islice(waiting, BATCH)):
        todo = [position for position, text in enumerate(group) if text.tokens is None and wanted(text)]
        tagged = dict(zip(todo, model.pipe([group[position].text for position in todo]), strict=True))
        for position, text in enumerate(group):
            yield evolve(text, tokens=tuple(map(_token, tagged[position]))) if position in tagged else text


#: grammatical relations of a subject, in spaCy's models and in Universal Dependencies
SUBJECT = ("nsubj", "nsubjpass", "nsubj:pass", "expl", "csubj")


def _token(token: Any) -> Token:
    tags = {"upos": token.pos_, "xpos": token.tag_, **token.morph.to_dict()}
    if token.pos_ == "PRON" and token.dep_:  # English models give "it" and "you" no case
        tags.setdefault("Case", "Nom" if token.dep_ in SUBJECT else "Acc")
    return Token(token.idx, token.idx + len(token.text), token.lemma_, tags)


def _load(name: str) -> Any:
    try:
        import spacy
    except ImportError as error:
        raise ConfigError(
            f'data.tagger = {name!r} needs spaCy, which is not installed; pip install "gradiend-core[tagger]"'
        ) from error
    try:
        return spacy.load(name)
    except OSError as error:
        raise ConfigError(
            f"data.tagger = {name!r}: spaCy has no such model; give a folder, or run `python -m spacy"
            f" download {name}`"
        ) from error
