"""An edit in other hands: as a checkpoint, as an update, as an adapter; loaded by others, with the same
probabilities."""

from __future__ import annotations

import json
import re
from pathlib import Path

import attrs
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from gradiend_core import Session, export, load_run, load_update, save_run, save_update
from gradiend_core.errors import ConfigError, ModelError, StorageError
from gradiend_core.finished.exporting import lost
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.apply import apply_update
from gradiend_core.rewriting.lora import lora_factors
from tests.conftest import settings

AUTO = {"tiny-mlm": AutoModelForMaskedLM, "tiny-clm": AutoModelForCausalLM}


@pytest.fixture(scope="module", params=["tiny-mlm", "tiny-clm"])
def run(request):
    return Session("english-pronouns", model=request.param, **settings(evaluators={"kinds": ["decoder"]}))


def fresh(run):
    return AUTO[run.config.general.model].from_pretrained(run.model_folder).eval()


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.arange(5, 25)[None]).logits


def updated(run, update) -> torch.Tensor:
    model = fresh(run)
    apply_update(model, update)
    return logits(model)


def test_a_full_export_is_a_plain_model_with_a_card(run, tmp_path):
    lines = export(run, "3PL", tmp_path / "full", learning_rate=0.05, strength=0.5)
    assert "weights change, by a vector of length" in lines[0]
    loaded = AUTO[run.config.general.model].from_pretrained(tmp_path / "full").eval()
    assert torch.equal(logits(loaded), updated(run, run.update("3PL", 0.025)))
    card = (tmp_path / "full" / "README.md").read_text(encoding="utf-8")
    assert "# more of 3PL" in card
    assert f"`{run.loaded.fingerprint}`" in card
    assert "language modelling score, before and after" in card


@pytest.mark.parametrize("keep", [1.0, 0.01])
def test_a_sparse_export_is_exact(run, tmp_path, keep):
    lines = export(run, "3SG", tmp_path / "sparse", "sparse", learning_rate=0.05, keep=keep)
    update = load_update(tmp_path / "sparse", run.loaded.model)
    whole = run.update("3SG", 0.05)
    expected = whole if keep == 1 else whole.restricted(round(keep * whole.scope.size))
    assert torch.equal(updated(run, update), updated(run, expected))
    assert update.scope.size == round(keep * whole.scope.size)
    if keep < 1:
        missing = (whole - expected).direction.double()
        curvature, there = run.feature.curvature.double(), whole.direction.double() * 0.05
        plain = float(missing.norm() / there.norm())
        in_metric = float(((missing**2 * curvature).sum() / (there**2 * curvature).sum()) ** 0.5)
        assert f"lost of the edit: {plain:.1%} of its length, {in_metric:.1%} in the metric" in lines[1]
    size = (tmp_path / "sparse" / "update.safetensors").stat().st_size
    assert keep == 1 or size < 0.05 * 4 * whole.scope.size


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # of peft, for transformers 6
def test_an_adapter_does_what_it_says(run, tmp_path):
    peft = pytest.importorskip("peft")
    lines = export(run, "3PL", tmp_path / "lora", "lora", learning_rate=0.05, rank=96)
    assert "an adapter can change" in lines[1]
    assert re.search(r"lost of the edit: [\d.]+% of its length, [\d.]+% in the metric", lines[2])
    model = peft.PeftModel.from_pretrained(fresh(run), tmp_path / "lora").eval()
    about = json.loads((tmp_path / "lora" / "gradiend.json").read_text())
    assert about["relative_error_by_rank"]["96"] == pytest.approx((1 - about["held"]) ** 0.5, abs=1e-3)
    whole = run.update("3PL", 0.05)
    held = ParameterScope(tuple(part for part in whole.scope.slices if part.name not in about["left_out"]))
    places = [place for part, place in whole.scope.with_columns() if part.name not in about["left_out"]]
    part = WeightUpdate(
        torch.cat([whole.direction[place] for place in places]),
        held,
        whole.feature_factor,
        whole.learning_rate,
    )
    torch.testing.assert_close(logits(model), updated(run, part), rtol=1e-5, atol=0.002)
    assert not torch.allclose(logits(model), logits(fresh(run)), atol=1e-2)
    merged = logits(model.merge_and_unload())
    torch.testing.assert_close(merged, updated(run, part), rtol=1e-5, atol=0.002)


