"""A feature that the reference package learned and saved: tests/fixtures/reference_feature, pruned to 1,829
weights of a small BERT.

expected.json has what the reference package itself (0.2.3) encodes and decodes with it.
"""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from gradiend_core import import_reference_feature
from gradiend_core.errors import StorageError
from gradiend_core.records.gradient_role import GradientRole
from tests.conftest import ROOT

FOLDER = ROOT / "tests" / "fixtures" / "reference_feature"


def test_it_encodes_and_decodes_as_there():
    expected = json.loads((FOLDER / "expected.json").read_text())
    feature = import_reference_feature(FOLDER)
    assert (feature.source, feature.target) == (GradientRole.ALTERNATIVE, GradientRole.DIFFERENCE)
    gradient = torch.sin(torch.arange(feature.scope.size, dtype=torch.float32)) * 60
    found = float(feature.encode((gradient @ feature.encoder)[None])[0])
    assert abs(expected["encoding"]) > 0.1
    assert -found == pytest.approx(expected["encoding"], rel=1e-5), "turned: here the factual class counts"
    for code, name in ((-1.0, "plus"), (1.0, "minus")):
        decoded = feature.decode(code)
        torch.testing.assert_close(
            decoded[:20], torch.tensor(expected[f"decoded_{name}"]), rtol=1e-06, atol=1e-8
        )
        assert float(decoded.norm()) == pytest.approx(expected[f"norm_{name}"], rel=1e-6)
    assert feature.strengthen("3SG") == -1.0, (
        "there, +1 strengthens the first class when the source is alternative"
    )
    assert feature.scope.slices[0].name == "bert.embeddings.word_embeddings.weight"


def test_entries_may_be_in_any_order_and_masked(tmp_path):
    plain = import_reference_feature(FOLDER)
    folder = shutil.copytree(FOLDER, tmp_path / "f")
    indices, config = (
        load_file(folder / "mapping_indices.safetensors"),
        json.loads((folder / "config.json").read_text()),
    )
    first, second = config["mapping"]["param_map"][:2]
    n, m = first["num_selected"], second["num_selected"]
    indices["L0"] = indices["L0"].flip(0).contiguous()
    mask = torch.zeros(second["shape"], dtype=torch.uint8)
    mask.view(-1)[indices.pop("L1").long()] = 1
    save_file(indices, folder / "mapping_indices.safetensors")
    save_file({"L1": mask}, folder / "mapping_masks.safetensors")
    second["repr"], config["mapping"]["masks_file"] = "mask", "mapping_masks.safetensors"
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(folder / "model.safetensors")
    order = torch.cat([torch.arange(n).flip(0), torch.arange(n, plain.scope.size)])
    for name in ("encoder.0.linear.weight", "decoder.0.linear.weight", "decoder.0.linear.bias"):
        tensors[name] = tensors[name].flatten()[order].view(tensors[name].shape).contiguous()
    save_file(tensors, folder / "model.safetensors")
    turned = import_reference_feature(folder)
    assert m == turned.scope.slices[1].size
    assert turned.scope.fingerprint() == plain.scope.fingerprint()
    assert torch.equal(turned.encoder, plain.encoder)
    assert torch.equal(turned.decoder_bias, plain.decoder_bias)


def test_what_has_no_counterpart_is_refused(tmp_path):
    with pytest.raises(StorageError, match="holds no feature of the reference package"):
        import_reference_feature(tmp_path)
    for number, (change, words) in enumerate(
        [
            (
                lambda config: config["architecture"].update(latent_dim=2),
                "has latent_dim 2; only 1 can be read",
            ),
            (
                lambda config: config["architecture"].update(activation_encoder="gelu"),
                "has activation_encoder 'gelu'",
            ),
            (lambda config: config["mapping"]["param_map"].pop(), "does not fit its own mapping"),
            (
                lambda config: config.pop("mapping"),
                "holds no valid feature of the reference package: KeyError",
            ),
        ]
    ):
        folder = shutil.copytree(FOLDER, tmp_path / str(number))
        config = json.loads((folder / "config.json").read_text())
        change(config)
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(StorageError, match=words):
            import_reference_feature(folder)
    folder = shutil.copytree(FOLDER, tmp_path / "pickle")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(StorageError, match="a feature that is a pickle is not read"):
        import_reference_feature(folder)
