"""Checks of evaluators."""

from __future__ import annotations

from gradiend_core.roles.kinds import EVALUATOR
from gradiend_core.testing.checks.guards import nothing_else_changes
from gradiend_core.testing.checks.register import check
from gradiend_core.testing.subject import Subject


@check(EVALUATOR)
def a_report_has_numbers_with_their_n(subject: Subject) -> None:
    """Metrics are plain numbers or None, never NaN, with an n; tables are as wide as their columns; the name
    is its own."""
    report = subject.report
    assert report.name == subject.name, f"the report is named {report.name!r}, the evaluator {subject.name!r}"
    for path, metric in report.metrics.items():
        plain = metric.value is None or (
            isinstance(metric.value, (int, float)) and metric.value == metric.value
        )
        assert plain, (
            f"{'.'.join(path)} is {metric.value!r}; a value that does not exist is None, others are plain"
            " numbers"
        )
        counted = isinstance(metric.n, int) and metric.n >= 0
        assert counted, f"{'.'.join(path)} has n = {metric.n!r}"
    for name, table in report.tables.items():
        for row in table.rows:
            assert len(row) == len(table.columns), (
                f"a row of {name} has {len(row)} values for {len(table.columns)} columns"
            )


@check(EVALUATOR)
def evaluating_changes_nothing(subject: Subject) -> None:
    """The model is bitwise as it was, no hook stays on it, and two evaluations agree."""
    assert subject.session.features
    assert subject.session.examples
    one = subject.report
    with nothing_else_changes(subject):
        two = subject.evaluated()
    for name, module in subject.session.loaded.model.named_modules():
        hooked = bool(module._forward_hooks or module._backward_hooks)
        assert not hooked, f"it leaves a hook on the model's {name!r}"
    values = [{path: metric.value for path, metric in report.metrics.items()} for report in (one, two)]
    assert values[0] == values[1], "two equal evaluations differ; draw from a generator with task.seed"
