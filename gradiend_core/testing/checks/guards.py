"""What no contribution may change."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from gradiend_core.storage.fingerprints import model_fingerprint
from gradiend_core.testing.subject import Subject


@contextmanager
def nothing_else_changes(subject: Subject) -> Iterator[None]:
    """Nothing may change from here to the end of the block: neither the model nor any global random state."""
    model = subject.session.loaded.model
    before = model_fingerprint(model), _modes(model), random_states()
    yield
    assert model_fingerprint(model) == before[0], "it changes the model's weights; restore them, to the bit"
    assert all(parameter.grad is None for parameter in model.parameters()), (
        "it leaves .grad on the model's parameters; set it to None"
    )
    assert _modes(model) == before[1], (
        "it changes requires_grad or the training mode of the model; put them back"
    )
    assert random_states() == before[2], (
        "it draws from or seeds a global random state; use a generator of its own"
    )


def _modes(model: Any) -> tuple[list[bool], list[bool]]:
    return [module.training for module in model.modules()], [
        module.requires_grad for module in model.parameters()
    ]


def random_states() -> tuple[Any, ...]:
    return bytes(torch.get_rng_state().numpy()), random.getstate(), repr(np.random.get_state())


def same(one: Any, two: Any) -> bool:
    """Whether two results are equal to the bit, tensors included."""
    if isinstance(one, Tensor):
        return isinstance(two, Tensor) and torch.equal(one, two)
    if attrs.has(type(one)):
        return type(one) is type(two) and all(
            same(getattr(one, f.name), getattr(two, f.name)) for f in attrs.fields(type(one))
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)
