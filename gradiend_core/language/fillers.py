"""Fillers in tokens: where a text's filler is, which words are one token, and which tokens a class's words
are at a slot.

The filler's tokens are found in the tokenized text itself, by its character offsets, so that leading spaces,
capitals and quotation marks are the tokenizer's affair and never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from attrs import frozen

from gradiend_core.errors import ModelError
from gradiend_core.records.pair import MinimalPair

FILLERS: tuple[Callable[[MinimalPair], str], ...] = (attrgetter("factual"), attrgetter("alternative"))


@frozen
class Tokenized:
    """A text in tokens with the place of its filler, or why there is none."""

    ids: tuple[int, ...]
    special: tuple[int, ...]
    slot: int
    problem: str = ""


def tokenize(tokenizer: Any, texts: Sequence[tuple[str, str, str]], opening: str = "") -> list[Tokenized]:
    """Texts given as (left, filler, right), whose fillers are to be one token; `opening` as in `located`."""
    tokenized = []
    for (_, filler, _), filler_tokens in zip(texts, located(tokenizer, texts, opening), strict=True):
        several = (
            f"{filler!r} is {len(filler_tokens.inside)} tokens where it stands"
            if len(filler_tokens.inside) != 1
            else ""
        )
        tokenized.append(
            Tokenized(
                filler_tokens.ids,
                filler_tokens.special,
                filler_tokens.inside[0] if filler_tokens.inside else 0,
                several or filler_tokens.problem,
            )
        )
    return tokenized


@frozen
class Located:
    """A text in tokens with those of its filler, or why they are not the filler's alone."""

    ids: tuple[int, ...]
    special: tuple[int, ...]
    inside: tuple[int, ...]
    problem: str = ""


def located(tokenizer: Any, texts: Sequence[tuple[str, str, str]], opening: str = "") -> list[Located]:
    """Texts given as (left, filler, right). An `opening` before each, of a chat, brings its special tokens
    with it; all of its tokens count as special."""
    if not texts:
        return []
    encoded = tokenizer(
        [opening + "".join(text) for text in texts],
        add_special_tokens=not opening,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_attention_mask=False,
        verbose=False,
    )
    columns = (encoded["input_ids"], encoded["special_tokens_mask"], encoded["offset_mapping"])
    result = []
    for (left, filler, _), ids, special, offsets in zip(texts, *columns, strict=True):
        start = len(opening) + len(left)
        end, before = start + len(filler), opening + left
        special = (
            [flag or int(b <= len(opening)) for flag, (_, b) in zip(special, offsets, strict=True)]
            if opening
            else special
        )
        inside = tuple(i for i, (a, b) in enumerate(offsets) if not special[i] and a < end and b > start)
        alone = inside and not before[offsets[inside[0]][0] :].strip() and offsets[inside[-1]][1] == end
        problem = "" if alone else f"{filler!r} shares a token with its neighbours"
        result.append(Located(tuple(ids), tuple(special), inside, problem))
    return result


def leading(special: Sequence[int]) -> int:
    """How many special tokens come first."""
    return next((i for i, flag in enumerate(special) if not flag), len(special))


def require_fast(tokenizer: Any) -> None:
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"{type(tokenizer).__name__} gives no character offsets; a fast tokenizer (tokenizer.json) is"
            " needed"
        )


def check_single_tokens(
    words: Mapping[str, Sequence[str]], tokenizer: Any, drop_multi_token_words: bool = False
) -> list[str]:
    """Raises ModelError for the first target word that is not one token in the middle of a sentence. With
    `drop_multi_token_words` gives such words back instead, as long as their class has others."""
    require_fast(tokenizer)
    dropped = []
    for name, forms in words.items():
        tokens = tokenize(tokenizer, [("a ", word, "") for word in forms])
        if drop_multi_token_words and not all(token.problem for token in tokens):
            dropped += [word for word, token in zip(forms, tokens, strict=True) if token.problem]
            continue
        for word, token in zip(forms, tokens, strict=True):
            if token.problem:
                pieces = " ".join(tokenizer.tokenize(f"a {word}")[1:])
                if drop_multi_token_words:
                    reason = (
                        f"no target word of class {name} is one token for this tokenizer ({word!r} is"
                        f" {pieces});"
                    )
                else:
                    reason = (
                        f"target word {word!r} of class {name} is not one token for this tokenizer"
                        f" ({pieces}); leave it out of the class's words, or"
                    )
                raise ModelError(f"{reason} use a model whose vocabulary has it")
    return dropped


def filler_ids(pairs: Sequence[MinimalPair], words: Sequence[str], tokenizer: Any) -> list[tuple[int, ...]]:
    """For each pair the token ids of these words in the form its slot asks for; a word of several tokens
    there is left out.

    The form is what comes right before the slot, and a capital where both fillers of the pair have one.
    """

    def form(pair: MinimalPair) -> tuple[str, bool]:
        return pair.left[-1:], pair.factual[:1].isupper() and pair.alternative[:1].isupper()

    typical = {form(pair): pair.left for pair in reversed(pairs)}
    texts = [
        (left, word[:1].upper() + word[1:] if capital else word, "")
        for (_, capital), left in typical.items()
        for word in words
    ]
    tokenized = iter(tokenize(tokenizer, texts) if texts else [])
    ids = {}
    for key in typical:
        tokens = [next(tokenized) for _ in words]
        ids[key] = tuple(token.ids[token.slot] for token in tokens if not token.problem)
    return [ids[form(pair)] for pair in pairs]
