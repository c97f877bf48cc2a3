"""A gradient source: the only thing that knows how a model turns a pair into a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from gradiend_core.records.candidate import TextScores
from gradiend_core.records.funnel import Drop
from gradiend_core.records.pair import MinimalPair
from gradiend_core.records.report import Report
from gradiend_core.records.run import GradientSettings

if TYPE_CHECKING:
    from torch import Tensor, nn


class Examples(Protocol):
    """Pairs made ready for a model, once; batches are cut from them as often as needed."""

    @property
    def pairs(self) -> Sequence[MinimalPair]:
        """The pairs that the model can take, in their given order."""

    @property
    def drops(self) -> Sequence[Drop]:
        """The pairs that it cannot, with reasons."""

    @property
    def lengths(self) -> Sequence[int]:
        """A size for each example; examples of one size share a batch without padding."""

    def batch(self, rows: Sequence[int], device: Any) -> Any:
        """These rows as an attrs record whose tensor fields have the example as first axis (None where
        unused). Where the model is given several rows for each example, one after the other, the record says
        how many as `rows_per_example`."""


class GradientSource(Protocol):
    """What the core needs to form the three products of the gradient matrix. Settings that losses depend on
    are its `config`: gradients are kept on disk under them, too."""

    @staticmethod
    def accepts(model: str) -> bool:
        """Whether a model of this name or folder, by its config alone, is one for this source."""

    def load(self, model: str, settings: GradientSettings) -> tuple[Any, Any]:
        """The model in evaluation mode, and its tokenizer or None, with the type and on the device that the
        settings say. On the device "meta" the model has no weights, and nothing is read for them: plans are
        made on it."""

    def prepare(self, pairs: Sequence[MinimalPair], tokenizer: Any, model: nn.Module) -> Examples:
        """The pairs as examples for this model."""

    def losses(self, model: nn.Module, batch: Any) -> Tensor:
        """The losses of each example with its factual and its alternative filler, [examples, 2], from one
        forward."""


class FittedSource(GradientSource, Protocol):
    """A gradient source that learns something of its own before it gives losses; without it, its losses are
    already some."""

    #: its settings, and a hash of what it has learned: gradients are kept on disk under both
    config: object
    fitted: str

    def fit(self, model: nn.Module, examples: Mapping[str, Examples], seed: int) -> Report:
        """Learns from the examples of "train", judges itself by "validation", and reports what came of it on
        "test"; the neutral examples that may be learned from are "neutral_trained". The model's weights stay
        as they are."""


class LanguageSource(GradientSource, Protocol):
    """A gradient source of a language model, whose rewriting can be judged on text."""

    def check_words(self, words: Mapping[str, Sequence[str]], tokenizer: Any, spare: bool) -> Sequence[str]:
        """Raises ModelError for a target word that this tokenizer does not hold as one token; to `spare` them
        gives them back instead, as long as each class has others."""

    def filler_ids(self, examples: Examples, words: Sequence[str], tokenizer: Any) -> Sequence[Sequence[int]]:
        """For each example the token ids of these words in the form that its slot asks for (space,
        capital)."""

    def slot_log_probabilities(self, model: nn.Module, batch: Any) -> Tensor:
        """Log probabilities of every token at the slot, [examples, vocabulary]."""

    def filled(self, batch: Any, filler: int) -> tuple[Any, Tensor]:
        """The batch with the factual (0) or the alternative (1) filler in its slots, and the positions of
        those, [examples]."""

    def prepare_texts(
        self, texts: Sequence[str], tokenizer: Any, model: nn.Module, seed: int, *, every_token: bool = False
    ) -> Any:
        """Texts made ready once for any number of scores: with tokens drawn by `seed`, or with every token
        predicted."""

    def score_texts(self, model: nn.Module, prepared: Any) -> TextScores:
        """How well a model predicts texts, by text; of two models the one with the higher mean score models
        them better."""
