"""The three products agree with autograd on each example alone, on whole and narrowed scopes, and leave no
trace."""

from __future__ import annotations

import pytest
import torch

from gradiend_core import Session
from gradiend_core.errors import ModelError
from gradiend_core.gradients.examples import subset
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.testing.gradients import naive_gradients, product_errors
from tests.conftest import STORIES, asset, settings

MODELS = ["tiny-mlm", "tiny-clm", "models/stories260k", "models/stories260k-mlm"]
#: whole parameters of every sort but the large ones, by model
SOME = {
    "tiny-mlm": ["*LayerNorm*", "*.key.*", "*position_embeddings*"],
    "tiny-clm": ["*ln_*", "*c_attn*", "*wpe*"],
    "models/stories260k": ["*norm*", "*k_proj*"],
    "models/stories260k-mlm": ["*norm*", "*k_proj*"],
}


def session(model: str, scope: dict[str, object]) -> Session:
    tables = settings(selector=scope)
    if not model.startswith("tiny"):
        return Session("english-pronouns", model=asset(model), texts=str(STORIES), **tables)
    return Session("english-pronouns", model=model, **tables)


def doubled(model: torch.nn.Module) -> torch.nn.Module:
    """The model in float64 throughout: transformers' RMSNorms compute in float32 whatever the weights are,
    torch's do not."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__.endswith("RMSNorm"):
                norm = torch.nn.RMSNorm(child.weight.shape, eps=child.variance_epsilon)
                norm.weight = child.weight
                setattr(parent, name, norm)
    return model.double()


@pytest.mark.parametrize("selector", ["backbone", "random", "pattern"])
@pytest.mark.parametrize("model", MODELS)
def test_products_are_exact(model, selector):
    options = {"backbone": {}, "random": {"share": 0.01}, "pattern": {"include": SOME[model]}}[selector]
    run = session(model, {"kind": selector, **options})
    examples = subset(run.examples["train"], range(9))
    assert len(set(examples.lengths)) > 2, "the batch must be padded for this test to mean something"
    for role in GradientRole:
        errors = product_errors(run.gradients, examples, role)
        assert max(errors.values()) < 1e-4, (role, errors)
    exact = GradientOperator(doubled(run.loaded.model), run.source, run.gradients.scope)
    for role in GradientRole:
        errors = product_errors(exact, examples, role)
        assert max(errors.values()) < 1e-9, (role, errors)


def test_tied_weights_are_one_column_with_both_their_uses():
    run = session("tiny-clm", {"kind": "backbone"})
    names = [part.name for part in run.gradients.scope.slices]
    assert "transformer.wte.weight" in names
    assert "lm_head.weight" not in names
    examples = subset(run.examples["train"], [0])
    row = naive_gradients(run.gradients, examples, GradientRole.FACTUAL)[0]
    place = next(
        place for part, place in run.gradients.scope.with_columns() if part.name == "transformer.wte.weight"
    )
    embedding = row[place].view(-1, 96)
    token = run.examples["train"].rows[0].fillers[0]
    assert token not in run.examples["train"].rows[0].ids, (
        "the filler is not read, so its row comes from the output layer"
    )
    assert embedding[token].abs().sum() > 0


def test_one_forward_serves_all_roles():
    run = session("tiny-mlm", {"kind": "backbone"})
    run.gradients.coverage(run.examples["train"])
    calls = []
    run.loaded.model.register_forward_hook(lambda *_: calls.append(1))
    shares = torch.full((4,), 0.25)
    both = run.gradients.accumulate(run.examples["train"], [0, 1, 2, 3], shares, list(GradientRole))
    assert len(calls) == 1
    torch.testing.assert_close(both[2], both[0] - both[1], rtol=1e-5, atol=1e-06)


def test_the_model_is_left_as_it_was():
    run = session("tiny-mlm", {"kind": "backbone"})
    model = run.loaded.model
    first = next(model.parameters())
    first.grad = torch.ones_like(first)
    first.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    product_errors_free = [GradientRole.DIFFERENCE]
    run.gradients.accumulate(run.examples["train"], [0, 1], torch.ones(2), product_errors_free)
    run.gradients.project(
        run.examples["validation"], torch.ones(1, run.gradients.scope.size), GradientRole.FACTUAL
    )
    assert torch.equal(first.grad, torch.ones_like(first))
    assert not first.requires_grad
    assert all(parameter.grad is None for parameter in list(model.parameters())[1:])
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_scope_of_another_model_is_refused():
    run = session("tiny-mlm", {"kind": "backbone"})
    for part, word in (
        (ParameterSlice("nowhere", (2,)), "nowhere"),
        (ParameterSlice("bert.embeddings.LayerNorm.bias", (3,)), "shape"),
    ):
        with pytest.raises(ModelError, match=word):
            GradientOperator(run.loaded.model, run.source, ParameterScope((part,)))
