"""Several edits in one model: the sum is the sum, and each number is that of the rewritten model."""

from __future__ import annotations

import pytest
import torch

from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.records.update import WeightUpdate


def test_scopes_are_joined_by_name_and_entry():
    one = ParameterScope((ParameterSlice("a", (2, 2), torch.tensor([1, 3])), ParameterSlice("b", (3,))))
    two = ParameterScope(
        (
            ParameterSlice("c", (2,)),
            ParameterSlice("a", (2, 2), torch.tensor([0, 3])),
            ParameterSlice("b", (3,), torch.tensor([2])),
        )
    )
    updates = [
        WeightUpdate(torch.arange(1.0, 1 + scope.size), scope, 1.0, rate)
        for scope, rate in ((one, 1.0), (two, 10.0))
    ]
    whole = updates[0] + updates[1]
    assert [
        (part.name, None if part.index is None else part.index.tolist()) for part in whole.scope.slices
    ] == [("a", [0, 1, 3]), ("b", None), ("c", None)]
    # one: a1 = 1, a3 = 2, b = 3, 4, 5; two: c = 10, 20, a0 = 30, a3 = 40, b2 = 50
    assert whole.direction.tolist() == [30, 1, 42, 3, 4, 55, 10, 20]
    assert updates[0].cosine(updates[1]) == pytest.approx((2 * 4 + 5 * 5) / 55)
