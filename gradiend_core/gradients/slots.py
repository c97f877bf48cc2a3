"""A slot in tokens: where it is, which token each filler is, and the logits there.

The filler's token is found in the tokenized text itself, by its character offsets, so that leading spaces, capitals and
quotation marks are the tokenizer's affair and never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from attrs import field, frozen
from torch import Tensor, nn
from torch.nn.functional import softplus

from gradiend_core.errors import ModelError
from gradiend_core.records.funnel import Drop, DropCounter
from gradiend_core.records.pair import NEUTRAL, MinimalPair


@frozen(eq=False)
class TokenBatch:
    """Examples as tensors. `attention_mask` is None where no row is padded, or where padding cannot be seen. With
    `decoder_input_ids`, of an encoder-decoder, `slot` is a position there."""

    input_ids: Tensor  # [examples, tokens]
    attention_mask: Tensor | None  # [examples, tokens]
    slot: Tensor  # [examples], the position whose logits are the slot's
    fillers: Tensor  # [examples, 2], token ids of factual and alternative
    decoder_input_ids: Tensor | None = None  # [examples, tokens]


@frozen
class Row:
    """One example in tokens."""

    ids: tuple[int, ...]
    slot: int
    fillers: tuple[int, int]


@frozen(eq=False)
class SlotExamples:
    """Minimal pairs in tokens, padded only when a batch is cut, and only to its longest row."""

    pairs: tuple[MinimalPair, ...]
    rows: tuple[Row, ...]
    drops: tuple[Drop, ...]
    pad: int
    needs_mask: bool
    lengths: tuple[int, ...] = field(init=False)

    @lengths.default
    def _lengths(self) -> tuple[int, ...]:
        return tuple(len(row.ids) for row in self.rows)

    def batch(self, rows: Sequence[int], device: Any) -> TokenBatch:
        chosen = [self.rows[row] for row in rows]
        ids, mask = padded([row.ids for row in chosen], self.pad, device)
        return TokenBatch(
            ids,
            mask if self.needs_mask else None,
            torch.tensor([row.slot for row in chosen], device=device),
            torch.tensor([row.fillers for row in chosen], device=device),
        )


def padded(rows: Sequence[Sequence[int]], pad: int, device: Any) -> tuple[Tensor, Tensor | None]:
    """Rows padded on the right to the longest, and the attention mask, or None when nothing was padded."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], device=device)
    if all(len(row) == longest for row in rows):
        return ids, None
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return ids, (torch.arange(longest, device=device) < lengths[:, None]).long()


def token_limit(tokenizer: Any, model: nn.Module, asked: int) -> int:
    """The most tokens a row may have: what was asked for, but never more than model and tokenizer can take."""
    positions = getattr(model.config, "max_position_embeddings", None) or asked
    return int(min(asked, positions, tokenizer.model_max_length))


def prepare_slots(
    pairs: Sequence[MinimalPair], tokenizer: Any, *, limit: int, see_right: bool, mask_id: int | None = None
) -> SlotExamples:
    """Pairs as rows of at most `limit` tokens; text far from the slot is cut, the slot and special tokens never.

    With `see_right` the whole text is kept and the slot holds `mask_id`; without, a row ends before the slot and the slot's
    logits are those of its last token.
    """
    require_fast(tokenizer)
    drops, kept, rows = DropCounter("tokenizer"), [], []
    if pairs:
        sides = [tokenize(tokenizer, [(p.left, filler(p), p.right if see_right else "") for p in pairs]) for filler in FILLERS]
        for pair, factual, alternative in zip(pairs, *sides, strict=True):
            row = _row(factual, alternative, limit, see_right, mask_id)
            if isinstance(row, str):
                drops.add("the neutral word is several tokens" if pair.factual_class == NEUTRAL else row, pair.text)
            else:
                kept.append(pair)
                rows.append(row)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    return SlotExamples(tuple(kept), tuple(rows), drops.drops(), pad, see_right)


FILLERS = (lambda pair: pair.factual, lambda pair: pair.alternative)


