"""Many features side by side: against plain numpy, and where it is known what must come out."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from gradiend_core.comparison.report import compare_features, of_one_shape
from gradiend_core.comparison.tables import Compared
from gradiend_core.comparison.weights import Weights
from gradiend_core.comparison.where import locations, shares_by_location
from gradiend_core.records.run import ComparisonSettings
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from tests.gradiend_core.toys import SCOPE, feature, rows_of

GENERATOR = torch.Generator().manual_seed(0)


def drawn() -> torch.Tensor:
    return torch.randn(SCOPE.size, generator=GENERATOR)


@pytest.fixture(scope="module")
def three():
    first, noise = drawn(), drawn()
    vectors = {"one": first, "alike": first + 0.3 * noise, "other": drawn()}
    return vectors, compare_features(
        [Compared(name, (feature(own),), "model") for name, own in vectors.items()],
        ComparisonSettings(top=(0.05, 200)),
    )


def test_cosines_and_overlaps_are_those_of_numpy(three):
    vectors, report = three
    for top, count in ((0.05, 50), (200, 200)):
        for one, two in (("one", "alike"), ("one", "other"), ("alike", "other")):
            a, b = (vectors[name].double().numpy() for name in (one, two))
            (cosine,) = rows_of(report, "pairs", one=one, two=two, side="decoder", measure="cosine")
            assert cosine["value"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-6)
            (row,) = rows_of(report, "pairs", one=one, two=two, side="decoder", measure=f"overlap {top}")
            tops = [set(np.argsort(-np.abs(each))[:count].tolist()) for each in (a, b)]
            both = len(tops[0] & tops[1])
            assert row["value"] == both / count
            assert row["chance"] == pytest.approx(count / 1000)
            assert row["p_value"] is None, "there are no features of shuffled classes"
            inside = [(0, 200), (200, 500), (500, 1000)]
            expected = [
                len([i for i in tops[0] if start <= i < stop])
                * len([i for i in tops[1] if start <= i < stop])
                / (stop - start)
                for start, stop in inside
            ]
            assert row["chance_in_place"] == pytest.approx(sum(expected) / count)


def test_alike_features_share_and_others_share_by_chance(three):
    _, report = three
    (alike,) = rows_of(report, "pairs", one="one", two="alike", side="decoder", measure="overlap 0.05")
    (other,) = rows_of(report, "pairs", one="one", two="other", side="decoder", measure="overlap 0.05")
    assert alike["value"] > 0.5
    assert other["value"] < 0.2


def test_combinations_add_up(three):
    vectors, report = three
    rows = rows_of(report, "sets")
    for name in vectors:
        assert sum(row["weights"] for row in rows if name in row["features"].split(", ")) == 50
    (pair,) = rows_of(report, "pairs", one="one", two="alike", side="decoder", measure="overlap 0.05")
    shared = sum(row["weights"] for row in rows if {"one", "alike"} <= set(row["features"].split(", ")))
    assert shared == round(50 * pair["value"])


def test_a_feature_and_a_pruned_one_share_what_is_left():
    """Of a narrowed scope the places are those of the whole model; what it could not choose is known."""
    whole = feature(drawn())
    kept = whole.decoder.abs().topk(100).indices.sort().values
    pruned, random_mask = (
        whole.narrowed(kept),
        whole.narrowed(torch.randperm(1000, generator=GENERATOR)[:100].sort().values),
    )
    features = {"whole": whole, "pruned": pruned, "random": random_mask}
    three = [Compared(name, (own,), "m") for name, own in features.items()]
    report = compare_features(three, ComparisonSettings(top=(50,)))
    (row,) = rows_of(report, "pairs", one="whole", two="pruned", side="decoder", measure="overlap 50")
    assert row["value"] == 1.0
    (cosine,) = rows_of(report, "pairs", one="whole", two="pruned", side="decoder", measure="cosine")
    share = float(whole.decoder[kept].norm() / whole.decoder.norm())
    assert cosine["value"] == pytest.approx(share, abs=1e-6)
    halves = compare_features(
        [Compared("whole", (whole,), "m"), Compared("pruned", (pruned,), "m")], ComparisonSettings(top=(0.5,))
    )
    (half,) = rows_of(halves, "pairs", one="whole", two="pruned", side="decoder", measure="overlap 0.5")
    assert half["value"] == 1.0, "of the smaller one's 50, not of the larger one's 500"
    alone = compare_features(
        [Compared("pruned", (pruned,), "m"), Compared("random", (random_mask,), "m")],
        ComparisonSettings(top=(50,)),
    )
    (both,) = rows_of(alone, "pairs", one="pruned", two="random", side="decoder", measure="overlap 50")
    assert both["chance"] == pytest.approx(0.05), "of all that they could have been, not of what they are"
    (chance,) = rows_of(report, "pairs", one="whole", two="random", side="decoder", measure="overlap 50")
    assert chance["value"] < 0.3
    assert chance["chance"] == pytest.approx(0.05), "of all weights of these parameters"


def test_rank_correlations_are_those_of_scipy():
    vectors = {"one": drawn(), "zeros": drawn().mul_(torch.rand(SCOPE.size, generator=GENERATOR) > 0.7)}
    vectors["alike"] = vectors["one"].exp() + 0.5 * drawn()
    narrow = torch.randperm(SCOPE.size, generator=GENERATOR)[:300].sort().values
    features = {name: feature(vector) for name, vector in vectors.items()}
    features["narrow"] = features["one"].narrowed(narrow)
    vectors["narrow"] = torch.zeros(SCOPE.size)
    vectors["narrow"][narrow] = vectors["one"][narrow]
    report = compare_features(
        [Compared(name, (of_name,), "m") for name, of_name in features.items()],
        ComparisonSettings(measures=("spearman", "mass")),
    )
    for one, two in combinations(vectors, 2):
        a, b = (vectors[name].double().numpy() for name in (one, two))
        (row,) = rows_of(report, "pairs", one=one, two=two, side="decoder", measure="spearman")
        assert row["value"] == pytest.approx(spearmanr(a, b).statistic, abs=2e-3)
        (row,) = rows_of(report, "pairs", one=one, two=two, side="decoder", measure="mass")
        shares = [np.abs(vector) / np.abs(vector).sum() for vector in (a, b)]
        assert row["value"] == pytest.approx(np.minimum(*shares).sum(), abs=1e-6)


def test_unrelated_features_reach_the_chance_of_mass_overlap():
    """Of two halves of the weights one is a hundred times as large, in both features: they share mass, but no
    more than any two features with so much in each parameter."""
    scale = torch.where(torch.arange(SCOPE.size) < 500, 100.0, 1.0)
    vectors = [drawn() * scale for _ in range(2)]
    report = compare_features(
        [Compared(str(number), (feature(vector),), "m") for number, vector in enumerate(vectors)],
        ComparisonSettings(measures=("mass",)),
    )
    (row,) = rows_of(report, "pairs", one="0", two="1", side="decoder", measure="mass")
    assert row["value"] == pytest.approx(row["chance_in_place"], abs=0.05)
    assert row["chance"] < row["value"] - 0.1
    (same,) = rows_of(report, "pairs", one="0", two="0", side="decoder", measure="mass")
    assert same["value"] == pytest.approx(1, abs=1e-5)


def test_seeds_have_a_mean_and_a_spread():
    base = [drawn() for _ in range(2)]
    seeds = {
        name: tuple(feature(own + 0.5 * drawn()) for _ in range(3))
        for name, own in zip("xy", base, strict=True)
    }
    report = compare_features([Compared(name, own, "m") for name, own in seeds.items()], ComparisonSettings())
    cosines = np.array(
        [
            [float(torch.nn.functional.cosine_similarity(a.decoder, b.decoder, dim=0)) for b in seeds["y"]]
            for a in seeds["x"]
        ]
    )
    (row,) = rows_of(report, "pairs", one="x", two="y", side="decoder", measure="cosine")
    assert row["value"] == pytest.approx(cosines[0, 0], abs=1e-6)
    assert row["mean"] == pytest.approx(cosines.mean(), abs=1e-6)
    assert row["std"] == pytest.approx(cosines.std(ddof=1), abs=1e-6)
    (own,) = rows_of(report, "pairs", one="x", two="x", side="decoder", measure="cosine")
    assert own["value"] == pytest.approx(1.0)
    among = [
        float(torch.nn.functional.cosine_similarity(seeds["x"][a].decoder, seeds["x"][b].decoder, dim=0))
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert own["mean"] == pytest.approx(np.mean(among), abs=1e-6), (
        "of different seeds, not of a seed with itself"
    )


def test_models_of_one_shape_are_aligned_and_others_left_alone():
    elsewhere = ParameterScope((ParameterSlice("layer.0.a", (20, 11)),))
    features = [
        Compared("a", (feature(drawn()),), "first"),
        Compared("b", (feature(drawn()),), "second"),
        Compared("c", (feature(torch.randn(220, generator=GENERATOR), elsewhere),), "third"),
    ]
    assert [[each.name for each in group] for group in of_one_shape(features)] == [["a", "b"], ["c"]]
    report = compare_features(features, ComparisonSettings())
    (row,) = rows_of(report, "pairs", one="a", two="b", side="decoder", measure="cosine")
    assert not row["one_model"]
    assert not [row for row in rows_of(report, "pairs") if {"c"} < {row["one"], row["two"]}]


def test_poles_keep_the_sign_and_peers_say_so():
    features = [
        Compared(name, (feature(drawn()),), "m", poles=name != "peers") for name in ("one", "two", "peers")
    ]
    report = compare_features(features, ComparisonSettings())
    signed = {
        (row["one"], row["two"]): row["signed"]
        for row in rows_of(report, "pairs", side="decoder", measure="cosine")
    }
    assert signed["one", "two"]
    assert not signed["one", "peers"]


def test_chunks_do_not_matter(monkeypatch):
    features = [feature(drawn()) for _ in range(3)]
    whole = Weights(features).products("decoder")
    monkeypatch.setattr("gradiend_core.comparison.weights.BUDGET", 21)
    parts = Weights(features).products("decoder")
    assert all(torch.allclose(whole[name], parts[name]) for name in whole)


def test_where_a_feature_is_adds_up():
    decoder = torch.zeros(1000)
    decoder[:200], decoder[500:505] = 1.0, 20.0  # squared: 200 and 2,000
    rows = shares_by_location(feature(decoder), locations(SCOPE, None), 5)
    assert [(row.layer, row.weights) for row in rows] == [(None, 500), (0, 200), (1, 300)]
    assert [row.share_of_decoder for row in rows] == pytest.approx([2000 / 2200, 200 / 2200, 0.0])
    assert [row.share_of_largest for row in rows] == [1.0, 0.0, 0.0]
    assert sum(row.share_of_weights for row in rows) == pytest.approx(1.0)
    assert all(row.share_of_ordinary is None for row in rows), "no curvature was measured"
    curvature = torch.ones(1000)
    curvature[500:] = 3.0
    rows = shares_by_location(feature(decoder, curvature=curvature), locations(SCOPE, None), 5)
    assert [row.share_of_ordinary for row in rows] == pytest.approx([0.75, 0.1, 0.15])
