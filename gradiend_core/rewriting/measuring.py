"""The predictions of a model at the slots of a feature and on neutral text. Prepared once, measured for each
edit that is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gradiend_core.errors import ConfigError
from gradiend_core.gradients.batching import example_batches
from gradiend_core.gradients.examples import subset
from gradiend_core.progress import progress
from gradiend_core.records.candidate import Candidate, OrdinaryScores, TextScores
from gradiend_core.records.edit import EditScores
from gradiend_core.records.goal import Goal
from gradiend_core.records.metric import Metric
from gradiend_core.records.pair import SPLITS, code_of
from gradiend_core.rewriting.ordinary import OrdinaryText, axis_words, halves
from gradiend_core.roles.abilities import HasBudget, KnowsWords, ScoresTexts
from gradiend_core.roles.evaluator import EvaluationTask

#: texts that edits are chosen by and reported of, half and half
ORDINARY = 200


class SlotProbabilities:
    """The probabilities of the words of each class of an axis at the slots of one class's texts. Where two
    classes have a surface form in common (German "der"), words cannot tell them apart, and some sources
    cannot give the probability of a word alone; then each row uses its factual and alternative filler
    instead."""

    def __init__(self, task: EvaluationTask, split: str, texts_of: str, most: int) -> None:
        whole, classes = task.examples[split], task.feature.classes
        sign = 1.0 if texts_of == classes[0] else -1.0
        rows = [row for row, pair in enumerate(whole.pairs) if code_of(pair, classes) == sign][:most]
        self.source, self.examples = task.source, subset(whole, rows)
        self.first_is_factual = sign > 0
        words = axis_words(task.data.words, task.feature.classes)
        shared = {word.lower() for word in words[0]} & {word.lower() for word in words[1]}
        #: the source where words are looked up, None where each row has its own two fillers
        self.by_words = task.source if isinstance(task.source, KnowsWords) and not shared else None
        ids = [
            self.by_words.filler_ids(self.examples, forms, task.tokenizer) for forms in words if self.by_words
        ]
        device, model = task.gradients.device, task.gradients.model
        self.batches = [
            (
                rows_of_batch,
                self.examples.batch(rows_of_batch, device),
                [_entries(words_of_class, rows_of_batch, device) for words_of_class in ids],
            )
            for rows_of_batch in example_batches(model, self.examples, device)
        ]

    def __len__(self) -> int:
        return len(self.examples.pairs)

    def __call__(self, model: nn.Module) -> Tensor:
        """Probabilities of the words of the first and of the second class, [texts, 2]."""
        probabilities = torch.zeros(len(self), 2, dtype=torch.float64)
        with torch.inference_mode(), progress("texts judged", len(self)) as texts:
            for rows_of_batch, batch, entries in self.batches:
                texts.advance(len(rows_of_batch))
                if self.by_words is None:
                    values = (-self.source.losses(model, batch)).exp().double().cpu()
                    probabilities[rows_of_batch] = values if self.first_is_factual else values.flip(1)
                    continue
                log_probabilities = self.by_words.slot_log_probabilities(model, batch)
                for column, (row, token) in enumerate(entries):
                    values = log_probabilities[row, token].double().exp().cpu()
                    probabilities[:, column].index_add_(0, torch.tensor(rows_of_batch)[row.cpu()], values)
        return probabilities


def _entries(
    ids: Sequence[Sequence[int]], rows_of_batch: Sequence[int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """(row of the batch, token) of each word in each row."""
    row = torch.tensor(
        [i for i, row_of_batch in enumerate(rows_of_batch) for _ in ids[row_of_batch]],
        dtype=torch.long,
        device=device,
    )
    return row, torch.tensor(
        [name for row_of_batch in rows_of_batch for name in ids[row_of_batch]],
        dtype=torch.long,
        device=device,
    )


def goal_values(goal: Goal, probabilities: Mapping[str, Tensor]) -> Tensor:
    """The value of a goal at each text, [texts]: the probability of the class's words where they should
    change; to balance both classes, (1 − |P − P'|)(P + P') on the texts of both."""
    if not goal.sign:
        one, two = torch.cat(list(probabilities.values())).unbind(1)
        return (1 - (one - two).abs()) * (one + two)
    return probabilities[goal.texts_of][:, goal.classes.index(goal.of)]


class Measure:
    """The measurements that a candidate is judged by: probabilities on the texts of some classes, and the
    scores of neutral texts."""

    def __init__(
        self, task: EvaluationTask, source: ScoresTexts, max_texts: int, ordinary_texts: int
    ) -> None:
        self.task, self.source, self.max_texts = task, source, max_texts
        self.ordinary_texts = ordinary_texts
        texts, model = task.data.neutral_texts[:max_texts], task.gradients.model
        self.prepared = source.prepare_texts(texts, task.tokenizer, model, task.seed) if texts else []
        self._slots: dict[tuple[str, str], SlotProbabilities] = {}
        self._halves: tuple[OrdinaryText | None, OrdinaryText | None] | None = None

    def slots(self, split: str, texts_of: str) -> SlotProbabilities:
        key = split, texts_of
        if key not in self._slots:
            self._slots[key] = SlotProbabilities(self.task, split, texts_of, self.max_texts)
        return self._slots[key]

    def language(self) -> TextScores | None:
        """The scores of neutral texts by the model in its present state."""
        return self.source.score_texts(self.task.gradients.model, self.prepared) if self.prepared else None

    def ordinary(self, split: str) -> OrdinaryText | None:
        """The ordinary text of a split. One half belongs to validation, which edits are chosen by, the other
        to test. The model must be unedited at the first call."""
        if self._halves is None:
            self._halves = halves(self.task, self.source, self.ordinary_texts)
        return self._halves[split == SPLITS[-1]]

    def unedited(
        self,
        split: str,
        texts_of: Sequence[str],
        feature_factor: float = 0.0,
        language: TextScores | None = None,
    ) -> Candidate:
        """The measurements of the unedited model, which must be unedited at this call."""
        text = self.ordinary(split)
        ordinary = text.unedited() if text else None
        return self.candidate(split, texts_of, feature_factor, language=language, ordinary=ordinary)

    def candidate(
        self,
        split: str,
        texts_of: Sequence[str],
        feature_factor: float = 0.0,
        learning_rate: float = 0.0,
        language: TextScores | None = None,
        ordinary: OrdinaryScores | None = None,
    ) -> Candidate:
        """The measurements of the model in its present state; `language` and `ordinary` where they are known
        already. Neutral texts are scored where that is reported (on test texts) and where the policy may need
        it."""
        model = self.task.gradients.model
        probabilities = {name: self.slots(split, name)(model) for name in texts_of}
        if ordinary is None and (text := self.ordinary(split)):
            ordinary = text(model)
        if language is None and (split == SPLITS[-1] or not isinstance(self.task.policy, HasBudget)):
            language = self.language()
        return Candidate(feature_factor, learning_rate, probabilities, language, ordinary)


def edit_scores(goal: Goal, candidate: Candidate) -> EditScores:
    """The reported scores of a model: at the slots of its goal's texts, on neutral text and on ordinary
    text."""
    values, language, ordinary = (
        goal_values(goal, candidate.probabilities),
        candidate.language,
        candidate.ordinary,
    )
    tokens, n = language.n if language else 0, ordinary.n if ordinary else 0
    both = torch.cat([candidate.probabilities[name] for name in goal.texts]).mean(0)
    share = float(both[goal.classes.index(goal.of)] / both.sum()) if both.sum() > 0 else None
    return EditScores(
        Metric(float(values.mean()), len(values)),
        Metric(share, len(values)),
        Metric(language.mean if language else None, tokens),
        Metric(ordinary.perplexity if ordinary else None, n),
        Metric(ordinary.kl if ordinary else None, n),
        Metric(ordinary.unwanted_kl if ordinary else None, n),
        Metric(ordinary.agreement if ordinary else None, n),
    )


def measure_of(task: EvaluationTask, max_texts: int, ordinary_texts: int = ORDINARY) -> Measure:
    """A measurement on at most `max_texts` texts of each kind. Raises ConfigError for a source that cannot
    score text."""
    if not isinstance(task.source, ScoresTexts):
        raise ConfigError(
            f"{type(task.source).__name__} has no language modelling score, which an edit is judged by"
        )
    return Measure(task, task.source, max_texts, ordinary_texts)
