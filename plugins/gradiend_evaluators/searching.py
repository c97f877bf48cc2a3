"""The search for the best edit of a kind, as the decoder's and all simpler ones are looked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gradiend_core.api import (
    Candidate,
    Edit,
    EvaluationTask,
    Goal,
    HasBudget,
    Measure,
    Trials,
    bracket,
    grid,
    within_budget,
)


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
