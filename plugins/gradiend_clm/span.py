"""Causal language models with fillers of any number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradiend_clm import CausalSpanSettings
from gradiend_clm.source import CausalSource
from gradiend_core.api import Examples, MinimalPair, SpanSource, TextBatch, TextScores, prepare_spans, token_limit

if TYPE_CHECKING:
    from torch import nn


class CausalSpanSource(SpanSource):
    """Scores text as `clm` does. It is never chosen by itself."""

    def __init__(self, config: CausalSpanSettings) -> None:
        self.config, self.per_token, self._whole = config, config.per_token, CausalSource(config)

    @staticmethod
    def accepts(model: str) -> bool:
        return False

    def load(self, model: str, *, dtype: str, device: str) -> tuple[Any, Any]:
        return self._whole.load(model, dtype=dtype, device=device)

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        return prepare_spans(pairs, tokenizer, limit=limit, cloze=self.config.cloze)

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> list[TextBatch]:
        return self._whole.prepare_texts(texts, tokenizer, model, seed, every_token=every_token)

    def score_texts(self, model: nn.Module, prepared: list[TextBatch]) -> TextScores:
        return self._whole.score_texts(model, prepared)