@frozen
class Tokenized:
    """A text in tokens with the place of its filler, or why there is none."""

    ids: tuple[int, ...]
    special: tuple[int, ...]
    slot: int
    problem: str = ""


def tokenize(tokenizer: Any, parts: Sequence[tuple[str, str, str]]) -> list[Tokenized]:
    """Texts given as (left, filler, right), whose fillers are to be one token."""
    found = []
    for (_, filler, _), each in zip(parts, located(tokenizer, parts), strict=True):
        several = f"{filler!r} is {len(each.inside)} tokens where it stands" if len(each.inside) != 1 else ""
        found.append(Tokenized(each.ids, each.special, each.inside[0] if each.inside else 0, several or each.problem))
    return found


@frozen
class Located:
    """A text in tokens with those of its filler, or why they are not the filler's alone."""

    ids: tuple[int, ...]
    special: tuple[int, ...]
    inside: tuple[int, ...]
    problem: str = ""


def located(tokenizer: Any, parts: Sequence[tuple[str, str, str]]) -> list[Located]:
    """Texts given as (left, filler, right)."""
    if not parts:
        return []
    encoded = tokenizer(
        ["".join(part) for part in parts],
        return_offsets_mapping=True, return_special_tokens_mask=True, return_attention_mask=False, verbose=False,
    )  # fmt: skip
    columns = (encoded["input_ids"], encoded["special_tokens_mask"], encoded["offset_mapping"])
    result = []
    for (left, filler, _), ids, special, offsets in zip(parts, *columns, strict=True):
        start, end = len(left), len(left) + len(filler)
        inside = tuple(i for i, (a, b) in enumerate(offsets) if not special[i] and a < end and b > start)
        alone = inside and not left[offsets[inside[0]][0] :].strip() and offsets[inside[-1]][1] == end
        problem = "" if alone else f"{filler!r} shares a token with its neighbours"
        result.append(Located(tuple(ids), tuple(special), inside, problem))
    return result


def leading(special: Sequence[int]) -> int:
    """How many special tokens come first."""
    return next((i for i, flag in enumerate(special) if not flag), len(special))


