"""The cost of an edit on ordinary text: exact, and not to be fooled."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gradiend_core.records.candidate import OrdinaryScores, upper_bound
from gradiend_core.rewriting.ordinary import divergence


def test_the_three_parts_of_a_divergence_are_those_of_the_chain_rule():
    generator = torch.Generator().manual_seed(0)
    base, edited = torch.randn(2, 7, 40, generator=generator, dtype=torch.float64).mul(3).log_softmax(-1)
    words = torch.tensor([3, 11, 30])
    inside, split, outside = divergence(base, edited, words)
    for row in range(7):
        p, q = base[row].exp(), edited[row].exp()
        of, there = torch.zeros(40, dtype=torch.bool), [p, q]
        of[words] = True
        mass = [float(values[of].sum()) for values in there]
        conditional = [
            sum(
                float(a * math.log(a / b))
                for a, b in zip(
                    (p[side] / p[side].sum()).tolist(), (q[side] / q[side].sum()).tolist(), strict=True
                )
            )
            for side in (of, ~of)
        ]
        assert float(inside[row]) == pytest.approx(mass[0] * conditional[0], abs=1e-12)
        assert float(outside[row]) == pytest.approx((1 - mass[0]) * conditional[1], abs=1e-12)
        bernoulli = mass[0] * math.log(mass[0] / mass[1]) + (1 - mass[0]) * math.log(
            (1 - mass[0]) / (1 - mass[1])
        )
        assert float(split[row]) == pytest.approx(bernoulli, abs=1e-12)
        whole = float((p * (p / q).log()).sum())
        assert float(inside[row] + split[row] + outside[row]) == pytest.approx(whole, abs=1e-12)


def test_without_words_all_of_it_is_outside():
    base, edited = torch.randn(2, 3, 5).log_softmax(-1)
    inside, split, outside = divergence(base, edited, torch.tensor([], dtype=torch.long))
    assert not inside.any()
    assert not split.any()
    torch.testing.assert_close(outside, (base.exp() * (base - edited)).sum(1).double())


def test_where_the_words_have_all_of_the_probability_a_divergence_stays_a_number():
    logits = torch.zeros(2, 1, 50)
    logits[0, 0, 3], logits[1, 0, 3] = 40.0, 3.0  # by float32 the others have nothing of it
    base, edited = logits.log_softmax(-1)
    parts = divergence(base, edited, torch.tensor([3, 4]))
    whole = float((base.double().exp() * (base.double() - edited.double())).sum())
    assert float(sum(parts)) == pytest.approx(whole, rel=1e-4)
    assert all(bool(part.isfinite().all()) for part in parts)


def test_a_bound_holds_for_other_text_nine_times_in_ten():
    generator, held = np.random.default_rng(1), 0
    for _ in range(1000):
        tokens = torch.from_numpy(generator.integers(5, 60, (2, 50))).double()
        costs = torch.from_numpy(generator.gamma(1.0, 0.01, (2, 50))) * tokens
        bound = upper_bound(costs[0], tokens[0])
        held += float(costs[1].sum() / tokens[1].sum()) <= bound
    assert held >= 900
    assert upper_bound(costs[0][:1], tokens[0][:1]) == math.inf


def test_scores_are_means_over_tokens():
    sums = [
        torch.tensor(values, dtype=torch.float64) for values in ((2, 8), (0.2, 0.0), (0.1, 0.3), (0.0, 0.4))
    ]
    more = [
        torch.tensor(values, dtype=torch.float64) for values in ((4, 6), (3, 5), (1, 7), (0.5, 0.5), (2, 7))
    ]
    scores = OrdinaryScores(*sums, *more)
    assert scores.n == 10
    assert scores.kl == pytest.approx(0.1)
    assert scores.unwanted_kl == pytest.approx(0.08)
    assert scores.perplexity == pytest.approx(math.e)
    assert scores.base_perplexity == pytest.approx(math.exp(0.8))
    assert scores.agreement == pytest.approx(0.9)
