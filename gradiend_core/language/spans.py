"""Fillers of any number of tokens. Each filler has a row, and its loss is the sum over the tokens that judge
it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from attrs import field, frozen
from torch import Tensor, nn

from gradiend_core.language.fillers import FILLERS, Located, leading, located, require_fast
from gradiend_core.language.slots import logits_at, padded
from gradiend_core.records.candidate import TextScores
from gradiend_core.records.funnel import Drop, DropCounter
from gradiend_core.records.pair import MinimalPair
from gradiend_core.records.run import GradientSettings
from gradiend_core.roles.abilities import LanguageSource

#: in place of a target that a shorter row does not have
NONE = -100


@frozen(eq=False)
class SpanBatch:
    """Two rows for each example: one with the factual, one with the alternative filler."""

    rows_per_example: ClassVar[int] = 2
    input_ids: Tensor  # [examples, 2, tokens]
    attention_mask: Tensor | None  # [examples, 2, tokens]
    positions: Tensor  # [examples, 2, targets], where the logits of each target are
    targets: Tensor  # [examples, 2, targets], NONE where a row has fewer


@frozen(eq=False)
class _Rows:
    """The rows of a batch, one after the other, as a model takes them."""

    input_ids: Tensor
    attention_mask: Tensor | None
    decoder_input_ids: None = None


@frozen
class SpanRow:
    """A text as tokens, with the tokens to predict and their positions."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    targets: tuple[int, ...]


@frozen(eq=False)
class SpanExamples:
    """Minimal pairs as two rows each, padded only when a batch is made."""

    pairs: tuple[MinimalPair, ...]
    rows: tuple[tuple[SpanRow, SpanRow], ...]
    drops: tuple[Drop, ...]
    pad: int
    needs_mask: bool
    lengths: tuple[int, ...] = field(init=False)

    @lengths.default
    def _lengths(self) -> tuple[int, ...]:
        return tuple(2 * max(len(row.ids) for row in both) for both in self.rows)

    def batch(self, rows: Sequence[int], device: Any) -> SpanBatch:
        chosen = [row for number in rows for row in self.rows[number]]
        ids, mask = padded([row.ids for row in chosen], self.pad, device)
        most = max(len(row.targets) for row in chosen)
        filled = (
            [(row.positions + (0,) * most)[:most] for row in chosen],
            [(row.targets + (NONE,) * most)[:most] for row in chosen],
        )
        positions, targets = (
            torch.tensor(values, device=device).unflatten(0, (len(rows), 2)) for values in filled
        )
        mask = mask.unflatten(0, (len(rows), 2)) if mask is not None and self.needs_mask else None
        return SpanBatch(ids.unflatten(0, (len(rows), 2)), mask, positions, targets)


def prepare_spans(
    pairs: Sequence[MinimalPair],
    tokenizer: Any,
    *,
    limit: int,
    mask_id: int | None = None,
    cloze: bool = False,
    opening: str = "",
    pad: int | None = None,
) -> SpanExamples:
    """Pairs as rows of at most `limit` tokens. With a mask, it replaces each token of the filler, and the
    text on both sides is kept. Without one, a row ends with the filler, or continues with the text after it,
    which then counts too (`cloze`). The `opening` of a chat is never cut."""
    require_fast(tokenizer)
    drops, kept, rows = DropCounter("tokenizer"), [], []
    right = mask_id is not None or cloze
    for pair, both in zip(pairs, _both(pairs, tokenizer, opening, right=right), strict=True):
        made = _made(both, limit, mask_id, cloze, different=pair.factual != pair.alternative)
        if isinstance(made, str):
            drops.add(made, pair.text)
        else:
            kept.append(pair)
            rows.append(made)
    if pad is None:
        pad = tokenizer.pad_token_id or 0
    return SpanExamples(tuple(kept), tuple(rows), drops.drops(), pad, mask_id is not None)


def _both(
    pairs: Sequence[MinimalPair], tokenizer: Any, opening: str, *, right: bool
) -> list[tuple[Located, Located]]:
    """Each pair's text with its factual and with its alternative filler."""
    factual, alternative = (
        located(
            tokenizer, [(pair.left, filler(pair), pair.right if right else "") for pair in pairs], opening
        )
        for filler in FILLERS
    )
    return list(zip(factual, alternative, strict=True))


