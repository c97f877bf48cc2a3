"""The chosen edits at several strengths: what each does, in numbers and in text, to be looked through from
weak to strong."""

from __future__ import annotations

from gradiend_core.api import EvaluationTask, Metric, Report, Rewriter, Table, goal_values, measure_of
from gradiend_evaluation import StrengthSettings
from gradiend_evaluation.samples import continuations, likeliest

POINTS = ("toward", "strength", "learning_rate", "value", "lms", "n")
SAMPLES = ("toward", "strength", "text", "made")


class StrengthEvaluator:
    """Strength 1 is the edit that an evaluator before this one has chosen, 0 the unedited model."""

    def __init__(self, config: StrengthSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        measure = measure_of(task, self.config.max_texts)
        points, samples, warnings, metrics = [], [], [], {}
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
                    found = measure.candidate("test", goal.texts, language=measure.language())
                    value, rate = goal_values(goal, found.probabilities), strength * update.learning_rate
                    points.append((goal.name, strength, rate, float(value.mean()), found.lms, len(value)))
                    metrics[goal.name, f"{strength:g}"] = Metric(float(value.mean()), len(value))
                    made = continuations(task, prompts, self.config.new_tokens) | likeliest(
                        task, self.config.samples
                    )
                    samples += [(goal.name, strength, text, shown) for text, shown in made.items()]
        tables = {"points": Table(POINTS, tuple(points)), "samples": Table(SAMPLES, tuple(samples))}
        return Report("strengths", metrics, tables, tuple(warnings))


def _openings(task: EvaluationTask, count: int) -> list[str]:
    """What stands before the slots of some test texts, for models that go on writing."""
    found = [pair.left.strip() for pair in task.examples["test"].pairs if len(pair.left.split()) > 2]
    return list(dict.fromkeys(found))[:count]
