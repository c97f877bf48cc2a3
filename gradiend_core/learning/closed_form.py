"""Features without training: class means of gradients, and a decoder for a given encoder."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
from attrs import evolve, frozen
from torch import Tensor

from gradiend_core.errors import LearningError
from gradiend_core.learning.encodings import (
    calibrated,
    class_mean_values,
    correlation,
    labels_of,
    on_axis,
    projections,
)
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.roles.gradients import GradientMatrix
from gradiend_core.roles.learner import LearningTask
from gradiend_core.roles.source import Examples

#: pairs of each class that are read before the first doubling, and entries that are compared at once
FEWEST, PIECE = 32, 2**22


def mean_gradients(
    gradients: GradientMatrix,
    examples: Examples,
    rows: Sequence[int],
    roles: Sequence[GradientRole],
    out: Tensor | None = None,
) -> Tensor:
    """Mean gradients of some rows of the examples for each role, [roles, n]."""
    return gradients.accumulate(examples, rows, torch.full((len(rows),), 1 / len(rows)), roles, out)


@frozen(eq=False)
class Side:
    """The examples with a code above, or below, the mean code: their rows, and the weight of each in the mean
    of the side, and its code, [rows]."""

    rows: list[int]
    weights: Tensor
    codes: Tensor

    def first(self, count: int) -> Side:
        return Side(self.rows[:count], self.weights[:count], self.codes[:count])

    @property
    def weight(self) -> float:
        return float(self.weights.double().sum())

    @property
    def code(self) -> float:
        """The weighted mean code."""
        return float(self.weights.double() @ self.codes.double()) / self.weight


def sides_of(
    examples: Examples, axis: tuple[str, str], source: GradientRole, seed: str = ""
) -> tuple[Side, Side]:
    """The examples of an axis above and below its mean code, shuffled if a seed is given. Each is weighted by
    its distance from the mean code: the line through the means of both sides then has the slope of the
    least-squares line. Two classes are a side each, with equal weights."""
    labels, seen = labels_of(examples.pairs, axis, source), on_axis(examples.pairs, axis)
    from_mean = labels - labels[seen].mean()
    sides = []
    for is_on_side in (seen & (from_mean > 0), seen & (from_mean < 0)):
        rows = is_on_side.nonzero()[:, 0].tolist()
        if seed:
            random.Random(seed).shuffle(rows)
        sides.append(Side(rows, from_mean[rows].abs(), labels[rows]))
    return sides[0], sides[1]


def extended(means: Tensor, sides: Sequence[Side]) -> Tensor:
    """The means of both sides, [2, roles, n], moved along their line to the codes +1 and −1, as
    [roles, 2, n]. Those of two classes stay as they are."""
    above, below = (side.code for side in sides)
    if (above, below) != (1.0, -1.0):
        difference = (means[0] - means[1]).div_(above - below)
        means[0].add_(difference, alpha=1 - above)
        means[1].sub_(difference, alpha=1 + below)
    return means.transpose(0, 1)


def class_means(
    gradients: GradientMatrix,
    examples: Examples,
    axis: tuple[str, str],
    roles: Sequence[GradientRole],
    source: GradientRole,
) -> Tensor:
    """Mean gradients of the two classes of an axis for each role, [roles, 2, n]. Where the classes
    are degrees, these are the gradients at the codes +1 and −1 of the least-squares line through all pairs,
    whose codes are those of their source gradients. Each example is read once."""
    sides = sides_of(examples, axis, source)
    means = torch.empty(2, len(roles), gradients.scope.size, dtype=gradients.dtype, device=gradients.device)
    for side, out in zip(sides, means, strict=True):
        gradients.accumulate(examples, side.rows, side.weights / side.weight, roles, out)
    return extended(means, sides)


def agreeing_means(
    task: LearningTask,
    axis: tuple[str, str],
    roles: Sequence[GradientRole],
    source: GradientRole,
    agreement: float,
) -> tuple[Tensor, list[TrainingRow]]:
    """Like `class_means`, from as many training pairs as needed, with a training row for each doubling. Pairs
    are drawn with the seed and doubled until the direction of the old pairs and that of the new ones (each
    the difference of the class means) have at least the cosine `agreement`. With several roles the smallest
    cosine counts. If that is never reached, all pairs are read."""
    gradients, sides = task.gradients, sides_of(task.train, axis, source, f"{task.seed}:pairs")
    means = torch.zeros(2, len(roles), gradients.scope.size, dtype=gradients.dtype, device=gradients.device)
    directions, record, read = torch.zeros_like(means[0]), list[TrainingRow](), 0
    sizes = [len(side.rows) for side in sides]
    used = list(sides)
    while read < max(sizes):
        until = 2 * read or FEWEST
        enough = until <= min(sizes)
        used = [side.first(until) if enough else side for side in sides]
        for mean, side in zip(means, used, strict=True):
            mean *= side.first(read).weight / side.weight
            shares = side.weights[read:] / side.weight
            gradients.accumulate(task.train, side.rows[read:], shares, roles, mean, add=True)
        if not enough:
            known = record[-1].loss if record else 0.0
            record.append(TrainingRow(len(record) + 1, known, pairs=sum(sizes)))
            break
        cosines = [_agreed(old, of_role) for old, of_role in zip(directions, means.unbind(1), strict=True)]
        if read:
            record.append(TrainingRow(len(record) + 1, 1 - min(cosines), pairs=2 * until))
            if min(cosines) >= agreement:
                break
        read = until
    return extended(means, used), record


def _agreed(old: Tensor, means: Tensor) -> float:
    """The cosine between the direction of the old pairs [n] and that of as many new ones, from the class
    means [2, n] of both; `old` becomes the direction of both. Computed piece by piece, as each vector is as
    large as the model; the sums of pieces are added in float64."""
    dots = torch.zeros(3, dtype=torch.float64)
    for before, classes in zip(old.split(PIECE), means.split(PIECE, 1), strict=True):
        both = classes[0] - classes[1]
        new = 2 * both - before
        dots += torch.stack([before @ new, before @ before, new @ new]).double().cpu()
        before.copy_(both)
    along, *lengths = dots.tolist()
    return along / math.sqrt(math.prod(lengths)) if all(lengths) else 0.0


def assembled(
    task: LearningTask,
    axis: tuple[str, str],
    encoder: Tensor | None,
    target_means: Tensor,
    roles: tuple[GradientRole, GradientRole],
    rows: Sequence[TrainingRow] = (),
) -> LearnedFeature:
    """The feature of an encoder [n] (by default the decoder itself) and the mean target gradients of the
    classes [2, n], which are overwritten: its decoder gives each class's mean at the class's code. Oriented
    and calibrated on validation pairs; without an encoder bias, so that a zero gradient encodes to 0."""
    bias, decoder = target_means
    decoder.sub_(bias).div_(-2)  # half of the difference of the means
    bias.sub_(decoder)  # their mean
    encoder = decoder if encoder is None else encoder
    if not bool(encoder.any()):
        raise LearningError(
            "the encoder is zero everywhere, as gradients of the classes do not differ: nothing can be"
            " learned"
        )
    feature = LearnedFeature(encoder, 0.0, decoder, bias, task.gradients.scope, axis, *roles, seed=task.seed)
    labels, seen = labels_of(task.validation.pairs, axis, roles[0]), on_axis(task.validation.pairs, axis)
    projected, labels = projections(feature, task.gradients, task.validation)[seen], labels[seen]
    first, second = class_mean_values(projected, labels)
    if first < second:
        # the decoder belongs to the classes, whatever sign the encoder happens to have
        feature, projected = evolve(feature, encoder=-feature.encoder), -projected
    feature = calibrated(feature, projected, labels)
    codes = feature.encode(projected)
    first, second = class_mean_values(codes, labels)
    last = TrainingRow(
        len(rows) + 1,
        rows[-1].loss if rows else 0.0,
        correlation(codes, labels),
        first,
        second,
        kept=True,
        pairs=rows[-1].pairs if rows else 0,
    )
    return evolve(feature, training=(*rows, last), best_step=last.step)
