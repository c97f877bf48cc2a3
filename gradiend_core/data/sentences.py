"""Texts split into sentences, each with as much of its surroundings as wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from gradiend_core.records.text import Text, Token


def split_sentences(texts: Iterable[Text], language: str, context: int) -> Iterator[Text]:
    """Each sentence as a text whose slots lie in that sentence, with `context` sentences before and after it.
    Sentences of one text keep its unit, so that no unit is divided between splits. Texts with tags are
    sentences already."""
    from sentencex import segment

    for text in texts:
        if text.tokens is not None:
            yield text
            continue
        bounds = list(_bounds(text.text, segment(language, text.text)))
        for position, (start, end) in enumerate(bounds):
            first, last = (
                bounds[max(0, position - context)][0],
                bounds[min(len(bounds) - 1, position + context)][1],
            )
            yield evolve(text, text=text.text[first:last], span=(start - first, end - first))


def _bounds(text: str, sentences: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence in the text. A splitter may drop or change what stands between two
    sentences; whatever it drops, apart from space, becomes a sentence too."""
    at = 0
    for sentence in sentences:
        stripped = sentence.strip()
        start = text.find(stripped, at)
        if stripped and start >= 0:
            yield from _stripped(text, at, start)
            at = start + len(stripped)
            yield start, at
    yield from _stripped(text, at, len(text))


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A piece without the space around it; None if it is only space."""
    piece = text[start:end]
    if stripped := piece.strip():
        first = start + piece.index(stripped)
        yield first, first + len(stripped)


def with_neighbours(texts: Iterable[Text], context: int) -> Iterator[Text]:
    """Tagged sentences with `context` sentences of their document before and after them, joined by spaces."""
    window: list[Text] = []
    at = 0
    for text in texts:
        if window and (text.document != window[-1].document or not text.document):
            yield from (_joined(window, position, context) for position in range(at, len(window)))
            window, at = [], 0
        window.append(text)
        while at + context < len(window):
            yield _joined(window, at, context)
            at += 1
        if at > context:
            window, at = window[at - context :], context
    yield from (_joined(window, position, context) for position in range(at, len(window)))


def _joined(window: list[Text], position: int, context: int) -> Text:
    first = max(0, position - context)
    sentences, tokens, at, span = [], [], 0, (0, 0)
    for number, text in enumerate(window[first : position + context + 1], start=first):
        if number == position:
            span = (at, at + len(text.text))
        tokens += [Token(t.start + at, t.end + at, t.lemma, t.tags) for t in text.tokens or ()]
        sentences.append(text.text)
        at += len(text.text) + 1
    return evolve(window[position], text=" ".join(sentences), span=span, tokens=tuple(tokens))
