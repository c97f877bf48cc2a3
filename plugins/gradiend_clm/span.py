"""Causal language models with fillers of any number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradiend_clm import CausalSpanSettings
from gradiend_clm.source import CausalSource
from gradiend_core.api import Examples, MinimalPair, SpanSource, pad_id, prepare_spans

if TYPE_CHECKING:
    from torch import nn


class CausalSpanSource(SpanSource):
    """A row for each filler, which ends with the filler, or continues with the text after it."""

    def __init__(self, config: CausalSpanSettings) -> None:
        self.causal = CausalSource(config)
        super().__init__(self.causal, per_token=config.per_token)
        self.config = config

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        opening, limit = self.causal.opening(tokenizer, model)
        return prepare_spans(
            pairs,
            tokenizer,
            limit=limit,
            cloze=self.config.cloze,
            opening=opening,
            pad=pad_id(tokenizer, model),
        )
