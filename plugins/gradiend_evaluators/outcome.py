"""The candidates for a goal, as rows of tables."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from torch import Tensor

from gradiend_core.api import Candidate, Goal, Measure, goal_values
from gradiend_evaluators.following import Followed, RelatedOdds
from gradiend_evaluators.uncertainty import difference_interval


@frozen
class CandidateRow:
    """A candidate on validation texts."""

    toward: str
    feature_factor: float
    learning_rate: float
    damping: float | None
    steps: int
    probability: float
    lms: float | None
    perplexity: float | None
    kl: float | None
    unwanted_kl: float | None
    unwanted_bound: float | None
    score: float | None
    chosen: bool


@frozen
class ProbabilityRow:
    """The probability of one class's words on the test texts of one class; the interval is that of the
    change."""

    toward: str
    words_of: str
    on_texts_of: str
    base: float
    rewritten: float
    low: float | None
    high: float | None
    n: int


@frozen
class RelatedRow:
    """A pair of related words: the log-odds of the goal's class against the other, by the unedited and by the
    edited model."""

    toward: str
    word: str
    other: str
    base: float
    rewritten: float


@frozen(eq=False)
class Outcome:
    """The candidates for a goal with their scores, the chosen one, and the predictions of both models on test
    texts, by class."""

    goal: Goal
    candidates: Sequence[Candidate]
    scores: Sequence[float | None]
    best: Candidate
    before: Candidate
    after: Candidate
    followed: tuple[Followed, Followed]
    vector: Tensor | None


def candidates_of(outcome: Outcome) -> list[CandidateRow]:
    return [
        CandidateRow(
            outcome.goal.name,
            candidate.feature_factor,
            candidate.learning_rate,
            candidate.damping,
            candidate.steps,
            float(goal_values(outcome.goal, candidate.probabilities).mean()),
            candidate.language.mean if candidate.language else None,
            candidate.language.perplexity if candidate.language else None,
            *_costs(candidate),
            score,
            candidate is outcome.best,
        )
        for candidate, score in zip(outcome.candidates, outcome.scores, strict=True)
    ]


def related_of(outcome: Outcome, related: RelatedOdds) -> list[RelatedRow]:
    before, after = (followed.odds for followed in outcome.followed)
    if before is None or after is None or not outcome.goal.sign:
        return []
    odds = related.by_words(outcome.goal, before, after)
    return [RelatedRow(outcome.goal.name, *words, *values) for words, values in odds.items()]


def _costs(candidate: Candidate) -> tuple[float | None, float | None, float | None]:
    cost = candidate.ordinary
    return (cost.kl, cost.unwanted_kl, cost.unwanted_bound) if cost else (None, None, None)


def probabilities_of(outcome: Outcome, measure: Measure, seed: int) -> list[ProbabilityRow]:
    classes, rows = outcome.goal.classes, []
    for column, words_of in enumerate(classes):
        for texts_of in classes:
            before, after = (
                tried.probabilities[texts_of][:, column] for tried in (outcome.before, outcome.after)
            )
            documents = [pair.document for pair in measure.slots("test", texts_of).examples.pairs]
            low, high = difference_interval(before, after, seed, groups=documents) or (None, None)
            means = float(before.mean()), float(after.mean())
            rows.append(ProbabilityRow(outcome.goal.name, words_of, texts_of, *means, low, high, len(before)))
    return rows
