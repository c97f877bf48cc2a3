"""Whether there is anything left to learn, and if nothing was learned, why. Both follow from the training
record alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gradiend_core.records.feature import TrainingRow

#: validations that must show no gain before learning is called converged, and before it is called hopeless
PATIENCE, HOPELESS = 3, 5
#: gains smaller than these, in correlation and as a share of the loss, are none
CORRELATION_GAIN, LOSS_GAIN = 0.003, 0.02
#: a correlation from which a feature may be called learned, and below which nothing was
LEARNED, NOTHING = 0.9, 0.3


def converged(rows: Sequence[TrainingRow]) -> bool:
    """Whether the last validations brought neither a better correlation nor, on average, a smaller loss. Both
    are needed: an encoder is often perfect long before its decoder is."""
    points = [position for position, row in enumerate(rows) if row.validation_correlation is not None]
    if len(points) <= PATIENCE + 1:
        return False
    scores = [abs(rows[position].validation_correlation or 0.0) for position in points]
    ends = [0, *(position + 1 for position in points)]
    losses = [_mean([row.loss for row in rows[start:end]]) for start, end in pairwise(ends)]
    better = max(scores[-PATIENCE:]) > max(scores[:-PATIENCE]) + CORRELATION_GAIN
    lower = min(losses[-PATIENCE:]) < min(losses[:-PATIENCE]) * (1 - LOSS_GAIN)
    return max(scores) >= LEARNED and not better and not lower


def knows_nothing(row: TrainingRow) -> bool:
    """Whether the encoder tells the classes apart no better than chance, at a step that was validated."""
    return abs(row.validation_correlation or 0.0) < NOTHING


def diagnosis(rows: Sequence[TrainingRow], classes: tuple[str, str]) -> str:
    """The reason why no encoding tells the classes apart, as a sentence; "" while training may still
    succeed."""
    seen = [row for row in rows if row.validation_first is not None and row.validation_second is not None]
    if len(seen) < HOPELESS or not all(map(knows_nothing, seen[-HOPELESS:])):
        return ""
    pairs = [(row.validation_first or 0.0, row.validation_second or 0.0) for row in seen[-HOPELESS:]]
    first, second = pairs[-1]
    where = (
        f"after {seen[-1].step} steps {classes[0]} encodes to {first:+.2f} and {classes[1]} to {second:+.2f}"
    )
    if all(abs(a) > 0.8 and abs(b) > 0.8 and a * b > 0 for a, b in pairs):
        return f"collapsed: {where}, both at one end of the encoder; a smaller learning rate may help"
    if max(max(side) - min(side) for side in zip(*pairs, strict=True)) < 1e-3:
        return (
            f"nothing moves: {where}, as they did {HOPELESS} validations before; a larger learning rate may"
            " help"
        )
    if all(abs(a) < 0.1 and abs(b) < 0.1 for a, b in pairs):
        return (
            f"nothing learned: {where}, so the encoder says nothing; a larger learning rate, larger batches,"
            " or text in which the model can tell the classes may help"
        )
    return ""


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
