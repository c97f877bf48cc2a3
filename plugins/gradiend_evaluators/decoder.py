"""How far rewriting shifts each class, and at what cost.

For each goal: learning rates at the feature factor that serves it, from a search or a grid. The best by the
run's policy is chosen on validation pairs; probabilities before and after are then measured on test pairs.
The language modelling score is that of all neutral texts, for choice and report alike."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen
from torch import Tensor

from gradiend_core.api import (
    Candidate,
    ChosenEdit,
    EvaluationTask,
    Goal,
    Measure,
    Metric,
    Metrics,
    Report,
    Rewriter,
    ScoresTexts,
    Table,
    WeightEdit,
    choose,
    edit_scores,
    goal_values,
    measure_of,
)
from gradiend_evaluators import DecoderSettings
from gradiend_evaluators.following import RelatedOdds
from gradiend_evaluators.searching import tried
from gradiend_evaluators.uncertainty import difference_interval, mean_interval

UNMEASURED = (
    "no ordinary text was left to measure the curvature of the model on, so edits are the direction as it is;"
    " give more texts"
)


@frozen
class CandidateRow:
    """An edit that was tried, on validation texts."""

    toward: str
    feature_factor: float
    learning_rate: float
    damping: float | None
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
    """The words of one class on the test texts of one class; the interval is that of the change."""

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
    """A pair of related words: the log-odds of the goal's class against the other where either stands, by the
    unedited and by the edited model."""

    toward: str
    word: str
    other: str
    base: float
    rewritten: float


@frozen(eq=False)
class Outcome:
    """What was tried for a goal, with its scores, which was taken, and what both models do on test texts, by
    class."""

    goal: Goal
    candidates: Sequence[Candidate]
    scores: Sequence[float | None]
    best: Candidate
    before: Candidate
    after: Candidate
    odds: tuple[Tensor | None, Tensor | None]


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
        classes = task.feature.classes
        measure = measure_of(task, self.config.max_texts, self.config.ordinary_texts)
        language = measure.language()
        base = measure.candidate("test", classes, language=language)
        related = RelatedOdds(task)
        odds = related(task.gradients.model)
        with Rewriter(task.gradients.model, task.feature.scope) as rewriter:
            outcomes = [
                self._outcome(task, goal, measure, rewriter, base, related, odds) for goal in task.goals
            ]
        warnings = [UNMEASURED] if task.rewrite.metric != "none" and task.feature.curvature is None else []
        warnings += [
            f"no candidate toward {outcome.goal.name} beats the unedited model by the policy, so it stays as"
            " it is"
            for outcome in outcomes
            if base.ordinary and not outcome.best.learning_rate
        ]
        if not base.ordinary:
            warnings.append(
                "there is no ordinary text that was not learned from, so nothing guards the edit; give more"
                " texts"
            )
        edits = tuple(chosen_edit(outcome, task) for outcome in outcomes)
        metrics: Metrics = {}
        for outcome, edit in zip(outcomes, edits, strict=True):
            metrics |= _metrics(outcome, edit, related, task.seed)
        probabilities = [row for outcome in outcomes for row in _probabilities(outcome, measure, task.seed)]
        tables = {
            "candidates": Table.of(
                CandidateRow, [row for outcome in outcomes for row in _candidates(outcome)]
            ),
            "probabilities": Table.of(ProbabilityRow, probabilities),
            "related": Table.of(
                RelatedRow, [row for outcome in outcomes for row in _related(outcome, related)]
            ),
        }
        lines = tuple(
            _line(
                outcome.goal,
                edit,
                value.value if (value := metrics.get((edit.goal, "related_log_odds"))) else None,
            )
            for outcome, edit in zip(outcomes, edits, strict=True)
        )
        return Report("decoder", metrics, tables, tuple(warnings), lines, edits)

    def _outcome(
        self,
        task: EvaluationTask,
        goal: Goal,
        measure: Measure,
        rewriter: Rewriter,
        before: Candidate,
        related: RelatedOdds,
        odds: Tensor | None,
    ) -> Outcome:
        rewriter.restore()
        texts_of, direction = task.policy.texts_of(goal), task.rewrite.direction
        factors = task.rewrite.feature_factors or task.feature.factors(goal.name, direction)
        unedited = measure.candidate("validation", texts_of, factors[0], language=before.language)

        def score(candidate: Candidate) -> float | None:
            return task.policy.score(goal, candidate, unedited)

        candidates = [unedited]
        for factor in factors:
            for damping in task.dampings:
                update = task.feature.update(
                    goal.name, 0.0, feature_factor=factor, direction=direction, damping=damping
                )
                edit = WeightEdit(rewriter, update)
                rates = self.config.learning_rates
                some = tried(task, goal, edit, measure, unedited, self.config.evaluations, rates)
                candidates += [evolve(candidate, damping=damping) for candidate in some[1:]]
        best = choose(candidates, score)
        rewriter.restore()
        if best.learning_rate:
            rewriter.apply(
                task.feature.update(
                    goal.name,
                    best.learning_rate,
                    feature_factor=best.feature_factor,
                    direction=direction,
                    damping=best.damping,
                )
            )
        after = measure.candidate("test", task.feature.classes, language=best.language)
        scores = [score(candidate) for candidate in candidates]
        followed = related(task.gradients.model) if best.learning_rate else odds
        return Outcome(goal, candidates, scores, best, before, after, (odds, followed))


def chosen_edit(outcome: Outcome, task: EvaluationTask) -> ChosenEdit:
    """The edit that was taken, with what the model did before and does after it."""
    goal, best = outcome.goal, outcome.best
    return ChosenEdit(
        goal.name,
        best.feature_factor,
        best.learning_rate,
        task.rewrite.direction,
        edit_scores(goal, outcome.before),
        edit_scores(goal, outcome.after),
        task.policy_name,
        best.damping,
    )


def _metrics(outcome: Outcome, edit: ChosenEdit, related: RelatedOdds, seed: int) -> Metrics:
    before, after, n = edit.before, edit.after, edit.before.probability.n
    metrics = {
        "base_probability": before.probability,
        "rewritten_probability": after.probability,
        "base_share": before.share,
        "share": after.share,
        "learning_rate": Metric(edit.learning_rate, n),
        "feature_factor": Metric(edit.feature_factor, n),
        "damping": Metric(edit.damping, n),
        "n": Metric(n, n),
        "kl": after.kl,
        "unwanted_kl": after.unwanted_kl,
        "base_perplexity": before.perplexity,
        "rewritten_perplexity": after.perplexity,
        "top1_agreement": after.agreement,
        "ordinary_tokens": Metric(after.kl.n, after.kl.n),
        "base_lms": before.lms,
        "rewritten_lms": after.lms,
        "lms_tokens": Metric(before.lms.n, before.lms.n),
    }
    if cost := outcome.after.ordinary:
        sums = {"inside_kl": cost.inside, "split_kl": cost.split, "outside_kl": cost.outside}
        metrics |= {name: Metric(float(values.sum()) / cost.n, cost.n) for name, values in sums.items()}
    one, two = outcome.before.language, outcome.best.language
    if one and two:
        interval = difference_interval(one.scores, two.scores, seed, counts=one.tokens)
        low, high = interval or (None, None)
        metrics |= {"lms_change_low": Metric(low, one.n), "lms_change_high": Metric(high, one.n)}
    if (followed := related.followed(outcome.goal, *outcome.odds)) is not None:
        low, high = mean_interval(followed.numpy(), seed) or (None, None)
        values = {"related_log_odds": float(followed.mean()), "related_low": low, "related_high": high}
        metrics |= {name: Metric(value, len(followed)) for name, value in values.items()}
    return {(edit.goal, name): metric for name, metric in metrics.items()}


def _line(goal: Goal, edit: ChosenEdit, followed: float | None) -> str:
    before, after = edit.before, edit.after
    effect = f"{'P' if goal.sign else 'balance'} {before.probability.shown()} → {after.probability.shown()}"
    if not edit.learning_rate:
        return f"edit      toward {goal.name}: none, {effect}"
    if followed is not None:
        effect += f", related words follow by {followed:+.2f} log-odds"
    return (
        f"edit      toward {goal.name}: {effect}; on ordinary text perplexity"
        f" {before.perplexity.shown('.2f')} → {after.perplexity.shown('.2f')}, KL {after.kl.shown('.4f')}, of"
        f" it unwanted {after.unwanted_kl.shown('.4f')}, the same likeliest token"
        f" {after.agreement.shown('.1%')} (learning rate {edit.learning_rate:.3g}, feature factor"
        f" {edit.feature_factor:+g}{'' if edit.damping is None else f', damping {edit.damping:g}'})"
    )


def _candidates(outcome: Outcome) -> list[CandidateRow]:
    return [
        CandidateRow(
            outcome.goal.name,
            candidate.feature_factor,
            candidate.learning_rate,
            candidate.damping,
            float(goal_values(outcome.goal, candidate.probabilities).mean()),
            candidate.language.mean if candidate.language else None,
            candidate.language.perplexity if candidate.language else None,
            *_costs(candidate),
            score,
            candidate is outcome.best,
        )
        for candidate, score in zip(outcome.candidates, outcome.scores, strict=True)
    ]


def _related(outcome: Outcome, related: RelatedOdds) -> list[RelatedRow]:
    before, after = outcome.odds
    if before is None or after is None or not outcome.goal.sign:
        return []
    odds = related.by_words(outcome.goal, before, after)
    return [RelatedRow(outcome.goal.name, *words, *values) for words, values in odds.items()]


def _costs(candidate: Candidate) -> tuple[float | None, float | None, float | None]:
    cost = candidate.ordinary
    return (cost.kl, cost.unwanted_kl, cost.unwanted_bound) if cost else (None, None, None)


def _probabilities(outcome: Outcome, measure: Measure, seed: int) -> list[ProbabilityRow]:
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
