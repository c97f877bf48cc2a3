"""One edit of a model and what it does to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from torch import Tensor

#: how sure a bound is that other text stays below it
BOUND = 0.95


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
        return exp(float(self.surprisals.sum() / self.tokens.sum()))


@frozen(eq=False)
class OrdinaryScores:
    """What an edit does to ordinary text: sums over the predicted tokens of each unit, a document or a text,
    [units].

    By the chain rule the KL divergence of the edited model from the unedited one, KL(unedited ‖ edited) in
    nats, is a sum of three. `inside` is what happens among the words of the feature and those related to
    them, which is what an edit is for. `split` is the change of the probability that these words have
    together. `outside` is what happens among all other tokens. Split and outside are unwanted."""

    tokens: Tensor
    inside: Tensor
    split: Tensor
    outside: Tensor
    #: −log P of the tokens, by the edited and by the unedited model
    surprisals: Tensor
    base_surprisals: Tensor
    #: how many tokens are none of these words, and by how much their −log P has grown
    others: Tensor
    growth: Tensor
    #: how many tokens have the same likeliest prediction
    agreed: Tensor

    @property
    def n(self) -> int:
        """All predicted tokens."""
        return int(self.tokens.sum())

    @property
    def kl(self) -> float:
        """Nats a token."""
        return self._mean(self.inside + self.split + self.outside)

    @property
    def inside_kl(self) -> float:
        """Inside the words of the feature, in nats a token; so are the next two."""
        return self._mean(self.inside)

    @property
    def split_kl(self) -> float:
        return self._mean(self.split)

    @property
    def outside_kl(self) -> float:
        return self._mean(self.outside)

    @property
    def unwanted_kl(self) -> float:
        """Split and outside, in nats a token."""
        return self._mean(self.split + self.outside)

    @property
    def unwanted_bound(self) -> float:
        """What the unwanted KL of other ordinary text, as much of it, stays below nine times in ten or
        more."""
        return upper_bound(self.split + self.outside, self.tokens)

    @property
    def growth_bound(self) -> float:
        """The same for the growth of −log P of a token that is no word of the feature."""
        return upper_bound(self.growth, self.others)

    @property
    def perplexity(self) -> float:
        """The perplexity of all tokens by the edited model."""
        return exp(self._mean(self.surprisals))

    @property
    def base_perplexity(self) -> float:
        """The perplexity of all tokens by the unedited model."""
        return exp(self._mean(self.base_surprisals))

    @property
    def agreement(self) -> float:
        """The share of tokens with the same likeliest prediction."""
        return self._mean(self.agreed)

    def _mean(self, sums: Tensor) -> float:
        return float(sums.sum() / self.tokens.sum())


def upper_bound(sums: Tensor, counts: Tensor) -> float:
    """An upper bound of Σ sums / Σ counts for another sample of as many units: the mean, and the t-quantile
    times the standard error of the difference of two such means. Infinite of a single unit."""
    from scipy.stats import t

    units = len(sums)
    if units < 2 or not counts.sum():
        return math.inf
    mean = sums.sum() / counts.sum()
    spread = (sums - mean * counts).square().sum() * units / (units - 1)
    return float(mean + t.ppf(BOUND, units - 1) * (2 * spread).sqrt() / counts.sum())


def exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


@frozen(eq=False)
class TextPredictions:
    """What a model predicts at some tokens: log probabilities of the vocabulary, [tokens, vocabulary], the
    tokens that stand there, and the texts that they are of, [tokens]."""

    log_probabilities: Tensor
    targets: Tensor
    texts: Tensor


@frozen(eq=False)
class Candidate:
    """An edit of one direction at a learning rate; the model as it is has learning rate 0.

    `probabilities` has, by class of text, those of the words of the two classes at its slots, [texts, 2], in
    the order of the axis; `language`, of neutral texts, and `ordinary`, of ordinary ones, are None where
    there is no text to score."""

    feature_factor: float
    learning_rate: float
    probabilities: Mapping[str, Tensor]
    language: TextScores | None
    ordinary: OrdinaryScores | None = None
    #: the damping of the metric that the direction was divided by, None without
    damping: float | None = None
    #: in how many steps it was made, each with gradients of the weights so far
    steps: int = 1

    @property
    def lms(self) -> float:
        """The language modelling score; NaN where there is none."""
        return self.language.mean if self.language else math.nan
