"""The search for the best edit of a kind, as the decoder's and all simpler ones are looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from attrs import evolve

from gradiend_core.api import (
    Candidate,
    Edit,
    EvaluationTask,
    Goal,
    HasBudget,
    Measure,
    Trials,
    bracket,
    choose,
    grid,
    within_budget,
)

Kind = TypeVar("Kind", bound=Edit)


def tried(
    task: EvaluationTask,
    goal: Goal,
    edit: Edit,
    measure: Measure,
    unedited: Candidate,
    evaluations: int,
    rates: Sequence[float] = (),
) -> list[Candidate]:
    """An edit at several learning rates on validation texts, the unedited model first: at these rates, or,
    without any, up to the policy's budget, or else around the best by the policy. An edit without a strength
    is tried once. The last one stays in place."""
    policy, ordinary = task.policy, measure.ordinary("validation")
    trials = Trials(
        edit,
        unedited,
        partial(measure.candidate, "validation", policy.texts_of(goal)),
        lambda candidate: policy.score(goal, candidate, unedited),
    )
    if rates:
        return grid(trials, rates)
    if not edit.relative_length:
        trials.measure(1.0)
        return trials.candidates
    if not isinstance(policy, HasBudget) or ordinary is None:
        return bracket(trials, evaluations)

    def spent(rate: float) -> float:
        edit.apply(rate)
        return policy.spent(ordinary(task.gradients.model))

    return within_budget(trials, spent, evaluations)


def searched(
    task: EvaluationTask,
    goal: Goal,
    edits: Iterable[tuple[float | None, Callable[[], Kind]]],
    measure: Measure,
    unedited: Candidate,
    evaluations: int,
    rates: Sequence[float] = (),
) -> tuple[list[Candidate], Candidate, Kind]:
    """Several kinds of an edit, each with its damping and made only when its turn comes, on the unedited
    model: all candidates, the best of them by the policy, and the edit that it is of; the first kind where
    the unedited model is the best. None is in place afterwards."""
    candidates, best, chosen = [unedited], unedited, None
    for damping, make in edits:
        edit = make()
        some = tried(task, goal, edit, measure, unedited, evaluations, rates)
        edit.restore()
        new = [evolve(candidate, damping=damping) for candidate in some[1:]]
        candidates += new
        best = choose(candidates, lambda candidate: task.policy.score(goal, candidate, unedited))
        if chosen is None or any(best is candidate for candidate in new):
            chosen = edit
    assert chosen
    return candidates, best, chosen
