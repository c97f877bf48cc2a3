"""The second stage of a run: the model, and pairs made ready for it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import evolve, frozen

from gradiend_core.errors import DataError
from gradiend_core.records.funnel import Drop, Funnel, merge
from gradiend_core.records.pair import NEUTRAL, NEUTRAL_SLOT, OTHERS, SPLITS, MinimalPair, PairData, code_of
from gradiend_core.records.run import GradientSettings
from gradiend_core.records.update import WeightUpdate
from gradiend_core.roles.source import Examples, GradientSource
from gradiend_core.storage.fingerprints import model_fingerprint

#: the neutral examples that learning may use; no evaluation sees them
NEUTRAL_TRAINED = "neutral_trained"


@frozen(eq=False)
class LoadedModel:
    """A model in evaluation mode, its tokenizer, and a hash of its weights."""

    model: Any
    tokenizer: Any
    fingerprint: str


class ModelRun:
    """A model by its folder or hub id, as a source takes it. Models stay in the `memo`, by all that they
    depend on."""

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
            settings, memory_gib=1.0, checkpointing=False
        )  # these two change nothing of the model
        self._key = repr(("model", about, folder, loading))

    def loaded(self) -> LoadedModel:
        """The model that gradients are taken of."""
        if self._key not in self._memo:
            model, tokenizer = self.source.load(self.folder, self.settings)
            self._memo[self._key] = LoadedModel(model, tokenizer, model_fingerprint(model))
        loaded: LoadedModel = self._memo[self._key]
        return loaded

    def editable(self) -> Any:
        """A copy that edits can be written into: where the model is quantised, the one that is not, on the
        processor."""
        if self.settings.quantisation == "none":
            return copy.deepcopy(self.loaded().model)
        return self.source.load(self.folder, evolve(self.settings, quantisation="none", device="cpu"))[0]

    @contextmanager
    def edited(self, update: WeightUpdate) -> Iterator[Any]:
        """The model with an edit in its weights, to be written to a folder: this very one, which is restored
        to the bit after the block, or, where it is quantised, the one that is not."""
        from gradiend_core.rewriting.apply import applied

        model = self.loaded().model if self.settings.quantisation == "none" else self.editable()
        with applied(model, update):
            yield model

    def editable_fingerprint(self) -> str:
        """Of the weights that edits are written into."""
        return (
            self.loaded().fingerprint
            if self.settings.quantisation == "none"
            else model_fingerprint(self.editable())
        )

    def examples(self, data: PairData) -> dict[str, Examples]:
        """Pairs made ready for the model, by split, and the neutral ones. Raises DataError where a split has
        lost a class."""
        trained = [pair for pair in data.neutral_pairs if pair.split == "train"]
        untrained = [pair for pair in data.neutral_pairs if pair.split != "train"]
        parts = {split: data.split(split) for split in SPLITS} | {
            NEUTRAL: untrained,
            NEUTRAL_TRAINED: trained,
        }
        ready = {name: self.prepared(pairs) for name, pairs in parts.items()}
        for split in SPLITS:
            for axis in data.axes:
                _expect_both(split, axis, ready[split])
        return ready

    def controls(self, data: PairData) -> Examples:
        """Slots of the paradigm's other classes."""
        return self.prepared(
            [pair for pair in data.neutral_pairs if pair.factual_class not in (NEUTRAL, NEUTRAL_SLOT)]
        )

    def prepared(self, pairs: Sequence[MinimalPair]) -> Examples:
        """Any pairs made ready for the model."""
        loaded = self.loaded()
        return self.source.prepare(tuple(pairs), loaded.tokenizer, loaded.model)


def funnel_of(data: PairData, examples: dict[str, Examples]) -> Funnel:
    """What became of every text, down to the examples that the model takes."""
    drops = [
        Drop(
            f"tokenizer, {'neutral slots' if name.startswith(NEUTRAL) else 'pairs'}",
            drop.reason,
            drop.count,
            drop.examples,
        )
        for name, own in examples.items()
        for drop in own.drops
    ]
    kept = [
        (name, sum(pair.factual_class == name for split in SPLITS for pair in examples[split].pairs))
        for name in data.classes
    ]
    slots = sum(len(examples[name].pairs) for name in (NEUTRAL, NEUTRAL_TRAINED))
    kept += [("neutral texts", len(data.neutral_texts)), ("neutral slots", slots)]
    return evolve(data.funnel, kept=tuple(kept), drops=merge((*data.funnel.drops, *drops)))


def _expect_both(split: str, axis: tuple[str, str], examples: Examples) -> None:
    codes = {code_of(pair, axis) for pair in examples.pairs}
    for name, code in zip(axis, (1.0, -1.0), strict=True):
        if code not in codes:
            why = (
                "; ".join(f"{drop.count} dropped: {drop.reason}" for drop in examples.drops)
                or "none was there"
            )
            of = f"class {name}" if name != OTHERS else f"another class with an alternative of {axis[0]}"
            raise DataError(f"no {split} pair of {of} can be used with this model ({why})")
