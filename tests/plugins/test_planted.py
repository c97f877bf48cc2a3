"""Facts that were trained into one neuron are found there; five plants of each kind:
tests/benchmarks/planted.py."""

from __future__ import annotations

import pytest

from tests.benchmarks.planted import neuron_rank
from tests.conftest import asset


@pytest.mark.slow
@pytest.mark.parametrize(("learner", "seed", "worst"), [("mean-difference", 1, 10), ("adam", 1, 30)])
def test_a_planted_neuron_is_found(learner, seed, worst):
    _, rank, right = neuron_rank(asset("models/stories260k"), learner, seed)
    assert right > 0.5, "the model has learned the fact"
    assert rank <= worst
