"""Fillers as tokens: where the filler of a text is, which words are single tokens, and which tokens the words
of a class are at a slot. Tokens are found in the tokenized text by character offsets, so leading spaces,
capitals and quotation marks are left to the tokenizer and never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from attrs import frozen

from gradiend_core.data.rules import capital
from gradiend_core.errors import ModelError
from gradiend_core.records.pair import MinimalPair

#: texts that are in tokens at once
TEXTS_AT_ONCE = 20_000
FILLERS: tuple[Callable[[MinimalPair], str], ...] = (attrgetter("factual"), attrgetter("alternative"))


@frozen
class Tokenized:
    """A tokenized text with the position of its filler, or the reason why there is none."""

    ids: tuple[int, ...]
    special: tuple[int, ...]
    slot: int
    problem: str = ""


def tokenize(tokenizer: Any, texts: Sequence[tuple[str, str, str]], opening: str = "") -> list[Tokenized]:
    """Tokenizes texts given as (left, filler, right) whose fillers must be one token; `opening` as in
    `located`."""
    tokenized = []
    for (_, filler, _), filler_tokens in zip(texts, located(tokenizer, texts, opening), strict=True):
        several = ""
        if len(filler_tokens.inside) != 1 and "unknown" not in filler_tokens.problem:
            several = f"{filler!r} is {len(filler_tokens.inside)} tokens where it stands"
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
    """A tokenized text with the tokens of its filler, or the reason why they are not the filler's alone."""

    ids: tuple[int, ...]
    special: tuple[int, ...]
    inside: tuple[int, ...]
    problem: str = ""


def located(tokenizer: Any, texts: Sequence[tuple[str, str, str]], opening: str = "") -> list[Located]:
    """The tokens of texts given as (left, filler, right), with the positions of the filler. An `opening` of a
    chat before each text brings its special tokens with it; all of its tokens count as special."""
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
    unknown = tokenizer.unk_token_id
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
        if unknown is not None and any(ids[i] == unknown for i in inside):
            problem = f"{filler!r} is unknown to the tokenizer ({tokenizer.unk_token})"
        result.append(Located(tuple(ids), tuple(special), inside, problem))
    return result


def leading(special: Sequence[int]) -> int:
    """The number of special tokens at the start."""
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
    """Raises ModelError for the first target word that is not one known token in the middle of a sentence,
    and for words of two classes that are the same token. With `drop_multi_token_words`, words of several or
    unknown tokens are returned instead, as long as their class has other words."""
    require_fast(tokenizer)
    dropped: list[str] = []
    classes_of: dict[int, tuple[str, str]] = {}
    for name, forms in words.items():
        tokens = tokenize(tokenizer, [("a ", word, "") for word in forms])
        some = drop_multi_token_words and not all(token.problem for token in tokens)
        for word, token in zip(forms, tokens, strict=True):
            if token.problem and some:
                dropped.append(word)
            elif token.problem:
                raise ModelError(_word_problem(word, name, token, tokenizer, none=drop_multi_token_words))
            else:
                other, of = classes_of.setdefault(token.ids[token.slot], (word, name))
                if of != name and other != word:
                    raise ModelError(
                        f"the target words {other!r} of class {of} and {word!r} of class {name} are the same"
                        " token for this tokenizer"
                        f" ({tokenizer.convert_ids_to_tokens(token.ids[token.slot])}); leave one out, or use"
                        " a model that tells them apart"
                    )
    return dropped


def _word_problem(word: str, name: str, token: Tokenized, tokenizer: Any, *, none: bool) -> str:
    pieces = " ".join(tokenizer.tokenize(f"a {word}")[1:])
    what = "is unknown to" if "unknown" in token.problem else "is not one token for"
    if none:
        return (
            f"no target word of class {name} is one token for this tokenizer ({word!r} is {pieces}); use a"
            " model whose vocabulary has it"
        )
    return (
        f"target word {word!r} of class {name} {what} this tokenizer ({pieces}); leave it out of the class's"
        " words, or use a model whose vocabulary has it"
    )


def filler_ids(
    pairs: Sequence[MinimalPair], words: Sequence[str], tokenizer: Any, *, sees_right: bool = False
) -> list[tuple[int, ...]]:
    """For each pair the token ids of these words in its text (including what is right of the slot, where
    `sees_right`). Words of several or unknown tokens are left out. A word is capitalised where both fillers
    of the pair are."""
    ids: list[tuple[int, ...]] = []
    step = max(1, TEXTS_AT_ONCE // max(1, len(words)))
    for start in range(0, len(pairs) if words else 0, step):
        some = pairs[start : start + step]
        texts = [
            (pair.left, capital(word) if _both_capital(pair) else word, pair.right if sees_right else "")
            for pair in some
            for word in words
        ]
        tokenized = iter(tokenize(tokenizer, texts))
        for _ in some:
            tokens = [next(tokenized) for _ in words]
            ids.append(tuple(token.ids[token.slot] for token in tokens if not token.problem))
    return ids or [()] * len(pairs)


def _both_capital(pair: MinimalPair) -> bool:
    return pair.factual[:1].isupper() and pair.alternative[:1].isupper()
