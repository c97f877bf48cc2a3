"""The paper's learner: the encoder-decoder, trained by AdamW on the mean gradients of batches of one class."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import torch
from attrs import define, evolve, field, frozen
from torch import Tensor
from tqdm import tqdm

from gradiend_core.api import (
    EncoderDecoder,
    Examples,
    LearnedFeature,
    LearningError,
    LearningTask,
    TrainingRow,
    calibrated,
    class_batches,
    correlation,
    labels_of,
    projections,
    subset,
)
from gradiend_learners import Adam

#: the most that one step may move an encoding before tanh, and the share of a typical target entry that one step may
#: move the decoder; see tests/benchmarks/learning_rate.py for how wide the range is in which these work
ENCODER_STEP, DECODER_STEP = 0.5, 0.05
#: the size to which typical gradient entries are brought; there the paper's initial weights hardly move an encoding
SIZE = 0.1
PROBES = 4
#: correlations this close are equal, and of equal ones the later is kept: its decoder has learned for longer
TIE = 1e-3


class AdamLearner:
    """Stateless: everything that changes while learning is in `_Training`."""

    def __init__(self, config: Adam) -> None:
        self.config = config

    def learn(self, task: LearningTask) -> LearnedFeature:
        """The encoder-decoder after `steps` steps: the latest weights of the best validation correlation, or the last."""
        training = _Training.begin(self.config, task)
        steps = tqdm(range(1, self.config.steps + 1), "learning", disable=None if self.config.progress else True)
        try:
            for step in steps:
                training.step(step)
        except KeyboardInterrupt:
            if not training.rows:
                raise
            done = len(training.rows)
            warnings.warn(f"stopped by hand after {done} of {self.config.steps} steps; the best so far is kept", stacklevel=2)
        return training.feature()


@frozen
class Units:
    """Factors that bring source and target gradients to entries of one size, and the learning rates that fit them."""

    source: float
    target: float
    encoder_rate: float
    bias_rate: float
    decoder_rate: float

    @classmethod
    def of(cls, probes: list[tuple[Tensor, Tensor]], learning_rate: float) -> Units:
        """A given learning rate works on the plain gradients; without one, rates follow from a few gradients.

        A step of Adam moves each weight by about its rate, hence an encoding by at most rate · ‖source‖₁. The encoder's bias
        moves every encoding alike, neutral ones too, so in a small scope, where rates are high, it is held back.
        """
        if learning_rate:
            return cls(1.0, 1.0, learning_rate, learning_rate, learning_rate)
        n = len(probes[0][0])
        sizes = [torch.stack([gradient.norm() for gradient in side]).mean().item() / n**0.5 for side in zip(*probes, strict=True)]
        if not all(0 < size < math.inf for size in sizes):
            raise LearningError(f"gradients have the sizes {sizes} (source, target): nothing can be learned from them")
        longest = torch.stack([source.abs().sum() for source, _ in probes]).mean().item() * SIZE / sizes[0]
        rate, decoder_rate = ENCODER_STEP / longest, DECODER_STEP * SIZE
        return cls(SIZE / sizes[0], SIZE / sizes[1], rate, min(rate, decoder_rate), decoder_rate)


@define
class _Training:
    config: Adam
    task: LearningTask
    validation: Examples
    model: EncoderDecoder = field(init=False)
    units: Units = field(init=False)
    batches: Iterator[list[int]] = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)
    schedule: torch.optim.lr_scheduler.LRScheduler = field(init=False)
    rows: list[TrainingRow] = field(factory=list, init=False)
    best: tuple[Tensor, ...] | None = field(default=None, init=False)
    best_score: float = field(default=-1.0, init=False)

    @classmethod
    def begin(cls, config: Adam, task: LearningTask) -> _Training:
        self = cls(config, task, _validation(task, config.validation_pairs))
        labels = labels_of(task.train.pairs, task.classes).tolist()
        self.batches = class_batches(labels, min(config.batch_size, len(labels)), task.seed)
        probes = class_batches(labels, min(config.batch_size, len(labels)), task.seed)
        self.units = Units.of([self.gradients(next(probes)) for _ in range(PROBES)], config.learning_rate)
        self.model = EncoderDecoder.initial(task.gradients.scope.size, task.seed, task.gradients.device)
        rates = (self.units.encoder_rate, self.units.bias_rate, self.units.decoder_rate, self.units.decoder_rate)
        groups = [{"params": [weight], "lr": rate} for weight, rate in zip(self.model.weights, rates, strict=True)]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)
        fall = (lambda done: 1 - done / config.steps) if config.decay else (lambda _: 1.0)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, fall)
        return self

    def gradients(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """Mean source and target gradient of a batch, [n] each, from one forward pass."""
        roles = list(dict.fromkeys([self.config.source, self.config.target]))
        shares = torch.full((len(rows),), 1 / len(rows))
        found = self.task.gradients.accumulate(self.task.train, rows, shares, roles).float()
        return found[0], found[-1]

    def step(self, step: int) -> None:
        source, target = self.gradients(next(self.batches))
        loss = float(self.model.backward(source * self.units.source, target * self.units.target))
        if not math.isfinite(loss):
            raise LearningError(f"the loss is {loss} at step {step}: the gradients of this model are not finite")
        self.optimizer.step()
        self.schedule.step()
        row = TrainingRow(step, loss)
        every = self.config.validate_every
        if every and (step % every == 0 or step == self.config.steps):
            row = self.validated(row)
        self.rows.append(row)
        self.task.tell(row)

    def validated(self, row: TrainingRow) -> TrainingRow:
        """The row with validation values; the weights are kept if they are the best so far."""
        encoder = (self.model.encoder * self.units.source)[None]
        projected = self.task.gradients.project(self.validation, encoder, self.config.source)[:, 0]
        codes = (projected + self.model.encoder_bias).tanh().cpu()
        labels = labels_of(self.validation.pairs, self.task.classes)
        score = correlation(codes, labels)
        better = score is not None and abs(score) >= self.best_score - TIE
        if better:
            self.best, self.best_score = self.model.copy(), max(abs(score), self.best_score)
        first, second = (float(codes[labels == sign].mean()) for sign in (1.0, -1.0))
        return evolve(row, validation_correlation=score, validation_first=first, validation_second=second, kept=better)

    def feature(self) -> LearnedFeature:
        """The best weights in the model's own units, oriented, and calibrated if so configured."""
        encoder, bias, decoder, decoder_bias = self.best or self.model.weights
        best_step = max((row.step for row in self.rows if row.kept), default=len(self.rows))
        feature = LearnedFeature(
            encoder * self.units.source, float(bias), decoder / self.units.target, decoder_bias / self.units.target,
            self.task.gradients.scope, self.task.classes, self.config.source, self.config.target, tuple(self.rows), best_step,
        )  # fmt: skip
        labels = labels_of(self.validation.pairs, self.task.classes)
        projected = projections(feature, self.task.gradients, self.validation)
        if (correlation(feature.encode(projected), labels) or 0.0) < 0:
            feature, projected = feature.flipped(), -projected
            feature = evolve(feature, training=tuple(_turned(row) for row in self.rows))
        return calibrated(feature, projected, labels) if self.config.calibrate else feature


def _turned(row: TrainingRow) -> TrainingRow:
    """A training row after the code's sign was turned."""
    if row.validation_correlation is None:
        return row
    values = (row.validation_correlation, row.validation_first, row.validation_second)
    score, first, second = (-value for value in values)
    return evolve(row, validation_correlation=score, validation_first=first, validation_second=second)


def _validation(task: LearningTask, most: int) -> Examples:
    """The first validation pairs of each class, in equal numbers where there are enough."""
    labels = labels_of(task.validation.pairs, task.classes).tolist()
    sides = [[row for row, label in enumerate(labels) if label == sign][: most // 2] for sign in (1.0, -1.0)]
    return subset(task.validation, sorted(sides[0] + sides[1]))
