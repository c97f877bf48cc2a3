"""Intervals cover at their rate, nulls are uniform, and each number is what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gradiend_evaluators.uncertainty import (
    area_under_curve,
    correlation_interval,
    difference_interval,
    effect_size,
    fewest_groups,
    grouped_p_value,
    mean_interval,
    sign_flip_p_value,
)
from scipy.stats import kstest


def example(rng: np.random.Generator, n: int = 80, signal: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    labels = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    return torch.tensor(signal * labels + rng.normal(size=n)), torch.tensor(labels)


def test_p_values_are_uniform_where_there_is_nothing():
    rng = np.random.default_rng(0)
    found = [grouped_p_value(*example(rng, 60, signal=0.0), [""] * 60, seed) for seed in range(200)]
    assert kstest(found, "uniform").pvalue > 0.01
    assert grouped_p_value(*example(rng, signal=1.0), [""] * 80, 0) <= 0.002


def test_intervals_cover_the_true_correlation_at_their_rate():
    rng = np.random.default_rng(1)
    truth = 1 / np.sqrt(2)  # of a label of ±1 with itself and noise of variance 1
    hits = [
        low <= truth <= high
        for low, high in (correlation_interval(*example(rng), [""] * 80) for _ in range(200))
    ]
    assert 0.90 <= np.mean(hits) <= 0.99


def clustered(
    rng: np.random.Generator, signal: float, *, mixed: bool, documents: int = 20, texts: int = 10
) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Documents whose texts have an intra-class correlation of 0.5, and labels that cluster by document."""
    if mixed:
        share = rng.beta(0.5, 0.5, size=(documents, 1))
        labels = np.where(rng.random((documents, texts)) < share, 1.0, -1.0)
    else:
        of_document = rng.permutation([1.0, -1.0] * (documents // 2))[:, None]
        labels = np.repeat(of_document, texts, axis=1)
    noise = rng.normal(size=(documents, 1)) + rng.normal(size=(documents, texts))
    names = [f"book {n // texts}" for n in range(documents * texts)]
    values = signal * labels + noise / np.sqrt(2)
    return torch.tensor(values.ravel()), torch.tensor(labels.ravel()), names


@pytest.mark.parametrize("mixed", [False, True])
def test_documents_are_the_units_where_labels_cluster(mixed):
    rng = np.random.default_rng(5)
    p_values = [grouped_p_value(*clustered(rng, 0.0, mixed=mixed), seed) for seed in range(300)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.08
    blind = [grouped_p_value(*clustered(rng, 0.0, mixed=mixed)[:2], [""] * 200, seed) for seed in range(100)]
    assert np.mean(np.array(blind) <= 0.05) > 0.2, "texts for themselves would find what is not there"


@pytest.mark.parametrize(("mixed", "signal"), [(False, 0.5), (False, 2.0), (True, 0.5), (True, 2.0)])
def test_intervals_cover_where_texts_of_a_document_are_alike(mixed, signal):
    rng = np.random.default_rng(6)
    values, labels, _ = clustered(rng, signal, mixed=mixed, documents=20_000)
    truth = float(torch.stack([values, labels]).corrcoef()[0, 1])
    intervals = [correlation_interval(*clustered(rng, signal, mixed=mixed)) for _ in range(400)]
    hits = [low <= truth <= high for low, high in intervals]
    assert np.mean(hits) >= 0.92


def test_few_examples_have_no_interval():
    values, labels = torch.tensor([0.9, 0.8, -0.7, -0.9]), torch.tensor([1.0, 1.0, -1.0, -1.0])
    assert correlation_interval(values, labels, [""] * 4) is None
    assert fewest_groups(labels, [""] * 4) == 2
    assert fewest_groups(labels, ["a", "a", "b", "c"]) == 1
    assert mean_interval(np.array([0.5, 0.6, 0.7, 0.8]), 0) is None


def test_signs_are_flipped_by_hand():
    values = np.array([0.5, 0.4, 0.1])
    assert sign_flip_p_value(values, 0) == pytest.approx(1 / 8)
    assert sign_flip_p_value(values, 0, two_sided=True) == pytest.approx(2 / 8)
    assert sign_flip_p_value(np.array([0.5, 0.4, -0.1]), 0) == pytest.approx(2 / 8)
    assert sign_flip_p_value(np.array([0.5]), 0) == 1.0


def test_documents_widen_the_interval():
    """Twenty documents of one example eight times over hold no more than twenty examples."""
    rng = np.random.default_rng(2)
    values, labels = example(rng, 20)
    many = values.repeat_interleave(8), labels.repeat_interleave(8)
    documents = [f"book {n // 8}" for n in range(160)]
    alone, blind, honest = (
        correlation_interval(values, labels, [""] * 20),
        correlation_interval(*many, [""] * 160),
        correlation_interval(*many, documents),
    )
    assert honest == pytest.approx(alone, abs=0.02)
    assert honest[1] - honest[0] > 2 * (blind[1] - blind[0])


def test_what_does_not_exist_is_none():
    constant, labels = torch.zeros(9), torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    assert correlation_interval(constant, labels, [""] * 9) is None
    assert correlation_interval(labels, labels, ["one"] * 9) is None
    assert grouped_p_value(constant, labels, [""] * 9, 0) is None
    assert effect_size(constant, labels) is None
    assert area_under_curve(labels, torch.ones(9)) is None


def test_area_and_effect_by_hand():
    values, labels = torch.tensor([0.9, 0.2, 0.1, -0.5]), torch.tensor([1.0, 1.0, -1.0, -1.0])
    assert area_under_curve(values, labels) == 1.0
    assert area_under_curve(torch.tensor([0.9, 0.0, 0.1, -0.5]), labels) == 0.75
    first, second = np.array([0.9, 0.2]), np.array([0.1, -0.5])
    pooled = np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)
    assert effect_size(values, labels) == pytest.approx((first.mean() - second.mean()) / pooled)


def test_intervals_of_a_change_cover_it_and_know_that_it_is_paired():
    rng = np.random.default_rng(3)
    hits = []
    for seed in range(200):
        before = rng.normal(size=60)
        low, high = difference_interval(
            torch.tensor(before), torch.tensor(before + 0.3 + 0.5 * rng.normal(size=60)), seed
        )
        hits.append(low <= 0.3 <= high)
    assert 0.90 <= np.mean(hits) <= 0.99
    assert high - low < 0.4, "two unpaired means would differ by 0.7"
    values = torch.tensor([1.0, 2.0, 3.0, 5.0])
    assert difference_interval(values, values, 0) == (0.0, 0.0)
    assert difference_interval(values[:2], values[1:3], 0) is None
    tokens = torch.tensor([1.0, 1.0, 1.0, 1000.0])
    low, high = difference_interval(
        values, values + tokens * torch.tensor([0.9, 0.8, 1.0, 0.1]), 0, counts=tokens
    )
    assert low < 0.11, "a mean over tokens, of which the last text has nearly all"


def test_documents_widen_the_interval_of_a_change():
    rng = np.random.default_rng(4)
    change = torch.tensor(rng.normal(size=20))
    many, nothing = change.repeat_interleave(8), torch.zeros(160, dtype=torch.float64)
    documents = [f"book {n // 8}" for n in range(160)]
    alone = difference_interval(torch.zeros(20, dtype=torch.float64), change, 0)
    assert difference_interval(nothing, many, 0, groups=documents) == pytest.approx(alone, abs=0.05)
    low, high = difference_interval(nothing, many, 0)
    assert high - low < 0.6 * (alone[1] - alone[0])
