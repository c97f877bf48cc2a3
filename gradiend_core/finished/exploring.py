"""A finished run to play with: what its encoder reads in a text, and what its model does with edits of any
strength."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from threading import Lock

import torch
from attrs import field, frozen

from gradiend_core.data.marked import marked
from gradiend_core.errors import ConfigError
from gradiend_core.finished.encoding import ready
from gradiend_core.finished.explaining import Explanations, explain
from gradiend_core.finished.stacking import sum_of
from gradiend_core.language.slots import pad_id
from gradiend_core.records.report import Table
from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.apply import applied
from gradiend_core.roles.abilities import KnowsWords
from gradiend_core.run.run import Run

#: characters of a text that is read at one look
READ_AT_ONCE = 60
#: likeliest words that are shown, of either model, and words of a class that are counted
LIKELIEST, COUNTED = 6, 12


@frozen
class WordRow:
    """The probability of a word, or of all words of a class, at the slot of a text, by the unedited and the
    edited model."""

    word: str
    unedited: float
    edited: float


@frozen
class Written:
    """How a model continues a text, unedited and with the edits."""

    unedited: str
    edited: str


@frozen(eq=False)
class Explorer:
    """A run to play with. Several callers may use it at once: they wait for each other, because edits are
    applied to the one model in memory; afterwards every weight is restored to the bit."""

    run: Run
    _words: dict[str, tuple[str, ...]] = field(init=False, repr=False)
    _updates: dict[str, WeightUpdate] = field(factory=dict, init=False, repr=False)
    _lock: Lock = field(factory=Lock, init=False, repr=False)

    @_words.default
    def _count_words(self) -> dict[str, tuple[str, ...]]:
        counts: dict[str, Counter[str]] = {}
        for pair in self.run.pairs:
            counts.setdefault(pair.factual_class, Counter())[pair.factual.lower()] += 1
        return {name: tuple(word for word, _ in of.most_common(COUNTED)) for name, of in counts.items()}

    @property
    def goals(self) -> list[str]:
        """The goals that have an edit."""
        return [goal for goal, edit in self.run.edits().items() if edit.learning_rate]

    @property
    def writes(self) -> bool:
        """Whether the model can continue texts."""
        return bool(self.run.loaded.model.can_generate())

    def samples(self) -> list[str]:
        """A short test text of each class with its slot marked."""
        chosen: dict[str, str] = {}
        for pair in sorted(self.run.pairs, key=lambda pair: abs(len(pair.text) - READ_AT_ONCE)):
            if pair.split == "test" and pair.left.strip():
                text = f"{pair.left}[{pair.factual}|{pair.alternative}]{pair.right}"
                chosen.setdefault(pair.factual_class, text)
        return list(chosen.values())

    def read(self, text: str) -> Explanations:
        """What each feature reads in a text with a marked slot, and where. Raises DataError for a text
        without a slot, or one that the model cannot take."""
        with self._lock:
            return explain(self.run, [text])

    def words(self, text: str, strengths: Mapping[str, float]) -> Table:
        """Probabilities at the slot of a text, unedited and with edits of the given strengths by goal: of all
        words of each class, and of the most likely tokens. Raises ConfigError for a source without words."""
        source, loaded = self.run.source, self.run.loaded
        if not isinstance(source, KnowsWords):
            raise ConfigError(f"{type(source).__name__} has no probabilities of words")
        with self._lock:
            examples = ready(self.run, [text])

            def at_slot() -> torch.Tensor:
                batch = examples.batch([0], next(loaded.model.parameters()).device)
                return source.slot_log_probabilities(loaded.model, batch)[0].exp().float().cpu()

            with torch.inference_mode():
                unedited = at_slot()
                with self._edited(strengths):
                    edited = at_slot()
            rows = []
            for name, words in self._words.items():
                ids = list(source.filler_ids(examples, words, loaded.tokenizer)[0])
                label = f"{name} ({', '.join(words[:4])}{', …' if len(words) > 4 else ''})"
                rows.append(WordRow(label, float(unedited[ids].sum()), float(edited[ids].sum())))
            best = [*edited.topk(LIKELIEST).indices.tolist(), *unedited.topk(LIKELIEST).indices.tolist()]
            for token in dict.fromkeys(best):
                word = loaded.tokenizer.decode([token]).strip()
                rows.append(WordRow(f"“{word}”", float(unedited[token]), float(edited[token])))
        return Table.of(WordRow, rows)

    def write(self, prompt: str, strengths: Mapping[str, float], new_tokens: int = 30) -> Written:
        """How the model continues a prompt. It always takes the most likely token, so that differences come
        from the model alone. Raises ConfigError for a model that cannot continue texts, and for an empty
        prompt."""
        model, tokenizer = self.run.loaded.model, self.run.loaded.tokenizer
        if not self.writes:
            raise ConfigError(f"{self.run.config.general.model} does not go on with texts")
        if not prompt.strip():
            raise ConfigError("the prompt is empty; write how the text begins")
        inputs = tokenizer(prompt.rstrip(), return_tensors="pt").to(model.device)
        begun = 0 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]

        def made() -> str:
            tokens = model.generate(
                **inputs, max_new_tokens=new_tokens, do_sample=False, pad_token_id=pad_id(tokenizer, model)
            )
            return str(tokenizer.decode(tokens[0, begun:], skip_special_tokens=True)).strip()

        with self._lock:
            unedited = made()
            with self._edited(strengths):
                return Written(unedited, made())

    @contextmanager
    def _edited(self, strengths: Mapping[str, float]) -> Iterator[None]:
        """The model with the sum of some edits in its weights, as long as the block runs."""
        chosen = {goal: strength for goal, strength in strengths.items() if strength}
        for goal in chosen:
            if goal not in self._updates:
                self._updates[goal] = self.run.update(goal)
        total = (
            sum_of([strength * self._updates[goal] for goal, strength in chosen.items()]) if chosen else None
        )
        with applied(self.run.loaded.model, total) if total else nullcontext():
            yield


def prompt_of(text: str) -> str:
    """What stands before the slot of a marked text, or the text itself."""
    return marked(text).left.rstrip() if "[" in text else text
