"""Causal language models: the loss is −log P(filler | the text to its left)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradiend_clm import CausalSettings
from gradiend_core.api import (
    Examples,
    MinimalPair,
    SlotSource,
    TextBatch,
    TextRow,
    architecture,
    load_model,
    mean_over_targets,
    prepare_slots,
    text_batches,
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

        return load_model(model, AutoModelForCausalLM, dtype, device)

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        return prepare_slots(pairs, tokenizer, limit=limit, see_right=False)

    def prepare_texts(self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int) -> list[TextBatch]:
        """Texts with every token but the first, and no special one, to be predicted. Nothing is drawn."""
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        encoded = tokenizer(list(texts), truncation=True, max_length=limit, return_special_tokens_mask=True)
        rows = []
        for ids, special in zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True):
            places = [place for place in range(1, len(ids)) if not special[place]]
            targets = tuple(ids[place] for place in places)
            rows.append(TextRow(tuple(ids), tuple(place - 1 for place in places), targets))
        return text_batches(rows, tokenizer.pad_token_id or 0, model.device, needs_mask=False)

    def language_modelling_score(self, model: nn.Module, prepared: list[TextBatch]) -> tuple[float, int]:
        """Mean likelihood of a token given the text to its left (arithmetic mean over tokens)."""

        def likelihood(logits: Tensor, targets: Tensor) -> Tensor:
            return logits.log_softmax(-1).gather(1, targets[:, None]).exp()

        return mean_over_targets(model, prepared, likelihood)
