"""Models in GGUF files: read as transformers reads them, and edits written back into such a file."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from gradiend_core import Session
from gradiend_core.errors import ModelError
from gradiend_core.language.gguf import gguf_file, write_edited
from gradiend_core.language.loading import architecture
from gradiend_core.records.update import WeightUpdate
from tests.conftest import asset, settings

QUANTISED = gguf.GGMLQuantizationType.Q8_0


def by_head(weights: np.ndarray, heads: int) -> np.ndarray:
    """Rows in the order of the original llama, as files have them."""
    return weights.reshape(heads, 2, len(weights) // heads // 2, -1).swapaxes(1, 2).reshape(weights.shape)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """stories260k as a GGUF file, by the package's own writer; matrices in Q8_0 where their rows allow it."""
    path, stories = tmp_path_factory.mktemp("gguf") / "stories.gguf", Path(asset("models/stories260k"))
    model = AutoModelForCausalLM.from_pretrained(stories)
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    tokens = json.loads((stories / "tokenizer.json").read_text())["model"]
    vocabulary = tokens["vocab"]
    if isinstance(vocabulary, dict):
        vocabulary = [
            [token, -float(rank)] for token, rank in sorted(vocabulary.items(), key=lambda item: item[1])
        ]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_scores([float(score) for _, score in vocabulary])
    byte = gguf.TokenType.BYTE, gguf.TokenType.NORMAL
    writer.add_token_types([byte[not token.startswith("<0x")] for token, _ in vocabulary])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, parameter in model.named_parameters():
        weights = parameter.detach().numpy()
        for part, count in heads.items():
            if f"{part}." in name:
                weights = by_head(weights, count)
        target = names.get_name(name, try_suffixes=(".weight",))
        if weights.ndim == 2 and weights.shape[1] % 32 == 0:
            writer.add_tensor(target, gguf.quants.quantize(weights, QUANTISED), raw_dtype=QUANTISED)
        else:
            writer.add_tensor(target, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def of(file: Path) -> Session:
    return Session(
        "english-pronouns",
        model=str(file),
        **settings(data={"max_per_class": 30}, evaluators={"kinds": ["decoder"]}),
    )


def test_a_file_or_its_folder_is_a_model(file):
    assert gguf_file(str(file)) == gguf_file(str(file.parent)) == file
    assert architecture(str(file)) == "LlamaForCausalLM"
    run, whole = of(file), AutoModelForCausalLM.from_pretrained(asset("models/stories260k"))
    loaded = run.loaded.model.state_dict()
    for name, weights in whole.state_dict().items():
        assert float((loaded[name] - weights).norm() / weights.norm()) < 0.01, "up to its quantisation"
    assert any("GGUF file" in problem and "Q8_0" in problem for problem in run.warnings)


def test_a_model_from_a_file_can_be_saved(file, tmp_path):
    run = of(file)
    run.loaded.model.save_pretrained(tmp_path / "saved")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    for one, other in zip(run.loaded.model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_edit_is_written_into_the_file(file, tmp_path):
    run = of(file)
    model, scope = run.loaded.model, run.gradients.scope
    direction = torch.randn(scope.size, generator=torch.Generator().manual_seed(0))
    update = WeightUpdate(direction, scope, 1.0, 0.002)
    changed, tensors = write_edited(file, tmp_path / "edited.gguf", model, update)
    assert changed == tensors == len(list(model.parameters()))
    edited = of(tmp_path / "edited.gguf").loaded.model
    for (parameter, columns), (name, now) in zip(
        scope.with_columns(), dict(edited.named_parameters()).items(), strict=True
    ):
        assert parameter.name == name
        wanted = model.get_parameter(name).detach() + 0.002 * direction[columns].view(parameter.shape)
        assert float((now.detach() - wanted).norm() / wanted.norm()) < 5e-4, "up to F16"


def test_what_an_edit_does_not_change_stays_to_the_byte(file, tmp_path):
    run = of(file)
    scope = run.gradients.scope
    direction = torch.zeros(scope.size)
    _, columns = next(iter(scope.with_columns()))
    direction[columns] = 0.1
    write_edited(file, tmp_path / "edited.gguf", run.loaded.model, WeightUpdate(direction, scope, 1.0, 1.0))
    before, after = gguf.GGUFReader(file), gguf.GGUFReader(tmp_path / "edited.gguf")
    kept = [
        one.name
        for one, other in zip(before.tensors, after.tensors, strict=True)
        if one.tensor_type == other.tensor_type and np.array_equal(one.data, other.data)
    ]
    assert len(kept) == len(before.tensors) - 1
    for name, entry in before.fields.items():
        if not name.startswith("GGUF."):
            assert after.fields[name].contents() == entry.contents()


def test_the_command_writes_one(file, tmp_path, gradiend):
    options = [
        "data.max_per_class=30",
        'evaluators.kinds=["decoder"]',
        "evaluators.decoder.learning_rates=[0.001]",
    ]
    sets = [value for option in [*options, "policy.kind=product"] for value in ("--set", option)]
    code, _, err = gradiend(
        "run", "english-pronouns", "--model", str(file), "--output", str(tmp_path / "run"), *sets
    )
    assert code == 0, err
    call = (
        "--toward",
        "3PL",
        "--format",
        "gguf",
        "--learning-rate",
        "0.001",
        "--output",
        str(tmp_path / "out"),
    )
    code, out, err = gradiend("rewrite", str(tmp_path / "run"), *call)
    assert code == 0, err
    assert "tensors were written anew" in out
    assert (tmp_path / "out" / "stories-3PL.gguf").is_file()
    assert (tmp_path / "out" / "README.md").is_file()


def test_names_that_mean_no_file(tmp_path, file):
    for name in ("one.gguf", "two.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(ModelError, match=r"has 2 GGUF files; name one, such as .*one\.gguf"):
        gguf_file(str(tmp_path))
    with pytest.raises(ModelError, match="does not exist"):
        architecture(str(tmp_path / "three.gguf"))
    with pytest.raises(ModelError, match="cannot be loaded"):
        architecture(str(tmp_path / "one.gguf"))


def test_a_missing_package_is_named(file, monkeypatch):
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else there(name))
    with pytest.raises(ModelError, match=r"gguf is not installed; install \"gradiend-core\[gguf\]\""):
        Session("english-pronouns", model=str(file))


def test_another_model_has_no_file_to_write_into(tmp_path, gradiend):
    sets = [
        value
        for option in ("data.max_per_class=30", 'evaluators.kinds=["decoder"]')
        for value in ("--set", option)
    ]
    code, _, err = gradiend("run", "english-pronouns", "--output", str(tmp_path / "run"), *sets)
    assert code == 0, err
    code, _, err = gradiend(
        "rewrite",
        str(tmp_path / "run"),
        "--toward",
        "3PL",
        "--format",
        "gguf",
        "--output",
        str(tmp_path / "out"),
    )
    assert code == 1
    assert "the format gguf writes into the GGUF file that a model was read from" in err
    assert not (tmp_path / "out").exists()
