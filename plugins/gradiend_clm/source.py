"""Causal language models: the loss is −log P(filler | the text to its left)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve

from gradiend_clm import CausalSettings
from gradiend_core.api import (
    Examples,
    MinimalPair,
    ModelError,
    SlotSource,
    TextBatch,
    TextRow,
    TextScores,
    TokenBatch,
    architecture,
    load_model,
    prepare_slots,
    text_batches,
    text_scores,
    token_limit,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


class CausalSource(SlotSource):
    """A `LanguageSource` with the text before the slot.

    Rows are padded on the right, where a causal model cannot see, so no attention mask is needed.
    """

    def __init__(self, config: CausalSettings) -> None:
        self.config = config

    @staticmethod
    def accepts(model: str) -> bool:
        return architecture(model).endswith(("ForCausalLM", "LMHeadModel"))

    def load(self, model: str, *, dtype: str, device: str) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM

        kind = architecture(model)
        if kind and not CausalSource.accepts(model):  # transformers would load a BERT as one, and it would see the right
            raise ModelError(f"model {model!r} is a {kind}, and this source needs a causal language model; leave source.kind out")
        return load_model(model, AutoModelForCausalLM, dtype, device)

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        return prepare_slots(pairs, tokenizer, limit=limit, see_right=False)

    def filled(self, batch: TokenBatch, filler: int) -> tuple[TokenBatch, Tensor]:
        room = torch.cat([batch.input_ids, batch.input_ids[:, -1:]], 1)  # one more token; what it is, no earlier one can see
        ids = room.scatter(1, batch.slot[:, None] + 1, batch.fillers[:, filler : filler + 1])
        return evolve(batch, input_ids=ids), batch.slot + 1

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> list[TextBatch]:
        """Texts with every token but the first, and no special one, to be predicted. Nothing is drawn."""
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        encoded = tokenizer(list(texts), truncation=True, max_length=limit, return_special_tokens_mask=True)
        rows = []
        for text, (ids, special) in enumerate(zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True)):
            places = [place for place in range(1, len(ids)) if not special[place]]
            targets = tuple(ids[place] for place in places)
            rows.append(TextRow(tuple(ids), tuple(place - 1 for place in places), targets, text))
        return text_batches(rows, tokenizer.pad_token_id or 0, model, needs_mask=False)

    def score_texts(self, model: nn.Module, prepared: list[TextBatch]) -> TextScores:
        """The score is the likelihood of a token given the text to its left."""
        return text_scores(model, prepared)
