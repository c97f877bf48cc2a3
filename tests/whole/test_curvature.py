"""The squares of gradients, summed over examples by layers, agree with autograd on each example alone."""

from __future__ import annotations

import gc
import weakref
from functools import partial

import pytest
import torch

from gradiend_core import Session, load_feature, save_feature
from gradiend_core.gradients.curvature import Losses, eigenbases, squared_gradients
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.rewriting.fisher import drawn_losses, fisher_diagonal, fisher_in_eigenbases
from tests.conftest import asset, settings
from tests.whole.test_operator import doubled

MODELS = ["tiny-mlm", "tiny-clm", "models/stories260k"]
TEXTS = ["Tom saw the big dog.", "The dog saw the dog in the dog house.", "Lily was sad."]


def session(model: str, scope: dict[str, object]) -> Session:
    tables = settings(selector=scope)
    return Session("english-pronouns", model=model if model.startswith("tiny") else asset(model), **tables)


def naive(exact: GradientOperator, losses: list[Losses]) -> torch.Tensor:
    """One backward pass of plain autograd for each example."""
    parameters = exact.passes.parameters
    total = torch.zeros(exact.scope.size, dtype=torch.float64)
    for batch in losses:
        for example in range(batch.examples):
            for parameter in parameters:
                parameter.requires_grad_(True)
            gradients = torch.autograd.grad(
                batch.compute()[example], parameters, allow_unused=True, materialize_grads=True
            )
            taken = [
                part.taken(gradient.flatten())
                for part, gradient in zip(exact.scope.slices, gradients, strict=True)
            ]
            total += torch.cat(taken).square()
    return total


@pytest.mark.parametrize("share", [1.0, 0.05])
@pytest.mark.parametrize("model", MODELS)
def test_squares_are_exact(model, share):
    """Tied embeddings, shared modules, normalisations and narrowed scopes among them."""
    run = session(model, {"kind": "backbone"} if share == 1 else {"kind": "random", "share": share})
    exact = GradientOperator(doubled(run.loaded.model), run.source, run.gradients.scope)
    prepared = run.source.prepare_texts(TEXTS, run.loaded.tokenizer, exact.model, 0)

    def labels_given(batch):
        return drawn_losses(exact.model, batch, torch.Generator().manual_seed(3))

    losses = [Losses(len(batch), partial(labels_given, batch)) for batch in prepared]
    assert max(batch.examples for batch in losses) > 1
    fast = squared_gradients(exact, run.examples["train"], losses)
    slow = naive(exact, losses)
    assert float((fast - slow).abs().max()) <= 1e-9 * float(slow.max())
    assert not fast.requires_grad


def test_the_fisher_information_is_what_all_labels_weighted_by_their_probability_give():
    """Sampled labels and signs are right on average: against the sum over the vocabulary of P · (∇ log
    P)²."""
    run = session("tiny-mlm", {"kind": "pattern", "include": ["*LayerNorm*"]})
    model = run.loaded.model
    prepared = run.source.prepare_texts(TEXTS, run.loaded.tokenizer, model, 0)
    draws = [fisher_diagonal(run.gradients, run.examples["train"], prepared, seed) for seed in range(300)]
    parameters, total = run.gradients.passes.parameters, torch.zeros(run.gradients.scope.size)
    for batch in prepared:
        log_probabilities = batch.logits(model).log_softmax(-1)
        for token in log_probabilities:
            likely = token.detach().exp().topk(40).indices
            for label in likely:
                gradients = torch.autograd.grad(token[label], parameters, retain_graph=True)
                flat = torch.cat([gradient.flatten() for gradient in gradients])
                total += token[label].detach().exp() * flat.square()
    total /= sum(len(batch.targets) for batch in prepared)
    mean = torch.stack(draws).mean(0)
    assert float((mean - total).norm() / total.norm()) < 0.1


