"""Checks of learners."""

from __future__ import annotations

import math
from typing import Any

import torch

from gradiend_core.learning.encodings import class_mean_values, encodings, labels_of
from gradiend_core.records.pair import code_of
from gradiend_core.roles.kinds import LEARNER
from gradiend_core.roles.learner import LearningTask
from gradiend_core.testing.checks.guards import nothing_else_changes, same
from gradiend_core.testing.checks.register import check
from gradiend_core.testing.subject import Subject


def _learned(subject: Subject) -> Any:
    run, examples = subject.session, subject.session.examples
    example_sets = examples["train"], examples["validation"], examples["neutral_trained"]
    return subject.build().learn(
        LearningTask(run.gradients, *example_sets, run.data.axes, run.seed, lambda _: None)
    )


@check(LEARNER)
def the_first_class_encodes_to_plus_one(subject: Subject) -> None:
    """A feature for each axis, over the scope, finite, with the first class above the second."""
    run, features = subject.session, _learned(subject)
    assert len(features) == len(run.data.axes), (
        f"there are {len(run.data.axes)} axes and {len(features)} features"
    )
    for feature, axis in zip(features, run.data.axes, strict=True):
        assert feature.classes == axis, f"the feature of {axis} says it is of {feature.classes}"
        assert feature.scope.fingerprint() == run.gradients.scope.fingerprint(), (
            "the feature is over another scope"
        )
        for name in ("encoder", "decoder", "decoder_bias"):
            vector = getattr(feature, name)
            fine = (
                vector.shape == (feature.scope.size,)
                and vector.dtype == torch.float32
                and bool(vector.isfinite().all())
            )
            assert fine, f"{name} is not {feature.scope.size} finite float32 numbers"
        examples = run.examples["validation"]
        labels = labels_of(examples.pairs, axis, feature.source)
        first, second = class_mean_values(encodings(feature, run.gradients, examples), labels)
        assert first > second, (
            f"{axis[0]} encodes to {first:+.2f} and {axis[1]} to {second:+.2f}; orient the feature (flipped)"
        )


@check(LEARNER)
def strengthening_strengthens(subject: Subject) -> None:
    """The decoder's edit lowers the loss of the class's fillers in texts of the other class."""
    from gradiend_core.rewriting.apply import applied

    run, feature = subject.session, _learned(subject)[0]
    examples = run.examples["validation"]
    rows = [row for row, pair in enumerate(examples.pairs) if code_of(pair, feature.classes) == -1.0]
    batch = examples.batch(rows, run.gradients.device)
    update = feature.update(feature.classes[0], 1.0)
    length = math.hypot(*(float(parameter.detach().norm()) for parameter in run.gradients.passes.parameters))
    if not update.norm:
        return
    with torch.no_grad():
        before = float(run.source.losses(run.loaded.model, batch)[:, 1].mean())
        with applied(run.loaded.model, update, 1e-3 * length / update.norm):
            after = float(run.source.losses(run.loaded.model, batch)[:, 1].mean())
    assert after < before, (
        f"a small edit toward {feature.classes[0]} raises the loss of its words ({before:.4f} → {after:.4f})"
    )


@check(LEARNER)
def equal_seeds_give_equal_bits(subject: Subject) -> None:
    """Learning twice gives the same feature to the bit, and nothing else changes."""
    with nothing_else_changes(subject):
        one, two = _learned(subject), _learned(subject)
    for a, b in zip(one, two, strict=True):
        for name in ("encoder", "encoder_bias", "decoder", "decoder_bias"):
            assert same(getattr(a, name), getattr(b, name)), (
                f"{name} differs between two equal runs; draw from a generator with task.seed"
            )
