"""Masked language models with fillers of any number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradiend_core.api import Examples, MinimalPair, SpanSource, TextBatch, TextScores, prepare_spans, token_limit
from gradiend_mlm import MaskedSpanSettings
from gradiend_mlm.source import MaskedSource

if TYPE_CHECKING:
    from torch import nn


class MaskedSpanSource(SpanSource):
    """Scores text as `mlm` does. It is never chosen by itself."""

    def __init__(self, config: MaskedSpanSettings) -> None:
        self.config, self.per_token, self._whole = config, config.per_token, MaskedSource(config)

    @staticmethod
    def accepts(model: str) -> bool:
        return False

    def load(self, model: str, *, dtype: str, device: str) -> tuple[Any, Any]:
        return self._whole.load(model, dtype=dtype, device=device)

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        return prepare_spans(pairs, tokenizer, limit=limit, mask_id=tokenizer.mask_token_id)

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> list[TextBatch]:
        return self._whole.prepare_texts(texts, tokenizer, model, seed, every_token=every_token)

    def score_texts(self, model: nn.Module, prepared: list[TextBatch]) -> TextScores:
        return self._whole.score_texts(model, prepared)
