"""The gradients on disk: the same products as computed ones, built once, and again when anything they depend
on changes."""

from __future__ import annotations

import json
import time

import attrs
import pytest
import torch

from gradiend_core import Session
from gradiend_core.errors import StorageError
from gradiend_core.gradients import store
from gradiend_core.gradients.examples import relabelled, subset
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.gradients.store import StoredGradients, estimate, key_of, make_room, open_store
from gradiend_core.records.gradient_role import GradientRole
from tests.conftest import settings

SCOPE = {"kind": "random", "share": 0.02}


@pytest.fixture(scope="module")
def run():
    return Session("english-pronouns", **settings(selector=SCOPE))


@pytest.fixture
def examples(run):
    return subset(run.examples["train"], range(20))


@pytest.fixture
def small_files(monkeypatch, run):
    """Six rows in a file."""
    monkeypatch.setattr(store, "FILE", 6 * 2 * 4 * run.gradients.scope.size)


def test_a_store_has_the_products_of_the_model(run, tmp_path, small_files):
    whole = run.examples["train"]
    stored = StoredGradients.of(run.gradients, [(whole, open_store(tmp_path, run.gradients, whole, "m"))])
    examples = relabelled(subset(whole, [9, 2, 5, 3, 30]), whole.pairs[:5])
    directions = torch.randn(3, run.gradients.scope.size, generator=torch.Generator().manual_seed(0))
    coefficients = torch.tensor([[1.0, -2.0, 0.5], [0.3, 0.0, 1.0], [1.0, 1.0, 1.0]])
    roles = list(GradientRole)
    for role in roles:
        one, two = (each.project(examples, directions, role) for each in (run.gradients, stored))
        torch.testing.assert_close(one, two, rtol=0.001, atol=1e-05 * float(one.abs().max()))
    out = torch.ones(3, run.gradients.scope.size)
    one = run.gradients.accumulate(examples, [4, 0, 1], coefficients, roles)
    two = stored.accumulate(examples, [4, 0, 1], coefficients, roles, out=out)
    assert two is out
    torch.testing.assert_close(one, two, rtol=0.001, atol=1e-05 * float(one.abs().max()))
    with pytest.raises(StorageError, match="not in the store"):
        stored.project(run.examples["test"], directions, GradientRole.FACTUAL)


def test_it_is_built_once_and_an_interrupted_build_goes_on(run, examples, tmp_path, small_files, monkeypatch):
    computed, rows = [], GradientOperator.rows

    def counted(self, some, roles):
        computed.append(len(some.pairs))
        if len(computed) == 3:
            raise KeyboardInterrupt
        return rows(self, some, roles)

    monkeypatch.setattr(GradientOperator, "rows", counted)
    with pytest.raises(KeyboardInterrupt):
        open_store(tmp_path, run.gradients, examples, "m")
    told = []
    open_store(tmp_path, run.gradients, examples, "m", tell=told.append)
    assert computed == [6, 6, 6, 6, 2], "the first two files were kept"
    assert told == [6, 6, 6, 2]
    open_store(tmp_path, run.gradients, examples, "m")
    assert len(computed) == 5, "nothing was computed the third time"


@pytest.mark.parametrize("damage", ["a bit", "the end", "all of it", "the manifest"])
def test_what_was_damaged_is_found_and_built_again(run, examples, tmp_path, small_files, damage):
    right = open_store(tmp_path, run.gradients, examples, "m")
    before = [right.row(i, GradientRole.FACTUAL).clone() for i in range(20)]
    folder = next(tmp_path.iterdir())
    file = folder / "00001.safetensors"
    content = bytearray(file.read_bytes())
    if damage == "a bit":
        content[-100] ^= 1
        file.write_bytes(content)
    elif damage == "the end":
        file.write_bytes(content[:-50])
    elif damage == "all of it":
        file.unlink()
    else:
        (folder / "manifest.json").write_text("{")
    again = open_store(tmp_path, run.gradients, examples, "m")
    assert all(
        torch.allclose(again.row(i, GradientRole.FACTUAL), row, rtol=1e-4, atol=1e-7)
        for i, row in enumerate(before)
    )
    assert len(json.loads((folder / "manifest.json").read_text())["files"]) == 4