def _made(
    both: tuple[Located, Located], limit: int, mask_id: int | None, cloze: bool, *, different: bool
) -> tuple[SpanRow, SpanRow] | str:
    """The two rows, or the reason why there are none."""
    factual, alternative = both
    if problem := factual.problem or alternative.problem:
        return problem
    if different and _inside(factual) == _inside(alternative):
        return "both fillers are the same tokens"
    first = factual.inside[0]
    if factual.ids[:first] != alternative.ids[: alternative.inside[0]]:
        return "the fillers change the tokens before the slot"
    if mask_id is None and first == leading(factual.special):
        return "no text before the slot, so a causal model cannot know"
    one, two = (_row(located_filler, limit, mask_id, cloze) for located_filler in (factual, alternative))
    return (one, two) if one and two else f"a filler does not fit into {limit} tokens"


def _inside(located_filler: Located) -> tuple[int, ...]:
    return tuple(located_filler.ids[position] for position in located_filler.inside)


def _row(located_filler: Located, limit: int, mask_id: int | None, cloze: bool) -> SpanRow | None:
    """None where the filler does not fit."""
    ids, first, last = located_filler.ids, located_filler.inside[0], located_filler.inside[-1]
    head, tail = leading(located_filler.special), len(ids) - leading(located_filler.special[::-1])
    room = limit - head - (len(ids) - tail if mask_id is not None else 0)
    if mask_id is None:
        end = tail if cloze else last + 1
        start = max(head, min(first - 1, end - room))
        end = min(end, start + room)
        kept, targets = (*ids[:head], *ids[start : end - 1]), ids[first:end]
    else:
        start = min(max(head, first - (room - (last + 1 - first)) // 2), max(head, tail - room))
        end = min(tail, start + room)
        masks = [mask_id] * (last + 1 - first)
        kept, targets = (
            (*ids[:head], *ids[start:first], *masks, *ids[last + 1 : end], *ids[tail:]),
            ids[first : last + 1],
        )
    if end <= last:
        return None
    position = head + first - start - (mask_id is None)  # of a causal model, the token before
    return SpanRow(kept, tuple(range(position, position + len(targets))), targets)


def span_losses(model: nn.Module, batch: SpanBatch, *, per_token: bool) -> Tensor:
    """−log P of each filler, [examples, 2]: the sum over its tokens, or their mean, so that a longer filler
    costs no more."""
    rows = _Rows(
        batch.input_ids.flatten(0, 1),
        None if batch.attention_mask is None else batch.attention_mask.flatten(0, 1),
    )
    targets, real = batch.targets, batch.targets != NONE
    row = torch.arange(len(rows.input_ids), device=targets.device).repeat_interleave(targets.shape[2])
    # as many logits for each row, so that those of an example stay together
    logits = logits_at(model, rows, row, batch.positions.flatten())
    surprisals = -logits.log_softmax(-1).gather(1, targets.clamp(min=0).flatten()[:, None]).view_as(targets)
    losses = torch.where(real, surprisals, 0).sum(2)
    return losses / real.sum(2) if per_token else losses


class SpanSource:
    """The common base of gradient sources with fillers of any length. They load models and score texts as
    `whole` does, and must be named to be used. A class has no probability for all of its words here: each
    text's two fillers are compared."""

    def __init__(self, whole: LanguageSource, *, per_token: bool) -> None:
        self.whole, self.per_token = whole, per_token

    @staticmethod
    def accepts(model: str) -> bool:
        return False

    def load(self, model: str, settings: GradientSettings) -> tuple[Any, Any]:
        return self.whole.load(model, settings)

    def losses(self, model: nn.Module, batch: SpanBatch) -> Tensor:
        return span_losses(model, batch, per_token=self.per_token)

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> Any:
        return self.whole.prepare_texts(texts, tokenizer, model, seed, every_token=every_token)

    def score_texts(self, model: nn.Module, prepared: Any) -> TextScores:
        return self.whole.score_texts(model, prepared)

    def spans(self) -> Self:
        return self
