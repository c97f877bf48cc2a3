"""The memory plan: what is counted, what is not loaded, and what it says beside what is used (by hand:
benchmarks/large.py)."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gradiend_core import Session, cli
from gradiend_core.errors import ConfigError, ModelError
from gradiend_core.language.loading import load_model
from gradiend_core.learning.checkpoint import Checkpoint
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.run import GradientSettings
from gradiend_core.roles.kinds import MODEL
from gradiend_core.run.planning import GIB, disk_shortage, memory_plan, shortage, time_plan


def planned(**tables):
    return memory_plan(Session("english-pronouns", model="tiny-clm", **tables))


def needs(plan, stage: str) -> dict[str, int]:
    return dict(next(each for each in plan.stages if each.name == stage).needs)


def test_a_plan_counts_what_a_learner_holds():
    plan = planned(learner={"kind": "adam"})
    run = Session("english-pronouns", model="tiny-clm")
    assert plan.columns == run.gradients.scope.size
    assert plan.parameters == sum(each.numel() for each in run.loaded.model.parameters())
    assert (
        needs(plan, "learning")["vectors"] == 4 * 14 * plan.columns
    )  # 3 weights, 6 moments, 3 best, 2 gradients
    assert needs(planned(learner={"kind": "mean-difference"}), "learning")["vectors"] == 4 * 3 * plan.columns
    of_another = planned(learner={"kind": "shuffled", "of": "ridge"})
    assert needs(of_another, "learning")["vectors"] == 4 * 6 * plan.columns
    assert (
        needs(planned(gradients={"dtype": "bfloat16"}), "learning")["weights"]
        < 0.6 * needs(plan, "learning")["weights"]
    )


def test_a_part_of_the_weights_is_planned_without_gradients():
    """And as many as the run then takes."""
    tables = {"selector": {"kind": "top-gradient", "share": 0.03}}
    plan, run = (
        planned(**tables),
        Session("english-pronouns", model="tiny-clm", data={"max_texts": 2000}, **tables),
    )
    assert plan.columns == run.gradients.scope.size
    assert needs(plan, "selecting")["vectors"] > needs(plan, "learning")["vectors"]
    named = planned(selector={"kind": "layers", "first": 1, "last": 1})
    assert (
        named.columns
        == Session(
            "english-pronouns", model="tiny-clm", selector={"kind": "layers", "first": 1, "last": 1}
        ).gradients.scope.size
    )


def test_no_weights_are_read(tmp_path, capsys):
    """A model of eight billion parameters is planned from its config alone, and said not to fit here."""
    from transformers import LlamaConfig

    LlamaConfig(
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        vocab_size=128256,
        architectures=["LlamaForCausalLM"],
    ).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(Plugins.discover().registry.get(MODEL, "tiny-clm").build()) / name, tmp_path)
    adam = {"kind": "adam"}
    plan = memory_plan(Session("english-pronouns", model=str(tmp_path), learner=adam))
    assert plan.parameters == 8_030_261_248
    assert plan.peak > 200 * GIB
    assert "narrow the scope" in shortage(plan)
    cli.app(
        ["plan", "english-pronouns", "--model", str(tmp_path), "--set", "learner.kind=adam"],
        standalone_mode=False,
    )
    said = capsys.readouterr()
    assert "8,030,261,248 parameters" in said.out
    assert "GiB at most on cpu, while learning" in said.out
    assert "warning: the run will need about" in said.err


def test_what_cannot_be_planned_is_said(monkeypatch):
    monkeypatch.delattr("gradiend_learners.closed.RidgeLearner.vectors")
    with pytest.raises(ConfigError, match="cannot be planned"):
        cli.app(["plan", "english-pronouns", "--set", "learner.kind=ridge"], standalone_mode=False)


# --- what a model must have
# -------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path) -> Path:
    return shutil.copytree(Plugins.discover().registry.get(MODEL, "tiny-clm").build(), tmp_path / "model")


def load(folder: Path, **settings):
    from transformers import AutoModelForCausalLM

    return load_model(str(folder), AutoModelForCausalLM, GradientSettings(device="cpu", **settings))


def changed(folder: Path, change) -> None:
    from safetensors.torch import load_file, save_file

    path = next(folder.glob("*.safetensors"))
    tensors = load_file(path)
    change(tensors)
    path.unlink()
    save_file(tensors, path, metadata={"format": "pt"})


def test_weights_that_a_checkpoint_lacks_are_not_made_up(model):
    changed(model, lambda tensors: tensors.pop("transformer.h.1.mlp.c_fc.weight"))
    with pytest.raises(
        ModelError, match=r"has no weights for 1 parameters of GPT2LMHeadModel, such as transformer.h.1.mlp"
    ):
        load(model)


def test_weights_that_are_not_finite_are_refused(model):
    changed(model, lambda tensors: tensors["transformer.h.1.mlp.c_fc.weight"][0].fill_(torch.nan))
    with pytest.raises(ModelError, match=r"weights that are not finite, in transformer.h.1.mlp.c_fc.weight"):
        load(model)


def test_code_of_a_model_is_run_only_where_it_is_allowed(model, tmp_path):
    config = json.loads((model / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (model / "config.json").write_text(json.dumps(config | {"model_type": "its-own"}))
    (model / "own.py").write_text(
        "from pathlib import Path\nfrom transformers import GPT2Config, GPT2LMHeadModel\n"
        f"Path({str(tmp_path / 'it-ran')!r}).touch()\n"
        "class OwnConfig(GPT2Config):\n    model_type = 'its-own'\n"
        "class OwnModel(GPT2LMHeadModel):\n    config_class = OwnConfig\n"
    )
    with pytest.raises(ModelError, match=r"brings code of its own; set gradients.trust_remote_code=true"):
        load(model)
    with pytest.raises(ModelError, match=r"brings code of its own|source.kind|accepts"):
        Session("english-pronouns", model=str(model), source={"kind": "clm"}).loaded  # noqa: B018
    assert not (tmp_path / "it-ran").exists()
    assert type(load(model, trust_remote_code=True)[0]).__name__ == "OwnModel"
    assert (tmp_path / "it-ran").exists()


def test_states_to_resume_from_are_counted_on_disk():
    plan = memory_plan(Session("english-pronouns", learner={"kind": "adam"}))
    assert plan.states == 2 * 12 * 4 * plan.columns
    assert "for states to resume from" in plan.summary()
    closed = memory_plan(Session("english-pronouns", learner={"kind": "mean-difference"}))
    assert closed.states == 0
    assert "resume" not in closed.summary()


def test_a_full_disk_is_said_before_the_run(monkeypatch, tmp_path):
    plan = memory_plan(Session("english-pronouns"))
    assert disk_shortage(plan, tmp_path / "a" / "b") == ""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000, total=9000))
    assert f"GiB to {tmp_path}, and 0.00 are free" in disk_shortage(plan, tmp_path / "a" / "b")


def test_the_time_of_learning_is_told_from_two_batches(quick):
    line = time_plan(quick)
    assert re.fullmatch(
        r"time      learning at most \d+ (s|min), reading the encodings of all texts \d+ (s|min), at \d+ ms"
        r" for a text",
        line,
    )


def test_states_are_written_seldom_enough_to_cost_little(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    large = Checkpoint(tmp_path, 120.0, 4_840_000_000)
    large._last = 0.0
    now[0] = 400.0
    assert not large.due(), "it would take 24 seconds"
    now[0] = 490.0
    assert large.due()
    small = Checkpoint(tmp_path, 120.0, 1000)
    small._last = 490.0
    now[0] = 611.0
    assert small.due()
    assert not Checkpoint(None, 0.0).due()
