"""Masked language models: the slot holds the mask token, the loss is the cross-entropy of the filler
there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import fields_dict

from gradiend_core.api import (
    Examples,
    GradientSettings,
    GradientSource,
    HiddenText,
    MinimalPair,
    ModelError,
    TextBatch,
    TextRow,
    TextScores,
    TextSlotSource,
    accuracy_scores,
    architecture,
    hidden_text_batches,
    load_model,
    pad_id,
    prepare_slots,
    token_limit,
)
from gradiend_mlm import MaskedSettings, MaskedSpanSettings

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
        mask, pad = tokenizer.mask_token_id, pad_id(tokenizer, model)
        return prepare_slots(pairs, tokenizer, limit=limit, see_right=True, mask_id=mask, pad=pad)

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> list[TextBatch]:
        """Texts with masked tokens."""

        def row_of(hidden: HiddenText) -> TextRow:
            ids = hidden.hidden_by([tokenizer.mask_token_id] * len(hidden.positions))
            return TextRow(ids, hidden.positions, hidden.targets, hidden.text)

        return hidden_text_batches(
            texts, tokenizer, model, self.config, seed, row_of, every_token=every_token
        )

    def score_texts(self, model: nn.Module, prepared: list[TextBatch]) -> TextScores:
        """The score is the accuracy at masked tokens."""
        return accuracy_scores(model, prepared)

    def spans(self) -> GradientSource:
        from gradiend_mlm.span import MaskedSpanSource

        same = {name: getattr(self.config, name) for name in fields_dict(MaskedSettings)}
        return MaskedSpanSource(MaskedSpanSettings(**same))
