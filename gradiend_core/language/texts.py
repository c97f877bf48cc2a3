"""Running text as batches of tokens to predict, for language modelling scores."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from gradiend_core.gradients.batching import batch_cost, micro_batches
from gradiend_core.language.slots import logits_of, pad_id, padded, token_limit
from gradiend_core.progress import progress
from gradiend_core.records.candidate import TextPredictions, TextScores
from gradiend_core.records.masking import MaskingSettings
from gradiend_core.roles.abilities import PreparedTexts

#: tokens in one batch; smaller than for slots, since the vocabulary counts for every predicted token
TEXT_BUDGET = 2048
#: logits in a batch, at most
LOGITS = 2**25


@frozen(eq=False)
class TextBatch:
    """Token `targets[i]` is to be predicted from the logits of row `rows[i]`, position `positions[i]`."""

    input_ids: Tensor  # [texts, tokens]
    attention_mask: Tensor | None  # [texts, tokens]
    rows: Tensor  # [targets], ascending
    positions: Tensor  # [targets]
    targets: Tensor  # [targets]
    texts: Tensor  # [targets], the text that each belongs to
    decoder_input_ids: Tensor | None = (
        None  # [texts, tokens], of an encoder-decoder, where positions are then
    )

    def __len__(self) -> int:
        return len(self.input_ids)

    def logits(self, model: nn.Module) -> Tensor:
        """Logits at the targets, [targets, vocabulary]. The output layer runs on the targets alone, row by
        row and padded, so that gradients of single rows can be read from its inputs."""
        rows = torch.arange(len(self), device=self.rows.device)
        counts = self.rows.bincount(minlength=len(self))
        in_row = (
            torch.arange(len(self.rows), device=self.rows.device) - (counts.cumsum(0) - counts)[self.rows]
        )
        positions = self.positions.new_zeros(len(self), int(counts.max()))
        positions[self.rows, in_row] = self.positions

        def states(every: Tensor) -> Tensor:
            return every[rows[:, None].to(every.device), positions.to(every.device)]

        return logits_of(model, self, states)[self.rows, in_row]


@frozen
class TextRow:
    """The tokens of text number `text`, and the positions to predict."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    targets: tuple[int, ...]
    text: int
    decoder: tuple[int, ...] = ()


def text_batches(rows: Sequence[TextRow], pad: int, model: nn.Module, *, needs_mask: bool) -> list[TextBatch]:
    """Rows in batches sorted by length; rows without a target are left out."""
    rows, device = [row for row in rows if row.targets], next(model.parameters()).device
    batches = []
    for numbers in micro_batches(
        [len(row.ids) for row in rows], budget=text_budget(model), cost=batch_cost(model, device)
    ):
        chosen = [rows[number] for number in numbers]
        ids, mask = padded([row.ids for row in chosen], pad, device)
        index = [i for i, row in enumerate(chosen) for _ in row.positions]
        positions = [position for row in chosen for position in row.positions]
        targets = [target for row in chosen for target in row.targets]
        texts = [row.text for row in chosen for _ in row.targets]
        where, at, what, whose = (
            torch.tensor(values, device=device) for values in (index, positions, targets, texts)
        )
        decoder = padded([row.decoder for row in chosen], pad, device)[0] if chosen[0].decoder else None
        batches.append(TextBatch(ids, mask if needs_mask else None, where, at, what, whose, decoder))
    return batches


