"""The paper's learner: the encoder-decoder, trained by AdamW on the mean gradients of batches of one class."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from attrs import define, evolve, field, frozen
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from tqdm import tqdm

from gradiend_core.api import (
    Checkpoint,
    ConfigError,
    EncoderDecoder,
    Examples,
    LearnedFeature,
    LearningError,
    LearningTask,
    Rates,
    Trainer,
    TrainingRow,
    assembled,
    calibrated,
    class_batches,
    class_means,
    converged,
    correlation,
    diagnosis,
    labels_of,
    relabelled,
    subset,
)
from gradiend_learners import Adam

#: the most that one step may move an encoding before tanh, and the share of a typical target entry that one step may
#: move the decoder; see tests/benchmarks/learning_rate.py for how wide the range is in which these work
ENCODER_STEP, DECODER_STEP = 0.2, 0.05
#: the size to which typical gradient entries are brought; there the paper's initial weights hardly move an encoding
SIZE = 0.1
PROBES = 4
#: correlations this close are equal, and of equal ones the later is kept: its decoder has learned for longer
TIE = 1e-3


class AdamLearner:
    """Stateless: everything that changes while learning is in `_Training`."""

    #: what is taught with the classes as codes; without any, the encoder-decoder finds them itself
    taught: frozenset[str] = frozenset()

    def __init__(self, config: Adam) -> None:
        self.config = config

    def learn(self, task: LearningTask) -> tuple[LearnedFeature, ...]:
        """The encoder-decoder after `steps` steps at most: the latest weights of the best validation correlation, or the last."""
        k = self.config.latent_dim
        if k not in (1, len(task.axes)):
            raise ConfigError(f"learner.latent_dim is {k}, but must be 1 or the number of axes, {len(task.axes)}")
        if k > 1 or len(task.axes) == 1:
            return self._together(task, task.axes)
        return tuple(feature for axis in task.axes for feature in self._together(task, (axis,)))

    def _together(self, task: LearningTask, axes: tuple[tuple[str, str], ...]) -> tuple[LearnedFeature, ...]:
        training = _Training.begin(self.config, task, axes, self.taught)
        bar = tqdm(total=self.config.steps, desc="learning", disable=None if self.config.progress else True)
        try:
            while training.done < training.last:
                training.step()
                bar.update(training.done - bar.n)
        except KeyboardInterrupt:
            if not training.rows:
                raise
            done = training.done
            warnings.warn(f"stopped by hand after {done} of {self.config.steps} steps; the best so far is kept", stacklevel=2)
        finally:
            bar.close()
        return training.features()


class SupervisedEncoderLearner(AdamLearner):
    """The encoder learns the classes as codes; the decoder is that of the class means."""

    taught = frozenset({"encoder"})

    def _together(self, task: LearningTask, axes: tuple[tuple[str, str], ...]) -> tuple[LearnedFeature, ...]:
        features = super()._together(task, axes)
        means = [class_means(task, feature.classes, [feature.target])[0] for feature in features]
        return tuple(
            evolve(feature, decoder=(first - second) / 2, decoder_bias=(first + second) / 2)
            for feature, (first, second) in zip(features, means, strict=True)
        )


class SupervisedDecoderLearner(AdamLearner):
    """The decoder learns what the classes as codes should give; the encoder is that of the class means."""

    taught = frozenset({"decoder"})

    def _together(self, task: LearningTask, axes: tuple[tuple[str, str], ...]) -> tuple[LearnedFeature, ...]:
        result = []
        for feature in super()._together(task, axes):
            first, second = class_means(task, feature.classes, [feature.source])[0]
            ends = torch.stack([feature.decode(1.0), feature.decode(-1.0)])
            found = assembled(task, feature.classes, first - second, ends, (feature.source, feature.target), feature.training)
            result.append(found)
        return tuple(result)


class ShuffledLearner(AdamLearner):
    """`adam` with the classes of training and validation pairs shuffled."""

    def learn(self, task: LearningTask) -> tuple[LearnedFeature, ...]:
        rng = random.Random(f"{task.seed}:shuffled")

        def shuffled(examples: Examples) -> Examples:
            classes = [(pair.factual_class, pair.alternative_class) for pair in examples.pairs]
            rng.shuffle(classes)
            return relabelled(examples, classes)

        return super().learn(evolve(task, train=shuffled(task.train), validation=shuffled(task.validation)))


@frozen
class Units:
    """Factors that bring source and target gradients to entries of one size, and the learning rates that fit them."""

    source: float
    target: float
    rates: Rates

    @classmethod
    def of(cls, probes: list[tuple[float, float, float]], n: int, learning_rate: float) -> Units:
        """A given learning rate works on the plain gradients; without one, rates follow from a few gradients, of which lengths
        are given: Euclidean and absolute of the source, Euclidean of the target.

        A step of Adam moves each weight by about its rate, hence an encoding by at most rate · ‖source‖₁. The encoder's bias
        moves every encoding alike, neutral ones too, so in a small scope, where rates are high, it is held back.
        """
        if learning_rate:
            return cls(1.0, 1.0, Rates(learning_rate, learning_rate, learning_rate))
        source, absolute, target = (sum(side) / len(side) for side in zip(*probes, strict=True))
        if not all(0 < length < math.inf for length in (source, target)):
            raise LearningError(
                f"gradients have the lengths {source}, {target} (source, target): nothing can be learned from them"
            )
        unit = SIZE * n**0.5 / source
        rate, decoder_rate = ENCODER_STEP / (absolute * unit), DECODER_STEP * SIZE
        return cls(unit, SIZE * n**0.5 / target, Rates(rate, min(rate, decoder_rate), decoder_rate))


@define
class _Training:
    config: Adam
    task: LearningTask
    axes: tuple[tuple[str, str], ...]
    taught: frozenset[str]
    validation: Examples
    batches: Iterator[tuple[tuple[float, ...], list[int]]]
    neutral: Iterator[tuple[tuple[float, ...], list[int]]] | None
    turn: int  # steps after which a neutral batch comes
    checkpoint: Checkpoint
    last: int  # the step that is to be the last
    units: Units = field(init=False)
    trainer: Trainer = field(init=False)
    buffer: Tensor | None = field(default=None, init=False)
    done: int = field(default=0, init=False)
    updates: int = field(default=0, init=False)
    falls_from: float = field(default=1.0, init=False)  # the share of the learning rate until it falls,
    falls_at: int = field(init=False)  # which is after this step
    stopping: bool = field(default=False, init=False)
    rows: list[TrainingRow] = field(factory=list, init=False)
    best: EncoderDecoder | None = field(default=None, init=False)  # None: the weights as they are
    best_score: float = field(default=-1.0, init=False)

    @classmethod
    def begin(cls, config: Adam, task: LearningTask, axes: tuple[tuple[str, str], ...], taught: frozenset[str]) -> _Training:
        groups = _groups(task.train, axes)
        size = min(config.batch_size, len(task.train.pairs))
        neutral = None
        if config.neutral and task.neutral and len(task.neutral.pairs):
            neutral = class_batches({(0.0,) * len(axes): range(len(task.neutral.pairs))}, size, task.seed)
        checkpoint = Checkpoint(task.checkpoint and task.checkpoint / "-".join(axes[0] + axes[-1]), config.checkpoint_seconds)
        validation = _validation(task, axes, config.validation_pairs)
        batches = class_batches(groups, size, task.seed)
        self = cls(config, task, axes, taught, validation, batches, neutral, len(groups), checkpoint, config.steps)
        self.falls_at = round(config.steps * (1 - config.cooldown))
        if not self.resume():
            probes = class_batches(groups, size, task.seed)
            self.units = self.measured(islice(probes, PROBES))
            n, device = task.gradients.scope.size, task.gradients.device
            model = EncoderDecoder.initial(n, task.seed, device, config.latent_dim)
            self.trainer = Trainer.of(model, config.weight_decay, self.eps)
        return self

    @property
    def reads(self) -> bool:
        """Whether there is an encoder that learns."""
        return self.taught != {"decoder"}

    @property
    def eps(self) -> float:
        """With a given learning rate, that of a mean squared error, which the paper has."""
        return 1e-8 * (self.task.gradients.scope.size if self.config.learning_rate else 1)

    def measured(self, probes: Iterator[tuple[tuple[float, ...], list[int]]]) -> Units:
        lengths = []
        for _, rows in probes if not self.config.learning_rate else ():
            source, target = self.gradients(self.task.train, rows)
            lengths.append((float(source.norm()), float(source.abs().sum()), float(target.norm())))
        return Units.of(lengths, self.task.gradients.scope.size, self.config.learning_rate)

    def gradients(self, examples: Examples, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Mean source and target gradient of a batch, [n] each, from one forward pass; they are overwritten by the next."""
        roles = list(dict.fromkeys([self.config.source, self.config.target]))
        shares = torch.full((len(rows),), 1 / len(rows))
        self.buffer = self.task.gradients.accumulate(examples, rows, shares, roles, out=self.buffer)
        found = self.buffer.float()
        return found[0], found[-1]

    def step(self) -> None:
        self.done += 1
        if self.done > 1 and self.neutral and (self.done - 1) % self.turn == 0:
            codes, rows = next(self.neutral)
            self.update(codes, *self.gradients(self.task.neutral, rows))  # type: ignore[arg-type]
        codes, rows = next(self.batches)
        loss = self.update(codes, *self.gradients(self.task.train, rows))
        if not math.isfinite(loss):
            rate = self.units.rates.encoder
            raise LearningError(
                f"the loss is {loss} at step {self.done}: the learning rate {rate:.2g} is too large, or gradients are not finite"
            )
        row, every = TrainingRow(self.done, loss), self.config.validate_every if self.reads else 0
        if every and (self.done % every == 0 or self.done == self.last):
            row = self.validated(row)
        self.rows.append(row)
        self.task.tell(row)
        if row.validation_first is not None:
            self.judge()
        if self.checkpoint.due() and self.done < self.last:
            self.save()

    def update(self, codes: tuple[float, ...], source: Tensor, target: Tensor) -> float:
        self.updates += 1
        code = torch.tensor(codes, device=source.device) if self.taught else None
        return self.trainer.step(
            self.updates, self.units.rates.scaled(self.share()), source, target, (self.units.source, self.units.target), code,
            learn_encoder=self.reads, learn_decoder=self.taught != {"encoder"},
        )  # fmt: skip

    def share(self) -> float:
        """What is left of the learning rate: it falls linearly to 0 at the last step."""
        fallen = max(0, self.done - 1 - self.falls_at) / max(1, self.last - self.falls_at)
        return self.falls_from * (1 - fallen)

    def judge(self) -> None:
        """Lets the rate fall to 0 soon when nothing is gained any more, and gives up when something is wrong."""
        if problem := diagnosis(self.rows, self.axes[0]):
            raise LearningError(f"{problem} (learning rate {self.units.rates.encoder:.2g}, seed {self.task.seed})")
        if self.config.early_stop and not self.stopping and converged(self.rows):
            soon = self.done + math.ceil(self.done * self.config.cooldown / 2)
            self.stopping = True
            if soon < self.last:
                self.falls_from, self.falls_at, self.last = self.share(), self.done, soon

    def validated(self, row: TrainingRow) -> TrainingRow:
        """The row with validation values; the weights are kept if they are the best so far."""
        model = self.trainer.model
        projected = self.task.gradients.project(self.validation, model.encoder * self.units.source, self.config.source)
        codes = (projected + model.encoder_bias).tanh().cpu()
        found = [_Latent.of(codes, self.validation, axis, latent) for axis, latent in self.assigned(codes)]
        score = sum(abs(each.correlation) for each in found) / len(found) if None not in [f.correlation for f in found] else None
        better = score is not None and score >= self.best_score - TIE
        if better:
            self.best_score = max(score, self.best_score)
        if self.done < self.last:  # weights that are about to change
            if better and self.best is None:
                self.best = model.copy()
            elif better:
                self.best.take(model)
        elif better:
            self.best = None
        one = found[0]
        return evolve(
            row, validation_correlation=one.correlation, validation_first=one.first, validation_second=one.second, kept=better
        )

    def assigned(self, codes: Tensor) -> list[tuple[tuple[str, str], int]]:
        """Each axis with the latent that tells it best, no latent twice."""
        if len(self.axes) == 1:
            return [(self.axes[0], 0)]
        table = [
            [-abs(_Latent.of(codes, self.validation, axis, latent).correlation or 0.0) for latent in range(codes.shape[1])]
            for axis in self.axes
        ]
        return [(self.axes[a], int(latent)) for a, latent in zip(*linear_sum_assignment(table), strict=True)]

    def features(self) -> tuple[LearnedFeature, ...]:
        """The best weights in the model's own units, an axis each, oriented, and calibrated if so configured."""
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
                model.encoder[latent], float(model.encoder_bias[latent]), model.decoder[latent], model.decoder_bias,
                self.task.gradients.scope, axis, self.config.source, self.config.target, rows, best_step, self.task.seed,
            )  # fmt: skip
            if not self.reads:
                result.append(feature)
                continue
            labels, own = labels_of(self.validation.pairs, axis), projected[:, latent]
            seen = labels != 0
            if (correlation(feature.encode(own[seen]), labels[seen]) or 0.0) < 0:
                feature, own = feature.flipped(), -own
                feature = evolve(feature, training=tuple(_turned(row) for row in rows))
            result.append(calibrated(feature, own[seen], labels[seen]) if self.config.calibrate else feature)
        return tuple(result)

    def save(self) -> None:
        model, trainer = self.trainer.model, self.trainer
        parts = {"weights": model, "first": trainer.first, "second": trainer.second} | ({"best": self.best} if self.best else {})
        tensors = {f"{part}.{i}": value for part, whole in parts.items() for i, value in enumerate(whole.weights)}
        units = self.units
        values = {
            "updates": self.updates, "last": self.last, "best_score": self.best_score,
            "fall": [self.falls_from, self.falls_at, self.stopping],
            "units": [units.source, units.target, units.rates.encoder, units.rates.encoder_bias, units.rates.decoder],
        }  # fmt: skip
        self.checkpoint.save(tensors, self.rows, values)

    def resume(self) -> bool:
        """Goes on from the checkpoint, if there is one."""
        state = self.checkpoint.load(self.task.gradients.device)
        if state is None:
            return False
        tensors, self.rows, values = state
        weights, first, second = (
            EncoderDecoder(*(tensors[f"{part}.{i}"] for i in range(4))) for part in ("weights", "first", "second")
        )
        self.trainer = Trainer(weights, first, second, self.config.weight_decay, self.eps)
        if "best.0" in tensors:
            self.best = EncoderDecoder(*(tensors[f"best.{i}"] for i in range(4)))
        source, target, *rates = values["units"]
        self.units = Units(source, target, Rates(*rates))
        self.updates, self.last = values["updates"], values["last"]
        self.falls_from, self.falls_at, self.stopping = values["fall"]
        self.best_score, self.done = values["best_score"], len(self.rows)
        next(islice(self.batches, self.done, self.done), None)
        if self.neutral:
            drawn = self.updates - self.done
            next(islice(self.neutral, drawn, drawn), None)
        return True


