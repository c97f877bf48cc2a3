"""How far rewriting shifts each class, and at what cost.

For each goal, learning rates are tried at the feature factor that serves it, by a search or from a grid. The
run's policy chooses the best on validation pairs; probabilities before and after are then measured on test
pairs. The language modelling score is that of all neutral texts, for choosing and reporting alike."""

from __future__ import annotations

from functools import partial

from attrs import evolve

from gradiend_core.api import (
    Candidate,
    ChosenEdit,
    EvaluationTask,
    Goal,
    HasBudget,
    Measure,
    Metric,
    Metrics,
    Report,
    Rewriter,
    ScoresTexts,
    Table,
    WeightEdit,
    WeightUpdate,
    choose,
    edit_scores,
    measure_of,
    natural_update,
    stepped,
)
from gradiend_evaluators import DecoderSettings
from gradiend_evaluators.findings import TextRow, of_edit, typical_texts
from gradiend_evaluators.following import Followed, Following, RelatedOdds
from gradiend_evaluators.outcome import (
    CandidateRow,
    Outcome,
    ProbabilityRow,
    RelatedRow,
    candidates_of,
    probabilities_of,
    related_of,
)
from gradiend_evaluators.searching import searched
from gradiend_evaluators.uncertainty import difference_interval, mean_interval

UNMEASURED = (
    "the curvature of the model was not measured, for lack of ordinary text or as the model does not show it,"
    " so edits are the direction as it is"
)


class DecoderEvaluator:
    """Every candidate is applied to the model in place; afterwards the model is restored to the bit."""

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
        base = measure.unedited("test", classes, language=language)
        following = Following(task)
        followed = following(task.gradients.model)
        with Rewriter(task.gradients.model, task.feature.scope) as rewriter:
            outcomes = [
                self._outcome(task, goal, measure, rewriter, base, following, followed) for goal in task.goals
            ]
        warnings = [UNMEASURED] if task.rewrite.metric != "none" and task.feature.curvature is None else []
        if task.rewrite.steps > 1 and not isinstance(task.policy, HasBudget):
            warnings.append(
                f"rewrite.steps is left out, as the policy {task.policy_name} has no budget that steps could"
                " share"
            )
        warnings += [
            f"no candidate toward {outcome.goal.name} beats the unedited model by the policy, so it stays as"
            " it is"
            for outcome in outcomes
            if base.ordinary and not outcome.best.learning_rate
        ]
        warnings += [
            f"toward {outcome.goal.name}, {task.rewrite.steps} steps do no more than one, so one was taken"
            for outcome in outcomes
            if outcome.best.steps < max(candidate.steps for candidate in outcome.candidates)
        ]
        if not base.ordinary:
            warnings.append(
                "there is no ordinary text that was not learned from, so nothing guards the edit; give more"
                " texts"
            )
        edits = tuple(chosen_edit(outcome, task) for outcome in outcomes)
        metrics: Metrics = {}
        for outcome, edit in zip(outcomes, edits, strict=True):
            metrics |= _metrics(outcome, edit, following.related, task.seed)
        probabilities = [row for outcome in outcomes for row in probabilities_of(outcome, measure, task.seed)]
        texts = [typical_texts(outcome, measure) for outcome in outcomes]
        tables = {
            "candidates": Table.of(
                CandidateRow, [row for outcome in outcomes for row in candidates_of(outcome)]
            ),
            "probabilities": Table.of(ProbabilityRow, probabilities),
            "texts": Table.of(TextRow, [row for rows in texts for row in rows]),
            "related": Table.of(
                RelatedRow, [row for outcome in outcomes for row in related_of(outcome, following.related)]
            ),
        }
        lines = tuple(_line(outcome, edit, metrics) for outcome, edit in zip(outcomes, edits, strict=True))
        findings = tuple(
            sentence
            for outcome, edit, of_goal in zip(outcomes, edits, texts, strict=True)
            for sentence in of_edit(task, outcome, edit, of_goal)
        )
        return Report("decoder", metrics, tables, tuple(warnings), lines, edits, findings)

    def _outcome(
        self,
        task: EvaluationTask,
        goal: Goal,
        measure: Measure,
        rewriter: Rewriter,
        before: Candidate,
        following: Following,
        followed: Followed,
    ) -> Outcome:
        rewriter.restore()
        texts_of, direction = task.policy.texts_of(goal), task.rewrite.direction
        factors = task.rewrite.feature_factors or task.feature.factors(goal.name, direction)
        unedited = measure.unedited("validation", texts_of, factors[0], before.language)

        def score(candidate: Candidate) -> float | None:
            return task.policy.score(goal, candidate, unedited)

        def made(factor: float, damping: float | None) -> WeightEdit:
            return WeightEdit(rewriter, natural_update(task, goal, factor, damping))

        kinds = [(damping, partial(made, factor, damping)) for factor in factors for damping in task.dampings]
        candidates, best, edit = searched(
            task, goal, kinds, measure, unedited, self.config.evaluations, self.config.learning_rates
        )
        chosen = edit.update if best.learning_rate else None
        if chosen and task.rewrite.steps > 1:
            onward = self._in_steps(task, measure, rewriter, best)
            if onward:
                rewriter.apply(onward)
                several = measure.candidate("validation", texts_of, best.feature_factor, onward.learning_rate)
                candidates.append(evolve(several, damping=best.damping, steps=task.rewrite.steps))
                best = choose([unedited, best, candidates[-1]], score)
                chosen = onward if best.steps > 1 else chosen
        rewriter.restore()
        if chosen:
            rewriter.apply(evolve(chosen, learning_rate=best.learning_rate))
        after = measure.candidate("test", task.feature.classes, language=best.language)
        scores = [score(candidate) for candidate in candidates]
        now = following(task.gradients.model) if best.learning_rate else followed
        vector = chosen.direction if chosen and (best.steps > 1 or task.rewrite.keep) else None
        return Outcome(goal, candidates, scores, best, before, after, (followed, now), vector)

    def _in_steps(
        self, task: EvaluationTask, measure: Measure, rewriter: Rewriter, best: Candidate
    ) -> WeightUpdate | None:
        policy, ordinary = task.policy, measure.ordinary("validation")
        if ordinary is None or not isinstance(policy, HasBudget):
            return None
        return stepped(
            task,
            rewriter,
            best.feature_factor,
            best.damping,
            lambda: policy.spent(ordinary(task.gradients.model)),
            task.rewrite.steps,
        )


