"""The model of a run, and pairs prepared for it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from attrs import evolve, frozen

from gradiend_core.errors import ConfigError
from gradiend_core.gradients.batching import example_batches
from gradiend_core.gradients.padding import check_padding
from gradiend_core.gradients.passes import model_errors
from gradiend_core.records.pair import NEUTRAL, NEUTRAL_SLOT, MinimalPair, PairData
from gradiend_core.records.run import GradientSettings
from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.apply import applied
from gradiend_core.roles.abilities import IsFitted, KnowsWords
from gradiend_core.roles.source import Examples, GradientSource
from gradiend_core.storage.fingerprints import model_fingerprint


@frozen(eq=False)
class LoadedModel:
    """A model in evaluation mode, its tokenizer, and a hash of its weights."""

    model: Any
    tokenizer: Any
    fingerprint: str


class ModelMaker:
    """Loads a model by its folder or hub id, as a source takes it. Models are kept in the `memo`, by
    everything that they depend on."""

    def __init__(
        self,
        folder: str,
        source: GradientSource,
        about: Any,
        settings: GradientSettings,
        memo: dict[str, Any],
    ) -> None:
        self.folder, self.source, self.settings, self._memo = folder, source, settings, memo
        loading = evolve(
            settings, memory_gib=1.0, checkpointing=False, threads=0
        )  # these change nothing of the model
        self._key = repr(("model", about, folder, loading))

    def loaded(self) -> LoadedModel:
        """The model whose gradients are computed."""
        if self._key not in self._memo:
            model, tokenizer = self.source.load(self.folder, self.settings)
            self._memo[self._key] = LoadedModel(model, tokenizer, model_fingerprint(model))
        loaded: LoadedModel = self._memo[self._key]
        return loaded

    def use(self, loaded: LoadedModel) -> None:
        """Uses a model that is in memory instead of loading one."""
        self._memo[self._key] = loaded

    def editable(self) -> Any:
        """A model that edits can be written to: for a quantised model, the unquantised one on the CPU."""
        if self.settings.quantisation == "none":
            return copy.deepcopy(self.loaded().model)
        return self.source.load(self.folder, evolve(self.settings, quantisation="none", device="cpu"))[0]

    @contextmanager
    def edited(self, update: WeightUpdate) -> Iterator[Any]:
        """The model with an edit in its weights, for saving. It is the run's model, which is restored to the
        bit after the block; for a quantised model, the unquantised one."""
        model = self.loaded().model if self.settings.quantisation == "none" else self.editable()
        with applied(model, update):
            yield model

    def editable_fingerprint(self) -> str:
        """A hash of the weights that edits are written to."""
        unquantised = self.settings.quantisation == "none"
        return self.loaded().fingerprint if unquantised else model_fingerprint(self.editable())

    def prepared(self, pairs: Sequence[MinimalPair]) -> Examples:
        """Any pairs, prepared for the model."""
        loaded = self.loaded()
        examples = self.source.prepare(tuple(pairs), loaded.tokenizer, loaded.model)
        with model_errors(loaded.model, "reading a text"):
            check_padding(loaded.model, self.source.losses, examples, next(loaded.model.parameters()).device)
        return examples

    def filler_probabilities(
        self, pairs: Sequence[MinimalPair]
    ) -> dict[MinimalPair, tuple[float, float] | None]:
        """P(factual) and P(alternative) at the slot of each pair; None for a pair that the model cannot take.
        Raises ConfigError for a source without probabilities of words, or one that must be trained first."""
        if isinstance(self.source, IsFitted) or not isinstance(self.source, KnowsWords):
            raise ConfigError(
                f"{type(self.source).__name__} has no probabilities of words before a run; choose another"
                " source.kind"
            )
        model, examples = self.loaded().model, self.prepared(pairs)
        device = next(model.parameters()).device
        probabilities: dict[MinimalPair, tuple[float, float] | None] = dict.fromkeys(pairs)
        with torch.inference_mode():
            for rows in example_batches(model, examples, device):
                losses = self.source.losses(model, examples.batch(rows, device))
                for row, (factual, alternative) in zip(rows, (-losses).exp().tolist(), strict=True):
                    probabilities[examples.pairs[row]] = factual, alternative
        return probabilities

    def controls(self, data: PairData) -> Examples:
        """Slots of the paradigm's other classes, prepared for the model."""
        return self.prepared(
            [pair for pair in data.neutral_pairs if pair.factual_class not in (NEUTRAL, NEUTRAL_SLOT)]
        )