def text_budget(model: Any) -> int:
    """Tokens in a batch of texts: fewer where the vocabulary is large."""
    return max(1, min(TEXT_BUDGET, LOGITS // vocabulary_of(model)))


def vocabulary_of(model: Any) -> int:
    """The size of a model's vocabulary; 1 where its config does not say."""
    return getattr(getattr(model, "config", None), "vocab_size", 0) or 1


@frozen
class HiddenText:
    """Text number `text` as tokens, and the positions of those that are hidden and predicted."""

    text: int
    ids: tuple[int, ...]
    positions: tuple[int, ...]

    @property
    def targets(self) -> tuple[int, ...]:
        return tuple(self.ids[position] for position in self.positions)

    def hidden_by(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """The text with the first of these tokens at the first hidden position, the second at the second, and
        so on."""
        replaced = dict(zip(self.positions, tokens, strict=False))
        return tuple(replaced.get(position, token) for position, token in enumerate(self.ids))


def hidden_text_batches(
    texts: Sequence[str],
    tokenizer: Any,
    model: nn.Module,
    settings: MaskingSettings,
    seed: int,
    row_of: Callable[[HiddenText], TextRow],
    *,
    most: int | None = None,
    every_token: bool = False,
) -> list[TextBatch]:
    """Texts with some of their tokens hidden, at most `most` at once; with `every_token` each token alone
    (pseudo-log-likelihood, arXiv 1910.14659). `row_of` makes the model's input of one such text."""
    limit = token_limit(tokenizer, model, settings.max_tokens)
    encoded = tokenizer(list(texts), truncation=True, max_length=limit, return_special_tokens_mask=True)
    chosen = _hidden_positions(
        encoded["special_tokens_mask"], seed, settings, most or limit, every_token=every_token
    )
    rows = [
        row_of(HiddenText(text, tuple(encoded["input_ids"][text]), positions)) for text, positions in chosen
    ]
    return text_batches(rows, pad_id(tokenizer, model), model, needs_mask=True)


def _hidden_positions(
    special: Sequence[Sequence[int]], seed: int, settings: MaskingSettings, most: int, *, every_token: bool
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Which tokens to hide, as (text, positions): a fraction of a text's tokens, at least one and at most
    `most`, but no special token. Texts are used several times, with other tokens, until `min_masked` are
    hidden: with 100 tokens the accuracy would move in steps of 1 %. With `every_token` each token is hidden
    alone, once."""
    rng, share, missing = random.Random(f"{seed}:masks"), settings.mask_share, settings.min_masked
    orders = []
    for flags in special:
        ordinary = [position for position, flag in enumerate(flags) if not flag]
        orders.append(rng.sample(ordinary, len(ordinary)))
    turns = max(map(len, orders), default=0) if every_token else math.ceil(1 / share)
    for turn in range(turns):
        for text, order in enumerate(orders):
            few = 1 if every_token else min(most, max(1, round(share * len(order))))
            if chosen := sorted(order[turn * few : (turn + 1) * few]):
                missing -= len(chosen)
                yield text, tuple(chosen)
        if missing <= 0 and not every_token:
            break


def accuracy_scores(model: nn.Module, batches: Sequence[TextBatch]) -> TextScores:
    """`text_scores` with the accuracy: whether the target is the likeliest token."""
    return text_scores(
        model, batches, lambda log_probabilities, targets: log_probabilities.argmax(-1) == targets
    )


def text_predictions(model: nn.Module, batches: Sequence[PreparedTexts]) -> Iterator[TextPredictions]:
    """What a model predicts at each target, batch by batch."""
    with torch.inference_mode(), progress("batches of texts predicted", len(batches)) as predicted:
        for batch in batches:
            yield TextPredictions(batch.logits(model).log_softmax(-1), batch.targets, batch.texts)
            predicted.advance()


def text_scores(
    model: nn.Module, batches: Sequence[TextBatch], score: Callable[[Tensor, Tensor], Tensor] | None = None
) -> TextScores:
    """For each text the sums of score(log probabilities, targets), by default the probability of the target,
    and of −log P."""
    count = 1 + max((int(batch.texts.max()) for batch in batches), default=-1)
    sums = torch.zeros(3, count, dtype=torch.float64)
    for predicted in text_predictions(model, batches):
        log_probabilities, targets = predicted.log_probabilities, predicted.targets
        of_targets = log_probabilities.gather(1, targets[:, None])[:, 0]
        scores = score(log_probabilities, targets) if score else of_targets.exp()
        values = (torch.ones_like(of_targets), scores, -of_targets)
        for total, values_of_batch in zip(sums, values, strict=True):
            total.index_add_(0, predicted.texts.cpu(), values_of_batch.double().cpu())
    return TextScores(*sums)
