"""Selectors: each takes what it says, on models of different make, and refuses what is not there."""

from __future__ import annotations

import pytest
import torch
from gradiend_selectors.selectors import in_parts
from hypothesis import given
from hypothesis import strategies as st

from gradiend_core import Session, save_feature
from gradiend_core.errors import ConfigError, StorageError
from gradiend_core.learning.selection import largest
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.roles.kinds import SELECTOR
from gradiend_core.testing.gradients import naive_gradients
from tests.conftest import STORIES, asset, settings


def scope(model: str = "tiny-mlm", **options):
    where = {"model": model} if model.startswith("tiny") else {"model": asset(model), "texts": str(STORIES)}
    return Session("english-pronouns", **where, **settings(selector=options)).gradients.scope


def names(found) -> set[str]:
    return {part.name for part in found.slices}


@pytest.mark.parametrize("model", ["tiny-mlm", "tiny-clm", "models/stories260k", "models/stories260k-mlm"])
def test_components_share_out_the_backbone(model):
    whole = scope(model, kind="backbone")
    parts = {
        component: names(scope(model, kind="components", components=[component]))
        for component in ("embeddings", "attention", "mlp", "norm")
    }
    assert set.union(*parts.values()) == names(whole)
    assert sum(map(len, parts.values())) == len(whole.slices), "no parameter is in two"
    assert all("emb" in name or "wte" in name or "wpe" in name for name in parts["embeddings"])
    assert all("attn" in name or "attention" in name for name in parts["attention"])
    assert any("mlp" in name or "intermediate" in name for name in parts["mlp"])
    both = names(scope(model, kind="components", components=["mlp", "norm"]))
    assert both == parts["mlp"] | parts["norm"]


@pytest.mark.parametrize("model", ["tiny-mlm", "tiny-clm"])
def test_layers_are_a_range(model):
    last = names(scope(model, kind="layers", first=-1))
    assert last
    assert all(".2." in name for name in last)
    assert names(scope(model, kind="layers", first=0, last=1)) | last == names(scope(model, kind="layers"))
    for first, end in ((0, 3), (2, 1), (-4, -1)):
        with pytest.raises(
            ConfigError,
            match=rf"selector.first = {first} and selector.last = {end} are no range of the 3 layers",
        ):
            scope(model, kind="layers", first=first, last=end)


@pytest.mark.parametrize(("share", "count"), [(0.01, 3462), (50, 50), (1.0, 346176), (1, 1)])
def test_shares_are_fractions_or_counts(share, count):
    assert scope(kind="random", share=share).size == count


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "random", "share": 0}, "'share' must be a fraction"),
        ({"kind": "random", "share": 1.5}, "'share' must be a fraction"),
        ({"kind": "random", "share": "half"}, "'half' is a text, but a number is needed"),
        ({"kind": "random", "share": 10**9}, "only 346,176 weights"),
        ({"kind": "top-gradient", "share": -1}, "'share' must be a fraction"),
        ({"kind": "components", "components": ["brain"]}, "brain"),
        (
            {"kind": "components", "components": ["other"]},
            "this model has no other; it has embeddings, attention, mlp, norm",
        ),
        ({"kind": "pattern", "include": ["*nothing*"]}, "matches no parameter"),
        ({"kind": "saved", "folder": ""}, "folder"),
    ],
)
def test_bad_selections_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        scope(**options)


@pytest.mark.parametrize("model", ["tiny-mlm", "tiny-clm"])
def test_top_gradient_takes_the_largest_mean_differences(model):
    run = Session(
        "english-pronouns",
        model=model,
        **settings(selector={"kind": "top-gradient", "share": 500, "pairs": 24}),
    )
    whole = Session("english-pronouns", model=model, **settings())
    train, chosen = whole.examples["train"], []
    for name in ("3SG", "3PL"):
        chosen += [row for row, pair in enumerate(train.pairs) if pair.factual_class == name][:12]
    from gradiend_core.gradients.examples import subset

    rows = naive_gradients(whole.gradients, subset(train, chosen), GradientRole.DIFFERENCE)
    sizes = (rows[:12].mean(0) - rows[12:].mean(0)).abs()
    found = torch.cat(
        [place.start + part.index for part, place in matched(whole.gradients.scope, run.gradients.scope)]
    )
    assert run.gradients.scope.size == 500
    assert len(set(found.tolist()) & set(sizes.topk(500).indices.tolist())) >= 498, "but for ties in rounding"
    assert run.reports["encoder"]["test.correlation"] > 0.9, "500 weights are enough"


