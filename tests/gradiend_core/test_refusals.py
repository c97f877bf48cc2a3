"""What goes wrong is said: sentences that a user may read and that no other test asks for."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from gradiend_core.data.texts import read_texts
from gradiend_core.errors import DataError, ModelError, StorageError
from gradiend_core.language.loading import config_of
from gradiend_core.records.candidate import Candidate
from gradiend_core.records.run import DataSettings
from gradiend_core.records.scope import ParameterScope
from gradiend_core.rewriting.search import Trials, bracket, grid
from gradiend_core.storage.artefacts import save_artefact
from gradiend_core.storage.features import load_feature
from gradiend_core.storage.manifest import seal
from gradiend_core.storage.reference import import_reference_feature
from tests.conftest import ROOT


def test_texts_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    with pytest.raises(DataError, match="hub:nobody/has-this"):
        list(read_texts("hub:nobody/has-this", DataSettings()))
    (tmp_path / "x.csv").write_bytes("text\nFrüher ging er.\n".encode("latin-1"))
    (found,) = read_texts(str(tmp_path / "x.csv"), DataSettings(encoding="latin-1"))
    assert found.text == "Früher ging er."


class Scale:
    """An edit that breaks nothing, of a length that is given."""

    feature_factor = 1.0

    def __init__(self, length: float) -> None:
        self.relative_length = length

    def apply(self, learning_rate: float) -> None: ...

    def restore(self) -> None: ...


def test_a_search_that_nothing_ends_tries_all_and_an_edit_of_nothing_none():
    def measured(factor: float, rate: float) -> Candidate:
        return Candidate(factor, rate, {}, SimpleNamespace(mean=0.5))

    def trials(length: float) -> Trials:
        return Trials(Scale(length), measured(0.0, 0.0), measured, lambda candidate: candidate.learning_rate)

    assert [each.learning_rate for each in grid(trials(1.0), [3.0, 1.0, 2.0])] == [0.0, 1.0, 2.0, 3.0]
    assert [each.learning_rate for each in bracket(trials(0.0), 9)] == [0.0]


def test_a_feature_without_weights(tmp_path):
    content = {"scope": [], "scope_fingerprint": ParameterScope(()).fingerprint()}
    save_artefact(tmp_path, "feature", 4, content, {"encoder": torch.ones(1)})
    with pytest.raises(StorageError, match="the scope has no parameter, or one twice"):
        load_feature(tmp_path)


def test_features_of_the_reference_package_that_cannot_be_read(tmp_path):
    original = ROOT / "tests" / "fixtures" / "reference_feature"
    config = json.loads((original / "config.json").read_text())
    first = shutil.copytree(original, tmp_path / "first")
    config["mapping"]["input_index_map_file"] = "map.safetensors"
    (first / "config.json").write_text(json.dumps(config))
    with pytest.raises(StorageError, match="has an input index map, which cannot be read"):
        import_reference_feature(first)
    second = shutil.copytree(original, tmp_path / "second")
    tensors = load_file(second / "model.safetensors")
    tensors["decoder.0.linear.bias"][0] = torch.nan
    save_file(tensors, second / "model.safetensors")
    with pytest.raises(StorageError, match="has values that are not finite"):
        import_reference_feature(second)


def test_a_model_without_a_type(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["X"]}')
    with pytest.raises(ModelError, match=r"has no model_type in its config\.json"):
        config_of(str(tmp_path))


def test_a_seal_in_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        seal(tmp_path)
