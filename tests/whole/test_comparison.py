"""Many features side by side: against plain numpy, and where it is known what must come out."""

from __future__ import annotations

import pytest
import torch
from attrs import evolve

from gradiend_core.comparison.crossing import encode_all
from gradiend_core.comparison.report import Reading, compare_features
from gradiend_core.comparison.tables import Compared
from gradiend_core.learning.encodings import encodings
from gradiend_core.records.run import ComparisonSettings
from tests.gradiend_core.toys import rows_of

GENERATOR = torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def reading(quick):
    """The feature of a quick run, one that reads the other way round, one of a part of the weights, and one
    of nothing."""
    own, size = quick.feature, quick.gradients.scope.size
    part = own.narrowed(torch.arange(0, size, 3))
    nothing = evolve(own, encoder=torch.randn(size, generator=GENERATOR) * own.encoder.std())
    features = {"own": own, "turned": own.flipped(), "part": part, "nothing": nothing}
    test = quick.examples["test"]
    return (
        quick,
        features,
        Reading(quick.gradients, test, {name: range(len(test.pairs)) for name in features}),
    )


def test_many_encoders_read_in_one_pass_what_each_reads_alone(reading):
    quick, features, at = reading
    together = encode_all(list(features.values()), at.gradients, at.examples)
    for own, each in zip(together, features.values(), strict=True):
        alone = encodings(each, quick.gradients_over(each.scope), at.examples)
        torch.testing.assert_close(own, alone, rtol=1e-5, atol=1e-05)


def test_crossing_has_the_sign_of_what_is_read(reading):
    _, features, at = reading
    report = compare_features(
        [Compared(name, (each,), "m") for name, each in features.items()], ComparisonSettings(), {"m": at}
    )
    crossing = {(row["feature"], row["texts_of"]): row for row in rows_of(report, "crossing")}
    assert crossing["own", "own"]["oriented"] > 0.8
    assert crossing["turned", "own"]["oriented"] == pytest.approx(
        -crossing["own", "own"]["oriented"], abs=1e-5
    )
    assert abs(crossing["nothing", "own"]["oriented"]) < crossing["own", "own"]["oriented"] / 2
    moves = rows_of(report, "transitions", feature="own", texts_of="own")
    assert {(row["class"], row["alternative_class"]) for row in moves} == {("3SG", "3PL"), ("3PL", "3SG")}
    assert crossing["own", "own"]["first"] == pytest.approx(
        next(row["mean"] for row in moves if row["class"] == "3SG")
    )
    (row,) = rows_of(report, "features", feature="own")
    assert row["correlation"] == crossing["own", "own"]["correlation"]


def test_a_budget_makes_passes_not_numbers(reading, monkeypatch):
    _, features, at = reading
    whole = encode_all(list(features.values()), at.gradients, at.examples)
    monkeypatch.setattr("gradiend_core.comparison.crossing.BUDGET", 1)
    torch.testing.assert_close(
        whole, encode_all(list(features.values()), at.gradients, at.examples), rtol=1e-5, atol=1e-05
    )
