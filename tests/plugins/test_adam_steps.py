"""The encoder-decoder, its batches and its calibration; and the signs, on a model that can be solved by
hand."""

from __future__ import annotations

import attrs
import pytest
import torch
from gradiend_learners import Adam, axes
from gradiend_learners.adam import AdamLearner

from gradiend_core.errors import ConfigError
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.learning.encodings import calibrated, encodings, labels_of
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.pair import MinimalPair
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.rewriting.apply import Rewriter
from gradiend_core.roles.learner import LearningTask


# --- a model that can be solved by hand
# -------------------------------------------------------------------------------
class TwoWeights(torch.nn.Module):
    """Two words, and a weight for each: P = softmax(w)."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(2))


@attrs.frozen(eq=False)
class Words:
    fillers: torch.Tensor
    weights: torch.Tensor


@attrs.frozen(eq=False)
class WordExamples:
    pairs: tuple[MinimalPair, ...]
    drops: tuple[()] = ()

    @property
    def lengths(self) -> tuple[int, ...]:
        return (1,) * len(self.pairs)

    def batch(self, rows, device):
        chosen = [self.pairs[row] for row in rows]
        fillers = torch.tensor([[int(pair.factual), int(pair.alternative)] for pair in chosen])
        return Words(fillers, torch.tensor([[float(pair.left)] for pair in chosen]))


class TwoWordSource:
    def losses(self, model, batch):
        return -model.w.log_softmax(0)[batch.fillers] * batch.weights


PAIRS = tuple(
    MinimalPair(weight, "", word, other, name, other_name, split)
    for split in ("train", "validation")
    for word, other, name, other_name in (("0", "1", "A", "B"), ("1", "0", "B", "A"))
    for weight in ("0.8", "0.9", "1.1", "1.2")
)


SCOPE = ParameterScope((ParameterSlice("w", (2,)),))


def learn(config: Adam, seed: int = 0) -> tuple[LearnedFeature, GradientOperator, WordExamples]:
    gradients = GradientOperator(TwoWeights(), TwoWordSource(), SCOPE)
    train, validation = (
        WordExamples(tuple(p for p in PAIRS if p.split == split)) for split in ("train", "validation")
    )
    task = LearningTask(gradients, train, validation, None, (("A", "B"),), seed, lambda _: None)
    (feature,) = AdamLearner(config).learn(task)
    return feature, gradients, validation


@pytest.mark.parametrize("source", list(GradientRole))
@pytest.mark.parametrize("target", list(GradientRole))
def test_signs_by_hand(source, target):
    """At w = 0, ∇loss(0) = (−½, ½) and ∇loss(1) = (½, −½). A pair of class A has factual 0."""
    config = Adam(
        max_steps=600, batch_size=4, learning_rate=0.01, source=source, target=target, weight_decay=0
    )
    feature, gradients, validation = learn(attrs.evolve(config, early_stop=False))
    values = encodings(feature, gradients, validation)
    labels = labels_of(validation.pairs, ("A", "B"))
    assert torch.equal(values.sign(), labels), "the first class encodes to +1 whichever gradient is read"
    of_a = {"factual": (-0.5, 0.5), "alternative": (0.5, -0.5), "difference": (-1.0, 1.0)}[target.value]
    assert feature.decode(1.0).tolist() == pytest.approx(of_a, abs=0.25)
    assert feature.decode(-1.0).tolist() == pytest.approx([-value for value in of_a], abs=0.25)
    for toward, word in (("A", 0), ("B", 1)):
        with Rewriter(gradients.model, SCOPE) as rewriter:
            rewriter.apply(feature.update(toward, 1.0))
            assert gradients.model.w.softmax(0)[word] > 0.6, (
                "strengthening a class makes its word more probable"
            )
            for goal, more in ((toward, True), (f"less-{toward}", False)):
                for direction in ("decoder", "decoder-weight", "encoder"):
                    rewriter.apply(feature.update(goal, 1.0, direction=direction))
                    assert (gradients.model.w.softmax(0)[word] > 0.5) == more, (goal, direction)
        assert gradients.model.w.tolist() == [0.0, 0.0]


def test_a_flip_leaves_what_each_class_decodes_to():
    feature, *_ = learn(Adam(max_steps=50, batch_size=2))
    assert torch.equal(feature.flipped().decode(1.0), feature.decode(-1.0))
    assert feature.decoder_bias.abs().sum() > 0
    assert (
        torch.equal(feature.flipped().encode(torch.tensor([0.3])), feature.encode(torch.tensor([-0.3])) * 1)
        or feature.encoder_bias
    )
    projected, labels = torch.tensor([-2.0, -1.5, 1.0, 2.0]), torch.tensor([1.0, 1.0, -1.0, -1.0])
    turned = calibrated(feature, projected, labels)
    assert torch.equal(turned.decode(1.0), feature.decode(-1.0)), (
        "the first class has the code +1 after calibration"
    )


def test_calibration_reaches_its_mean_code_and_leaves_the_decoder():
    feature, *_ = learn(Adam(max_steps=50, batch_size=2))
    for scale in (1e-4, 1.0, 1e4):
        projected = torch.tensor([1.0, 1.2, 0.8, -1.1, -0.9, -1.0]) * scale
        labels = projected.sign()
        small = attrs.evolve(feature, encoder_bias=0.0)
        result = calibrated(small, projected, labels)
        assert torch.equal(result.encoder, small.encoder), "only the scale is touched"
        codes = result.encode(projected)
        assert float((codes * labels).mean()) == pytest.approx(0.95, abs=0.02)
    same = calibrated(feature, torch.ones(4), torch.tensor([1.0, 1.0, -1.0, -1.0]))
    assert same.encoder_scale == feature.encoder_scale, "classes that coincide leave nothing to calibrate"


@pytest.mark.parametrize("calibrate", [True, False])
def test_the_first_class_is_positive_whatever_the_start(calibrate):
    for seed in range(6):
        config = Adam(max_steps=600, batch_size=4, learning_rate=0.01, weight_decay=0, calibrate=calibrate)
        feature, gradients, validation = learn(config, seed)
        values = encodings(feature, gradients, validation)
        assert torch.equal(values.sign(), labels_of(validation.pairs, ("A", "B"))), seed
        last = next(row for row in feature.training if row.step == feature.best_step)
        assert last.validation_correlation > 0.9
        assert last.validation_first > 0 > last.validation_second


def test_the_weights_of_the_best_step_are_kept(monkeypatch):
    config = Adam(max_steps=10, batch_size=2, validate_every=5, lr_scheduler="constant", calibrate=False)
    early, *_ = learn(attrs.evolve(config, max_steps=5))
    scores = iter([0.9, 0.5])
    real = axes.correlation
    monkeypatch.setattr(
        axes, "correlation", lambda values, labels: next(scores, None) or real(values, labels)
    )
    best, *_ = learn(config)
    assert best.best_step == 5
    assert [row.kept for row in best.training if row.validation_correlation is not None] == [True, False]
    assert torch.equal(best.encoder.abs(), early.encoder.abs())
    assert torch.equal(best.decoder_bias, early.decoder_bias)


def test_the_stated_number_of_steps_is_done_and_the_last_weights_kept_without_validation():
    feature, *_ = learn(Adam(max_steps=37, batch_size=2, validate_every=0, calibrate=False))
    longer, *_ = learn(
        Adam(max_steps=38, batch_size=2, validate_every=0, calibrate=False, lr_scheduler="constant")
    )
    shorter, *_ = learn(
        Adam(max_steps=37, batch_size=2, validate_every=0, calibrate=False, lr_scheduler="constant")
    )
    assert [row.step for row in feature.training] == list(range(1, 38))
    assert feature.best_step == 37
    assert not torch.equal(longer.decoder, shorter.decoder)


@pytest.mark.parametrize(
    "change",
    [
        {"max_steps": 31},
        {"batch_size": 3},
        {"learning_rate": 0.01},
        {"weight_decay": 0.5},
        {"betas": (0.5, 0.9)},
        {"eps": 1e-3},
        {"lr_scheduler": "constant"},
        {"calibrate": False},
        {"source": GradientRole.FACTUAL},
        {"target": GradientRole.FACTUAL},
        {"validate_every": 0},
    ],
    ids=str,
)
def test_each_setting_changes_the_result(change):
    base = Adam(max_steps=30, batch_size=2, validate_every=5)
    one, *_ = learn(base)
    two, *_ = learn(attrs.evolve(base, **change))
    same = (
        torch.equal(one.encoder, two.encoder)
        and torch.equal(one.decoder, two.decoder)
        and one.encoder_scale == two.encoder_scale
        and one.training == two.training
    )
    assert not same
    assert one.source is base.source


def test_settings_out_of_range_are_refused():
    from gradiend_core.records.converter import structure

    for values in (
        {"max_steps": 0},
        {"batch_size": -1},
        {"learning_rate": -0.1},
        {"source": "sideways"},
        {"max_steps": "7"},
        {"betas": [0.9, 1.0]},
        {"betas": [0.9]},
        {"eps": 0.0},
        {"max_steps": 7.9},
    ):
        with pytest.raises(ConfigError, match=rf"learner\.{next(iter(values))}|'{next(iter(values))}'"):
            structure(values, Adam, "learner")


def test_stopping_by_hand_keeps_the_best_so_far():
    seen = []

    def stop(row):
        seen.append(row)
        if row.step == 12:
            raise KeyboardInterrupt

    gradients = GradientOperator(TwoWeights(), TwoWordSource(), SCOPE)
    train, validation = (
        WordExamples(tuple(p for p in PAIRS if p.split == split)) for split in ("train", "validation")
    )
    config = Adam(max_steps=500, batch_size=2, validate_every=5)
    with pytest.warns(UserWarning, match="after 12 of 500 steps; the best so far is kept"):
        (feature,) = AdamLearner(config).learn(
            LearningTask(gradients, train, validation, None, (("A", "B"),), 0, stop)
        )
    assert feature.best_step in (5, 10)
    assert len(feature.training) == 12
