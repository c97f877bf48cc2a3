"""The report of an evaluator: numbers with their n, tables, and the chosen edits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import attrs
from attrs import field, frozen

from gradiend_core.errors import ConfigError, unknown
from gradiend_core.records.card import card, html_table
from gradiend_core.records.edit import ChosenEdit
from gradiend_core.records.metric import Metric

Row = TypeVar("Row", bound=attrs.AttrsInstance)


@frozen(repr=False)
class Table:
    """Rows of plain values under named columns, made from frozen attrs classes (`of`) and read as such
    (`read`) or as dictionaries (`records`)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, row_class: type[Row], rows: Sequence[Row]) -> Table:
        """A table with a column for each field of a frozen attrs class. A field's metadata may have another
        name for its column: `field(metadata={"column": "class"})`."""
        fields = attrs.fields(row_class)
        columns = tuple(field_.metadata.get("column", field_.name) for field_ in fields)
        return cls(columns, tuple(tuple(getattr(row, field_.name) for field_ in fields) for row in rows))

    def read(self, row_class: type[Row]) -> list[Row]:
        """The rows as instances of the class that they were made from."""
        return [row_class(*row) for row in self.rows]

    def records(self) -> list[dict[str, Any]]:
        """Rows as dictionaries by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def column(self, name: str) -> list[Any]:
        """The values of one column, from the first row to the last."""
        position = self.columns.index(name)
        return [row[position] for row in self.rows]

    def to_frame(self) -> Any:
        """A pandas DataFrame."""
        import pandas  # type: ignore[import-untyped]  # it comes with datasets

        return pandas.DataFrame.from_records(list(self.rows), columns=list(self.columns))

    def __repr__(self) -> str:
        return f"<Table with {len(self.rows):,} rows of {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        return html_table(self.columns, self.rows)


@frozen(repr=False)
class Report:
    """The result of an evaluator."""

    name: str
    #: numbers by path, as ("test", "mean_by_class", "3SG")
    metrics: Mapping[tuple[str, ...], Metric]
    tables: Mapping[str, Table] = field(factory=dict)
    #: what a reader should be warned of
    warnings: tuple[str, ...] = ()
    #: the numbers for people
    lines: tuple[str, ...] = ()
    #: those that were chosen, one for each goal
    edits: tuple[ChosenEdit, ...] = ()
    #: what it comes to, in sentences for somebody who reads nothing else
    findings: tuple[str, ...] = ()

    def __getitem__(self, path: str | tuple[str, ...]) -> float | None:
        """The value at a dotted path, `report["test.correlation"]`. Raises ConfigError with the nearest path
        for an unknown one."""
        key = tuple(path.split(".")) if isinstance(path, str) else path
        if key not in self.metrics:
            raise ConfigError(unknown(f"metric of {self.name}", ".".join(key), map(".".join, self.metrics)))
        return self.metrics[key].value

    def __repr__(self) -> str:
        tables = f" and the tables {', '.join(self.tables)}" if self.tables else ""
        return f"<Report {self.name} with {len(self.metrics)} metrics{tables}>"

    def _repr_html_(self) -> str:
        rows = [(".".join(path), metric.value, metric.n) for path, metric in self.metrics.items()]
        sentences = [*self.findings, *self.lines, *(f"warning: {warning}" for warning in self.warnings)]
        return card(f"Report {self.name}", sentences, html_table(("metric", "value", "n"), rows))

    def get(self, path: str | tuple[str, ...]) -> float | None:
        """The value at a dotted path, None where it was not measured."""
        metric = self.metrics.get(tuple(path.split(".")) if isinstance(path, str) else path)
        return metric.value if metric else None

    def nested(self) -> dict[str, Any]:
        """The values as nested dictionaries, for results.json. Infinite values become None, as JSON has
        none."""
        root: dict[str, Any] = {}
        for path, metric in self.metrics.items():
            branch = root
            for name in path[:-1]:
                branch = branch.setdefault(name, {})
            infinite = metric.value is not None and not math.isfinite(metric.value)
            branch[path[-1]] = None if infinite else metric.value
        return root


#: the reports of one axis, by the name of their evaluator
Reports = Mapping[str, Report]
#: metrics by path, as an evaluator collects them
Metrics = dict[tuple[str, ...], Metric]


def chosen_edits(reports: Reports) -> dict[str, ChosenEdit]:
    """The chosen edit of each goal, from the reports of one axis."""
    return {edit.goal: edit for report in reports.values() for edit in report.edits}


def chosen_edit(reports: Reports, goal: str) -> ChosenEdit:
    """The edit that was chosen for a goal. Raises ConfigError where none was searched for."""
    edits = chosen_edits(reports)
    if not edits:
        raise ConfigError("no evaluator has chosen a learning rate; give one")
    if goal not in edits:
        raise ConfigError(
            f"no edit toward {goal} was looked for, only toward {', '.join(edits)}; give a learning rate, or"
            " name it in rewrite.toward"
        )
    return edits[goal]
