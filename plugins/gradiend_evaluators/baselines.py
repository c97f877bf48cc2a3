"""What simpler edits do at the same cost in language modelling: is the learned feature worth its training?

Each is searched for in the same way, with the same texts, policy and number of evaluations. Over the
feature's scope:

    feature           the decoder's output
    mean-difference   the mean difference gradient of training pairs of the other class, minus that of
                      the class
    fine-tuning       the weights after some steps of normalised gradient descent on the class's fillers,
                      minus those before (a task vector, arXiv 2212.04089)
    random            a direction that nothing was learned for

In the output of a layer, which its name ends with, while all weights stay as they are:

    activation        the mean difference at the fillers of both classes, added at every token
                      (contrastive activation addition)
    leace             the classes erased; it has one strength and no direction
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle

import torch
from attrs import evolve, frozen
from torch import Tensor

from gradiend_core.api import (
    Candidate,
    Edit,
    EvaluationTask,
    FillsSlots,
    Goal,
    GradientRole,
    Measure,
    Metric,
    Metrics,
    Report,
    Rewriter,
    Table,
    Trials,
    WeightEdit,
    WeightUpdate,
    bracket,
    choose,
    goal_values,
    labels_of,
    mean_gradients,
    measure_of,
)
from gradiend_evaluators import BaselineSettings
from gradiend_evaluators.activations import added_difference, chosen_layers, erased
from gradiend_evaluators.uncertainty import difference_interval

#: the length of a step of fine-tuning, relative to the weights
STEP = 5e-4


@frozen
class EditRow:
    """The best edit of one method: its length relative to what it changes, and what it does on test texts."""

    toward: str
    method: str
    learning_rate: float
    relative_length: float
    base_probability: float
    probability: float
    base_lms: float
    lms: float
    lms_low: float | None
    lms_high: float | None
    n: int


class BaselineEvaluator:
    """Every edit is put into the model in place; the model is restored to the bit."""

    def __init__(self, config: BaselineSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        measure, feature = measure_of(task, self.config.max_texts), task.feature
        language = measure.language()
        if language is None:
            warning = (
                "there is no neutral text, so no language modelling score could be equal, and no edits were"
                " compared"
            )
            return Report("baselines", {}, warnings=(warning,))
        warnings: list[str] = []
        rows: list[EditRow] = []
        if "leace" in self.config.methods and not _installed():
            warnings.append("leace is left out, as concept-erasure is not installed")
        if not isinstance(task.source, FillsSlots):
            warnings.append(
                f"{type(task.source).__name__} does not put fillers into texts, so no activations were edited"
            )
        with Rewriter(task.gradients.model, feature.scope) as rewriter:
            for goal in task.goals:
                base = measure.candidate("validation", task.policy.texts_of(goal), language=language)
                before = measure.candidate("test", goal.texts, language=language).probabilities
                for method, edit in self._edits(task, goal, rewriter):
                    best, after = self._best(task, goal, edit, measure, base)
                    rewriter.restore()
                    assert best.language
                    low, high = difference_interval(
                        language.scores, best.language.scores, task.seed, counts=language.tokens
                    ) or (None, None)
                    row = EditRow(
                        goal.name,
                        method,
                        best.learning_rate,
                        abs(best.learning_rate) * edit.relative_length,
                        float(goal_values(goal, before).mean()),
                        float(goal_values(goal, after).mean()),
                        base.lms,
                        best.lms,
                        low,
                        high,
                        sum(map(len, after.values())),
                    )
                    rows.append(row)
        metrics: Metrics = {}
        for row in rows:
            metrics[row.toward, row.method, "rewritten_probability"] = Metric(row.probability, row.n)
            metrics[row.toward, row.method, "rewritten_lms"] = Metric(row.lms, language.n)
        return Report("baselines", metrics, {"edits": Table.of(EditRow, rows)}, tuple(warnings))

    def _best(
        self, task: EvaluationTask, goal: Goal, edit: Edit, measure: Measure, base: Candidate
    ) -> tuple[Candidate, Mapping[str, Tensor]]:
        """The best edit by the policy, and its test probabilities."""

        def score(candidate: Candidate) -> float | None:
            return task.policy.score(goal, candidate, base)

        trials = Trials(
            edit, base, partial(measure.candidate, "validation", task.policy.texts_of(goal)), score
        )
        if edit.relative_length:
            bracket(trials, self.config.evaluations)
        else:
            trials.measure(1.0)
        best = choose(trials.candidates, score)
        edit.restore()
        if best.learning_rate:
            edit.apply(best.learning_rate)
        after = measure.candidate("test", goal.texts, language=best.language).probabilities
        edit.restore()
        return best, after

    def _edits(self, task: EvaluationTask, goal: Goal, rewriter: Rewriter) -> Iterator[tuple[str, Edit]]:
        """The feature's edit and its rivals; what has a direction is no way to make both classes alike."""
        feature, direction = task.feature, task.rewrite.direction
        factors = feature.factors(goal.name, direction)
        update = feature.update(goal.name, 0.0, feature_factor=factors[0], direction=direction)
        yield "feature", WeightEdit(rewriter, update)
        labels = labels_of(task.examples["train"].pairs, feature.classes)
        of_class, of_other = ((labels == code).nonzero()[:, 0].tolist() for code in _codes(goal))
        some = of_other[: self.config.pairs // 2] + of_class[: self.config.pairs // 2]
        for method in self.config.methods:
            if method in ("activation", "leace"):
                if isinstance(task.source, FillsSlots) and (goal.sign or method == "leace"):
                    yield from self._activation_edits(task, method, some, goal)
            elif goal.sign:
                vector = goal.sign * self._direction(method, task, of_class, of_other, rewriter)
                yield method, WeightEdit(rewriter, evolve(update, direction=vector, feature_factor=0.0))

    def _activation_edits(
        self, task: EvaluationTask, method: str, rows: Sequence[int], goal: Goal
    ) -> Iterator[tuple[str, Edit]]:
        for number, layer in chosen_layers(task.gradients.model, self.config.layers).items():
            if method == "activation":
                yield f"{method} {number}", added_difference(task, layer, rows, goal)
            elif _installed():
                yield f"{method} {number}", erased(task, layer, rows)

    def _direction(
        self, method: str, task: EvaluationTask, of_class: list[int], of_other: list[int], rewriter: Rewriter
    ) -> Tensor:
        """Toward the class whose training pairs are `own`."""
        if method == "random":
            generator = torch.Generator().manual_seed(task.seed)
            return torch.randn(task.feature.scope.size, generator=generator).to(task.gradients.device)
        if method == "mean-difference":
            half = self.config.pairs // 2
            return self._mean(task, of_other[:half], GradientRole.DIFFERENCE) - self._mean(
                task, of_class[:half], GradientRole.DIFFERENCE
            )
        return self._fine_tuned(task, of_other, rewriter)

    def _mean(self, task: EvaluationTask, rows: list[int], role: GradientRole) -> Tensor:
        return mean_gradients(task.gradients, task.examples["train"], rows, [role])[0].float()

    def _fine_tuned(self, task: EvaluationTask, rows: list[int], rewriter: Rewriter) -> Tensor:
        """How the weights move when the class's fillers are learned in slots of the other class."""
        scope, size = task.feature.scope, min(self.config.batch_size, len(rows))
        moved = torch.zeros(scope.size, device=task.gradients.device)
        rows_in_turn, step = cycle(rows), STEP * rewriter.norm()
        for _ in range(self.config.steps):
            gradient = self._mean(task, [next(rows_in_turn) for _ in range(size)], GradientRole.ALTERNATIVE)
            length = float(gradient.norm())
            if not length or not math.isfinite(length):
                break
            moved.add_(gradient, alpha=-step / length)
            rewriter.apply(WeightUpdate(moved, scope, 0.0, 1.0))
        rewriter.restore()
        return moved


def _codes(goal: Goal) -> tuple[float, float]:
    """The codes of the goal's class and of the other."""
    return (1.0, -1.0) if goal.of == goal.classes[0] else (-1.0, 1.0)


def _installed() -> bool:
    from importlib.util import find_spec

    return find_spec("concept_erasure") is not None