def test_a_model_in_parts_gives_the_same_weights(monkeypatch):
    """Those of equal size aside, as their order may differ."""
    options = {"kind": "top-gradient", "share": 700, "pairs": 24}
    at_once = Session("english-pronouns", **settings(selector=options))
    monkeypatch.setattr("gradiend_selectors.selectors.AT_ONCE", 20_000)
    parts = list(in_parts(scope()))
    assert len(parts) > 5
    assert [start for start, _ in parts] == [
        0,
        *torch.tensor([part.size for _, part in parts]).cumsum(0).tolist()[:-1],
    ]
    run = Session("english-pronouns", **settings(selector=options))
    first, second = (each.gradients.scope.columns_in(scope()) for each in (at_once, run))
    assert len(set(first.tolist()) & set(second.tolist())) >= 698, "but for ties in rounding"
    selector = run.registry.build(SELECTOR, "top-gradient", run.config.selector.config)
    assert selector.held(run.loaded.model) < 4 * scope().size


@given(
    st.lists(st.sampled_from([0.0, 1e-45, 1e-3, 1.0, 1.0000001, 2.5, 3e38]), min_size=1, max_size=40),
    st.data(),
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_largest_are_those_that_sorting_gives(dtype, values, data):
    count = data.draw(st.integers(1, len(values)))
    sizes = torch.tensor(values, dtype=dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradiend_core.learning.selection.PIECE", data.draw(st.integers(1, 50)))
        found = largest(sizes, count)
    expected = sizes.sort(descending=True, stable=True).indices[:count].sort().values
    assert torch.equal(found, expected)


def matched(whole, narrow):
    places = {part.name: place for part, place in whole.with_columns()}
    return [(part, places[part.name]) for part in narrow.slices]


def test_a_saved_feature_gives_its_scope_or_its_largest_weights(tmp_path, quick):
    save_feature(quick.feature, tmp_path / "run" / "feature")
    whole = scope(kind="saved", folder=str(tmp_path / "run"))
    assert whole.fingerprint() == quick.feature.scope.fingerprint()
    for by in ("decoder", "encoder"):
        narrow = scope(kind="saved", folder=str(tmp_path / "run" / "feature"), share=200, by=by)
        found = torch.cat([place.start + part.index for part, place in matched(quick.feature.scope, narrow)])
        assert set(found.tolist()) == set(getattr(quick.feature, by).abs().topk(200).indices.tolist())
    with pytest.raises(StorageError, match="holds no feature"):
        scope(kind="saved", folder=str(tmp_path / "nowhere"))


@pytest.mark.slow
def test_pruning_after_learning_keeps_the_largest_and_still_encodes():
    whole = Session("english-pronouns", **settings())
    run = Session("english-pronouns", **settings(), prune={"keep": 2000})
    assert run.feature.scope.size == 2000
    kept = set(whole.feature.decoder.abs().topk(2000).values.tolist())
    assert set(run.feature.decoder.abs().tolist()) == kept
    report = run.reports["encoder"]
    assert report["test.correlation"] > 0.9
    assert report["test", "mean_by_class", "3SG"] > 0.5 > -0.5 > report["test", "mean_by_class", "3PL"]
    with pytest.raises(ConfigError, match="prune.keep is 1000000000"):
        _ = Session("english-pronouns", **settings(), prune={"keep": 10**9}).feature


def test_the_overlap_of_a_selection_with_what_was_learned_is_reported(quick):
    report = quick.reports["selection"]
    for share in ("top 0.001", "top 0.01", "top 0.1"):
        assert report[share, "overlap_with_decoder"] > 3 * report[share, "chance"]
        assert 0 <= report[share, "overlap_with_encoder"] <= 1
    assert report["top 0.1", "chance"] == pytest.approx(0.1, abs=1e-3)
