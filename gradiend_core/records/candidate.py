"""One edit of a model and its effects."""

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
    """How well a model predicts texts: for each text the number of predicted tokens, the sum of their scores
    and the sum of their −log P, in nats, [texts]. The gradient source defines the score."""

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
        """exp of the mean −log P of a token; for a masked model, the pseudo-perplexity at the masked
        tokens."""
        return exp(float(self.surprisals.sum() / self.tokens.sum()))


@frozen(eq=False)
class OrdinaryScores:
    """The effect of an edit on ordinary text: sums over the predicted tokens of each unit (a document or a
    text), [units].

    By the chain rule, the KL divergence of the edited from the unedited model, KL(unedited ‖ edited) in nats,
    is a sum of three terms. `inside` is the change among the words of the feature and their related words,
    which is the purpose of an edit. `split` is the change of the total probability of these words. `outside`
    is the change among all other tokens. Split and outside are unwanted."""

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
        """The KL divergence, in nats per token."""
        return self._mean(self.inside + self.split + self.outside)

    @property
    def inside_kl(self) -> float:
        """The KL divergence inside the words of the feature, in nats per token."""
        return self._mean(self.inside)

    @property
    def split_kl(self) -> float:
        return self._mean(self.split)

    @property
    def outside_kl(self) -> float:
        return self._mean(self.outside)

    @property
    def unwanted_kl(self) -> float:
        """The KL divergence of split and outside, in nats per token."""
        return self._mean(self.split + self.outside)

    @property
    def unwanted_bound(self) -> float:
        """A bound that the unwanted KL of another, equally large sample of ordinary text exceeds about one
        time in ten."""
        return upper_bound(self.split + self.outside, self.tokens)

    @property
    def growth_bound(self) -> float:
        """The same bound for the growth of −log P of a token that is not a word of the feature."""
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
        """The fraction of tokens with the same most likely prediction."""
        return self._mean(self.agreed)

    def _mean(self, sums: Tensor) -> float:
        return float(sums.sum() / self.tokens.sum())


def upper_bound(sums: Tensor, counts: Tensor) -> float:
    """An upper bound of Σ sums / Σ counts for another sample with as many units: the mean, plus the
    t-quantile times the standard error of the difference of two such means. Infinite for a single unit."""
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
    """The predictions of a model at some tokens: log probabilities of the vocabulary, [tokens, vocabulary],
    the tokens in the text, and the texts that they belong to, [tokens]."""

    log_probabilities: Tensor
    targets: Tensor
    texts: Tensor


@frozen(eq=False)
class Candidate:
    """An edit along one direction at a learning rate; the unedited model has learning rate 0. For each class
    of texts, `probabilities` has those of the words of the two classes at the slots, [texts, 2], in the order
    of the axis. `language` (neutral texts) and `ordinary` (ordinary texts) are None where there is no text to
    score."""

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
