"""The squares of gradients, summed over examples by layers, agree with autograd on each example alone."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from gradiend_core import Session
from gradiend_core.gradients.curvature import Losses, squared_gradients
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.rewriting.fisher import drawn_losses, fisher_diagonal
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
