"""Masked language models: the slot holds the mask token, the loss is the cross-entropy of the filler
there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradiend_core.api import (
    Examples,
    GradientSettings,
    MinimalPair,
    ModelError,
    TextBatch,
    TextRow,
    TextScores,
    TextSlotSource,
    architecture,
    load_model,
    masked_places,
    prepare_slots,
    text_batches,
    text_scores,
    token_limit,
)
from gradiend_mlm import MaskedSettings

if TYPE_CHECKING:
    from torch import nn


class MaskedSource(TextSlotSource):
    """A `LanguageSource` with the text on both sides of the slot."""

    def __init__(self, config: MaskedSettings) -> None:
        self.config = config

    @staticmethod
    def accepts(model: str) -> bool:
        return architecture(model).endswith("ForMaskedLM")

    def load(self, model: str, settings: GradientSettings) -> tuple[Any, Any]:
        from transformers import AutoModelForMaskedLM

        loaded, tokenizer = load_model(model, AutoModelForMaskedLM, settings)
        if tokenizer.mask_token_id is None:
            raise ModelError(
                f"the tokenizer of {model!r} has no mask token; a masked language model needs one"
            )
        return loaded, tokenizer

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        return prepare_slots(pairs, tokenizer, limit=limit, see_right=True, mask_id=tokenizer.mask_token_id)

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> list[TextBatch]:
        """Texts with some of their tokens masked; each alone (pseudo-log-likelihood, arXiv 1910.14659) with
        `every_token`."""
        limit, rows = token_limit(tokenizer, model, self.config.max_tokens), []
        encoded = tokenizer(list(texts), truncation=True, max_length=limit, return_special_tokens_mask=True)
        share, least = self.config.mask_share, self.config.min_masked
        hidden = masked_places(
            encoded["special_tokens_mask"], seed, share, least, limit, every_token=every_token
        )
        for text, positions in hidden:
            ids = list(encoded["input_ids"][text])
            targets = tuple(ids[position] for position in positions)
            for position in positions:
                ids[position] = tokenizer.mask_token_id
            rows.append(TextRow(tuple(ids), tuple(positions), targets, text))
        return text_batches(rows, tokenizer.pad_token_id or 0, model, needs_mask=True)

    def score_texts(self, model: nn.Module, prepared: list[TextBatch]) -> TextScores:
        """The score is the accuracy at masked tokens."""
        return text_scores(
            model, prepared, lambda log_probabilities, targets: log_probabilities.argmax(-1) == targets
        )