def test_the_key_covers_everything_that_rows_depend_on(run, examples):
    gradients = run.gradients
    base = key_of(gradients, examples, "m", "float32")
    assert key_of(gradients, subset(run.examples["train"], range(20)), "m", "float32") == base
    other_tokens = subset(run.examples["train"], [*range(19), 20])
    swapped = subset(run.examples["train"], [1, 0, *range(2, 20)])
    narrow = gradients.narrowed(torch.arange(10))

    class OtherSource(type(run.source)):
        pass

    other_source = GradientOperator(gradients.model, OtherSource(run.source.config), gradients.scope)
    keys = [
        base,
        key_of(gradients, examples, "n", "float32"),
        key_of(gradients, examples, "m", "bfloat16"),
        key_of(gradients, other_tokens, "m", "float32"),
        key_of(gradients, swapped, "m", "float32"),
        key_of(narrow, examples, "m", "float32"),
        key_of(other_source, examples, "m", "float32"),
    ]
    assert len(set(keys)) == len(keys)
    row = examples.whole.rows[examples.chosen[0]]
    other_filler = attrs.evolve(row, fillers=(row.fillers[0], row.fillers[1] + 1))
    changed = attrs.evolve(examples.whole, rows=(other_filler, *examples.whole.rows[1:]))
    assert key_of(gradients, subset(changed, range(20)), "m", "float32") != base


def test_half_precision_takes_half_the_room(run, examples, tmp_path):
    full = open_store(tmp_path, run.gradients, examples, "m")
    half = open_store(tmp_path, run.gradients, examples, "m", "bfloat16")
    sizes = [
        sum(file.stat().st_size for file in folder.glob("*.safetensors")) for folder in tmp_path.iterdir()
    ]
    assert min(sizes) < 0.55 * max(sizes)
    assert estimate(run.gradients, [examples], "bfloat16") == pytest.approx(min(sizes), rel=0.01)
    one, two = (rows.row(3, GradientRole.FACTUAL).float() for rows in (full, half))
    torch.testing.assert_close(one, two, rtol=2 ** (-7), atol=1e-12)


def test_room_is_made_by_removing_what_was_not_used_for_longest(run, tmp_path):
    parts = [subset(run.examples["train"], range(start, start + 6)) for start in (0, 6, 12)]
    for part in parts[:2]:
        open_store(tmp_path, run.gradients, part, "m")
    time.sleep(0.05)
    open_store(tmp_path, run.gradients, parts[0], "m")  # used last
    each = estimate(run.gradients, parts[:1])
    make_room(tmp_path, each, int(2.5 * each))
    assert {folder.name for folder in tmp_path.iterdir()} == {key_of(run.gradients, parts[0], "m", "float32")}
    with pytest.raises(StorageError, match=r"would take .* GiB, more than store.limit_gib.*narrow the scope"):
        make_room(tmp_path, each, each - 1)


@pytest.mark.slow
def test_a_run_from_the_store_gives_the_feature_of_a_run_without(tmp_path):
    tables = settings(selector=SCOPE)
    plain = Session("english-pronouns", **tables, store={"use": "never"})
    stored = Session("english-pronouns", **tables, store={"use": "always", "folder": str(tmp_path)})
    assert isinstance(stored.matrix, StoredGradients)
    assert isinstance(plain.matrix, GradientOperator)
    assert (
        torch.nn.functional.cosine_similarity(plain.feature.encoder, stored.feature.encoder, dim=0) > 0.9999
    )
    one, two = (each.reports["encoder"]["test.correlation"] for each in (plain, stored))
    assert one == pytest.approx(two, abs=1e-4)
    again = Session("english-pronouns", **tables, store={"use": "always", "folder": str(tmp_path)})
    assert torch.equal(again.feature.encoder, stored.feature.encoder)


def test_auto_uses_it_for_several_seeds_that_fit(tmp_path):
    several = {"at_most": 2, "convergent": 2}
    tables = settings(selector=SCOPE, seeds=several)
    one = Session("english-pronouns", **tables, store={"folder": str(tmp_path)})
    assert isinstance(one.matrix, StoredGradients)
    two = Session("english-pronouns", **tables, store={"folder": str(tmp_path), "limit_gib": 1e-4})
    assert isinstance(two.matrix, GradientOperator)
    three = Session(
        "english-pronouns", **tables, store={"use": "always", "folder": str(tmp_path), "limit_gib": 1e-4}
    )
    with pytest.raises(StorageError, match="GiB"):
        _ = three.matrix
    (tmp_path / "file").write_text("")
    four = Session("english-pronouns", **tables, store={"folder": str(tmp_path / "file")})
    with pytest.raises(StorageError, match="cannot be written"):
        _ = four.matrix
