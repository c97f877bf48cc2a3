"""What is saved is what is loaded, whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiend_core.errors import StorageError
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.storage.features import load_feature, save_feature
from gradiend_core.storage.files import PART, write_text
from gradiend_core.storage.folders import claimed, fresh_folder
from gradiend_core.storage.manifest import MANIFEST, damage, revised, seal
from tests.reliability.hostile import LOADERS

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
        slices.append(
            ParameterSlice(f"layer.{number}.weight", shape, None if chosen is None else torch.tensor(chosen))
        )
    scope = ParameterScope(tuple(slices))
    vectors = [
        torch.tensor(draw(st.lists(numbers, min_size=scope.size, max_size=scope.size))) for _ in range(3)
    ]
    return LearnedFeature(
        vectors[0],
        draw(numbers),
        vectors[1],
        vectors[2],
        scope,
        ("erste Klasse", "2"),
        draw(st.sampled_from(GradientRole)),
        draw(st.sampled_from(GradientRole)),
        tuple(draw(st.lists(rows, max_size=4))),
        draw(st.integers(0, 99)),
    )


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
    return LearnedFeature(
        torch.ones(4), 0.5, torch.ones(4), torch.ones(4), scope, ("A", "B"), *[GradientRole.DIFFERENCE] * 2
    )


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("feature.safetensors", lambda old: old[:-1] + b"x", "checksum"),
        ("feature.safetensors", lambda old: old[:20], "checksum"),
        ("feature.json", lambda old: old[:50], "no valid feature"),
        (
            "feature.json",
            lambda old: old.replace(b'"schema": 4', b'"schema": 99'),
            "schema 99, this version reads 4",
        ),
        (
            "feature.json",
            lambda old: old.replace(b'"w"', b'"v"'),
            "feature.json is not the file that was saved",
        ),
        (
            "feature.json",
            lambda old: old.replace(b'"feature.safetensors"', b'"../feature.safetensors"'),
            "not inside of it",
        ),
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
    for encoder in (
        torch.tensor([1.0, float("nan"), 1, 1]),
        torch.ones(3),
        torch.ones(4, dtype=torch.float64),
    ):
        save_feature(attrs.evolve(some_feature(), encoder=encoder), tmp_path / "f", overwrite=True)
        with pytest.raises(StorageError, match="encoder must be 4 finite float32 numbers"):
            load_feature(tmp_path / "f")


@pytest.mark.parametrize("index", [[0, 0], [3, 1], [-1, 2], [2, 12], [], [[0, 1]], [0.0, 1.0]])
def test_a_scope_that_no_model_has_is_refused(tmp_path, index):
    """Its checksums and its fingerprint are right: whoever made the file is not believed for that."""
    part = ParameterSlice(
        "w", (3, 4), torch.tensor(index, dtype=torch.float64 if index == [0.0, 1.0] else torch.int64)
    )
    vector = torch.ones(len(index))
    feature = attrs.evolve(
        some_feature(),
        scope=ParameterScope((part,)),
        encoder=vector,
        decoder=vector.clone(),
        decoder_bias=vector.clone(),
    )
    save_feature(feature, tmp_path / "f")
    with pytest.raises(StorageError, match="'w' of shape .* has no such entries"):
        load_feature(tmp_path / "f")


@pytest.mark.parametrize("name", ["feature", "update"])
def test_a_name_that_is_no_text_is_refused(tmp_path, name):
    """Half of a surrogate pair: JSON can say it, and nothing can encode it. With right checksums."""
    loader = LOADERS[name]
    loader.make(tmp_path)
    path = tmp_path / f"{name}.json"
    about = json.loads(path.read_text())
    about["content"]["scope"][0][0] = "\ud800"
    path.write_text(json.dumps(about))
    loader.reseal(tmp_path)
    with pytest.raises(StorageError, match=f"holds no valid {name}: UnicodeEncodeError"):
        loader.load(tmp_path)


def test_a_folder_that_fails_half_way_leaves_the_old_one(tmp_path):
    folder = tmp_path / "result"
    with fresh_folder(folder) as place:
        write_text(place / "a.txt", "old")
    with pytest.raises(RuntimeError), fresh_folder(folder, overwrite=True) as place:
        write_text(place / "a.txt", "new")
        raise RuntimeError
    assert (folder / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_an_output_folder_is_claimed_or_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(StorageError, match="is not empty and holds no run"):
        enter(claimed(tmp_path / "mine", "run.toml"))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written: .*; choose another with --output"):
        enter(claimed(tmp_path / "file" / "below", "run.toml"))
    enter(claimed(tmp_path / "new" / "deep", "run.toml"))
    (tmp_path / "new" / "deep" / "run.toml").write_text("")
    (tmp_path / "new" / "deep" / f"{PART}abc").mkdir()
    enter(claimed(tmp_path / "new" / "deep", "run.toml"))
    assert not (tmp_path / "new" / "deep" / f"{PART}abc").exists(), "what a killed process left is gone"
    with claimed(tmp_path / "new" / "deep" / "run", "run.toml"):
        (tmp_path / "new" / "deep" / "run" / f"{PART}own").mkdir()
        enter(claimed(tmp_path / "new" / "deep", "run.toml"))
        assert (tmp_path / "new" / "deep" / "run" / f"{PART}own").exists(), (
            "it belongs to a writer further in"
        )


def enter(context):
    with context:
        pass


def test_a_folder_that_another_process_writes_is_refused_and_free_when_it_dies(tmp_path):
    code = "import sys; from gradiend_core.storage.folders import claimed\nfrom pathlib import Path\n"
    code += "with claimed(Path(sys.argv[1]), 'run.toml'):\n    print('in', flush=True)\n    sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "in\n"
    with pytest.raises(
        StorageError, match="is being written by another process; wait for it, or choose another"
    ):
        enter(claimed(tmp_path / "out", "run.toml"))
    other.kill()
    other.communicate()
    enter(claimed(tmp_path / "out", "run.toml"))


def test_a_sealed_folder_says_what_was_changed(tmp_path):
    write_text(tmp_path / "a.txt", "a")
    write_text(tmp_path / "below" / "b.txt", "b")
    assert "is not finished or not whole" in damage(tmp_path)[0]
    seal(tmp_path)
    assert damage(tmp_path) == []
    (tmp_path / "a.txt").write_text("A")
    (tmp_path / "below" / "b.txt").unlink()
    assert [each.split(" is ")[1][:7] for each in damage(tmp_path)] == ["not the", "missing"]
    assert len(damage(tmp_path, among="below/")) == 1
    (tmp_path / MANIFEST).write_text('{"schema": 1, "files": {"../../etc/passwd": ["0"]}}')
    with pytest.raises(StorageError, match="'../../etc/passwd', which is not inside of it"):
        damage(tmp_path)


def test_a_revision_that_is_killed_half_way_leaves_a_whole_folder(tmp_path, monkeypatch):
    """Each step between old and new files, one after the other, is the last that happens."""
    real, steps = os.replace, []

    def revise(folder):
        with revised(folder, "last.txt") as place:
            for name in ("last.txt", "a.txt", "new.txt"):
                write_text(place / name, "new")

    for until in range(9):
        folder = tmp_path / str(until)
        for name in ("last.txt", "a.txt", "kept.txt"):
            write_text(folder / name, "old")
        seal(folder)

        def replace(old, new, left=[until]):  # noqa: B006
            steps.append(new)
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            real(old, new)

        monkeypatch.setattr(os, "replace", replace)
        with suppress(KeyboardInterrupt):
            revise(folder)
        monkeypatch.setattr(os, "replace", real)
        assert damage(folder) == []
        if (folder / "last.txt").read_text() == "new":
            assert (folder / "a.txt").read_text() == (folder / "new.txt").read_text() == "new"
    assert (folder / "last.txt").read_text() == "new"
    assert len(steps) > 9
