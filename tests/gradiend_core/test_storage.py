"""What is saved is what is loaded, whole or not at all."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiend_core.errors import StorageError
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.storage.features import load_feature, save_feature
from gradiend_core.storage.files import claim_output, fresh_folder, write_text

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
maybe = st.none() | numbers
rows = st.builds(TrainingRow, st.integers(1, 10**6), numbers, maybe, maybe, maybe, st.booleans())


@st.composite
def features(draw) -> LearnedFeature:
    slices = []
    for number in range(draw(st.integers(1, 3))):
        shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
        size = int(torch.tensor(shape).prod())
        chosen = sorted(draw(st.sets(st.integers(0, size - 1), min_size=1))) if draw(st.booleans()) else None
        slices.append(ParameterSlice(f"layer.{number}.weight", shape, None if chosen is None else torch.tensor(chosen)))
    scope = ParameterScope(tuple(slices))
    vectors = [torch.tensor(draw(st.lists(numbers, min_size=scope.size, max_size=scope.size))) for _ in range(3)]
    return LearnedFeature(
        vectors[0], draw(numbers), vectors[1], vectors[2], scope, ("erste Klasse", "2"), draw(st.sampled_from(GradientRole)),
        draw(st.sampled_from(GradientRole)), tuple(draw(st.lists(rows, max_size=4))), draw(st.integers(0, 99)),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(features())
def test_a_feature_comes_back_to_the_bit(feature):
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_feature(save_feature(feature, Path(folder) / "f"))
    for name in ("encoder", "decoder", "decoder_bias"):
        assert torch.equal(getattr(feature, name), getattr(loaded, name))
        assert getattr(loaded, name).dtype == torch.float32
    for name in ("encoder_bias", "classes", "source", "target", "training", "best_step"):
        assert getattr(feature, name) == getattr(loaded, name)
    assert feature.scope.fingerprint() == loaded.scope.fingerprint()


def some_feature() -> LearnedFeature:
    scope = ParameterScope((ParameterSlice("w", (2, 2)),))
    return LearnedFeature(torch.ones(4), 0.5, torch.ones(4), torch.ones(4), scope, ("A", "B"), *[GradientRole.DIFFERENCE] * 2)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("feature.safetensors", lambda old: old[:-1] + b"x", "checksum"),
        ("feature.safetensors", lambda old: old[:20], "checksum"),
        ("feature.json", lambda old: old[:50], "no valid feature"),
        ("feature.json", lambda old: old.replace(b'"schema": 1', b'"schema": 99'), "schema 99"),
        ("feature.json", lambda old: old.replace(b'"w"', b'"v"'), "scope is not the one"),
        ("feature.json", lambda old: old.replace(b'"difference"', b'"sideways"', 1), "no valid feature"),
        ("feature.json", lambda old: b"[]", "no valid feature"),
        ("feature.json", None, r"holds no feature: No such file.*feature.json"),
        ("feature.safetensors", None, r"holds no feature: No such file.*feature.safetensors"),
    ],
)
def test_a_changed_or_incomplete_feature_is_refused(tmp_path, file, change, words):
    folder = save_feature(some_feature(), tmp_path / "f")
    path = folder / file
    path.unlink() if change is None else path.write_bytes(change(path.read_bytes()))
    with pytest.raises(StorageError, match=words):
        load_feature(folder)


def test_vectors_that_are_not_finite_or_do_not_fit_are_refused(tmp_path):
    import hashlib

    from safetensors.torch import save_file

    for encoder in (torch.tensor([1.0, float("nan"), 1, 1]), torch.ones(3)):
        folder = save_feature(some_feature(), tmp_path / "f")
        save_file({"encoder": encoder, "decoder": torch.ones(4), "decoder_bias": torch.ones(4)}, folder / "feature.safetensors")
        about = json.loads((folder / "feature.json").read_text())
        about["sha256"] = hashlib.sha256((folder / "feature.safetensors").read_bytes()).hexdigest()
        (folder / "feature.json").write_text(json.dumps(about))
        with pytest.raises(StorageError, match="encoder must be 4 finite numbers"):
            load_feature(folder)


def test_a_folder_that_fails_half_way_leaves_the_old_one(tmp_path):
    folder = tmp_path / "result"
    with fresh_folder(folder) as place:
        write_text(place / "a.txt", "old")
    with pytest.raises(RuntimeError), fresh_folder(folder) as place:
        write_text(place / "a.txt", "new")
        raise RuntimeError
    assert (folder / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_an_output_folder_is_claimed_or_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(StorageError, match="is not empty and holds no run"):
        claim_output(tmp_path / "mine", "run.toml")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written: .*; choose another with --output"):
        claim_output(tmp_path / "file" / "below", "run.toml")
    claim_output(tmp_path / "new" / "deep", "run.toml")
