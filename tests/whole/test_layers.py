"""Each kind of layer, and models that use their weights in ways that no layer shows: found out, and exact all
the same."""

from __future__ import annotations

import pytest
import torch

from gradiend_core import Session
from gradiend_core.errors import ModelError
from gradiend_core.gradients.examples import subset
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.testing.gradients import naive_gradients
from tests.conftest import STORIES, asset, settings
from tests.gradiend_core.toys import ROWS, MeanSource, Plain, operator


def test_small_batches_say_the_same_as_large_ones():
    run = Session("english-pronouns", **settings())
    examples = subset(run.examples["train"], range(30))
    direction = torch.randn(1, run.gradients.scope.size, generator=torch.Generator().manual_seed(0))
    large = run.gradients.project(examples, direction, GradientRole.FACTUAL)
    calls = []
    run.loaded.model.register_forward_hook(lambda *_: calls.append(1))
    run.gradients.memory = run.gradients.coverage(examples).bytes_per_token * 40
    small = run.gradients.project(examples, direction, GradientRole.FACTUAL)
    assert len(calls) >= sum(examples.lengths) // 40
    torch.testing.assert_close(small, large, rtol=0.001, atol=0.0001 * float(large.abs().max()))


@pytest.mark.parametrize("model", ["tiny-mlm", "tiny-clm", "models/stories260k"])
def test_checkpointing_keeps_less_and_says_the_same(model):
    named = model.startswith("tiny")
    run = Session(
        "english-pronouns",
        model=model if named else asset(model),
        texts=None if named else str(STORIES),
        **settings(),
    )
    examples = subset(run.examples["train"], range(6))
    plain = run.gradients
    again = GradientOperator(plain.model, plain.source, plain.scope, checkpointing=True)
    direction = torch.randn(2, plain.scope.size, generator=torch.Generator().manual_seed(0))
    one, two = (each.project(examples, direction, GradientRole.FACTUAL) for each in (plain, again))
    assert again.coverage(examples).others == ()
    assert again.coverage(examples).bytes_per_token < 0.6 * plain.coverage(examples).bytes_per_token
    torch.testing.assert_close(one, two, rtol=0.0001, atol=1e-05 * float(one.abs().max()))
    sums = [each.accumulate(examples, range(6), torch.ones(6), list(GradientRole)) for each in (plain, again)]
    torch.testing.assert_close(*sums, rtol=0.001, atol=1e-05 * float(sums[0].abs().max()))
    assert not any(module.training for module in plain.model.modules())
    with pytest.raises(ModelError, match="Plain has no layers with gradient checkpointing"):
        GradientOperator(Plain(), MeanSource(), operator(Plain()).scope, checkpointing=True).coverage(ROWS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_16_bits_give_sums_of_32(dtype):
    run = Session("english-pronouns", model="tiny-mlm", **settings())
    examples = subset(run.examples["train"], range(12))
    exact = naive_gradients(run.gradients, examples, GradientRole.FACTUAL)
    gradients = GradientOperator(run.loaded.model.to(dtype), run.source, run.gradients.scope)
    assert gradients.coverage(examples).others == ()
    assert gradients.dtype == torch.float32
    found = gradients.accumulate(examples, range(12), torch.ones(12), [GradientRole.FACTUAL])[0]
    assert torch.nn.functional.cosine_similarity(found, exact.sum(0), dim=0) > 0.98
    direction = exact[:1]
    found = gradients.project(examples, direction, GradientRole.FACTUAL)[:, 0]
    assert torch.corrcoef(torch.stack([found, exact @ direction[0]]))[0, 1] > 0.99


def test_a_layer_must_be_right_along_every_direction(quick, monkeypatch):
    """Right along the first and wrong along the others, as a wrong layer is by chance along one."""
    from gradiend_core.gradients.layers import LinearLayer

    plain = LinearLayer.along

    def along(self, name, inputs, delta, directions):
        found = plain(self, name, inputs, delta, directions)
        return torch.cat([found[:, :1], 2 * found[:, 1:]], 1)

    monkeypatch.setattr(LinearLayer, "along", along)
    gradients = quick.gradients_over(quick.gradients.scope)
    others = {
        gradients.scope.slices[number].name for number in gradients.coverage(quick.examples["train"]).others
    }
    assert "bert.encoder.layer.0.intermediate.dense.weight" in others
    assert "bert.embeddings.LayerNorm.weight" not in others
