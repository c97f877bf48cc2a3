"""How far rewriting shifts each class, and at what cost.

For each goal: learning rates at the feature factor that serves it, from a search or a grid. The best by the
run's policy is chosen on validation pairs; probabilities before and after are then measured on test pairs.
The language modelling score is that of all neutral texts, for choice and report alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from attrs import frozen
from torch import Tensor

from gradiend_core.api import (
    Candidate,
    ChosenEdit,
    EditScores,
    EvaluationTask,
    Goal,
    Measure,
    Metric,
    Metrics,
    Report,
    Rewriter,
    ScoresTexts,
    Table,
    TextScores,
    Trials,
    WeightEdit,
    bracket,
    choose,
    goal_values,
    grid,
    measure_of,
)
from gradiend_evaluators import DecoderSettings
from gradiend_evaluators.uncertainty import difference_interval


@frozen
class CandidateRow:
    """An edit that was tried, on validation texts."""

    toward: str
    feature_factor: float
    learning_rate: float
    probability: float
    lms: float | None
    perplexity: float | None
    score: float | None
    chosen: bool


@frozen
class ProbabilityRow:
    """The words of one class on the test texts of one class; the interval is that of the change."""

    toward: str
    words_of: str
    on_texts_of: str
    base: float
    rewritten: float
    low: float | None
    high: float | None
    n: int


@frozen(eq=False)
class Outcome:
    """What was tried for a goal, with its scores, which was taken, and what both models do on test texts, by
    class."""

    goal: Goal
    candidates: Sequence[Candidate]
    scores: Sequence[float | None]
    best: Candidate
    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]


class DecoderEvaluator:
    """Every candidate is put into the model in place; the model is restored to the bit."""

    def __init__(self, config: DecoderSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        if not isinstance(task.source, ScoresTexts):
            missing = (
                f"{type(task.source).__name__} has no language modelling score to judge edits by, so none was"
                " looked for"
            )
            return Report("decoder", {}, warnings=(missing,))
        classes, measure = task.feature.classes, measure_of(task, self.config.max_texts)
        language = measure.language()
        base = measure.candidate("test", classes, language=language).probabilities
        with Rewriter(task.gradients.model, task.feature.scope) as rewriter:
            outcomes = [self._outcome(task, goal, measure, rewriter, language, base) for goal in task.goals]
        warnings = [
            f"no candidate toward {outcome.goal.name} beats the unedited model by the policy, so it stays as"
            " it is"
            for outcome in outcomes
            if language and not outcome.best.learning_rate
        ]
        if not language:
            warnings.append(
                "there is no neutral text, so no language modelling score guards the edit, and none is made"
            )
        edits = tuple(chosen_edit(outcome, language, task) for outcome in outcomes)
        metrics: Metrics = {}
        for outcome, edit in zip(outcomes, edits, strict=True):
            metrics |= _metrics(outcome, edit, language, task.seed)
        probabilities = [row for outcome in outcomes for row in _probabilities(outcome, measure, task.seed)]
        tables = {
            "candidates": Table.of(
                CandidateRow, [row for outcome in outcomes for row in _candidates(outcome)]
            ),
            "probabilities": Table.of(ProbabilityRow, probabilities),
        }
        lines = tuple(_line(outcome.goal, edit) for outcome, edit in zip(outcomes, edits, strict=True))
        return Report("decoder", metrics, tables, tuple(warnings), lines, edits)

    def _outcome(
        self,
        task: EvaluationTask,
        goal: Goal,
        measure: Measure,
        rewriter: Rewriter,
        language: TextScores | None,
        before: Mapping[str, Tensor],
    ) -> Outcome:
        rewriter.restore()
        texts_of, direction = task.policy.texts_of(goal), task.rewrite.direction
        factors = task.rewrite.feature_factors or task.feature.factors(goal.name, direction)
        unedited = measure.candidate("validation", texts_of, factors[0], language=language)

        def score(candidate: Candidate) -> float | None:
            return task.policy.score(goal, candidate, unedited)

        candidates = [unedited]
        for factor in factors:
            update = task.feature.update(goal.name, 0.0, feature_factor=factor, direction=direction)
            edit = WeightEdit(rewriter, update)
            trials = Trials(edit, unedited, partial(measure.candidate, "validation", texts_of), score)
            rates = self.config.learning_rates
            candidates += (grid(trials, rates) if rates else bracket(trials, self.config.evaluations))[1:]
        best = choose(candidates, score)
        rewriter.restore()
        if best.learning_rate:
            rewriter.apply(
                task.feature.update(
                    goal.name, best.learning_rate, feature_factor=best.feature_factor, direction=direction
                )
            )
        after = measure.candidate("test", task.feature.classes, language=best.language).probabilities
        return Outcome(goal, candidates, [score(candidate) for candidate in candidates], best, before, after)


def chosen_edit(outcome: Outcome, language: TextScores | None, task: EvaluationTask) -> ChosenEdit:
    """The edit that was taken, with what the model did before and does after it."""
    goal, best = outcome.goal, outcome.best
    return ChosenEdit(
        goal.name,
        best.feature_factor,
        best.learning_rate,
        task.rewrite.direction,
        _scores(goal, outcome.before, language),
        _scores(goal, outcome.after, best.language),
        task.policy_name,
    )


def _scores(goal: Goal, probabilities: Mapping[str, Tensor], language: TextScores | None) -> EditScores:
    n = len(probabilities[goal.texts_of]) if goal.sign else sum(map(len, probabilities.values()))
    tokens = language.n if language else 0
    return EditScores(
        Metric(float(goal_values(goal, probabilities).mean()), n),
        Metric(language.mean if language else None, tokens),
        Metric(language.perplexity if language else None, tokens),
    )


def _metrics(outcome: Outcome, edit: ChosenEdit, language: TextScores | None, seed: int) -> Metrics:
    best, n, tokens = outcome.best, edit.before.probability.n, edit.before.lms.n
    metrics = {
        "base_probability": edit.before.probability,
        "rewritten_probability": edit.after.probability,
        "learning_rate": Metric(edit.learning_rate, n),
        "feature_factor": Metric(edit.feature_factor, n),
        "n": Metric(n, n),
        "base_lms": edit.before.lms,
        "base_perplexity": edit.before.perplexity,
        "lms_tokens": Metric(tokens, tokens),
        "rewritten_lms": edit.after.lms,
        "rewritten_perplexity": edit.after.perplexity,
    }
    if language and best.language:
        interval = difference_interval(language.scores, best.language.scores, seed, counts=language.tokens)
        low, high = interval or (None, None)
        metrics |= {"lms_change_low": Metric(low, tokens), "lms_change_high": Metric(high, tokens)}
    return {(edit.goal, name): metric for name, metric in metrics.items()}


def _line(goal: Goal, edit: ChosenEdit) -> str:
    before, after = edit.before, edit.after
    return (
        f"rewriting toward {goal.name}: {'P' if goal.sign else 'balance'} {before.probability.shown()} →"
        f" {after.probability.shown()}, language modelling {before.lms.shown()} → {after.lms.shown()}"
        f" (learning rate {edit.learning_rate:.3g}, feature factor {edit.feature_factor:+g})"
    )


def _candidates(outcome: Outcome) -> list[CandidateRow]:
    return [
        CandidateRow(
            outcome.goal.name,
            candidate.feature_factor,
            candidate.learning_rate,
            float(goal_values(outcome.goal, candidate.probabilities).mean()),
            candidate.language.mean if candidate.language else None,
            candidate.language.perplexity if candidate.language else None,
            score,
            candidate is outcome.best,
        )
        for candidate, score in zip(outcome.candidates, outcome.scores, strict=True)
    ]


def _probabilities(outcome: Outcome, measure: Measure, seed: int) -> list[ProbabilityRow]:
    classes, rows = outcome.goal.classes, []
    for column, words_of in enumerate(classes):
        for texts_of in classes:
            before, after = (values[texts_of][:, column] for values in (outcome.before, outcome.after))
            documents = [pair.document for pair in measure.slots("test", texts_of).examples.pairs]
            low, high = difference_interval(before, after, seed, groups=documents) or (None, None)
            means = float(before.mean()), float(after.mean())
            rows.append(ProbabilityRow(outcome.goal.name, words_of, texts_of, *means, low, high, len(before)))
    return rows
