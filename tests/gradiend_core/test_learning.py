"""The encoder-decoder, its batches and its calibration; and the signs, on a model that can be solved by
hand."""

from __future__ import annotations

from itertools import islice

import attrs
import pytest
import torch
from gradiend_learners import Adam, axes
from gradiend_learners.adam import AdamLearner
from hypothesis import given
from hypothesis import strategies as st

from gradiend_core.errors import ConfigError
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.learning import encoder_decoder
from gradiend_core.learning.batches import class_batches
from gradiend_core.learning.encoder_decoder import EncoderDecoder, Rates, Trainer
from gradiend_core.learning.encodings import calibrated, correlation, encodings, labels_of
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.pair import MinimalPair
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.rewriting.apply import Rewriter
from gradiend_core.roles.learner import LearningTask


@pytest.mark.parametrize("taught", [False, True])
@pytest.mark.parametrize("k", [1, 3])
def test_a_step_is_autograds_and_torchs_adamw(k, taught, monkeypatch):
    """Also in pieces: 50 entries, 7 at a time."""
    monkeypatch.setattr(encoder_decoder, "PIECE", 7)
    generator, n = torch.Generator().manual_seed(1), 50
    model = EncoderDecoder.initial(n, 5, torch.device("cpu"), k)
    free = [weight.clone().requires_grad_() for weight in model.weights]
    encoder, encoder_bias, decoder, decoder_bias = free
    rates = Rates(1e-2, 2e-2, 3e-2)
    groups = [
        {"params": [weight], "lr": rate} for weight, rate in zip(free, (1e-2, 2e-2, 3e-2, 3e-2), strict=True)
    ]
    optimizer, trainer = torch.optim.AdamW(groups, weight_decay=0.1), Trainer.of(model, 0.1)
    code = torch.tensor([1.0, -1.0, 0.0])[:k] if taught else None
    for number in range(1, 6):
        source, target = torch.randn(2, n, generator=generator)
        found = trainer.step(number, rates, source, target, (2.0, 0.5), code)
        h = torch.tanh(encoder @ (2 * source) + encoder_bias)
        loss = ((h if code is None else code) @ decoder + decoder_bias - 0.5 * target).square().sum()
        optimizer.zero_grad()
        (loss if code is None else loss + (h - code).square().sum()).backward()
        optimizer.step()
        assert found == pytest.approx(float(loss.detach() / (0.5 * target).square().sum()), rel=1e-5)
        for weight, right in zip(model.weights, free, strict=True):
            assert torch.allclose(weight, right.detach(), rtol=1e-4, atol=1e-6), number


def test_what_is_not_to_be_learned_stays():
    for part in ("encoder", "decoder"):
        model = EncoderDecoder.initial(20, 5, torch.device("cpu"))
        before = model.copy()
        options = {f"learn_{part}": False}
        Trainer.of(model, 0.1).step(
            1, Rates(0.1, 0.1, 0.1), *torch.randn(2, 20), (1.0, 1.0), torch.ones(1), **options
        )
        for name in ("encoder", "encoder_bias", "decoder", "decoder_bias"):
            assert torch.equal(getattr(model, name), getattr(before, name)) == name.startswith(part), name


def test_a_target_of_nothing_pulls_the_decoder_to_nothing():
    model = EncoderDecoder.initial(20, 5, torch.device("cpu"))
    trainer, source = Trainer.of(model, 0.0), torch.randn(20)
    losses = [
        trainer.step(n, Rates(0.01, 0.01, 0.01), source, torch.zeros(20), (1.0, 1.0)) for n in range(1, 60)
    ]
    assert losses[-1] < 0.05 * losses[0]


def test_initial_weights_are_the_papers():
    n = 10_000
    model = EncoderDecoder.initial(n, 3, torch.device("cpu"))
    for weight in (model.encoder, model.decoder, model.decoder_bias):
        assert weight.abs().max() <= n**-0.5
        assert weight.abs().max() > 0.99 * n**-0.5
        assert abs(float(weight.mean())) < 0.05 * n**-0.5
    assert torch.equal(model.encoder, EncoderDecoder.initial(n, 3, torch.device("cpu")).encoder)
    assert not torch.equal(model.encoder, EncoderDecoder.initial(n, 4, torch.device("cpu")).encoder)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(0, 5))
