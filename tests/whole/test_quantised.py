"""A model with quantised weights: gradients of the weights that it computes with, edits beside them, and
files of the model that is not quantised."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.pytorch_utils import Conv1D

from gradiend_core import Session, load_run, load_update, save_run
from gradiend_core.errors import ModelError
from gradiend_core.finished.exporting import export
from gradiend_core.gradients.examples import subset
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.gradients.quantised import QuantisedLinear, make_differentiable
from gradiend_core.language.loading import load_model
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.run import GradientSettings
from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.apply import Rewriter, applied
from gradiend_core.storage.fingerprints import model_fingerprint
from gradiend_core.testing.gradients import product_errors
from tests.conftest import STORIES, asset, settings

pytest.importorskip("bitsandbytes")


def session(bits: str, model: str = "tiny-clm", **more: object) -> Session:
    texts = {} if model.startswith("tiny") else {"texts": str(STORIES)}
    name = model if model.startswith("tiny") else asset(model)
    return Session(
        "english-pronouns", model=name, **texts, **settings(**({"gradients": {"quantisation": bits}} | more))
    )


def unpacked(model: nn.Module) -> nn.Module:
    """The same model with plain layers, of the weights that the quantised ones compute with."""
    model = copy.deepcopy(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, QuantisedLinear):
            rows, columns = module.weight.shape
            plain = (
                Conv1D(columns, rows)
                if module.transposed
                else nn.Linear(columns, rows, bias=module.bias is not None)
            )
            weight = module._unpacked().detach()
            added = 0 if module.change is None else module.change.dense()
            plain.weight = nn.Parameter((weight.T if module.transposed else weight).clone() + added)
            plain.bias = module.bias
            model.set_submodule(name, plain)
    return model.requires_grad_()


@pytest.fixture(scope="module", params=["4bit", "8bit", "llama in 4bit"])
def run(request):
    return session(request.param[-4:], "models/stories260k" if "llama" in request.param else "tiny-clm")


def test_gradients_are_those_of_the_weights_that_it_computes_with(run):
    examples, plain = subset(run.examples["train"], range(5)), unpacked(run.loaded.model)
    layers = [each for each in run.loaded.model.modules() if isinstance(each, QuantisedLinear)]
    assert len(layers) > 10
    assert {part.name: part.shape for part in run.gradients.scope.slices} == {
        name: tuple(each.shape)
        for name, each in plain.base_model.named_parameters(prefix=plain.base_model_prefix)
    }
    assert run.gradients.coverage(examples).others == ()
    assert all(not any(each.weight.stride()) for each in layers)  # a change of nothing takes no memory
    reference = GradientOperator(plain, run.source, run.gradients.scope)
    assert max(product_errors(reference, examples, GradientRole.FACTUAL).values()) < 1e-4
    directions = torch.randn(3, run.gradients.scope.size, generator=torch.Generator().manual_seed(0))
    for role in GradientRole:
        found, right = (each.project(examples, directions, role) for each in (run.gradients, reference))
        torch.testing.assert_close(found, right, rtol=0.0001, atol=1e-05 * float(right.abs().max()))
        found, right = (
            each.accumulate(examples, range(5), torch.ones(5), [role]) for each in (run.gradients, reference)
        )
        torch.testing.assert_close(found, right, rtol=0.0001, atol=1e-05 * float(right.abs().max()))


def test_torch_as_a_whole_says_the_same(run, monkeypatch):
    """Where layers account for nothing, forward mode and mapped gradients go through the packed weights
    too."""
    monkeypatch.setattr(
        "gradiend_core.gradients.coverage.Taps.of", lambda model, scope, dtype: _no_taps(dtype)
    )
    examples = subset(run.examples["train"], range(3))
    slow = GradientOperator(run.loaded.model, run.source, run.gradients.scope)
    assert len(slow.coverage(examples).others) == len(slow.scope.slices)
    direction = torch.randn(1, slow.scope.size, generator=torch.Generator().manual_seed(1))
    columns = torch.arange(0, slow.scope.size, 997)
    pairs = [
        (
            each.project(examples, direction, GradientRole.FACTUAL),
            each.columns(examples, columns, GradientRole.FACTUAL),
        )
        for each in (slow, run.gradients)
    ]
    for found, right in zip(*pairs, strict=True):
        torch.testing.assert_close(found, right, rtol=0.001, atol=1e-05 * float(right.abs().max()))


def _no_taps(dtype):
    from gradiend_core.gradients.taps import Taps

    return Taps({}, dtype)


def test_a_weight_that_is_used_beside_its_layer_is_found_out(run):
    """The model would be another one, and nobody would know."""
    layer = next(each for each in run.loaded.model.modules() if isinstance(each, QuantisedLinear))
    x = torch.ones(2, layer.weight.shape[0 if layer.transposed else 1])
    assert bool(layer(x).isfinite().all())
    assert bool((x @ (layer.weight if layer.transposed else layer.weight.T)).isnan().all())
    assert not any(layer.weight.stride()), "it takes no memory"


@pytest.mark.parametrize("share", [1.0, 0.03])
def test_an_edit_is_beside_the_packed_weights_and_goes_again(run, share):
    model, scope = run.loaded.model, run.gradients.scope
    ids, generator = torch.arange(5, 17)[None], torch.Generator().manual_seed(2)
    if share < 1:
        scope = scope.narrowed(torch.randperm(scope.size, generator=generator)[: int(share * scope.size)])
    update = WeightUpdate(torch.randn(scope.size, generator=generator) / share, scope, 1.0, 1e-3)
    before, fingerprint = model(ids).logits, model_fingerprint(model)
    with torch.no_grad(), applied(model, update):
        once = model(ids).logits
        torch.testing.assert_close(once, unpacked(model)(ids).logits, rtol=1e-5, atol=0.0001)
        assert not torch.allclose(once, before, atol=1e-2)
        with applied(model, update):
            twice = model(ids).logits
            torch.testing.assert_close(twice, unpacked(model)(ids).logits, rtol=1e-5, atol=0.0001)
            assert not torch.allclose(once, twice, atol=1e-2)
        assert torch.equal(model(ids).logits, once)
    assert torch.equal(model(ids).logits, before)
    assert model_fingerprint(model) == fingerprint
    lengths = [each.detach().float().norm() for each in unpacked(model).base_model.parameters()]
    with Rewriter(model, scope) as rewriter:
        assert share < 1 or rewriter.norm() == pytest.approx(float(torch.stack(lengths).norm()), rel=1e-5)
    other = copy.deepcopy(model)
    next(each for each in other.modules() if isinstance(each, QuantisedLinear)).packed.view(torch.uint8)[
        0
    ] += 1
    assert model_fingerprint(other) != fingerprint


@pytest.mark.slow
def test_a_run_in_4_bits_writes_models_that_are_not_quantised(tmp_path):
    run = session("4bit", rewrite={"toward": ["3SG"]}, learner={"kind": "adam", "max_steps": 150})
    save_run(run, tmp_path / "run")
    assert run.reports["encoder"]["test.correlation"] > 0.9
    assert (
        run.reports["decoder"]["3SG.rewritten_probability"]
        > 2 * run.reports["decoder"]["3SG.base_probability"]
    )
    assert any("measured on the model in 4bit" in each for each in run.warnings)
    written = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "rewritten" / "3SG")
    original = AutoModelForCausalLM.from_pretrained(run.model_folder)
    update = run.update("3SG")
    with applied(original, update):
        for (name, found), right in zip(written.named_parameters(), original.parameters(), strict=True):
            assert torch.equal(found, right), name
    again = load_run(tmp_path / "run")
    export(again, "3SG", tmp_path / "sparse", "sparse")
    assert load_update(tmp_path / "sparse", original).norm == pytest.approx(update.norm)
    assert "an adapter can change" in " ".join(export(again, "3SG", tmp_path / "adapter", "lora"))


def test_what_cannot_be_quantised_says_so(monkeypatch, tmp_path):
    with pytest.raises(ModelError, match="float64, but quantised weights cannot be"):
        _ = session("4bit", gradients={"quantisation": "4bit", "dtype": "float64"}).loaded
    packed = nn.Sequential(nn.Linear(2, 2).requires_grad_(False))
    packed[0].weight = nn.Parameter(packed[0].weight.to(torch.int8), requires_grad=False)
    with pytest.raises(
        ModelError,
        match=r"0\.weight has weights of type torch\.int8, which have no gradient; give the model that",
    ):
        make_differentiable(packed)
    folder, options = session("none").model_folder, BitsAndBytesConfig(load_in_4bit=True)
    AutoModelForCausalLM.from_pretrained(folder, quantization_config=options).save_pretrained(tmp_path)
    shutil.copy(Path(folder) / "tokenizer.json", tmp_path)
    with pytest.raises(
        ModelError, match="was saved quantised, so edits cannot be written into its weights; give the model"
    ):
        load_model(str(tmp_path), AutoModelForCausalLM, GradientSettings(device="cpu"))
    monkeypatch.setattr("gradiend_core.gradients.quantised.make_differentiable", lambda model: 0)
    with pytest.raises(
        ModelError, match="has no layer that could be quantised; use gradients.quantisation=none"
    ):
        _ = session("8bit").loaded
    monkeypatch.setattr("transformers.utils.import_utils.is_bitsandbytes_available", lambda: False)
    with pytest.raises(
        ModelError,
        match=r'4bit needs bitsandbytes, which is not installed; pip install "gradiend-core\[quantised\]"',
    ):
        _ = session("4bit").loaded