def test_the_error_of_a_rank_is_that_of_the_weights(run):
    whole = run.update("3PL", 0.05)
    found = lora_factors(run.loaded.model, whole, 2)
    lost = 0.0
    for part, place in whole.scope.with_columns():
        change = whole.learning_rate * part.spread(whole.direction[place])
        name = part.name.removesuffix(".weight")
        if name in found.factors:
            a, b = found.factors[name]
            product = b @ a
            change = change - (product if product.shape == change.shape and "h." not in name else product.T)
        lost += float(change.double().square().sum())
    assert found.errors[2] == pytest.approx(lost**0.5 / whole.norm, rel=1e-3)
    values = list(found.errors.values())
    assert values == sorted(values, reverse=True)


def test_updates_add_up(run):
    a, b = run.update("3SG", 0.1), run.update("3PL", 0.05)
    both = a + 2 * b
    dense = 0.1 * a.direction + 0.1 * b.direction
    torch.testing.assert_close(both.learning_rate * both.direction, dense, rtol=1e-5, atol=1e-07)
    assert (a - a).norm == 0
    assert a.cosine(-a) == pytest.approx(-1, abs=1e-4)
    assert a.cosine(3 * a) == pytest.approx(1, abs=1e-4)
    assert (a - a).cosine(a) == 0
    assert (0.5 * a).norm == pytest.approx(0.5 * a.norm)
    few = a.restricted(10)
    assert few.scope.size == 10
    assert float(few.direction.abs().min()) >= float(a.direction.abs().sort(descending=True).values[9])
    torch.testing.assert_close(
        (a + few).over(a.scope).direction,
        0.1 * a.direction + few.over(a.scope).direction * 0.1,
        rtol=1e-5,
        atol=1e-8,
    )
    assert (a - few).cosine(few) < a.cosine(few) < 1
    with pytest.raises(ModelError, match="cannot keep 0"):
        a.restricted(0)


