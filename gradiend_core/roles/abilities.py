"""Further abilities of some plugins, each a Protocol that the core checks with `isinstance`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from gradiend_core.records.candidate import OrdinaryScores, TextScores
from gradiend_core.records.report import Report
from gradiend_core.roles.source import Examples, GradientSource

if TYPE_CHECKING:
    from torch import Tensor, nn


@runtime_checkable
class HasBudget(Protocol):
    """A policy that bounds the effect of an edit on ordinary text; that bound alone determines the largest
    allowed edit."""

    def spent(self, ordinary: OrdinaryScores) -> float:
        """The fraction of the budget that an edit uses. An edit above 1 is never chosen."""


class PreparedTexts(Protocol):
    """A batch of running text with tokens to predict. Its length is the number of rows of the model's
    input."""

    def __len__(self) -> int: ...

    @property
    def targets(self) -> Tensor:
        """The tokens in the text, [targets]."""

    @property
    def texts(self) -> Tensor:
        """The texts that they belong to, [targets]."""

    @property
    def rows(self) -> Tensor:
        """The rows that they are in, [targets]."""

    def logits(self, model: nn.Module) -> Tensor:
        """The model's predictions there, [targets, vocabulary]."""


@runtime_checkable
class ScoresTexts(Protocol):
    """A gradient source that measures how well a model predicts running text, which edits are judged by."""

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> Sequence[PreparedTexts]:
        """Texts prepared once for any number of scores, with tokens to predict drawn by `seed`, or with every
        token predicted."""

    def score_texts(self, model: nn.Module, prepared: Any) -> TextScores:
        """How well a model predicts each text; of two models, the one with the higher mean score predicts
        them better."""


@runtime_checkable
class LanguageSource(GradientSource, ScoresTexts, Protocol):
    """A gradient source that scores texts."""


@runtime_checkable
class KnowsWords(Protocol):
    """A gradient source whose slot is one token, so that the probability of any word there is known."""

    def check_words(
        self, words: Mapping[str, Sequence[str]], tokenizer: Any, drop_multi_token_words: bool
    ) -> Sequence[str]:
        """Raises ModelError for a target word that is not one token of this tokenizer. With
        `drop_multi_token_words`, such words are returned instead, as long as their class has other words."""

    def filler_ids(self, examples: Examples, words: Sequence[str], tokenizer: Any) -> Sequence[Sequence[int]]:
        """For each example the token ids of these words in the form that its slot needs (space, capital)."""

    def slot_log_probabilities(self, model: nn.Module, batch: Any) -> Tensor:
        """Log probabilities of every token at the slot, [examples, vocabulary]."""


@runtime_checkable
class FillsSlots(Protocol):
    """A gradient source that can fill the slot of a text, so that activations at the filler can be read."""

    def filled(self, batch: Any, filler: int) -> tuple[Any, Tensor]:
        """The batch with the factual (0) or the alternative (1) filler in its slots, and the positions of
        those, [examples]."""


@runtime_checkable
class TakesSpans(Protocol):
    """A gradient source that can also compute losses for fillers of several tokens."""

    def spans(self) -> GradientSource:
        """The source of such losses; for fillers of one token the losses are the same."""


@runtime_checkable
class IsFitted(Protocol):
    """A gradient source that is trained before it gives losses, such as a classification head."""

    #: its settings, and a hash of what it has learned: gradients are kept on disk under both
    config: Any

    @property
    def fitted(self) -> str:
        """A hash of what it was trained to, "" before."""

    def fit(self, model: nn.Module, examples: Mapping[str, Examples], seed: int) -> Report:
        """Trains on the examples of "train", selects by "validation", and reports its quality on "test";
        "neutral_trained" are the neutral examples to train on. The model's weights stay the same."""


@runtime_checkable
class PlansVectors(Protocol):
    """A learner whose memory can be estimated."""

    def vectors(self, axes: int) -> int:
        """The number of float32 vectors over the scope that the learner holds at once, for this many axes."""

    def feature_vectors(self) -> int:
        """The number of float32 vectors that its feature keeps: encoder, decoder and decoder bias, or one
        less where encoder and decoder are one tensor."""


@runtime_checkable
class PlansStates(Protocol):
    """A learner that writes checkpoints, from which an interrupted run continues."""

    def state_vectors(self) -> int:
        """The number of float32 vectors over the scope in one checkpoint."""


@runtime_checkable
class PlansTexts(Protocol):
    """A learner whose time can be estimated."""

    def texts(self, train: int, validation: int) -> int:
        """The largest number of texts whose gradients it reads for an axis, from the number of texts in each
        split."""


@runtime_checkable
class PlansSelection(Protocol):
    """A selector that reads gradients or draws weights, and whose memory can be estimated nevertheless."""

    def size(self, model: nn.Module) -> tuple[int, int]:
        """The number of weights that it selects, and of how many, from a model without weights."""

    def held(self, model: nn.Module) -> int:
        """The bytes that it needs while it selects."""