def test_batches_use_every_row_of_every_class_evenly(first, second, size, seed):
    labels = [1.0] * first + [-1.0] * second
    steps = 2 * -(-max(first, second) // size)
    groups = {"A": range(first), "B": range(first, first + second)}
    batches = list(islice(class_batches(groups, size, seed), steps))
    assert all(len({labels[row] for row in batch}) == 1 for _, batch in batches)
    assert [name for name, _ in batches] == ["A", "B"] * (steps // 2)
    assert all(set(batch) <= set(groups[name]) for name, batch in batches)
    used = [row for _, batch in batches for row in batch]
    assert set(used) == set(range(first + second))
    for rows in (range(first), range(first, first + second)):
        counts = [used.count(row) for row in rows]
        assert max(counts) - min(counts) <= 1


def test_the_order_differs_between_epochs_and_seeds():
    epochs = [rows for _, rows in islice(class_batches({"A": range(30)}, 30, 0), 2)]
    assert sorted(epochs[0]) == sorted(epochs[1])
    assert epochs[0] != epochs[1]
    assert epochs[0] != next(class_batches({"A": range(30)}, 30, 1))[1]


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
        max_steps=600,
        batch_size=4,
        learning_rate=0.01,
        source=source,
        target=target,
        progress=False,
        weight_decay=0,
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
    feature, *_ = learn(Adam(max_steps=50, batch_size=2, progress=False))
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
    feature, *_ = learn(Adam(max_steps=50, batch_size=2, progress=False))
    for scale in (1e-4, 1.0, 1e4):
        projected = torch.tensor([1.0, 1.2, 0.8, -1.1, -0.9, -1.0]) * scale
        labels = projected.sign()
        small = attrs.evolve(feature, encoder_bias=0.0)
        ratio = calibrated(small, projected, labels).encoder / small.encoder
        codes = (projected * ratio[0]).tanh()
        assert float((codes * labels).mean()) == pytest.approx(0.95, abs=0.02)
    same = calibrated(feature, torch.ones(4), torch.tensor([1.0, 1.0, -1.0, -1.0]))
    assert torch.equal(same.encoder, feature.encoder), "classes that coincide leave nothing to calibrate"


def test_correlation_is_undefined_where_nothing_varies():
    assert correlation(torch.ones(5), torch.tensor([1.0, 1, -1, -1, 1])) is None
    assert correlation(torch.tensor([1.0, 2, 3]), torch.tensor([2.0, 4, 6])) == pytest.approx(1.0)


@pytest.mark.parametrize("calibrate", [True, False])
def test_the_first_class_is_positive_whatever_the_start(calibrate):
    for seed in range(6):
        config = Adam(
            max_steps=600,
            batch_size=4,
            learning_rate=0.01,
            progress=False,
            weight_decay=0,
            calibrate=calibrate,
        )
        feature, gradients, validation = learn(config, seed)
        values = encodings(feature, gradients, validation)
        assert torch.equal(values.sign(), labels_of(validation.pairs, ("A", "B"))), seed
        last = next(row for row in feature.training if row.step == feature.best_step)
        assert last.validation_correlation > 0.9
        assert last.validation_first > 0 > last.validation_second


def test_the_weights_of_the_best_step_are_kept(monkeypatch):
    config = Adam(
        max_steps=10, batch_size=2, validate_every=5, progress=False, lr_scheduler="constant", calibrate=False
    )
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
    feature, *_ = learn(Adam(max_steps=37, batch_size=2, validate_every=0, calibrate=False, progress=False))
    longer, *_ = learn(
        Adam(
            max_steps=38,
            batch_size=2,
            validate_every=0,
            calibrate=False,
            progress=False,
            lr_scheduler="constant",
        )
    )
    shorter, *_ = learn(
        Adam(
            max_steps=37,
            batch_size=2,
            validate_every=0,
            calibrate=False,
            progress=False,
            lr_scheduler="constant",
        )
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
        {"lr_scheduler": "constant"},
        {"calibrate": False},
        {"source": GradientRole.FACTUAL},
        {"target": GradientRole.FACTUAL},
        {"validate_every": 0},
    ],
    ids=str,
)
def test_each_setting_changes_the_result(change):
    base = Adam(max_steps=30, batch_size=2, progress=False, validate_every=5)
    one, *_ = learn(base)
    two, *_ = learn(attrs.evolve(base, **change))
    same = (
        torch.equal(one.encoder, two.encoder)
        and torch.equal(one.decoder, two.decoder)
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
    config = Adam(max_steps=500, batch_size=2, validate_every=5, progress=False)
    with pytest.warns(UserWarning, match="after 12 of 500 steps; the best so far is kept"):
        (feature,) = AdamLearner(config).learn(
            LearningTask(gradients, train, validation, None, (("A", "B"),), 0, stop)
        )
    assert feature.best_step in (5, 10)
    assert len(feature.training) == 12
