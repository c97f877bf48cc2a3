"""What simpler edits do under the same budget: is the learned feature worth its training?

Each is searched for in the same way, with the same texts, policy and number of evaluations. Over the
feature's scope:

    feature           the decoder's output, divided by the metric where the run has one (`rewrite.metric`)
    plain             the decoder's output as it is
    mean-difference   the mean difference gradient of training pairs of the other class, minus that of
                      the class
    fine-tuning       the weights after some steps of normalised gradient descent on the class's fillers,
                      minus those before (a task vector, arXiv 2212.04089)
    random            a direction that nothing was learned for

Of the outputs, and nothing else. Whoever wants a word to be likelier needs no more than that; what is related
to the word does not follow:

    logit-bias        a number added to the logits of the class's words, wherever the model predicts
    logit-contrast    the same, and taken from those of the other class
    output-rows       of the feature's edit only the rows of the output layer that are words of the classes

In the output of a layer, which its name ends with, while all weights stay as they are:

    activation        the mean difference at the fillers of both classes, added at every token
                      (contrastive activation addition)
    leace             the classes erased; it has one strength and no direction
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle

import torch
from attrs import evolve, frozen
from torch import Tensor

from gradiend_core.api import (
    Edit,
    EvaluationTask,
    FillsSlots,
    Goal,
    GradientRole,
    Metric,
    Metrics,
    Report,
    Rewriter,
    Table,
    WeightEdit,
    WeightUpdate,
    edit_scores,
    labels_of,
    mean_gradients,
    natural_update,
    shown,
)
from gradiend_evaluators import BaselineSettings
from gradiend_evaluators.activations import added_difference, chosen_layers, erased
from gradiend_evaluators.measured import MEASURES, Compared, EditRow, measured
from gradiend_evaluators.outputs import logit_bias, only_output_rows
from gradiend_evaluators.searching import searched

#: what is edited in the outputs alone
OUTPUTS = ("logit-bias", "logit-contrast", "output-rows")
#: the length of a step of fine-tuning, relative to the weights
STEP = 5e-4


@frozen(eq=False)
class Method:
    """A kind of edit, with the dampings of the metric that it is tried with."""

    name: str
    edit: Callable[[float | None], Edit]
    dampings: tuple[float | None, ...] = (None,)


class BaselineEvaluator:
    """Every edit is applied to the model in place; afterwards the model is restored to the bit."""

    def __init__(self, config: BaselineSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        feature, compared = task.feature, Compared.of(task, self.config)
        measure = compared.measure
        if measure.ordinary("test") is None:
            warning = "there is no ordinary text that was not learned from, so no edits were compared"
            return Report("baselines", {}, warnings=(warning,))
        warnings: list[str] = []
        rows: list[EditRow] = []
        curves: list[EditRow] = []
        if "leace" in self.config.methods and not _installed():
            warnings.append("leace is left out, as concept-erasure is not installed")
        if not isinstance(task.source, FillsSlots):
            warnings.append(
                f"{type(task.source).__name__} does not put fillers into texts, so no activations were edited"
            )
        with Rewriter(task.gradients.model, feature.scope) as rewriter:
            for goal in task.goals:
                base = measure.unedited("validation", task.policy.texts_of(goal), language=compared.language)
                before = edit_scores(goal, measure.unedited("test", goal.texts, language=compared.language))
                for method in self._methods(task, goal, rewriter):
                    kinds = [(damping, partial(method.edit, damping)) for damping in method.dampings]
                    _, best, edit = searched(task, goal, kinds, measure, base, self.config.evaluations)
                    several = best.learning_rate and edit.relative_length
                    for strength in sorted({1.0, *(self.config.strengths if several else ())}):
                        row = measured(task, goal, method.name, edit, best, strength, compared, before)
                        curves.append(row)
                        if strength == 1.0:
                            rows.append(row)
                    rewriter.restore()
        metrics: Metrics = {}
        for row in rows:
            values = {"rewritten_probability": row.probability, "rewritten_lms": row.lms}
            values |= {name: getattr(row, name) for name in MEASURES}
            metrics |= {
                (row.toward, row.method, name): Metric(value, row.n) for name, value in values.items()
            }
        lines = [_line(goal.name, [row for row in rows if row.toward == goal.name]) for goal in task.goals]
        tables = {"edits": Table.of(EditRow, rows), "curves": Table.of(EditRow, curves)}
        return Report("baselines", metrics, tables, tuple(warnings), tuple(filter(None, lines)))

    def _methods(self, task: EvaluationTask, goal: Goal, rewriter: Rewriter) -> Iterator[Method]:
        """The feature's edit and its rivals. An edit along one direction cannot make both classes equally
        probable."""
        feature, direction = task.feature, task.rewrite.direction
        factor = feature.factors(goal.name, direction)[0]

        plain = feature.update(goal.name, 0.0, feature_factor=factor, direction=direction)

        def of_feature(damping: float | None) -> Edit:
            return WeightEdit(rewriter, natural_update(task, goal, factor, damping))

        yield Method("feature", of_feature, task.dampings)
        labels = labels_of(task.examples["train"].pairs, feature.classes)
        of_class, of_other = ((labels == code).nonzero()[:, 0].tolist() for code in _codes(goal))
        some = of_other[: self.config.pairs // 2] + of_class[: self.config.pairs // 2]
        for name in self.config.methods:
            if name == "plain":
                if task.dampings != (None,) or task.rewrite.keep:
                    yield Method(name, returning(WeightEdit(rewriter, plain)))
            elif name in OUTPUTS:
                if (edited := self._output_edit(task, name, goal, plain, rewriter)) is not None:
                    yield Method(name, returning(edited))
            elif name in ("activation", "leace"):
                if isinstance(task.source, FillsSlots) and (goal.sign or name == "leace"):
                    for layer_name, edit in self._activation_edits(task, name, some, goal):
                        yield Method(layer_name, returning(edit))
            elif goal.sign:
                vector = goal.sign * self._direction(name, task, of_class, of_other, rewriter)
                rival = evolve(plain, direction=vector, feature_factor=0.0)
                yield Method(name, returning(WeightEdit(rewriter, rival)))

    def _output_edit(
        self, task: EvaluationTask, method: str, goal: Goal, update: WeightUpdate, rewriter: Rewriter
    ) -> Edit | None:
        if not goal.sign:
            return None
        if method == "output-rows":
            rows = only_output_rows(task, goal, update)
            return WeightEdit(rewriter, rows) if rows else None
        return logit_bias(task, goal, contrast=method == "logit-contrast")

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
        """The direction toward the goal's class, from its training pairs and those of the other class."""
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
        """The change of the weights when the class's fillers are learned in slots of the other class."""
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


def returning(edit: Edit) -> Callable[[float | None], Edit]:
    """An edit without a metric."""
    return lambda _: edit


def _line(toward: str, rows: Sequence[EditRow]) -> str:
    """A sentence that compares the feature with methods that need no learning."""

    def told(row: EditRow) -> str:
        return f"{row.method} P {row.probability:.3f}, related words {shown(row.related_log_odds, '+.2f')}"

    named = [row for row in rows if row.method in ("feature", "plain", *OUTPUTS)]
    return f"baselines toward {toward}, at one budget: {'; '.join(map(told, named))}" if named else ""


def _codes(goal: Goal) -> tuple[float, float]:
    """The codes of the goal's class and of the other class."""
    return (1.0, -1.0) if goal.of == goal.classes[0] else (-1.0, 1.0)


def _installed() -> bool:
    from importlib.util import find_spec

    return find_spec("concept_erasure") is not None
