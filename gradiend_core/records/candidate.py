"""One edit of a model and what it does to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from torch import Tensor


@frozen(eq=False)
class TextScores:
    """How well a model predicts texts: for each the number of predicted tokens, the sum of their scores and
    the sum of their −log P, in nats, [texts]. What a score is, its source says."""

    tokens: Tensor
    scores: Tensor
    surprisals: Tensor

    @property
    def n(self) -> int:
        """All predicted tokens."""
        return int(self.tokens.sum())

    @property
    def mean(self) -> float:
        """The language modelling score: the mean over tokens, NaN without any."""
        return float(self.scores.sum() / self.tokens.sum())

    @property
    def perplexity(self) -> float:
        """exp of the mean −log P of a token; of a masked model the pseudo-perplexity at the masked tokens."""
        mean = float(self.surprisals.sum() / self.tokens.sum())
        return math.exp(mean) if mean < 700 else math.inf


@frozen(eq=False)
class Candidate:
    """An edit of one direction at a learning rate; the model as it is has learning rate 0.

    `probabilities` has, by class of text, those of the words of the two classes at its slots, [texts, 2], in
    the order of the axis; `language` is None where there is no text to score."""

    feature_factor: float
    learning_rate: float
    probabilities: Mapping[str, Tensor]
    language: TextScores | None

    @property
    def lms(self) -> float:
        """The language modelling score; NaN where there is none."""
        return self.language.mean if self.language else math.nan
