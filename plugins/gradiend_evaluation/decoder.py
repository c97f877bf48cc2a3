"""How far rewriting shifts each class, and at what cost.

For each goal: learning rates at the feature factor that serves it, from a search or a grid. The best by the
run's policy is chosen on validation pairs; probabilities before and after are then measured on test pairs.
The language modelling score is that of all neutral texts, for choice and report alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from attrs import frozen
from torch import Tensor

from gradiend_core.api import (
    Candidate,
    EvaluationTask,
    Goal,
    Measure,
    Metric,
    Report,
    Rewriter,
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
from gradiend_evaluation import DecoderSettings
from gradiend_evaluation.uncertainty import difference_interval

COLUMNS = ("toward", "feature_factor", "learning_rate", "probability", "lms", "perplexity", "score", "chosen")
EFFECTS = ("toward", "words_of", "on_texts_of", "base", "rewritten", "low", "high", "n")


@frozen(eq=False)
class Outcome:
    """What was tried for a goal, which was taken, and what both models do on test texts, by class."""

    goal: Goal
    found: list[Candidate]
    best: Candidate
    scores: list[float | None]
    base: Mapping[str, Tensor]
    after: Mapping[str, Tensor]


class DecoderEvaluator:
    """Every candidate is put into the model in place; the model is restored to the bit."""

    def __init__(self, config: DecoderSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        if not hasattr(task.source, "score_texts"):
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
        warnings = (
            []
            if language
            else [
                "there is no neutral text, so no language modelling score guards the edit, and none is made"
            ]
        )
        metrics, lines = {}, []
        for each in outcomes:
            metrics |= _metrics(each, language, task)
            lines.append(_line(each, metrics))
            if language and not each.best.learning_rate:
                warnings.append(
                    f"no candidate toward {each.goal.name} beats the unedited model by the policy, so it"
                    " stays as it is"
                )
        tables = {
            "candidates": Table(COLUMNS, tuple(row for each in outcomes for row in _candidates(each))),
            "probabilities": Table(
                EFFECTS, tuple(row for each in outcomes for row in _probabilities(each, measure, task.seed))
            ),
        }
        return Report("decoder", metrics, tables, tuple(warnings), tuple(lines))

    def _outcome(
        self,
        task: EvaluationTask,
        goal: Goal,
        measure: Measure,
        rewriter: Rewriter,
        language: TextScores | None,
        base: Mapping[str, Tensor],
    ) -> Outcome:
        rewriter.restore()
        texts_of, part = task.policy.texts_of(goal), task.rewrite.part
        factors = task.rewrite.feature_factors or task.feature.factors(goal.name, part)
        unedited = measure.candidate("validation", texts_of, factors[0], language=language)

        def score(candidate: Candidate) -> float | None:
            return task.policy.score(goal, candidate, unedited)

        found = [unedited]
        for factor in factors:
            update = task.feature.update(goal.name, 0.0, feature_factor=factor, part=part)
            edit = WeightEdit(rewriter, update)
            trials = Trials(edit, unedited, partial(measure.candidate, "validation", texts_of), score)
            rates = self.config.learning_rates
            found += (grid(trials, rates) if rates else bracket(trials, self.config.evaluations))[1:]
        best = choose(found, score)
        rewriter.restore()
        if best.learning_rate:
            factor = best.feature_factor
            rewriter.apply(
                task.feature.update(goal.name, best.learning_rate, feature_factor=factor, part=part)
            )
        after = measure.candidate("test", task.feature.classes, language=best.language).probabilities
        return Outcome(goal, found, best, [score(each) for each in found], base, after)


def _metrics(
    each: Outcome, language: TextScores | None, task: EvaluationTask
) -> dict[tuple[str, ...], Metric]:
    goal, best = each.goal, each.best
    before, after = (float(goal_values(goal, values).mean()) for values in (each.base, each.after))
    n = len(each.base[goal.texts_of]) if goal.sign else sum(map(len, each.base.values()))
    metrics = {
        "base_probability": Metric(before, n),
        "rewritten_probability": Metric(after, n),
        "learning_rate": Metric(best.learning_rate, n),
        "feature_factor": Metric(best.feature_factor, n),
        "n": Metric(n, n),
    }
    for name, scores in (("base", language), ("rewritten", best.language)):
        tokens = scores.n if scores else 0
        metrics[f"{name}_lms"] = Metric(scores.mean if scores else None, tokens)
        metrics[f"{name}_perplexity"] = Metric(scores.perplexity if scores else None, tokens)
        metrics["lms_tokens"] = Metric(tokens, tokens)
    if language and best.language:
        interval = difference_interval(
            language.scores, best.language.scores, task.seed, counts=language.tokens
        )
        for place, end in enumerate(("low", "high")):
            metrics[f"lms_change_{end}"] = Metric(interval and interval[place], language.n)
    return {(goal.name, name): metric for name, metric in metrics.items()}


def _line(each: Outcome, metrics: Mapping[tuple[str, ...], Metric]) -> str:
    def show(name: str) -> str:
        value = metrics[each.goal.name, name].value
        return "undefined" if value is None else f"{value:.3f}"

    what = "P" if each.goal.sign else "balance"
    edit = f"learning rate {each.best.learning_rate:.3g}, feature factor {each.best.feature_factor:+g}"
    return (
        f"rewriting toward {each.goal.name}: {what} {show('base_probability')} →"
        f" {show('rewritten_probability')}, language modelling {show('base_lms')} → {show('rewritten_lms')}"
        f" ({edit})"
    )


def _candidates(each: Outcome) -> list[tuple[object, ...]]:
    rows = []
    for own, score in zip(each.found, each.scores, strict=True):
        value, perplexity = (
            float(goal_values(each.goal, own.probabilities).mean()),
            own.language and own.language.perplexity,
        )
        rows.append(
            (
                each.goal.name,
                own.feature_factor,
                own.learning_rate,
                value,
                own.lms,
                perplexity,
                score,
                own is each.best,
            )
        )
    return rows


def _probabilities(each: Outcome, measure: Measure, seed: int) -> list[tuple[object, ...]]:
    """The words of each class on the test texts of each class; the interval is that of the change."""
    classes, rows = each.goal.classes, []
    for column, words_of in enumerate(classes):
        for texts_of in classes:
            before, after = (values[texts_of][:, column] for values in (each.base, each.after))
            documents = [pair.document for pair in measure.slots("test", texts_of).examples.pairs]
            low, high = difference_interval(before, after, seed, groups=documents) or (None, None)
            rows.append(
                (
                    each.goal.name,
                    words_of,
                    texts_of,
                    float(before.mean()),
                    float(after.mean()),
                    low,
                    high,
                    len(before),
                )
            )
    return rows
