"""One training of an encoder-decoder: its state, steps and checkpoints, and the resulting features."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import islice

import torch
from attrs import asdict, define, evolve, field
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gradiend_core.api import (
    Checkpoint,
    EncoderDecoder,
    Examples,
    LearnedFeature,
    LearningError,
    LearningTask,
    Rates,
    Trainer,
    TrainingRow,
    calibrated,
    class_batches,
    converged,
    correlation,
    diagnosis,
    knows_nothing,
    labels_of,
    mean_gradients,
    on_axis,
)
from gradiend_learners import Adam
from gradiend_learners.axes import LatentScore, flipped, grouped, validation_of
from gradiend_learners.schedule import Schedule
from gradiend_learners.units import Units

#: batches looked at to find the units
PROBES = 4
#: what the gradients that a latent starts from encode to, before tanh
HALF = 0.5
#: correlations this close are equal, and of equal ones the later is kept: its decoder has learned for longer
TIE = 1e-3
#: bytes of a weight
FLOAT = 4


class Supervised(Enum):
    """The part that learns with the classes as codes. With neither, the encoder-decoder finds the codes
    itself."""

    NOTHING = "nothing"
    ENCODER = "encoder"
    DECODER = "decoder"


def state_vectors(config: Adam) -> int:
    """The vectors over the scope in a checkpoint: the weights, two moments of each, and the best weights so
    far."""
    return 4 * (2 * config.latent_dim + 1)


@define
class Training:
    """`begin` starts training or continues from its checkpoint; call `step` until `done` equals
    `schedule.last`, then `features`."""

    config: Adam
    task: LearningTask
    axes: tuple[tuple[str, str], ...]
    supervised: Supervised
    validation: Examples
    batches: Iterator[tuple[tuple[float, ...], list[int]]]
    neutral: Iterator[tuple[tuple[float, ...], list[int]]] | None
    steps_to_neutral: int  # steps after which a neutral batch comes
    checkpoint: Checkpoint
    schedule: Schedule
    units: Units = field(init=False)
    trainer: Trainer = field(init=False)
    buffer: Tensor | None = field(default=None, init=False)
    done: int = field(default=0, init=False)
    updates: int = field(default=0, init=False)
    rows: list[TrainingRow] = field(factory=list, init=False)
    best: EncoderDecoder | None = field(default=None, init=False)  # None: the weights as they are
    best_score: float = field(default=-1.0, init=False)

    @classmethod
    def begin(
        cls, config: Adam, task: LearningTask, axes: tuple[tuple[str, str], ...], supervised: Supervised
    ) -> Training:
        groups = grouped(task.train, axes)
        size = min(config.batch_size, len(task.train.pairs))
        neutral = None
        if config.neutral_every and task.neutral and len(task.neutral.pairs):
            neutral = class_batches({(0.0,) * len(axes): range(len(task.neutral.pairs))}, size, task.seed)
        folder = task.checkpoint and task.checkpoint / "-".join(axes[0] + axes[-1])
        self = cls(
            config,
            task,
            axes,
            supervised,
            validation_of(task, axes, config.validation_pairs),
            class_batches(groups, size, task.seed),
            neutral,
            len(groups) * config.neutral_every,
            Checkpoint(
                folder, config.checkpoint_seconds, state_vectors(config) * FLOAT * task.gradients.scope.size
            ),
            Schedule.of(config),
        )
        if not self.resume():
            probes = class_batches(groups, size, task.seed)
            self.units = self.measured(islice(probes, PROBES))
            n, device = task.gradients.scope.size, task.gradients.device
            model = EncoderDecoder.initial(
                n, task.seed, device, config.latent_dim, random_encoder=config.random_encoder
            )
            if config.latent_dim > 1:
                self.align(model, islice(class_batches(groups, size, task.seed), 2 * len(groups)))
            self.trainer = Trainer.of(model, config.weight_decay, self.eps, config.betas)
        return self

    @property
    def trains_encoder(self) -> bool:
        return self.supervised is not Supervised.DECODER

    @property
    def trains_decoder(self) -> bool:
        return self.supervised is not Supervised.ENCODER

    @property
    def eps(self) -> float:
        """With a given learning rate, the ε that corresponds to the paper's mean squared error."""
        return self.config.eps * (self.task.gradients.scope.size if self.config.learning_rate else 1)

    def measured(self, probes: Iterator[tuple[tuple[float, ...], list[int]]]) -> Units:
        lengths = []
        for _, rows in probes if not self.config.learning_rate else ():
            source, target = self.gradients(self.task.train, rows)
            lengths.append((float(source.norm()), float(source.abs().sum()), float(target.norm())))
        return Units.of(lengths, self.task.gradients.scope.size, self.config.learning_rate)

    def align(self, model: EncoderDecoder, probes: Iterator[tuple[tuple[float, ...], list[int]]]) -> None:
        """Starts each latent variable on its axis: on the sum d of some source gradients by their codes, Σ
        code·source, scaled so that these encode to about half of their codes, since code·(d·source) adds up
        to ‖d‖². Without this, reconstruction would be as good with any rotation of the latent variables."""
        directions, seen = (
            torch.zeros_like(model.encoder),
            torch.zeros(len(model.encoder), device=model.encoder.device),
        )
        for codes, rows in probes:
            source, _ = self.gradients(self.task.train, rows)
            for latent, code in enumerate(codes):
                directions[latent].add_(source, alpha=code)
                seen[latent] += code != 0
        scales = HALF * seen / (directions.square().sum(1) * self.units.source)
        model.encoder.addcmul_(directions, scales[:, None])

    def codes_of(self, rows: Sequence[int]) -> tuple[float, ...]:
        """The mean code of some training pairs on each axis."""
        pairs = [self.task.train.pairs[row] for row in rows]
        return tuple(float(labels_of(pairs, axis, self.config.source).mean()) for axis in self.axes)

    def gradients(self, examples: Examples, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Mean source and target gradient of a batch, [n] each, from one forward pass; the next call
        overwrites them."""
        roles = list(dict.fromkeys([self.config.source, self.config.target]))
        self.buffer = mean_gradients(self.task.gradients, examples, rows, roles, out=self.buffer)
        gradients = self.buffer.float()
        return gradients[0], gradients[-1]

    def step(self) -> None:
        self.done += 1
        if self.done > 1 and self.neutral and (self.done - 1) % self.steps_to_neutral == 0:
            codes, rows = next(self.neutral)
            self.update(codes, *self.gradients(self.task.neutral, rows))  # type: ignore[arg-type]
        _, rows = next(self.batches)
        loss = self.update(self.codes_of(rows), *self.gradients(self.task.train, rows))
        if not math.isfinite(loss):
            rate = self.units.rates.encoder
            raise LearningError(
                f"the loss is {loss} at step {self.done}: the learning rate {rate:.2g} is too large, or"
                " gradients are not finite"
            )
        row, every = TrainingRow(self.done, loss), self.config.validate_every if self.trains_encoder else 0
        if every and (self.done % every == 0 or self.done == self.schedule.last):
            row = self.validated(row)
        self.rows.append(row)
        self.task.tell(row)
        if row.validation_first is not None:
            self.judge()
        if self.checkpoint.due() and self.done < self.schedule.last:
            self.save()

    def update(self, codes: tuple[float, ...], source: Tensor, target: Tensor) -> float:
        self.updates += 1
        code = (
            torch.tensor(codes, device=source.device) if self.supervised is not Supervised.NOTHING else None
        )
        return self.trainer.step(
            self.updates,
            self.units.rates.scaled(self.schedule.lr_scale(self.done)),
            source,
            target,
            (self.units.source, self.units.target),
            code,
            learn_encoder=self.trains_encoder,
            learn_decoder=self.trains_decoder,
        )

    def judge(self) -> None:
        """Decides after a validation: ends soon when nothing improves any more, delays the decay of the
        learning rate while nothing is learned yet, and gives up when learning has failed."""
        if self.config.give_up and (problem := diagnosis(self.rows, self.axes[0])):
            raise LearningError(
                f"{problem} (learning rate {self.units.rates.encoder:.2g}, seed {self.task.seed})"
            )
        if self.config.give_up and knows_nothing(self.rows[-1]):
            self.schedule.delay_decay(self.done)
        if self.config.early_stop and not self.schedule.stopping and converged(self.rows):
            self.schedule.stop_soon(self.done, self.config)

    def validated(self, row: TrainingRow) -> TrainingRow:
        """The row with validation values; the weights are kept if they are the best so far."""
        model = self.trainer.model
        self.buffer = None  # room for the pass to come
        projected = self.task.gradients.project(self.validation, model.encoder, self.config.source)
        codes = (projected * self.units.source + model.encoder_bias).tanh().cpu()
        scores = [
            LatentScore.of(codes, self.validation, axis, self.config.source, latent)
            for axis, latent in self.assigned(codes)
        ]
        known = [abs(score.correlation) for score in scores if score.correlation is not None]
        mean = sum(known) / len(known) if len(known) == len(scores) else -math.inf
        better = mean >= self.best_score - TIE
        if better:
            self.best_score = max(mean, self.best_score)
            if self.done == self.schedule.last:
                self.best = None
            elif self.best is None:  # weights that are about to change
                self.best = model.copy()
            else:
                self.best.take(model)
        one = scores[0]
        return evolve(
            row,
            validation_correlation=one.correlation,
            validation_first=one.first,
            validation_second=one.second,
            kept=better,
        )

    def assigned(self, codes: Tensor) -> list[tuple[tuple[str, str], int]]:
        """Each axis with the latent variable that tells it best; no latent variable is used twice."""
        if len(self.axes) == 1:
            return [(self.axes[0], 0)]
        table = [
            [
                -abs(
                    LatentScore.of(codes, self.validation, axis, self.config.source, latent).correlation
                    or 0.0
                )
                for latent in range(codes.shape[1])
            ]
            for axis in self.axes
        ]
        return [(self.axes[a], int(latent)) for a, latent in zip(*linear_sum_assignment(table), strict=True)]

    def features(self) -> tuple[LearnedFeature, ...]:
        """The best weights in the model's own units, one feature for each axis, oriented, and calibrated if
        configured."""
        model = self.best or self.trainer.model
        del self.trainer
        self.buffer = self.best = None
        best_step = max((row.step for row in self.rows if row.kept), default=len(self.rows))
        model.encoder.mul_(self.units.source)
        model.decoder.div_(self.units.target)
        model.decoder_bias.div_(self.units.target)
        projected = self.task.gradients.project(self.validation, model.encoder, self.config.source).cpu()
        codes = (projected + model.encoder_bias.cpu()).tanh()
        result = []
        for axis, latent in self.assigned(codes):
            rows = tuple(self.rows)
            feature = LearnedFeature(
                model.encoder[latent],
                float(model.encoder_bias[latent]),
                model.decoder[latent],
                model.decoder_bias,
                self.task.gradients.scope,
                axis,
                self.config.source,
                self.config.target,
                rows,
                best_step,
                self.task.seed,
            )
            if not self.trains_encoder:
                result.append(feature)
                continue
            projections = projected[:, latent]
            labels = labels_of(self.validation.pairs, axis, feature.source)
            seen = on_axis(self.validation.pairs, axis)
            if (correlation(feature.encode(projections[seen]), labels[seen]) or 0.0) < 0:
                feature, projections = feature.flipped(), -projections
                feature = evolve(feature, training=tuple(flipped(row) for row in rows))
            result.append(
                calibrated(feature, projections[seen], labels[seen]) if self.config.calibrate else feature
            )
        return tuple(result)

    def save(self) -> None:
        model, trainer = self.trainer.model, self.trainer
        weights_by_name = {"weights": model, "first": trainer.first, "second": trainer.second} | (
            {"best": self.best} if self.best else {}
        )
        tensors = {
            f"{name}.{i}": value
            for name, whole in weights_by_name.items()
            for i, value in enumerate(whole.weights)
        }
        units = self.units
        values = {
            "updates": self.updates,
            "schedule": asdict(self.schedule),
            "best_score": self.best_score,
            "units": [
                units.source,
                units.target,
                units.rates.encoder,
                units.rates.encoder_bias,
                units.rates.decoder,
            ],
        }
        self.checkpoint.save(tensors, self.rows, values)

    def resume(self) -> bool:
        """Continues from the checkpoint, if there is one."""
        state = self.checkpoint.load(self.task.gradients.device)
        if state is None:
            return False
        tensors, self.rows, values = state
        weights, first, second = (
            EncoderDecoder(*(tensors[f"{name}.{i}"] for i in range(4)))
            for name in ("weights", "first", "second")
        )
        self.trainer = Trainer(weights, first, second, self.config.weight_decay, self.eps, self.config.betas)
        if "best.0" in tensors:
            self.best = EncoderDecoder(*(tensors[f"best.{i}"] for i in range(4)))
        source, target, *rates = values["units"]
        self.units = Units(source, target, Rates(*rates))
        self.updates, self.schedule = values["updates"], Schedule(**values["schedule"])
        self.best_score, self.done = values["best_score"], len(self.rows)
        next(islice(self.batches, self.done, self.done), None)
        if self.neutral:
            drawn = self.updates - self.done
            next(islice(self.neutral, drawn, drawn), None)
        return True