@frozen
class _Latent:
    """How one latent tells the classes of one axis apart."""

    correlation: float | None
    first: float
    second: float

    @classmethod
    def of(cls, codes: Tensor, examples: Examples, axis: tuple[str, str], latent: int) -> _Latent:
        labels, own = labels_of(examples.pairs, axis), codes[:, latent]
        seen = labels != 0
        first, second = (float(own[labels == sign].mean()) for sign in (1.0, -1.0))
        return cls(correlation(own[seen], labels[seen]), first, second)


def _turned(row: TrainingRow) -> TrainingRow:
    """A training row after the code's sign was turned."""
    if row.validation_correlation is None:
        return row
    values = (row.validation_correlation, row.validation_first, row.validation_second)
    score, first, second = (-value for value in values)
    return evolve(row, validation_correlation=score, validation_first=first, validation_second=second)


def _groups(examples: Examples, axes: tuple[tuple[str, str], ...]) -> dict[tuple[float, ...], list[int]]:
    """Rows by their codes on the axes; those that say nothing of any are left out. For two classes these are the classes, for
    several axes the transitions from one class to another."""
    codes = torch.stack([labels_of(examples.pairs, axis) for axis in axes], 1).tolist()
    groups: dict[tuple[float, ...], list[int]] = {}
    for row, own in sorted(enumerate(codes), key=lambda item: [-code for code in item[1]]):
        if any(own):
            groups.setdefault(tuple(own), []).append(row)
    return groups


def _validation(task: LearningTask, axes: tuple[tuple[str, str], ...], most: int) -> Examples:
    """The first validation pairs of each group, in equal numbers where there are enough."""
    groups = _groups(task.validation, axes).values()
    return subset(task.validation, sorted(row for rows in groups for row in rows[: max(1, most // len(groups))]))
