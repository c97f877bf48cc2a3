"""The first stage of a run: from a paradigm, texts and settings to pairs."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import evolve

from gradiend_core.data.reservoir import Reservoir
from gradiend_core.data.rules import check_related
from gradiend_core.data.texts import read_texts, watched
from gradiend_core.errors import DataError
from gradiend_core.plugins.registry import Registry
from gradiend_core.records.pair import SPLITS, PairData, check_class_names
from gradiend_core.records.run import Choice, DataSettings, GeneralSettings
from gradiend_core.records.text import Text
from gradiend_core.roles.kinds import PARADIGM, TEXT
from gradiend_core.roles.paradigm import PairingTask

IN_MEMORY = "in memory"
#: texts that are kept for evaluations, at most
ORDINARY = 20_000


class DataMaker:
    """Everything that pairs are made from. `texts` are texts in memory; None reads the ones that `general`
    names. With a `memo`, texts are kept after reading, by the settings that they were read with."""

    def __init__(
        self,
        registry: Registry,
        general: GeneralSettings,
        paradigm: Choice,
        settings: DataSettings,
        texts: Any = None,
        memo: dict[str, Any] | None = None,
    ) -> None:
        self.registry, self.general, self.choice, self.settings = registry, general, paradigm, settings
        self._texts, self._memo = texts, memo
        check_class_names(getattr(paradigm.config, "classes", ()))
        self.paradigm = registry.build(PARADIGM, paradigm.kind, paradigm.config)

    def pairs(self, **changes: Any) -> PairData:
        """Pairs and neutral text, with the funnel; `changes` override settings. Raises DataError where the
        texts do not contain what the paradigm needs."""
        settings = evolve(self.settings, **changes)
        return self._pairs(self._read(settings), settings)

    def of_others(self, texts: Any) -> PairData:
        """Pairs of other texts than the run's, found in the same way, all of them test pairs. Raises
        DataError where there are none."""
        settings = evolve(self.settings, split_by="text", balance="off")
        return self._pairs(read_texts(self._named(texts), settings), settings, divided=False)

    def _pairs(self, texts: Iterable[Text], settings: DataSettings, divided: bool = True) -> PairData:
        data = self.paradigm.pairs(PairingTask(watched(texts), settings, self.general.seed, divided))
        check_class_names(data.classes)
        check_related(settings.related, data.classes)
        return evolve(data, related=settings.related) if settings.related else data

    def _named(self, texts: Any) -> Any:
        """The texts behind a name that a plugin provides; otherwise the texts as they were given."""
        named = isinstance(texts, str) and self.registry.has(TEXT, texts)
        return self.registry.build(TEXT, texts) if named else texts

    def texts(self) -> Iterator[str]:
        """The texts that pairs are made from."""
        return (text.text for text in self._read(self.settings))

    def ordinary(self, data: PairData) -> list[Text]:
        """Texts that no training or validation pair is made from, in random order by the seed; at most
        ORDINARY."""
        seen = {pair.text for pair in (*data.pairs, *data.neutral_pairs) if pair.split != SPLITS[-1]} | {""}
        rng = random.Random(f"{self.general.seed}:ordinary")
        sample: Reservoir[Text] = Reservoir(ORDINARY, rng)
        for text in self._read(self.settings):
            if (stripped := text.text.strip()) not in seen:
                seen.add(stripped)
                sample.offer(text)
        rng.shuffle(sample.items)
        return sample.items

    def _read(self, settings: DataSettings) -> Iterable[Text]:
        texts = self._texts
        if texts is None:
            texts = self.general.texts
            if texts == IN_MEMORY:
                raise DataError(
                    "this run was made from texts in memory; give them again, or a file, as texts"
                )
            texts = self._named(texts)
            if self._memo is not None:
                key = repr(("texts", str(texts), settings))
                if key not in self._memo:
                    self._memo[key] = list(read_texts(texts, settings))
                memorised: list[Text] = self._memo[key]
                return memorised
        return read_texts(texts, settings)
