"""Early stopping, diagnoses in words, several seeds, and runs that were killed."""

from __future__ import annotations

import re

import pytest

from gradiend_core.learning.convergence import converged, diagnosis
from gradiend_core.records.feature import TrainingRow


def record(points: list[tuple[float, float, float, float]], every: int = 10) -> list[TrainingRow]:
    """A training record with these validations: loss before it, correlation, means of both classes."""
    rows = []
    for loss, score, first, second in points:
        rows += [TrainingRow(len(rows) + i, loss) for i in range(1, every)]
        rows.append(TrainingRow(len(rows) + 1, loss, score, first, second))
    return rows


def test_converged_means_that_neither_side_gains():
    good = [(0.3, 0.99, 0.9, -0.9)] * 6
    assert converged(record(good))
    assert not converged(record(good[:3])), "too few validations to say"
    assert not converged(record([(0.3 * 0.9**i, 0.99, 0.9, -0.9) for i in range(8)])), (
        "the decoder still learns"
    )
    assert not converged(record([(0.3, 0.9 + 0.01 * i, 0.9, -0.9) for i in range(8)])), (
        "the encoder still learns"
    )
    assert not converged(record([(0.3, 0.5, 0.9, -0.9)] * 9)), "a plateau of nothing is no convergence"
    assert converged(record([(1.0, 0.2, 0.1, 0.1), *good]))


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([(0.9, 0.05, 0.95, 0.93)] * 5, "collapsed.*both at one end.*smaller learning rate"),
        ([(0.9, 0.05, 0.5, 0.5)] * 5, "nothing moves.*larger learning rate"),
        ([(0.9, 0.05, 0.01 * i, -0.02) for i in range(5)], "nothing learned.*larger batches"),
        ([(0.9, 0.05, 0.95, 0.93)] * 4, ""),
        ([(0.9, 0.05, 0.95, 0.93)] * 4 + [(0.9, 0.8, 0.95, -0.3)], ""),
        ([(0.9, 0.99, 0.95, -0.93)] * 5, ""),
    ],
)
def test_what_went_wrong_is_said_in_words(points, words):
    found = diagnosis(record(points), ("A", "B"))
    if words:
        assert re.search(words, found), found
        assert "A encodes to" in found
    else:
        assert found == ""
