"""Whether more than the class's own words follows an edit: related words that it was not made from, and slots
where the class would be wrong."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from attrs import frozen
from torch import Tensor, nn

from gradiend_core.api import (
    MARKED,
    SPLITS,
    EvaluationTask,
    Examples,
    Goal,
    KnowsWords,
    TakesSpans,
    example_batches,
    progress,
    subset,
    word_pairs,
)
from gradiend_evaluators.related import in_texts

#: texts with each related word, texts that it must stand in, and slots where the class is wrong, at most
TEXTS, LEAST, SLOTS = 6, 3, 300


class RelatedOdds:
    """The log-odds of the first against the second word of related pairs, where either stands."""

    def __init__(self, task: EvaluationTask) -> None:
        words = word_pairs(task.data.related, task.feature.classes)
        readable = isinstance(task.source, (TakesSpans, KnowsWords))
        self.pairs = in_texts(task, words, task.ordinary(), TEXTS, LEAST) if words and readable else None

    def __call__(self, model: nn.Module) -> Tensor | None:
        """The mean log-odds over the texts of each pair, by the model in its present state, [pairs]; None
        without pairs."""
        if self.pairs is None:
            return None
        pairs, by_kind = self.pairs, []
        with torch.inference_mode(), progress("related words", len(pairs.codes)) as texts:
            for examples, gradients in pairs.examples:
                values = torch.empty(len(examples.pairs), dtype=torch.float64)
                for rows in example_batches(model, examples, gradients.device):
                    losses = gradients.source.losses(model, examples.batch(rows, gradients.device))
                    values[rows] = (losses[:, 1] - losses[:, 0]).double().cpu()
                    texts.advance(len(rows))
                by_kind.append(values)
        odds = torch.cat(by_kind) * pairs.codes
        return torch.stack([odds[pairs.pair_of == number].mean() for number in range(len(pairs))])

    def followed(self, goal: Goal, before: Tensor | None, after: Tensor | None) -> Tensor | None:
        """How far the log-odds have moved toward a goal, by group of pairs that differ in the same tokens,
        [groups]; None for a goal without a direction."""
        if before is None or after is None or self.pairs is None or not goal.sign:
            return None
        sign = goal.sign if goal.of == goal.classes[0] else -goal.sign
        groups = torch.tensor(self.pairs.groups)
        return torch.stack([sign * (after - before)[groups == group].mean() for group in groups.unique()])

    def by_words(
        self, goal: Goal, before: Tensor, after: Tensor
    ) -> Mapping[tuple[str, str], tuple[float, float]]:
        """The log-odds of each pair before and after, of the goal's class against the other."""
        assert self.pairs
        sign = 1.0 if goal.of == goal.classes[0] else -1.0
        return {
            words if sign > 0 else words[::-1]: (sign * one, sign * two)
            for words, one, two in zip(self.pairs.words, before.tolist(), after.tolist(), strict=True)
        }


class OwnWords:
    """How often the original word is the most likely one, in given slots, by default those of the paradigm's
    other classes, or else of neutral text."""

    def __init__(self, task: EvaluationTask, examples: Examples | None = None) -> None:
        self.source = task.source
        self.device = task.gradients.device
        whole = task.controls() if examples is None else examples
        if examples is None and not whole.pairs:
            whole = task.examples["neutral"]
        of_test = [row for row, pair in enumerate(whole.pairs) if pair.split == SPLITS[-1]]
        self.examples: Examples = subset(whole, (of_test or range(len(whole.pairs)))[:SLOTS])

    def __call__(self, model: nn.Module) -> float | None:
        """The fraction for the model in its present state; None where there is no such slot, or words have no
        probability."""
        scores = self.scores(model)
        return None if scores is None else float(scores[1].mean())

    def by_class(self, model: nn.Module) -> Mapping[str, Tensor]:
        """The probability of the original words by class, [slots of the class] each."""
        scores = self.scores(model)
        if scores is None:
            return {}
        classes = [pair.factual_class for pair in self.examples.pairs]
        return {
            name: scores[0][[row for row, of in enumerate(classes) if of == name]]
            for name in dict.fromkeys(classes)
        }

    def scores(self, model: nn.Module) -> Tensor | None:
        """For each slot the probability of its word, and whether it is the most likely word, [2, slots]."""
        if not self.examples.pairs or not isinstance(self.source, KnowsWords):
            return None
        scores = torch.empty(2, len(self.examples.pairs), dtype=torch.float64)
        with torch.inference_mode():
            for rows in example_batches(model, self.examples, self.device):
                batch = self.examples.batch(rows, self.device)
                log_probabilities = self.source.slot_log_probabilities(model, batch)
                words = batch.fillers[:, 0]
                scores[0, rows] = log_probabilities.gather(1, words[:, None])[:, 0].exp().double().cpu()
                scores[1, rows] = (log_probabilities.argmax(1) == words).double().cpu()
        return scores


@frozen(eq=False)
class Followed:
    """The predictions of a model beside the class's own words: the log-odds of related pairs, [pairs], and by
    class the probability of words that an edit must not change, [slots of the class]."""

    odds: Tensor | None
    kept: Mapping[str, Tensor]


class Following:
    """Measures both; slots that are to stay only where the run protects some."""

    def __init__(self, task: EvaluationTask) -> None:
        self.related = RelatedOdds(task)
        self.protected: list[OwnWords] = []
        if (kept := task.kept()) is not None:
            of_texts = [row for row, pair in enumerate(kept.pairs) if pair.factual_class == MARKED]
            if len(of_texts) < len(kept.pairs):
                self.protected.append(OwnWords(task))
            if of_texts:
                self.protected.append(OwnWords(task, subset(kept, of_texts)))
        self.names = {*task.rewrite.keep, MARKED}

    def __call__(self, model: nn.Module) -> Followed:
        """The predictions of the model in its present state."""
        by_class = [item for words in self.protected for item in words.by_class(model).items()]
        return Followed(
            self.related(model), {name: values for name, values in by_class if name in self.names}
        )