def chosen_edit(outcome: Outcome, task: EvaluationTask) -> ChosenEdit:
    """The chosen edit, with the scores of the model before and after it."""
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
        task.rewrite.damping_mean,
        outcome.vector,
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
        "steps": Metric(outcome.best.steps, n),
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
        names = ("inside_kl", "split_kl", "outside_kl")
        metrics |= {name: Metric(getattr(cost, name), cost.n) for name in names}
    one, two = outcome.before.language, outcome.after.language
    if one and two:
        interval = difference_interval(one.scores, two.scores, seed, counts=one.tokens)
        low, high = interval or (None, None)
        metrics |= {"lms_change_low": Metric(low, one.n), "lms_change_high": Metric(high, one.n)}
    base, now = outcome.followed
    if (followed := related.followed(outcome.goal, base.odds, now.odds)) is not None:
        low, high = mean_interval(followed.numpy(), seed) or (None, None)
        values = {"related_log_odds": float(followed.mean()), "related_low": low, "related_high": high}
        metrics |= {name: Metric(value, len(followed)) for name, value in values.items()}
    paths: Metrics = {(edit.goal, name): metric for name, metric in metrics.items()}
    for name in base.kept:
        for which, chances in (("base", base.kept[name]), ("rewritten", now.kept[name])):
            path = edit.goal, "kept", name, f"{which}_probability"
            paths[path] = Metric(float(chances.mean()), len(chances))
    return paths


def _line(outcome: Outcome, edit: ChosenEdit, metrics: Metrics) -> str:
    before, after, goal = edit.before, edit.after, outcome.goal
    effect = f"{'P' if goal.sign else 'balance'} {before.probability.shown()} → {after.probability.shown()}"
    if not edit.learning_rate:
        return f"edit      toward {goal.name}: none, {effect}"
    steps = f", in {outcome.best.steps} steps" if outcome.best.steps > 1 else ""
    followed = metrics.get((goal.name, "related_log_odds"))
    if followed and followed.value is not None:
        effect += f", related words follow by {followed.value:+.2f} log-odds"
    for name, values in outcome.followed[0].kept.items():
        kept = outcome.followed[1].kept[name]
        effect += f", words of {name} stay by {float(values.mean()):.3f} → {float(kept.mean()):.3f}"
    return (
        f"edit      toward {goal.name}: {effect}; on ordinary text perplexity"
        f" {before.perplexity.shown('.2f')} → {after.perplexity.shown('.2f')}, KL {after.kl.shown('.4f')}, of"
        f" it unwanted {after.unwanted_kl.shown('.4f')}, the same likeliest token"
        f" {after.agreement.shown('.1%')} (learning rate {edit.learning_rate:.3g}, feature factor"
        f" {edit.feature_factor:+g}{'' if edit.damping is None else f', damping {edit.damping:g}'}{steps})"
    )