@pytest.mark.parametrize("model", MODELS)
def test_squares_in_the_eigenbases_are_exact(model):
    """Of each linear weight: the squares of rowsᵀ · gradient · columns, one text at a time; other weights
    have the plain squares. The bases are those in which the covariances are diagonal."""
    run = session(model, {"kind": "backbone"})
    exact = GradientOperator(doubled(run.loaded.model), run.source, run.gradients.scope)
    prepared = run.source.prepare_texts(TEXTS, run.loaded.tokenizer, exact.model, 0)

    def labels_given(batch):
        return drawn_losses(exact.model, batch, torch.Generator().manual_seed(3))

    losses = [Losses(len(batch), partial(labels_given, batch)) for batch in prepared]
    train = run.examples["train"]
    bases = eigenbases(exact, train, losses)
    linear = [
        number
        for number, part in enumerate(exact.scope.slices)
        if len(part.shape) == 2 and any(word in part.name for word in ("proj", "query", "c_attn", "c_fc"))
    ]
    assert linear
    assert set(linear) <= set(bases)
    fast = squared_gradients(exact, train, losses, bases=bases)
    total = torch.zeros_like(fast)
    for batch in losses:
        for example in range(batch.examples):
            gradients = torch.autograd.grad(
                batch.compute()[example], exact.passes.parameters, allow_unused=True, materialize_grads=True
            )
            for number, (gradient, (_, place)) in enumerate(
                zip(gradients, exact.scope.with_columns(), strict=True)
            ):
                if number in bases:
                    rows, across = bases[number]
                    gradient = rows.T @ gradient @ across
                total[place] += gradient.flatten().square()
    assert float((fast - total).abs().max()) <= 1e-9 * float(total.max())
    for rows, across in bases.values():
        for basis in (rows, across):
            torch.testing.assert_close(basis.T @ basis, torch.eye(len(basis), dtype=basis.dtype))


def test_a_metric_in_eigenbases_is_saved_and_turns_back(tmp_path):
    run = Session(
        "english-pronouns",
        **settings(learner={"kind": "mean-difference"}, rewrite={"metric": "kronecker", "dampings": [0.1]}),
    )
    feature = run.feature
    assert feature.bases
    assert feature.curvature is not None
    vector = torch.randn(feature.scope.size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        feature.turned(feature.turned(vector), back=True), vector, rtol=1e-4, atol=1e-4
    )
    curvature = feature.curvature.float()
    turned = feature.turned(feature.decode(-1.0)) / (curvature / curvature.mean() + 0.1)
    direction = feature.update("3SG", 1.0, damping=0.1).direction
    torch.testing.assert_close(direction, feature.turned(turned, back=True), rtol=1e-3, atol=1e-4)
    loaded = load_feature(save_feature(feature, tmp_path / "feature"))
    assert torch.equal(loaded.update("3SG", 1.0, damping=0.1).direction, direction)
    few = feature.narrowed(torch.arange(10))
    assert few.curvature is None, "bases of whole rows say nothing of single entries"
    assert not few.bases


def test_the_input_side_alone_is_the_same_for_all_outputs():
    run = session("tiny-clm", {"kind": "backbone"})
    prepared = run.source.prepare_texts(TEXTS, run.loaded.tokenizer, run.loaded.model, 0)
    given = run.gradients, run.examples["train"], prepared, 0
    whole, bases = fisher_in_eigenbases(*given)
    inputs, same = fisher_in_eigenbases(*given, inputs_only=True)
    assert set(bases) == set(same)
    for part, place in run.gradients.scope.with_columns():
        one, two = (values[place].view(part.shape) for values in (whole, inputs))
        if part.name in bases:
            outputs = 1 if "c_" in part.name else 0  # Conv1D keeps its weight the other way round
            torch.testing.assert_close(two, one.mean(outputs, keepdim=True).expand_as(one))
        else:
            assert torch.equal(one, two)


def test_nothing_of_a_pass_is_kept_afterwards():
    """What a module was given has its graph; who keeps both makes a cycle that Python does not see."""
    run = Session("english-pronouns", model="tiny-clm", **settings())  # its tied weights have two uses each
    texts = [pair.text for pair in run.examples["train"].pairs[:20]]
    prepared = run.source.prepare_texts(texts, run.loaded.tokenizer, run.loaded.model, 0)
    total = fisher_diagonal(run.gradients, run.examples["train"], prepared, 0)
    alive = weakref.ref(total)
    del total
    gc.collect()
    assert alive() is None
