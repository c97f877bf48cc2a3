"""Checks of gradient sources."""

from __future__ import annotations

from typing import Any

import attrs
import torch
from torch import Tensor

from gradiend_core.gradients.batching import NONE, micro_batches
from gradiend_core.gradients.examples import subset
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.gradients.padding import seen_padding
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.roles.kinds import SOURCE
from gradiend_core.testing.checks.guards import nothing_else_changes
from gradiend_core.testing.checks.register import FEW, check
from gradiend_core.testing.gradients import product_errors
from gradiend_core.testing.subject import Subject


def _source(subject: Subject) -> tuple[Any, Any, Any]:
    run = subject.session
    return (
        run.source,
        run.loaded.model,
        subset(run.examples["train"], range(min(FEW, len(run.examples["train"].pairs)))),
    )


@check(SOURCE)
def losses_are_two_for_each_example(subject: Subject) -> None:
    """[examples, 2] numbers that are finite and depend on the model's weights."""
    source, model, examples = _source(subject)
    losses = source.losses(
        model, examples.batch(range(len(examples.pairs)), subject.session.gradients.device)
    )
    shape = (len(examples.pairs), 2)
    assert tuple(losses.shape) == shape, (
        f"losses have the shape {tuple(losses.shape)}, not [examples, 2] = {shape}"
    )
    assert bool(losses.isfinite().all()), "losses are not finite"
    assert losses.requires_grad, (
        "losses do not depend on the model's weights; do not detach them, and open no inference mode"
    )


@check(SOURCE)
def an_example_does_not_depend_on_its_batch(subject: Subject) -> None:
    """Losses are the same alone, among others and in another order: padding cannot be seen."""
    source, model, examples = _source(subject)
    device, rows = subject.session.gradients.device, list(range(len(examples.pairs)))
    if seen_padding(model):  # then no batch has any
        rows = max(micro_batches(examples.lengths, cost=NONE), key=len)
    with torch.no_grad():
        together = source.losses(model, examples.batch(rows, device))
        turned = source.losses(model, examples.batch(rows[::-1], device)).flip(0)
        alone = torch.cat([source.losses(model, examples.batch([row], device)) for row in rows])
    for losses, what in ((turned, "in another order"), (alone, "alone")):
        worst = float((losses - together).abs().max())
        assert worst < 1e-3 * (1 + float(together.abs().max())), (
            f"an example's loss differs {what} by {worst:.2g}; mask the padding"
        )


@check(SOURCE)
def swapping_the_fillers_swaps_the_losses(subject: Subject) -> None:
    """Column 0 is of the factual filler and column 1 of the alternative one, in the same context."""
    source, model, examples = _source(subject)
    run, device = subject.session, subject.session.gradients.device
    swapped = source.prepare(
        [attrs.evolve(pair, factual=pair.alternative, alternative=pair.factual) for pair in examples.pairs],
        run.loaded.tokenizer,
        model,
    )
    assert len(swapped.pairs) == len(examples.pairs), (
        "a pair that can be used cannot be used with its fillers swapped"
    )
    rows = range(len(examples.pairs))
    with torch.no_grad():
        losses, turned = (
            source.losses(model, example_set.batch(rows, device)) for example_set in (examples, swapped)
        )
    assert torch.allclose(losses, turned.flip(1), rtol=1e-3, atol=1e-4), (
        "with the fillers swapped the losses are not swapped"
    )


@check(SOURCE)
def the_products_are_exact(subject: Subject) -> None:
    """project, accumulate and columns agree with one backward pass for each example, on a part of the scope
    too."""
    _, _, examples = _source(subject)
    run = subject.session
    size = run.gradients.scope.size
    narrow = (
        torch.randperm(size, generator=torch.Generator().manual_seed(0))[: max(1, size // 20)].sort().values
    )
    for gradients, what in (
        (run.gradients, "the whole scope"),
        (run.gradients.narrowed(narrow), "5 % of the scope"),
    ):
        for name, error in product_errors(gradients, examples, GradientRole.DIFFERENCE).items():
            assert error < 1e-3, f"{name} over {what} is off by {error:.2g} of its largest value"


@check(SOURCE)
def gradients_are_slopes(subject: Subject) -> None:
    """In float64 they agree with what a small step along a direction does to the losses."""
    _, _, examples = _source(subject)
    run = subject.fresh(gradients={"dtype": "float64", "device": "cpu"})
    whole = run.gradients
    gradients = GradientOperator(run.loaded.model, run.source, whole.scope)
    examples = run.source.prepare(examples.pairs, run.loaded.tokenizer, run.loaded.model)
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(1, whole.scope.size, generator=generator, dtype=torch.float64)
    direction /= direction.norm()
    for role in (GradientRole.FACTUAL, GradientRole.ALTERNATIVE):
        derivatives = gradients.project(examples, direction, role)[:, 0]
        slopes = _slopes(gradients, examples, direction[0], role)
        worst = float((derivatives - slopes).abs().max() / slopes.abs().max().clamp_min(1e-12))
        assert worst < 1e-4, f"the {role.value} gradient is not the slope of its loss (off by {worst:.2g})"


def _slopes(
    gradients: GradientOperator, examples: Any, direction: Tensor, role: GradientRole, step: float = 1e-5
) -> Tensor:
    from gradiend_core.records.update import WeightUpdate
    from gradiend_core.rewriting.apply import applied

    column, losses = (0 if role is GradientRole.FACTUAL else 1), []
    for sign in (1.0, -1.0):
        with (
            applied(gradients.model, WeightUpdate(direction, gradients.scope, 0.0, sign * step)),
            torch.no_grad(),
        ):
            batch = examples.batch(range(len(examples.pairs)), gradients.device)
            losses.append(gradients.source.losses(gradients.model, batch)[:, column].double())
    return (losses[0] - losses[1]) / (2 * step)


@check(SOURCE)
def reading_gradients_changes_nothing(subject: Subject) -> None:
    """The model stays as it was, and no global random state is touched."""
    run = subject.session
    assert run.examples["train"].pairs
    with nothing_else_changes(subject):
        source, model, examples = _source(subject)
        source.losses(model, examples.batch(range(len(examples.pairs)), run.gradients.device)).sum().detach()
        source.prepare(run.data.pairs[:FEW], run.loaded.tokenizer, model)
        if hasattr(source, "score_texts"):
            source.score_texts(
                model, source.prepare_texts(run.data.neutral_texts[:FEW], run.loaded.tokenizer, model, 0)
            )


@check(SOURCE)
def what_cannot_be_used_is_counted(subject: Subject) -> None:
    """Pairs are kept in their order; those left out are dropped with a reason, and no pairs are no error."""
    run = subject.session
    pairs = run.data.split("train")
    examples = run.source.prepare(pairs, run.loaded.tokenizer, run.loaded.model)
    dropped = sum(drop.count for drop in examples.drops)
    assert len(examples.pairs) + dropped == len(pairs), (
        f"of {len(pairs)} pairs {len(examples.pairs)} are kept and {dropped} dropped"
    )
    kept = iter(pairs)
    assert all(pair in kept for pair in examples.pairs), "the kept pairs are not in their given order"
    assert not run.source.prepare([], run.loaded.tokenizer, run.loaded.model).pairs
