"""The chosen edits at several strengths: what each does, in numbers and in text, from weak to strong."""

from __future__ import annotations

from attrs import frozen

from gradiend_core.api import (
    EvaluationTask,
    Metric,
    Metrics,
    Report,
    Rewriter,
    Table,
    goal_values,
    measure_of,
)
from gradiend_evaluators import StrengthSettings
from gradiend_evaluators.samples import continuations, likeliest


@frozen
class PointRow:
    """The effects of an edit at one strength, on test texts."""

    toward: str
    strength: float
    learning_rate: float
    value: float
    lms: float
    n: int


@frozen
class SampleRow:
    """What the model generates for a text at one strength."""

    toward: str
    strength: float
    text: str
    made: str


class StrengthEvaluator:
    """Strength 1 is the edit that an earlier evaluator chose, 0 the unedited model."""

    def __init__(self, config: StrengthSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        measure = measure_of(task, self.config.max_texts, ordinary_texts=0)
        points: list[PointRow] = []
        samples: list[SampleRow] = []
        warnings = []
        prompts = [*self.config.prompts, *_openings(task, self.config.samples)]
        with Rewriter(task.gradients.model, task.feature.scope) as rewriter:
            for goal in task.goals:
                update = task.edit(goal.name)
                if not update.learning_rate:
                    warnings.append(f"no edit toward {goal.name} was chosen, so there are no strengths of it")
                    continue
                for strength in sorted({0.0, 1.0, *self.config.strengths}):
                    rewriter.restore()
                    if strength:
                        rewriter.apply(update * strength)
                    candidate = measure.candidate("test", goal.texts, language=measure.language())
                    values, rate = goal_values(goal, candidate.probabilities), strength * update.learning_rate
                    points.append(
                        PointRow(goal.name, strength, rate, float(values.mean()), candidate.lms, len(values))
                    )
                    made = continuations(task, prompts, self.config.new_tokens)
                    made |= likeliest(task, self.config.samples)
                    samples += [SampleRow(goal.name, strength, text, after) for text, after in made.items()]
        metrics: Metrics = {(row.toward, f"{row.strength:g}"): Metric(row.value, row.n) for row in points}
        tables = {"points": Table.of(PointRow, points), "samples": Table.of(SampleRow, samples)}
        return Report("strengths", metrics, tables, tuple(warnings))


def _openings(task: EvaluationTask, count: int) -> list[str]:
    """The text before the slots of some test texts, for models that generate text."""
    openings = [pair.left.strip() for pair in task.examples["test"].pairs if len(pair.left.split()) > 2]
    return list(dict.fromkeys(openings))[:count]
