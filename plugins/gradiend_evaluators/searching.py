"""The search for the best edit of a kind, in the same way for the feature's edit and for simpler ones."""

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
    WeightEdit,
    bracket,
    choose,
    grid,
    smaller,
    within_budget,
)

Kind = TypeVar("Kind", bound=Edit)

#: the cost (`LearnedFeature.cost`) of the first edit that is tried: the largest edits within the usual budget
#: cost 0.001 to 0.007 in three models. Weights that act together change more than the diagonal predicts.
FIRST_COST = 0.003


def searched(
    task: EvaluationTask,
    goal: Goal,
    edits: Iterable[tuple[float | None, Callable[[], Kind]]],
    measure: Measure,
    unedited: Candidate,
    evaluations: int,
    rates: Sequence[float] = (),
) -> tuple[list[Candidate], Candidate, Kind]:
    """Tries several kinds of an edit on the unedited model, each created when it is its turn. Returns all
    candidates, the best by the policy, and the edit that it belongs to (the first kind, where the unedited
    model is the best). Afterwards none is applied.

    Where the policy has a budget, the largest edit of each kind that a part of the ordinary text allows is
    measured. Then the best kind is measured at the largest rate that all of the text allows, and at smaller
    rates. At given `rates`, and by a policy without a budget, every kind is measured completely."""

    def score(candidate: Candidate) -> float | None:
        return task.policy.score(goal, candidate, unedited)

    largest_cost = FIRST_COST
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
            # edits of the same cost, which the curvature predicts, use about as much of the budget
            cost = _cost(task, trials.edit)
            rate = trials.fill_budget(some=True, start=largest_cost / cost if cost else 0.0)
            largest_cost = rate * cost or largest_cost
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
    """An edit on validation texts; the last one tried stays applied."""

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

    def fill_budget(self, *, some: bool, start: float = 0.0) -> float:
        """Measures the largest rate within the policy's budget, by a part of the ordinary text or by all of
        it, and returns it."""
        policy, texts = self.task.policy, self.texts
        assert isinstance(policy, HasBudget)
        assert texts

        def spent(rate: float) -> float:
            self.edit.apply(rate)
            self.known[rate] = texts(self.task.gradients.model, some=some)
            return policy.spent(self.known[rate])

        return within_budget(self, spent, start)


def _cost(task: EvaluationTask, edit: Edit) -> float:
    """The predicted cost of an edit at rate 1; 0 where it is not known."""
    return task.feature.cost(edit.update.direction) if isinstance(edit, WeightEdit) else 0.0
