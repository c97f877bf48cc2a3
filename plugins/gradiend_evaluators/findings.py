"""The findings as sentences, for readers of nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from gradiend_core.api import ChosenEdit, EvaluationTask, Measure, Report, goal_values, shown
from gradiend_evaluators.outcome import Outcome
from gradiend_evaluators.uncertainty import LEVEL

#: the shares of test texts below the ones that are shown, by what the edited model makes of them
QUANTILES = (0.25, 0.5, 0.75)
#: groups of words from which a test by random signs can have a p-value below 0.05
FEWEST = 5
#: the largest p-value of what is stated
P = 1 - LEVEL
#: characters of a text on each side of its slot
SIDE = 60


@frozen
class TextRow:
    """A test text, and the probability that the goal is about, in the unedited and in the edited model."""

    toward: str
    text: str
    base: float
    rewritten: float


def of_transfer(task: EvaluationTask, report: Report, *, has: bool) -> str:
    """Whether the model tells the classes apart in words that the feature was not learned from."""
    first, second = (task.data.described(name) for name in task.feature.classes)
    rows = [row for row in report.tables["words"].records() if row["kind"] == "related"]
    words = " and ".join(f"{row['first']}/{row['second']}" for row in rows[:2])
    compared = (
        f"correlation {shown(report['correlation'], '.2f')}, random directions"
        f" {shown(report.get('random_mean'), '.2f')}"
    )
    if report.get("untrained_correlation") is not None:
        compared += f", an untrained copy of the model {shown(report['untrained_correlation'], '.2f')}"
    elsewhere = f"in words that the feature was not learned from, such as {words} ({compared})"
    if has:
        return f"The model tells {first} from {second}, also {elsewhere}."
    groups = int(report["groups"] or 0)
    counted = f"{groups} groups" if groups > 1 else "one group"
    few = f"; with {counted} of words it cannot be below {0.5**groups:.2g}" if groups < FEWEST else ""
    p_value = f"p = {shown(report['p_value'], '.2g')}{few}"
    return f"It is not shown that the model tells {first} from {second} {elsewhere}: {p_value}."


def of_degrees(task: EvaluationTask, report: Report) -> Iterator[str]:
    """Whether the model orders degrees that a direction was not learned from."""
    strength, p_value = (report.get(f"test.unseen_degrees.{name}") for name in ("correlation", "p_value"))
    if strength is None or p_value is None:
        return
    first, second = (task.data.described(name) for name in task.feature.classes)
    says = "The model orders" if p_value <= P else "It is not shown that the model orders"
    yield (
        f"{says} the degrees from {second} to {first}: a direction learned from every second one reads"
        f" the others (correlation {strength:.2f}, p = {p_value:.2g} against random orders)."
    )


def of_edit(task: EvaluationTask, outcome: Outcome, edit: ChosenEdit, texts: list[TextRow]) -> Iterator[str]:
    """The effect and the cost of the edit for a goal, and one text as an example."""
    goal, before, after = outcome.goal, edit.before, edit.after
    words = task.data.described(goal.of)
    if not edit.learning_rate:
        yield f"No edit toward {goal.name} within its budget does more than the unedited model."
        return
    cost = ""
    if before.perplexity.value and after.perplexity.value:
        change = after.perplexity.value / before.perplexity.value - 1
        cost = f", while the perplexity of ordinary text changes by {change:+.1%}"
    if not goal.sign:
        yield (
            "An edit makes both classes alike:"
            f" {_change(before.probability.value, after.probability.value)}{cost}."
        )
        return
    where = f"where {task.data.described(goal.texts_of)} stood" if goal.sign > 0 else "where it stood"
    yield (
        f"An edit makes {words} {'more' if goal.sign > 0 else 'less'} likely {where}: P"
        f" {_percent(before.probability.value)} → {_percent(after.probability.value)}{cost}."
    )
    if texts:
        typical = texts[len(texts) // 2]
        yield (
            f"For example “{typical.text}”: P({', '.join(task.data.words.get(goal.of, (goal.of,))[:3])})"
            f" {_percent(typical.base)} → {_percent(typical.rewritten)}."
        )


def typical_texts(outcome: Outcome, measure: Measure) -> list[TextRow]:
    """The test texts of a goal that are at the quartiles of the edited model's values."""
    goal = outcome.goal
    if not goal.sign:
        return []
    before, after = (goal_values(goal, tried.probabilities) for tried in (outcome.before, outcome.after))
    pairs, order = measure.slots("test", goal.texts_of).examples.pairs, after.argsort().tolist()
    chosen = dict.fromkeys(order[round(share * (len(order) - 1))] for share in QUANTILES)
    return [
        TextRow(goal.name, _slotted(pairs[row].left, pairs[row].right), float(before[row]), float(after[row]))
        for row in chosen
    ]


def _slotted(left: str, right: str) -> str:
    left = left if len(left) <= SIDE else f"…{left[-SIDE:]}"
    right = right if len(right) <= SIDE else f"{right[:SIDE]}…"
    return f"{left}___{right}".replace("\n", " ")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _change(before: float | None, after: float | None) -> str:
    return f"{shown(before, '.3f')} → {shown(after, '.3f')} of at most 1"
