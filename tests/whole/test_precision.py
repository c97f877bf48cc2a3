"""Gradients in bfloat16: when, how far from float32, and that they are told apart."""

from __future__ import annotations

import pytest
import torch

from gradiend_core import Session
from gradiend_core.gradients import precision
from gradiend_core.gradients.examples import subset
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.gradients.precision import LARGE, takes_bfloat16
from gradiend_core.gradients.store import key_of
from gradiend_core.records.gradient_role import GradientRole
from tests.conftest import settings

ABLE, UNABLE = {"avx512_bf16": True}, {"avx2": True}
FASTER, SLOWER = 3.0, 0.5


class Weights(torch.nn.Module):
    def __init__(self, count: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(count, dtype=dtype))


@pytest.mark.parametrize(
    ("able", "gained", "count", "dtype", "right"),
    [
        (ABLE, FASTER, LARGE, torch.float32, True),
        (ABLE, SLOWER, LARGE, torch.float32, False),
        (UNABLE, FASTER, LARGE, torch.float32, False),
        (ABLE, FASTER, LARGE - 1, torch.float32, False),
        (ABLE, FASTER, LARGE, torch.float64, False),
        (ABLE, FASTER, LARGE, torch.bfloat16, False),
    ],
)
def test_by_default_large_models_take_it_where_it_is_faster(monkeypatch, able, gained, count, dtype, right):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr(precision, "gained_by_bfloat16", lambda: gained)
    assert takes_bfloat16("auto", Weights(count, dtype)) == right
    assert takes_bfloat16("bfloat16", Weights(4))
    assert not takes_bfloat16("float32", Weights(count, dtype))


def test_the_gain_is_that_of_the_shortest_products_after_the_first(monkeypatch):
    # seconds of float32 and bfloat16 in turn; the first product is the shortest, and does not count
    seconds = [0.1, 0.1, 9.0, 4.0, 3.0, 1.0, *[5.0, 2.0] * (precision.TRIES - 2)]
    readings = iter([now for taken in seconds for now in (0.0, taken)])
    precision.gained_by_bfloat16.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(precision.time, "perf_counter", lambda: next(readings))
        gained = precision.gained_by_bfloat16()
    precision.gained_by_bfloat16.cache_clear()
    assert gained == pytest.approx(3.0)


@pytest.mark.parametrize("model", ["tiny-mlm", "tiny-clm"])
def test_products_differ_by_the_rounding_of_bfloat16(model):
    run = Session("english-pronouns", model=model, **settings(gradients={"precision": "bfloat16"}))
    exact = GradientOperator(run.loaded.model, run.source, run.gradients.scope)
    examples, role = subset(run.examples["train"], range(40)), GradientRole.DIFFERENCE
    assert run.gradients.passes.bfloat16
    assert run.provenance.precision == "bfloat16"
    coefficients = torch.full((40,), 1 / 40)
    rough, right = (
        gradients.accumulate(examples, range(40), coefficients, [role])[0]
        for gradients in (run.gradients, exact)
    )
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, right), "or nothing was taken in bfloat16"
    assert torch.nn.functional.cosine_similarity(rough, right, dim=0) > 0.999
    read = [
        gradients.project(examples, right[None], role)[:, 0].double() for gradients in (run.gradients, exact)
    ]
    assert float(torch.stack(read).corrcoef()[0, 1]) > 0.999
    (products, *_) = run.gradients.by_token(subset(examples, [0]), right, role)
    assert float(products.values.sum()) == pytest.approx(float(read[1][0]), rel=1e-4), "always in float32"
    keys = {key_of(gradients, examples, "m", "float32") for gradients in (run.gradients, exact)}
    assert len(keys) == 2, "stored gradients of one are not taken for those of the other"
