"""What simpler edits do at the same cost in language modelling: is the learned feature worth its training?

Each is an update over the feature's scope, searched for in the same way, with the same texts, floor and number of evaluations:

    feature           the decoder's output
    mean-difference   the mean difference gradient of training pairs of the other class, minus that of the class
    fine-tuning       the weights after some steps of normalised gradient descent on the class's fillers, minus those before
                      (a task vector, arXiv 2212.04089)
    random            a direction that nothing was learned for
"""

from __future__ import annotations

import math
from itertools import cycle

import torch
from attrs import evolve
from torch import Tensor

from gradiend_core.api import (
    ConfigError,
    EvaluationTask,
    GradientRole,
    Metric,
    Report,
    Rewriter,
    Table,
    Trials,
    WeightUpdate,
    bracket,
    choose,
    labels_of,
)
from gradiend_evaluation import BaselineSettings
from gradiend_evaluation.decoder import Probability

COLUMNS = (
    "toward", "method", "learning_rate", "relative_length", "base_probability", "probability", "base_lms", "lms", "n",
)  # fmt: skip
#: the length of a step of fine-tuning, relative to the weights
STEP = 5e-4


class BaselineEvaluator:
    """Every edit is put into the model in place; the model is restored to the bit."""

    def __init__(self, config: BaselineSettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        if not hasattr(task.source, "language_modelling_score"):
            raise ConfigError(f"{type(task.source).__name__} has no language modelling score; leave the baselines out")
        model, rows, metrics, feature = task.gradients.model, [], {}, task.feature
        texts = task.data.neutral_texts[: self.config.max_texts]
        prepared = task.source.prepare_texts(texts, task.tokenizer, model, task.seed) if texts else []
        if not prepared:
            warning = "there is no neutral text, so no language modelling score could be equal, and no edits were compared"
            return Report("baselines", {}, {}, (warning,))

        def lms() -> float:
            return float(task.source.language_modelling_score(model, prepared)[0])

        with Rewriter(model, feature.scope) as rewriter:
            for toward, other in zip(feature.classes, reversed(feature.classes), strict=True):
                validation, test = (Probability(task, split, other, self.config.max_texts) for split in ("validation", "test"))
                base = test()[toward]
                updates = {"feature": feature.update(toward, 0.0)}
                for method in self.config.methods:
                    updates[method] = evolve(updates["feature"], direction=self._direction(method, task, toward, rewriter))
                for method, update in updates.items():
                    found = bracket(
                        Trials(rewriter, update, validation.of(toward), lms),
                        self.config.lms_floor,
                        self.config.evaluations,
                    )
                    best = choose(found, self.config.lms_floor)
                    rewriter.apply(evolve(update, learning_rate=best.learning_rate))
                    after = test()[toward]
                    rewriter.restore()
                    length = update.norm_at(best.learning_rate) / rewriter.norm()
                    rows.append((toward, method, best.learning_rate, length, base, after, found[0].lms, best.lms, len(test)))
                    metrics[toward, method, "rewritten_probability"] = Metric(after, len(test))
                    metrics[toward, method, "rewritten_lms"] = Metric(best.lms, len(texts))
        return Report("baselines", metrics, {"edits": Table(COLUMNS, tuple(rows))})

    def _direction(self, method: str, task: EvaluationTask, toward: str, rewriter: Rewriter) -> Tensor:
        scope, device = task.feature.scope, task.gradients.device
        if method == "random":
            return torch.randn(scope.size, generator=torch.Generator().manual_seed(task.seed)).to(device)
        labels = labels_of(task.examples["train"].pairs, task.feature.classes)
        sign = 1.0 if toward == task.feature.classes[0] else -1.0
        own, other = ((labels == each).nonzero()[:, 0].tolist() for each in (sign, -sign))
        if method == "mean-difference":
            half = self.config.pairs // 2
            return self._mean(task, other[:half], GradientRole.DIFFERENCE) - self._mean(task, own[:half], GradientRole.DIFFERENCE)
        return self._fine_tuned(task, other, rewriter)

    def _mean(self, task: EvaluationTask, rows: list[int], role: GradientRole) -> Tensor:
        shares = torch.full((len(rows),), 1 / len(rows))
        return task.gradients.accumulate(task.examples["train"], rows, shares, [role])[0].float()

    def _fine_tuned(self, task: EvaluationTask, rows: list[int], rewriter: Rewriter) -> Tensor:
        """How the weights move when the class's fillers are learned in slots of the other class."""
        scope, size = task.feature.scope, min(self.config.batch_size, len(rows))
        moved = torch.zeros(scope.size, device=task.gradients.device)
        places, step = cycle(rows), STEP * rewriter.norm()
        for _ in range(self.config.steps):
            gradient = self._mean(task, [next(places) for _ in range(size)], GradientRole.ALTERNATIVE)
            length = float(gradient.norm())
            if not length or not math.isfinite(length):
                break
            moved.add_(gradient, alpha=-step / length)
            rewriter.apply(WeightUpdate(moved, scope, 0.0, 1.0))
        rewriter.restore()
        return moved