def test_what_does_not_fit_is_refused(run, tmp_path):
    update = run.update("3SG", 0.1)
    save_update(update, tmp_path / "u", run.loaded.fingerprint)
    changed = fresh(run)
    next(changed.parameters()).data[0] += 1
    with pytest.raises(
        StorageError, match=f"was made for the weights {run.loaded.fingerprint}, and this model has "
    ):
        load_update(tmp_path / "u", changed)
    assert load_update(tmp_path / "u", fresh(run)).norm == update.norm
    content = bytearray((tmp_path / "u" / "update.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "u" / "update.safetensors").write_bytes(content)
    with pytest.raises(StorageError, match="checksum"):
        load_update(tmp_path / "u")
    with pytest.raises(StorageError, match="holds no update"):
        load_update(tmp_path / "nowhere")
    save_update(attrs.evolve(update, direction=update.direction * float("inf")), tmp_path / "inf")
    with pytest.raises(StorageError, match=r", \d+ not finite"):
        load_update(tmp_path / "inf")
    for arguments, words in [
        ({"form": "onnx"}, "the format is 'onnx'; use one of full, sparse, lora, task-vector, gguf"),
        ({"keep": 0.0}, "keep is 0, but must be a share"),
        ({"form": "lora", "rank": 0}, "the rank of an adapter is 0"),
        ({"strength": 0.0}, "has learning rate 0"),
    ]:
        with pytest.raises(ConfigError, match=words):
            export(run, "3SG", tmp_path / "x", **{"learning_rate": 0.1, **arguments})
    assert not (tmp_path / "x").exists()
    name = (
        "bert.embeddings.word_embeddings.weight"
        if run.config.general.model == "tiny-mlm"
        else "transformer.wte.weight"
    )
    embeddings = next(part for part in update.scope.slices if part.name == name)
    tied = WeightUpdate(
        torch.ones(embeddings.size), ParameterScope((ParameterSlice(name, embeddings.shape),)), 1.0, 1.0
    )
    with pytest.raises(ModelError, match="no adapter can hold this update: it changes only"):
        lora_factors(run.loaded.model, tied, 4)


def test_the_command_line_exports_a_saved_run(tmp_path, monkeypatch, capsys):
    import sys

    from gradiend_core import cli

    save_run(Session("english-pronouns", **settings(visualizers={"kinds": []})), tmp_path / "run")
    command = [
        "gradiend",
        "rewrite",
        str(tmp_path / "run"),
        "--toward",
        "3SG",
        "--strength",
        "0.5",
        "--format",
        "lora",
        "--rank",
        "4",
    ]
    monkeypatch.setattr(sys, "argv", [*command, "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as leave:
        cli.main()
    assert leave.value.code == 0
    assert "relative error by rank 1: " in capsys.readouterr().out
    assert (tmp_path / "out" / "adapter_model.safetensors").exists()
    with pytest.raises(SystemExit, match="is not empty; give a new folder, or overwrite it"):
        cli.main()
    assert load_run(tmp_path / "run").update("3SG").learning_rate > 0


def test_a_task_vector_is_what_is_to_be_added(run, tmp_path):
    """As mergekit's linear merge without normalisation does, tensor by tensor; run with mergekit 0.1.4 itself
    on stories260k, the logits agreed to 8e-6."""
    from safetensors.torch import load_file

    export(run, "3PL", tmp_path / "vector", "task-vector", learning_rate=0.05)
    base, vector = (
        load_file(Path(folder) / "model.safetensors") for folder in (run.model_folder, tmp_path / "vector")
    )
    assert set(vector) <= set(base)
    merged = fresh(run)
    merged.load_state_dict({name: base[name] + value for name, value in vector.items()}, strict=False)
    merged.tie_weights()
    torch.testing.assert_close(logits(merged), updated(run, run.update("3PL", 0.05)), rtol=1e-5, atol=1e-05)
    recipe = (tmp_path / "vector" / "mergekit.yml").read_text()
    assert f'model: "{run.model_folder}"' in recipe
    assert f'model: "{tmp_path / "vector"}"' in recipe
    assert "normalize: false" in recipe


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_a_card_has_the_numbers_of_what_was_written(run, tmp_path):
    """Those of an adapter are of the adapter, and those of another strength of that."""
    pytest.importorskip("peft")
    from peft import PeftModel

    from gradiend_core.rewriting.measuring import SlotProbabilities

    export(run, "3PL", tmp_path / "adapter", "lora", learning_rate=0.05, rank=1)
    card = (tmp_path / "adapter" / "README.md").read_text(encoding="utf-8")
    before, after = map(float, re.search(r"P\(3PL\).*before and after \| ([\d.]+), ([\d.]+)", card).groups())
    slots = SlotProbabilities(run.evaluation_task(), "test", "3SG", 200)
    assert before == pytest.approx(float(slots(run.loaded.model)[:, 1].mean()), abs=1e-3)
    adapted = PeftModel.from_pretrained(fresh(run), tmp_path / "adapter").merge_and_unload().eval()
    assert after == pytest.approx(float(slots(adapted)[:, 1].mean()), abs=1e-3)
    with run.rewritten("3PL", 0.05) as whole:
        assert abs(after - float(slots(whole)[:, 1].mean())) > 1e-3, "a rank of 1 loses something"
    assert "was measured of this very edit" in card


def test_what_is_lost_is_measured_in_the_bases_of_the_metric():
    """Orthogonal bases change no length, so under a curvature of 1 both numbers are the same; under one that
    sees a single row of the turned matrix, only that row counts."""
    scope = ParameterScope((ParameterSlice("w", (2, 2)),))
    update = WeightUpdate(torch.tensor([3.0, 0.0, 0.0, 4.0]), scope, 0.0, 1.0)
    few = update.restricted(1)
    turn = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    feature = LearnedFeature(
        torch.zeros(4),
        0.0,
        torch.zeros(4),
        torch.zeros(4),
        scope,
        ("A", "B"),
        GradientRole.DIFFERENCE,
        GradientRole.DIFFERENCE,
        curvature=torch.ones(4),
        bases={"w": (turn, torch.eye(2))},
    )
    assert "60.0% of its length, 60.0% in the metric" in lost(update, few, feature)
    first_row = attrs.evolve(feature, curvature=torch.tensor([1.0, 1.0, 0.0, 0.0]))
    assert "60.0% of its length, 0.0% in the metric" in lost(update, few, first_row)
