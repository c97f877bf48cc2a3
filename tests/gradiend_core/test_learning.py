"""The encoder-decoder, its batches and its calibration; and the signs, on a model that can be solved by
hand."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradiend_core.learning import encoder_decoder
from gradiend_core.learning.batches import class_batches
from gradiend_core.learning.encoder_decoder import EncoderDecoder, Rates, Trainer
from gradiend_core.learning.encodings import correlation


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
    optimizer, trainer = (
        torch.optim.AdamW(groups, weight_decay=0.1, betas=(0.8, 0.99), eps=1e-6),
        Trainer.of(model, 0.1, 1e-6, (0.8, 0.99)),
    )
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
            torch.testing.assert_close(weight, right.detach(), rtol=0.0001, atol=1e-06)


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


def test_initial_weights_are_the_papers_where_the_encoder_is_to_be_random():
    n, cpu = 10_000, torch.device("cpu")
    model = EncoderDecoder.initial(n, 3, cpu, random_encoder=True)
    for weight in (model.encoder, model.decoder, model.decoder_bias):
        assert weight.abs().max() <= n**-0.5
        assert weight.abs().max() > 0.99 * n**-0.5
        assert abs(float(weight.mean())) < 0.05 * n**-0.5
    assert torch.equal(model.encoder, EncoderDecoder.initial(n, 3, cpu, random_encoder=True).encoder)
    assert not torch.equal(model.encoder, EncoderDecoder.initial(n, 4, cpu, random_encoder=True).encoder)
    from_zero = EncoderDecoder.initial(n, 3, cpu)
    assert not from_zero.encoder.any()
    assert torch.equal(from_zero.decoder, model.decoder)


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


def test_correlation_is_undefined_where_nothing_varies():
    assert correlation(torch.ones(5), torch.tensor([1.0, 1, -1, -1, 1])) is None
    assert correlation(torch.tensor([1.0, 2, 3]), torch.tensor([2.0, 4, 6])) == pytest.approx(1.0)
