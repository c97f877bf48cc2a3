"""Learners without training steps: class means, and regression in the dual."""

from __future__ import annotations

import torch
from attrs import evolve

from gradiend_core.api import (
    LearnedFeature,
    LearningError,
    LearningTask,
    TrainingRow,
    agreeing_means,
    assembled,
    class_mean_values,
    class_means,
    correlation,
    labels_of,
    on_axis,
)
from gradiend_learners import MeanDifference, Ridge
from gradiend_learners.axes import validation_of


class MeanDifferenceLearner:
    """Encoder and decoder are differences of the classes' mean gradients: one pass over as many training
    pairs as it takes for two halves of them to agree."""

    def __init__(self, config: MeanDifference) -> None:
        self.config = config

    def vectors(self, axes: int) -> int:
        """Two means of each role, which become decoder and bias, the directions that are compared, and the
        features of other axes."""
        return 3 * len({self.config.source, self.config.target}) + self.feature_vectors() * (axes - 1)

    def feature_vectors(self) -> int:
        """Decoder and its bias, and the encoder where it is not the decoder."""
        return 2 if self.config.source == self.config.target else 3

    def texts(self, train: int, validation: int) -> int:
        """The largest number of texts that it reads."""
        return train + min(validation, self.config.validation_pairs)

    def learn(self, task: LearningTask) -> tuple[LearnedFeature, ...]:
        roles = (self.config.source, self.config.target)
        features = []
        for axis in task.axes:
            different = list(dict.fromkeys(roles))  # the means of one role are the same
            means, rows = agreeing_means(task, axis, different, roles[0], self.config.agreement)
            some = evolve(task, validation=validation_of(task, (axis,), self.config.validation_pairs))
            encoder = None if len(different) == 1 else means[0, 0] - means[0, 1]
            features.append(assembled(some, axis, encoder, means[-1], roles, rows))
        return tuple(features)


class RidgeLearner:
    """The encoder We that minimises ‖G·We − y‖² + λ‖We‖² for codes y of ±1, with We = Gᵀα: (GGᵀ + λ)α = y is
    solved by conjugate gradients, of which each iteration multiplies by G and by Gᵀ once, so neither G nor
    GGᵀ is formed.

    The first iteration is the mean difference; each further one whitens it more. The iteration with the best
    validation correlation is kept. The decoder gives the classes' mean target gradients.
    """

    def __init__(self, config: Ridge) -> None:
        self.config = config

    def vectors(self, axes: int) -> int:
        """The direction of an iteration and the encoder; or the encoder, two means, the decoder and its bias;
        and the features of other axes."""
        return 3 + 3 * axes

    def feature_vectors(self) -> int:
        """Encoder, decoder, and its bias."""
        return 3

    def texts(self, train: int, validation: int) -> int:
        """The largest number of texts that it reads: two products in each iteration, and the class means."""
        return self.config.iterations * (2 * train + validation) + train

    def learn(self, task: LearningTask) -> tuple[LearnedFeature, ...]:
        return tuple(self._learn(task, axis) for axis in task.axes)

    def _learn(self, task: LearningTask, axis: tuple[str, str]) -> LearnedFeature:
        gradients, source = task.gradients, self.config.source
        labels = labels_of(task.train.pairs, axis, source)
        wanted = labels_of(task.validation.pairs, axis, source)
        rows = on_axis(task.train.pairs, axis).nonzero()[:, 0]
        seen = on_axis(task.validation.pairs, axis)
        everything = list(range(len(labels)))
        direction = torch.zeros(len(labels))
        high = labels > float(labels[rows].mean())
        # both classes count alike, or, where they are graded, the higher and the lower ones
        weights = torch.where(high, 1 / high[rows].sum(), 1 / (~high[rows]).sum())
        residual = (labels * weights)[rows]
        solution, penalty, best = torch.zeros(len(labels)), 0.0, (-1.0, 0, torch.zeros(len(labels)))
        search, norm, predicted = residual.clone(), float(residual @ residual), torch.zeros(len(wanted))
        record: list[TrainingRow] = []
        start, along = norm, None
        for iteration in range(1, self.config.iterations + 1):
            direction.zero_()[rows] = search
            along = gradients.accumulate(task.train, everything, direction, [source], along)
            product = gradients.project(task.train, along, source)[:, 0].cpu()[rows]
            if not penalty:
                penalty = self.config.penalty * float(search @ product) / norm
            product += penalty * search
            curvature = float(search @ product)
            if not 0 < curvature < torch.inf:
                if record:
                    break
                raise LearningError(
                    f"the gradients of the training pairs have squared length {curvature} along the classes"
                )
            step = norm / curvature
            solution[rows] += step * search
            residual = residual - step * product
            predicted += step * gradients.project(task.validation, along, source)[:, 0].cpu()
            before, norm = norm, float(residual @ residual)
            search = residual + norm / before * search
            score = correlation(predicted[seen], wanted[seen]) or 0.0
            first, second = class_mean_values(predicted, wanted)
            if abs(score) > best[0]:
                best = (abs(score), iteration, solution.clone())
            record.append(
                TrainingRow(iteration, norm / start, score, first, second, kept=best[1] == iteration)
            )
            task.tell(record[-1])
            if norm <= 1e-10 * start or iteration - best[1] >= self.config.patience:
                break
        encoder = gradients.accumulate(task.train, everything, best[2], [source])[0].float()
        target = class_means(gradients, task.train, axis, [self.config.target], source)[0]
        return assembled(task, axis, encoder, target, (source, self.config.target), record)
