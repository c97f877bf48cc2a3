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
    """Tries several kinds of an edit on the unedited model, each made when it is its turn. Gives back all
    candidates, the best of them by the policy, and the edit that the best one is of. Where the unedited model
    is the best, that is the first kind. None is in place afterwards.

    Where the policy has a budget, the largest edit of each kind that some of the ordinary text allows is
    measured. Then the best kind is measured at the largest rate that all of the text allows, and at smaller
    ones. At given `rates`, and by a policy without a budget, every kind is measured in full."""

    def score(candidate: Candidate) -> float | None:
        return task.policy.score(goal, candidate, unedited)

    # not the edits: each is as large as the model, and can be made again
    kinds: list[tuple[float | None, Callable[[], Kind], list[Candidate]]] = []
    in_budget = (
        not rates and isinstance(task.policy, HasBudget) and measure.ordinary("validation") is not None
    )
    for damping, make in edits:
        trials = _Trials(task, goal, make(), damping, measure, unedited)
        if not trials.edit.relative_length:
            trials.measure(1.0)
        elif in_budget:
            trials.fill_budget(some=True)
        elif rates:
            grid(trials, rates)
        else:
            bracket(trials, evaluations)
        trials.edit.restore()
        kinds.append((damping, make, trials.sorted()[1:]))
        del trials  # before the next edit is made

    def chosen(tried: Iterable[Candidate]) -> Candidate:
        return choose([unedited, *tried], score)

    best = chosen(candidate for *_, tried in kinds for candidate in tried)
    damping, make, tried = next(
        (kind for kind in kinds if any(candidate is best for candidate in kind[2])), kinds[0]
    )
    edit = make()
    if in_budget and edit.relative_length:
        trials = _Trials(task, goal, edit, damping, measure, unedited)
        trials.fill_budget(some=False, start=best.learning_rate)
        smaller(trials, evaluations)
        edit.restore()
        tried[:] = trials.sorted()[1:]
        best = chosen(tried)
    return [unedited, *(candidate for *_, tried in kinds for candidate in tried)], best, edit


class _Trials(Trials):
    """An edit on validation texts; the last one that was tried stays in place."""

    def __init__(
        self,
        task: EvaluationTask,
        goal: Goal,
        edit: Edit,
        damping: float | None,
        measure: Measure,
        unedited: Candidate,
    ) -> None:
        self.task, self.texts = task, measure.ordinary("validation")
        known: dict[float, OrdinaryScores] = {}

        def measured(factor: float, rate: float) -> Candidate:
            texts_of = task.policy.texts_of(goal)
            candidate = measure.candidate("validation", texts_of, factor, rate, ordinary=known.get(rate))
            return evolve(candidate, damping=damping)

        self.known = known
        super().__init__(
            edit, unedited, measured, lambda candidate: task.policy.score(goal, candidate, unedited)
        )

    def fill_budget(self, *, some: bool, start: float = 0.0) -> None:
        """Measures the largest rate within the policy's budget, by some of the ordinary text or by all of
        it."""
        policy, texts = self.task.policy, self.texts
        assert isinstance(policy, HasBudget)
        assert texts

        def spent(rate: float) -> float:
            self.edit.apply(rate)
            self.known[rate] = texts(self.task.gradients.model, some=some)
            return policy.spent(self.known[rate])

        within_budget(self, spent, start)
