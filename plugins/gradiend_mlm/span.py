"""Masked language models with fillers of any number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradiend_core.api import Examples, MinimalPair, SpanSource, pad_id, prepare_spans, token_limit
from gradiend_mlm import MaskedSpanSettings
from gradiend_mlm.source import MaskedSource

if TYPE_CHECKING:
    from torch import nn


class MaskedSpanSource(SpanSource):
    """A row for each filler, with as many masks as it has tokens."""

    def __init__(self, config: MaskedSpanSettings) -> None:
        super().__init__(MaskedSource(config), per_token=config.per_token)
        self.config = config

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        return prepare_spans(
            pairs, tokenizer, limit=limit, mask_id=tokenizer.mask_token_id, pad=pad_id(tokenizer, model)
        )