def _row(factual: Tokenized, alternative: Tokenized, limit: int, see_right: bool, mask_id: int | None) -> Row | str:
    if problem := factual.problem or alternative.problem:
        return problem
    slot, ids, special = factual.slot, factual.ids, factual.special
    same_right = not see_right or ids[slot + 1 :] == alternative.ids[alternative.slot + 1 :]
    if ids[:slot] != alternative.ids[: alternative.slot] or not same_right:
        return "the fillers change the tokens around the slot"
    fillers = (ids[slot], alternative.ids[slot])
    head = leading(special)
    if not see_right:
        if slot == head:
            return "no text before the slot, so a causal model cannot know"
        kept = ids[:head] + ids[max(head, slot - (limit - head)) : slot]
        return Row(kept, len(kept) - 1, fillers)
    tail = len(special) - leading(special[::-1])
    room = limit - head - (len(ids) - tail)
    start = min(max(head, slot - room // 2), max(head, tail - room))
    body = (*ids[start:slot], mask_id or 0, *ids[slot + 1 : min(tail, start + room)])
    return Row((*ids[:head], *body, *ids[tail:]), head + slot - start, fillers)


def require_fast(tokenizer: Any) -> None:
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"{type(tokenizer).__name__} gives no character offsets; a fast tokenizer (tokenizer.json) is needed")


def check_single_tokens(words: Mapping[str, Sequence[str]], tokenizer: Any, spare: bool = False) -> list[str]:
    """Raises ModelError for the first target word that is not one token in the middle of a sentence; to `spare` them gives
    them back instead, as long as each class has others."""
    require_fast(tokenizer)
    spared = []
    for name, forms in words.items():
        tokens = tokenize(tokenizer, [("a ", word, "") for word in forms])
        some = spare and not all(found.problem for found in tokens)
        for word, found in zip(forms, tokens, strict=True):
            if found.problem and some:
                spared.append(word)
            elif found.problem:
                pieces = " ".join(tokenizer.tokenize(f"a {word}")[1:])
                raise ModelError(
                    (f"no target word of class {name} is one token for this tokenizer ({word!r} is {pieces}); " if spare else
                     f"target word {word!r} of class {name} is not one token for this tokenizer ({pieces}); leave it out of the "
                     "class's words, or ")
                    + "use a model whose vocabulary has it"
                )  # fmt: skip
    return spared


def filler_ids(pairs: Sequence[MinimalPair], words: Sequence[str], tokenizer: Any) -> list[tuple[int, ...]]:
    """For each pair the token ids of these words in the form its slot asks for; a word of several tokens there is left out.

    The form is what comes right before the slot, and a capital where both fillers of the pair have one.
    """

    def form(pair: MinimalPair) -> tuple[str, bool]:
        return pair.left[-1:], pair.factual[:1].isupper() and pair.alternative[:1].isupper()

    typical = {form(pair): pair.left for pair in reversed(pairs)}
    parts = [
        (left, word[:1].upper() + word[1:] if capital else word, "") for (_, capital), left in typical.items() for word in words
    ]
    found = iter(tokenize(tokenizer, parts) if parts else [])
    ids = {}
    for key in typical:
        tokens = [next(found) for _ in words]
        ids[key] = tuple(token.ids[token.slot] for token in tokens if not token.problem)
    return [ids[form(pair)] for pair in pairs]


def logits_at(model: nn.Module, batch: Any, rows: Tensor, positions: Tensor) -> Tensor:
    """Logits at chosen tokens, [tokens, vocabulary], of a batch with `input_ids`, `attention_mask` and `decoder_input_ids`. The
    output layer runs on these alone, not on every token."""
    fired = False

    def choose(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        nonlocal fired
        fired = True
        where = inputs[0].device  # of a sharded model, not that of the ids
        return (inputs[0][rows.to(where), positions.to(where)].unsqueeze(1), *inputs[1:])

    output_layer = model.get_output_embeddings()  # type: ignore[operator]  # of transformers' models, not of any module
    handle = output_layer.register_forward_pre_hook(choose) if output_layer is not None else None
    try:
        decoder = {} if batch.decoder_input_ids is None else {"decoder_input_ids": batch.decoder_input_ids}
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **decoder).logits
    finally:
        if handle is not None:
            handle.remove()
    logits = (logits[:, 0] if fired else logits[rows.to(logits.device), positions.to(logits.device)]).to(batch.input_ids.device)
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def slot_logits(model: nn.Module, batch: TokenBatch) -> Tensor:
    """Logits at the slot, [examples, vocabulary], in float32 at least."""
    rows = torch.arange(len(batch.slot), device=batch.slot.device)
    return logits_at(model, batch, rows, batch.slot)


def slot_losses(model: nn.Module, batch: TokenBatch) -> Tensor:
    """Cross-entropy of each filler f at the slot, [examples, 2], as softplus(log Σ_{v≠f} exp(logit_v) − logit_f).

    A model that is sure of the filler has a gradient proportional to 1 − p. With log_softmax that is a difference of nearly
    equal numbers, of which float32 keeps three digits (measured on tiny-clm); here it is a small number from the start.
    """
    logits = slot_logits(model, batch)
    others = logits.unsqueeze(1).expand(-1, 2, -1).scatter(2, batch.fillers.unsqueeze(2), -torch.inf)
    return softplus(others.logsumexp(-1) - logits.gather(1, batch.fillers), threshold=50)


class SlotSource:
    """What gradient sources with a slot of one token have in common; `roles.LanguageSource` says what each method is for."""

    def check_words(self, words: Mapping[str, Sequence[str]], tokenizer: Any, spare: bool) -> list[str]:
        return check_single_tokens(words, tokenizer, spare)

    def losses(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        return slot_losses(model, batch)

    def slot_log_probabilities(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        return slot_logits(model, batch).log_softmax(-1)

    def filler_ids(self, examples: SlotExamples, words: Sequence[str], tokenizer: Any) -> list[tuple[int, ...]]:
        return filler_ids(examples.pairs, words, tokenizer)
