"""Sequence classifiers: the loss is the cross-entropy of a label, given the text without it. A pair's fillers
are names of labels, as in the model's `label2id`; its left and right sides are the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import frozen
from torch import Tensor

from gradiend_classification import ClassificationSettings
from gradiend_core.api import (
    Drop,
    DropCounter,
    Examples,
    GradientSettings,
    MinimalPair,
    architecture,
    load_model,
    pad_id,
    padded,
    token_limit,
)

if TYPE_CHECKING:
    from torch import nn


@frozen(eq=False)
class LabelBatch:
    input_ids: Tensor  # [examples, tokens]
    attention_mask: Tensor | None  # [examples, tokens]
    labels: Tensor  # [examples, 2], of the factual and of the alternative label


@frozen(eq=False)
class LabelledTexts:
    """Tokenized texts with two labels each, padded only when a batch is made."""

    pairs: tuple[MinimalPair, ...]
    ids: tuple[tuple[int, ...], ...]
    labels: tuple[tuple[int, int], ...]
    drops: tuple[Drop, ...]
    pad: int

    @property
    def lengths(self) -> tuple[int, ...]:
        return tuple(map(len, self.ids))

    def batch(self, rows: Sequence[int], device: Any) -> LabelBatch:
        ids, mask = padded([self.ids[row] for row in rows], self.pad, device)
        return LabelBatch(ids, mask, torch.tensor([self.labels[row] for row in rows], device=device))


class ClassificationSource:
    """A source without a language modelling score: no edits of a classifier are searched for."""

    def __init__(self, config: ClassificationSettings) -> None:
        self.config = config

    @staticmethod
    def accepts(model: str) -> bool:
        return architecture(model).endswith("ForSequenceClassification")

    def load(self, model: str, settings: GradientSettings) -> tuple[Any, Any]:
        from transformers import AutoModelForSequenceClassification

        return load_model(model, AutoModelForSequenceClassification, settings)

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        labels_of = model.config.label2id  # type: ignore[union-attr]
        known = {str(name).lower(): int(number) for name, number in labels_of.items()}  # type: ignore[union-attr, operator]
        drops, kept = DropCounter("tokenizer"), []
        for pair in pairs:
            unknown = [filler for filler in (pair.factual, pair.alternative) if filler.lower() not in known]
            if unknown:
                drops.add(f"{unknown[0]!r} is not a label of the model ({', '.join(known)})", pair.text)
            else:
                kept.append(pair)
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        texts = [(pair.left + pair.right).strip() for pair in kept]
        ids = tokenizer(texts, truncation=True, max_length=limit)["input_ids"] if texts else []
        labels = tuple((known[pair.factual.lower()], known[pair.alternative.lower()]) for pair in kept)
        return LabelledTexts(
            tuple(kept), tuple(map(tuple, ids)), labels, drops.drops(), pad_id(tokenizer, model)
        )

    def losses(self, model: nn.Module, batch: LabelBatch) -> Tensor:
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        chosen: Tensor = logits.log_softmax(-1).gather(1, batch.labels)
        return -chosen
