"""What some plugins can do beyond their kind. Each is a Protocol that is asked for by `isinstance`."""

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
    """A policy that bounds what an edit does to ordinary text; the largest edit within is found from that
    alone."""

    def spent(self, ordinary: OrdinaryScores) -> float:
        """The share of the budget that an edit takes. One that takes more than 1 is never the best."""


class PreparedTexts(Protocol):
    """A batch of running text, with tokens that are to be predicted. Its length is the number of rows that
    the model is given."""

    def __len__(self) -> int: ...

    @property
    def targets(self) -> Tensor:
        """The tokens that stand there, [targets]."""

    @property
    def texts(self) -> Tensor:
        """The texts that they are of, [targets]."""

    @property
    def rows(self) -> Tensor:
        """The rows that they are in, [targets]."""

    def logits(self, model: nn.Module) -> Tensor:
        """What a model predicts there, [targets, vocabulary]."""


@runtime_checkable
class ScoresTexts(Protocol):
    """A gradient source that says how well a model predicts running text; edits are judged by that."""

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> Sequence[PreparedTexts]:
        """Texts made ready once for any number of scores: with tokens drawn by `seed`, or with every token
        predicted."""

    def score_texts(self, model: nn.Module, prepared: Any) -> TextScores:
        """How well a model predicts texts, by text; of two models the one with the higher mean score models
        them better."""


@runtime_checkable
class LanguageSource(GradientSource, ScoresTexts, Protocol):
    """A gradient source that scores texts."""


@runtime_checkable
class KnowsWords(Protocol):
    """A gradient source whose slot is one token, so that the probability of any word there can be read."""

    def check_words(
        self, words: Mapping[str, Sequence[str]], tokenizer: Any, drop_multi_token_words: bool
    ) -> Sequence[str]:
        """Raises ModelError for a target word that this tokenizer does not hold as one token. With
        `drop_multi_token_words` gives such words back instead, as long as their class has others."""

    def filler_ids(self, examples: Examples, words: Sequence[str], tokenizer: Any) -> Sequence[Sequence[int]]:
        """For each example the token ids of these words in the form that its slot asks for (space,
        capital)."""

    def slot_log_probabilities(self, model: nn.Module, batch: Any) -> Tensor:
        """Log probabilities of every token at the slot, [examples, vocabulary]."""


@runtime_checkable
class FillsSlots(Protocol):
    """A gradient source that can put a filler into the text, so that activations at it can be read."""

    def filled(self, batch: Any, filler: int) -> tuple[Any, Tensor]:
        """The batch with the factual (0) or the alternative (1) filler in its slots, and the positions of
        those, [examples]."""


@runtime_checkable
class TakesSpans(Protocol):
    """A gradient source whose losses can be had for fillers of any number of tokens too."""

    def spans(self) -> GradientSource:
        """The source of those; for fillers of one token its losses are the same."""


@runtime_checkable
class IsFitted(Protocol):
    """A gradient source that learns something before it gives losses; without it, its losses are already
    some."""

    #: its settings, and a hash of what it has learned: gradients are kept on disk under both
    config: Any

    @property
    def fitted(self) -> str:
        """A hash of what it has learned, "" before that."""

    def fit(self, model: nn.Module, examples: Mapping[str, Examples], seed: int) -> Report:
        """Learns from the examples of "train", judges itself by "validation", and reports what came of it on
        "test"; the neutral examples that may be learned from are "neutral_trained". The model's weights stay
        as they are."""


@runtime_checkable
class PlansVectors(Protocol):
    """A learner whose memory can be planned."""

    def vectors(self, axes: int) -> int:
        """The number of float32 vectors over the scope that it holds at once for so many axes."""

    def feature_vectors(self) -> int:
        """The number of float32 vectors that a feature of it keeps: encoder, decoder and decoder bias, or one
        less where encoder and decoder are one tensor."""


@runtime_checkable
class PlansStates(Protocol):
    """A learner that writes states which an interrupted run resumes from."""

    def state_vectors(self) -> int:
        """The number of float32 vectors over the scope in one state."""


@runtime_checkable
class PlansTexts(Protocol):
    """A learner whose time can be planned."""

    def texts(self, train: int, validation: int) -> int:
        """The number of texts whose gradients it takes at most for an axis, from so many in each split."""


@runtime_checkable
class PlansSelection(Protocol):
    """A selector that looks at gradients, or draws, and whose memory can be planned all the same."""

    def size(self, model: nn.Module) -> tuple[int, int]:
        """The number of weights that it takes, and of how many, from a model without weights."""

    def held(self, model: nn.Module) -> int:
        """The bytes that it needs while it selects."""
