"""Each kind of layer, and models that use their weights in ways that no layer shows: found out, and exact all
the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import linear
from transformers.pytorch_utils import Conv1D

from gradiend_core.gradients.layers import EmbeddingLayer, LinearLayer, NormLayer, OtherLayer, matching_layer
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.testing.gradients import naive_gradients, product_errors
from tests.gradiend_core.toys import ROWS, Doubled, Plain, Rows, Shifted, operator


class Odd(Plain):
    """A weight used outside its module, one on the model itself, and one whose module says nothing of single
    examples."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))
        self.bias = nn.Embedding(9, 5)

    def forward(self, ids):
        hidden = super().forward(ids) + linear(self.words(ids) * self.scale, self.words.weight)[..., :5]
        return hidden + self.bias(torch.arange(ids.shape[1]))


PADDING_ROW = Rows(((4, 3, 6, 7), (3, 8, 9)))


@pytest.mark.parametrize("budget", [2**24, 1])
@pytest.mark.parametrize("fraction", [1.0, 0.3])
@pytest.mark.parametrize("role", list(GradientRole))
def test_every_kind_of_layer_is_exact(role, fraction, budget, monkeypatch):
    monkeypatch.setattr("gradiend_core.gradients.layers.LAYER_BUDGET", budget)
    gradients = operator(Plain(), fraction)
    assert gradients.coverage(ROWS).others == ()
    for rows in (ROWS, PADDING_ROW):
        assert max(product_errors(gradients, rows, role).values()) < 1e-12


@pytest.mark.parametrize("fraction", [1.0, 0.3])
def test_what_layers_do_not_show_is_found_and_exact(fraction):
    gradients = operator(Odd(), fraction)
    others = {gradients.scope.slices[number].name for number in gradients.coverage(ROWS).others}
    assert others == {"scale", "words.weight", "bias.weight"}
    for role in GradientRole:
        assert max(product_errors(gradients, ROWS, role).values()) < 1e-12


def test_a_model_that_changes_a_watched_output_in_place_is_differentiated_as_a_whole():
    class InPlace(Plain):
        def forward(self, ids):
            return super().forward(ids).mul_(2)

    gradients = operator(InPlace())
    coverage = gradients.coverage(ROWS)
    assert len(coverage.others) == len(gradients.passes.parameters)
    assert "inplace" in coverage.problem
    assert max(product_errors(gradients, ROWS, GradientRole.DIFFERENCE).values()) < 1e-12


def test_layers_go_by_what_forward_really_is():
    kinds = {
        LinearLayer: [nn.Linear(2, 3), Conv1D(3, 2)],
        EmbeddingLayer: [nn.Embedding(4, 2), Doubled(4, 2), Doubled(4, 2).bfloat16()],
        NormLayer: [nn.LayerNorm(2)],
        OtherLayer: [
            Shifted(4, 2),
            Doubled(4, 2, device="meta"),
            nn.LayerNorm((3, 2)),
            nn.RMSNorm(2),
            nn.Embedding(4, 2, scale_grad_by_freq=True),
            nn.Conv1d(2, 2, 1),
        ],
    }
    for kind, modules in kinds.items():
        assert all(type(matching_layer(module)) is kind for module in modules)
    assert matching_layer(nn.Sequential(nn.Linear(2, 2))) is None


@pytest.mark.parametrize("directions", [1, 2, 40])
def test_many_directions_share_a_pass(directions):
    gradients = operator(Plain())
    calls = []
    gradients.coverage(ROWS)
    gradients.model.register_forward_hook(lambda *_: calls.append(1))
    matrix = naive_gradients(gradients, ROWS, GradientRole.FACTUAL)
    calls.clear()
    chosen = torch.randn(directions, gradients.scope.size, dtype=torch.float64)
    found = gradients.project(ROWS, chosen, GradientRole.FACTUAL)
    assert len(calls) == 1
    torch.testing.assert_close(found, matrix @ chosen.T, rtol=1e-10, atol=0)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("wide", [(600, 500), (500, 600), (7, 5)])
@pytest.mark.parametrize("parts", [1, 2, 10])
def test_a_linear_layer_s_gradients_are_exact_however_they_are_formed(transposed, wide, parts, monkeypatch):
    """Along few directions and many, at few entries and many, for large matrices and small ones, in one part
    or several of which the last is shorter and a buffer is used again."""
    (inside, out), examples, tokens = wide, 5, 3
    generator = torch.Generator().manual_seed(0)
    a, delta = (
        torch.randn(examples, tokens, width, generator=generator, dtype=torch.float64) for width in wide
    )
    module = Conv1D(out, inside) if transposed else nn.Linear(inside, out)
    layer, shape = LinearLayer(module, transposed=transposed), module.weight.shape
    right = torch.stack(
        [sum(torch.outer(d, x) for d, x in zip(*each, strict=True)) for each in zip(delta, a, strict=True)]
    )
    right = (right.mT if transposed else right).flatten(1)
    monkeypatch.setattr("gradiend_core.gradients.layers.CACHED", parts * inside * out)
    for count in (1, 2, 40):
        directions = torch.randn(count, *shape, generator=generator, dtype=torch.float64)
        found = layer.along("weight", [a], delta, directions)
        torch.testing.assert_close(found, right @ directions.flatten(1).T)
    for step in (1, 3, inside * out - 1):
        index = torch.arange(0, inside * out, step)
        torch.testing.assert_close(layer.entries("weight", [a], delta, index), right[:, index])
    torch.testing.assert_close(layer.entries("weight", [a], delta, None), right)


def test_roles_may_have_their_own_coefficients_and_the_result_may_be_reused():
    gradients = operator(Plain())
    matrix = [naive_gradients(gradients, ROWS, role) for role in GradientRole]
    coefficients = torch.randn(3, 4, dtype=torch.float64)
    out = torch.full((3, gradients.scope.size), 7.0, dtype=torch.float64)
    found = gradients.accumulate(ROWS, [0, 2, 3, 4], coefficients, list(GradientRole), out=out)
    assert found is out
    for each, weights, rows in zip(found, coefficients, matrix, strict=True):
        torch.testing.assert_close(each, weights @ rows[[0, 2, 3, 4]], rtol=1e-10, atol=0)
