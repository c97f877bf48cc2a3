"""Slots as tokens: examples as rows of a batch, and the logits and losses at their slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from attrs import evolve, field, frozen
from torch import Tensor, nn
from torch.nn.functional import softplus

from gradiend_core.language.fillers import (
    FILLERS,
    Tokenized,
    check_single_tokens,
    filler_ids,
    leading,
    require_fast,
    tokenize,
)
from gradiend_core.language.loading import vocabulary_size
from gradiend_core.records.funnel import Drop, DropCounter
from gradiend_core.records.pair import NEUTRAL, MinimalPair


@frozen(eq=False)
class TokenBatch:
    """Examples as tensors. `attention_mask` is None where no row is padded, or where padding has no effect.
    With the `decoder_input_ids` of an encoder-decoder, `slot` is a position there."""

    input_ids: Tensor  # [examples, tokens]
    attention_mask: Tensor | None  # [examples, tokens]
    slot: Tensor  # [examples], the position whose logits are the slot's
    fillers: Tensor  # [examples, 2], token ids of factual and alternative
    decoder_input_ids: Tensor | None = None  # [examples, tokens]


@frozen
class Row:
    """One example as tokens."""

    ids: tuple[int, ...]
    slot: int
    fillers: tuple[int, int]


@frozen(eq=False)
class SlotExamples:
    """Minimal pairs as tokens. They are padded only when a batch is made, to its longest row."""

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
    """The largest number of tokens of a row: the requested one, but never more than model and tokenizer can
    take."""
    positions = getattr(model.config, "max_position_embeddings", None) or asked
    return int(min(asked, positions, tokenizer.model_max_length))


def pad_id(tokenizer: Any, model: nn.Module) -> int:
    """The token that rows are padded with: the tokenizer's, unless it has none or the model has no embedding
    for it. Then any token will do, as padding is masked or comes after everything that counts."""
    pad = tokenizer.pad_token_id
    return int(pad) if pad is not None and pad < vocabulary_size(model) else 0


def prepare_slots(
    pairs: Sequence[MinimalPair],
    tokenizer: Any,
    *,
    limit: int,
    see_right: bool,
    mask_id: int | None = None,
    opening: str = "",
    pad: int | None = None,
) -> SlotExamples:
    """Pairs as rows of at most `limit` tokens. Text far from the slot is cut, the slot and special tokens
    never. With `see_right` the whole text is kept and the slot holds `mask_id`; otherwise a row ends before
    the slot, and the slot's logits are those of its last token. The `opening` of a chat before each text is
    never cut. `pad` is the token that fills shorter rows (`pad_id`)."""
    require_fast(tokenizer)
    drops, kept, rows = DropCounter("tokenizer"), [], []
    if pairs:
        texts = [[(p.left, filler(p), p.right if see_right else "") for p in pairs] for filler in FILLERS]
        sides = [tokenize(tokenizer, texts_of_filler, opening) for texts_of_filler in texts]
        for pair, factual, alternative in zip(pairs, *sides, strict=True):
            different = pair.factual != pair.alternative
            row = _row(factual, alternative, limit, see_right, mask_id, different=different)
            if isinstance(row, str):
                drops.add(
                    "the neutral word is several tokens" if pair.factual_class == NEUTRAL else row, pair.text
                )
            else:
                kept.append(pair)
                rows.append(row)
    if pad is None:
        pad = tokenizer.pad_token_id or 0
    return SlotExamples(tuple(kept), tuple(rows), drops.drops(), pad, see_right)


def _row(
    factual: Tokenized,
    alternative: Tokenized,
    limit: int,
    see_right: bool,
    mask_id: int | None,
    *,
    different: bool,
) -> Row | str:
    """The row of a pair whose fillers are `different` words or one word; or the reason why there is none."""
    if problem := factual.problem or alternative.problem:
        return problem
    slot, ids, special = factual.slot, factual.ids, factual.special
    same_right = not see_right or ids[slot + 1 :] == alternative.ids[alternative.slot + 1 :]
    if ids[:slot] != alternative.ids[: alternative.slot] or not same_right:
        return "the fillers change the tokens around the slot"
    fillers = (ids[slot], alternative.ids[slot])
    if fillers[0] == fillers[1] and different:
        return "both fillers are the same token"
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


def logits_of(model: nn.Module, batch: Any, states: Callable[[Tensor], Tensor]) -> Tensor:
    """Logits, [*states, vocabulary], of a batch with `input_ids`, `attention_mask` and `decoder_input_ids`,
    at least in float32. `states` selects the inputs of the output layer, [*states, width], from all of its
    inputs, [rows, tokens, width]. For a model without a recognisable output layer it selects logits."""
    fired = False

    def give(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        nonlocal fired
        fired = True
        return (states(inputs[0]).unsqueeze(1), *inputs[1:])

    output_layer = model.get_output_embeddings()  # type: ignore[operator]  # of transformers' models, not of any module
    handle = output_layer.register_forward_pre_hook(give) if output_layer is not None else None
    try:
        options: dict[str, Any] = (
            {"use_cache": False} if "use_cache" in signature(model.forward).parameters else {}
        )
        if batch.decoder_input_ids is not None:
            options["decoder_input_ids"] = batch.decoder_input_ids
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **options).logits
    finally:
        if handle is not None:
            handle.remove()
    logits = (logits[:, 0] if fired else states(logits)).to(batch.input_ids.device)
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def logits_at(model: nn.Module, batch: Any, rows: Tensor, positions: Tensor) -> Tensor:
    """Logits at chosen tokens, [tokens, vocabulary]. The output layer runs on these alone, not on every
    token."""

    def states(every: Tensor) -> Tensor:
        return every[
            rows.to(every.device), positions.to(every.device)
        ]  # of a sharded model, not the device of the ids

    return logits_of(model, batch, states)


def filler_losses(logits: Tensor, fillers: Tensor) -> Tensor:
    """Cross-entropy of each filler f at the slot, [examples, 2], as softplus(log Σ_{v≠f} exp(logit_v) −
    logit_f).

    A model that is sure of the filler has a gradient proportional to 1 − p. With log_softmax that is a
    difference of nearly equal numbers, of which float32 keeps three digits (measured on tiny-clm); here it is
    a small number from the start.
    """
    others = logits.unsqueeze(1).expand(-1, 2, -1).scatter(2, fillers.unsqueeze(2), -torch.inf)
    return softplus(others.logsumexp(-1) - logits.gather(1, fillers), threshold=50)


class SlotSource:
    """The common base of gradient sources whose slot is one token; `roles` documents the methods."""

    #: whether the model is given the text after the slot
    sees_right = True

    def check_words(
        self, words: Mapping[str, Sequence[str]], tokenizer: Any, drop_multi_token_words: bool
    ) -> list[str]:
        return check_single_tokens(words, tokenizer, drop_multi_token_words)

    def logits(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        """At the slot, [examples, vocabulary]."""
        rows = torch.arange(len(batch.slot), device=batch.slot.device)
        return logits_at(model, batch, rows, batch.slot)

    def losses(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        return filler_losses(self.logits(model, batch), batch.fillers)

    def slot_log_probabilities(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        return self.logits(model, batch).log_softmax(-1)

    def filler_ids(
        self, examples: SlotExamples, words: Sequence[str], tokenizer: Any
    ) -> list[tuple[int, ...]]:
        return filler_ids(examples.pairs, words, tokenizer, sees_right=self.sees_right)


class TextSlotSource(SlotSource):
    """A source whose slot is a token of the text that the model is given."""

    def filled(self, batch: TokenBatch, filler: int) -> tuple[TokenBatch, Tensor]:
        """As `roles.FillsSlots` says."""
        ids = batch.input_ids.scatter(1, batch.slot[:, None], batch.fillers[:, filler : filler + 1])
        return evolve(batch, input_ids=ids), batch.slot
