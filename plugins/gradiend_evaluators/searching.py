"""The search for the best edit of a kind, as the decoder's and all simpler ones are looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from attrs import evolve

from gradiend_core.api import (
    Candidate,
    Edit,
    EvaluationTask,
    Goal,
    HasBudget,
    Measure,
    OrdinaryScores,
    Trials,
    bracket,
    choose,
    grid,
    smaller,
    within_budget,
)

Kind = TypeVar("Kind", bound=Edit)


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
    the unedited model is the best. None is in place afterwards.

    Of each kind the largest edit within the policy's budget is measured, and of the best kind smaller ones
    too. At given `rates`, and by a policy without a budget, every kind is measured in full."""

    def score(candidate: Candidate) -> float | None:
        return task.policy.score(goal, candidate, unedited)

    chosen: tuple[Kind, Trials] | None = None
    of_kinds: list[list[Candidate]] = []  # not the edits, each of which is as large as the model

    def every() -> list[Candidate]:
        by_rate = [sorted(tried, key=lambda candidate: candidate.learning_rate) for tried in of_kinds]
        return [unedited, *(candidate for tried in by_rate for candidate in tried[1:])]

    for damping, make in edits:
        edit = make()
        trials = _tried(task, goal, edit, damping, measure, unedited, evaluations, rates)
        edit.restore()
        of_kinds.append(trials.candidates)
        if chosen is None or any(choose(every(), score) is candidate for candidate in trials.candidates[1:]):
            chosen = edit, trials
    assert chosen
    edit, trials = chosen
    if not rates and edit.relative_length and _has_budget(task, measure):
        smaller(trials, evaluations)
        edit.restore()
    return every(), choose(every(), score), edit


def _has_budget(task: EvaluationTask, measure: Measure) -> bool:
    return isinstance(task.policy, HasBudget) and measure.ordinary("validation") is not None


def _tried(
    task: EvaluationTask,
    goal: Goal,
    edit: Edit,
    damping: float | None,
    measure: Measure,
    unedited: Candidate,
    evaluations: int,
    rates: Sequence[float],
) -> Trials:
    """An edit on validation texts: at these rates, or, without any, the largest within the policy's budget,
    or else around the best by the policy. An edit without a strength is tried once. The last one stays in
    place."""
    policy, text = task.policy, measure.ordinary("validation")
    ordinary: dict[float, OrdinaryScores] = {}

    def measured(factor: float, rate: float) -> Candidate:
        candidate = measure.candidate(
            "validation", policy.texts_of(goal), factor, rate, ordinary=ordinary.get(rate)
        )
        return evolve(candidate, damping=damping)

    trials = Trials(edit, unedited, measured, lambda candidate: policy.score(goal, candidate, unedited))
    if rates:
        grid(trials, rates)
    elif not edit.relative_length:
        trials.measure(1.0)
    elif isinstance(policy, HasBudget) and text is not None:

        def spent(rate: float) -> float:
            edit.apply(rate)
            ordinary[rate] = text(task.gradients.model)
            return policy.spent(ordinary[rate])

        within_budget(trials, spent)
    else:
        bracket(trials, evaluations)
    return trials
