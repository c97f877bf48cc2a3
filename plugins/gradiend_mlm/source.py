"""Masked language models: the slot holds the mask token, the loss is the cross-entropy of the filler there."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradiend_core.api import (
    Examples,
    MinimalPair,
    ModelError,
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
from gradiend_mlm import MaskedSettings

if TYPE_CHECKING:
    from torch import nn


class MaskedSource(SlotSource):
    """A `LanguageSource` with the text on both sides of the slot."""

    def __init__(self, config: MaskedSettings) -> None:
        self.config = config

    @staticmethod
    def accepts(model: str) -> bool:
        return architecture(model).endswith("ForMaskedLM")

    def load(self, model: str, *, dtype: str, device: str) -> tuple[Any, Any]:
        from transformers import AutoModelForMaskedLM

        loaded, tokenizer = load_model(model, AutoModelForMaskedLM, dtype, device)
        if tokenizer.mask_token_id is None:
            raise ModelError(f"the tokenizer of {model!r} has no mask token; a masked language model needs one")
        return loaded, tokenizer

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        return prepare_slots(pairs, tokenizer, limit=limit, see_right=True, mask_id=tokenizer.mask_token_id)

    def prepare_texts(self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int) -> list[TextBatch]:
        """Texts with a fixed share of their tokens masked, at least one each; special tokens never. Few texts are masked several
        times, at other tokens, until enough are predicted: the accuracy at 100 tokens moves in steps of 1 %."""
        limit, rows = token_limit(tokenizer, model, self.config.max_tokens), []
        encoded = tokenizer(list(texts), truncation=True, max_length=limit, return_special_tokens_mask=True)
        orders, rng = [], random.Random(f"{seed}:masks")
        for special in encoded["special_tokens_mask"]:
            ordinary = [place for place, flag in enumerate(special) if not flag]
            orders.append(rng.sample(ordinary, len(ordinary)))
        share, left = self.config.mask_share, self.config.min_masked
        for turn in range(math.ceil(1 / share)):
            for ids, order in zip(encoded["input_ids"], orders, strict=True):
                few = max(1, round(share * len(order)))
                masked = sorted(order[turn * few : (turn + 1) * few])
                seen = [tokenizer.mask_token_id if place in masked else token for place, token in enumerate(ids)]
                rows.append(TextRow(tuple(seen), tuple(masked), tuple(ids[place] for place in masked)))
                left -= len(masked)
            if left <= 0:
                break
        return text_batches(rows, tokenizer.pad_token_id or 0, model.device, needs_mask=True)

    def language_modelling_score(self, model: nn.Module, prepared: list[TextBatch]) -> tuple[float, int]:
        """Accuracy at the masked tokens."""
        return mean_over_targets(model, prepared, lambda logits, targets: logits.argmax(-1) == targets)
