"""The effects of an edit, measured in the same way for every kind of edit."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from gradiend_core.api import (
    Candidate,
    Edit,
    EditScores,
    EvaluationTask,
    Goal,
    Measure,
    TextScores,
    edit_scores,
    measure_of,
)
from gradiend_evaluators import BaselineSettings
from gradiend_evaluators.following import OwnWords, RelatedOdds
from gradiend_evaluators.uncertainty import mean_interval

#: columns that are metrics of the same name
MEASURES = (
    "share",
    "related_log_odds",
    "specificity",
    "kl",
    "inside_kl",
    "split_kl",
    "outside_kl",
    "unwanted_kl",
    "base_perplexity",
    "rewritten_perplexity",
    "top1_agreement",
)


@frozen
class EditRow:
    """The best edit of one method at a strength: its size, its effects and its costs (`EditScores`)."""

    toward: str
    method: str
    strength: float
    learning_rate: float
    damping: float | None
    #: its length relative to that of the weights, activations or logits that it changes
    relative_length: float
    #: P of the class on test texts of the other class, before and after, and its share of the P of both
    base_probability: float
    probability: float
    share: float | None
    #: how far related words follow, in log-odds, with the interval of the mean
    related_log_odds: float | None
    related_low: float | None
    related_high: float | None
    #: how often the right word is still the likeliest at slots where the class would be wrong
    base_specificity: float | None
    specificity: float | None
    kl: float | None
    inside_kl: float | None
    split_kl: float | None
    outside_kl: float | None
    unwanted_kl: float | None
    base_perplexity: float | None
    rewritten_perplexity: float | None
    top1_agreement: float | None
    base_lms: float | None
    lms: float | None
    n: int


@frozen(eq=False)
class Compared:
    """Everything that the edits of a run are measured on, and the unedited model's scores there."""

    measure: Measure
    language: TextScores | None
    related: RelatedOdds
    odds: Tensor | None
    own_words: OwnWords
    right: float | None

    @classmethod
    def of(cls, task: EvaluationTask, config: BaselineSettings) -> Compared:
        measure, model = measure_of(task, config.max_texts, config.ordinary_texts), task.gradients.model
        related, own_words = RelatedOdds(task), OwnWords(task)
        return cls(measure, measure.language(), related, related(model), own_words, own_words(model))


def measured(
    task: EvaluationTask,
    goal: Goal,
    method: str,
    edit: Edit,
    best: Candidate,
    strength: float,
    compared: Compared,
    before: EditScores,
) -> EditRow:
    """The scores of an edit at a multiple of the best rate, on test texts."""
    measure, model = compared.measure, task.gradients.model
    rate = strength * best.learning_rate
    if rate:
        edit.apply(rate)
    language = best.language if strength == 1.0 else None
    candidate = measure.candidate("test", goal.texts, language=language)
    after, cost = edit_scores(goal, candidate), candidate.ordinary
    followed = compared.related.followed(goal, compared.odds, compared.related(model))
    right = compared.own_words(model)
    edit.restore()
    inside, split, outside = (cost.inside_kl, cost.split_kl, cost.outside_kl) if cost else (None,) * 3
    interval = mean_interval(followed.numpy(), task.seed) if followed is not None else None
    low, high = interval or (None, None)
    return EditRow(
        goal.name,
        method,
        strength,
        rate,
        best.damping,
        abs(rate) * edit.relative_length,
        before.probability.value or 0.0,
        after.probability.value or 0.0,
        after.share.value,
        float(followed.mean()) if followed is not None else None,
        low,
        high,
        compared.right,
        right,
        after.kl.value,
        inside,
        split,
        outside,
        after.unwanted_kl.value,
        before.perplexity.value,
        after.perplexity.value,
        after.agreement.value,
        before.lms.value,
        after.lms.value,
        after.probability.n,
    )
