"""What an evaluator found: numbers with their n, and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


@frozen
class Metric:
    """One number, how many examples it rests on, and its unit. A value that does not exist is None, never
    NaN."""

    value: float | None
    n: int
    unit: str = ""


@frozen
class Table:
    """Rows of plain values under named columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def records(self) -> list[dict[str, Any]]:
        """Rows as dictionaries by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def column(self, name: str) -> list[Any]:
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


@frozen
class Report:
    """Metrics by path ("test", "mean_by_class", "3SG"), tables by name, what a reader should be warned of,
    and what it comes to, in `lines`."""

    name: str
    metrics: Mapping[tuple[str, ...], Metric]
    tables: Mapping[str, Table] = field(factory=dict)
    warnings: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def __getitem__(self, path: str | tuple[str, ...]) -> float | None:
        """The value at a dotted path, `report["test.correlation"]`."""
        return self.metrics[tuple(path.split(".")) if isinstance(path, str) else path].value

    def get(self, path: str | tuple[str, ...]) -> float | None:
        """The value at a dotted path, None where it was not measured."""
        metric = self.metrics.get(tuple(path.split(".")) if isinstance(path, str) else path)
        return metric.value if metric else None

    def nested(self) -> dict[str, Any]:
        """The values as nested dictionaries, for results.json."""
        root: dict[str, Any] = {}
        for path, metric in self.metrics.items():
            here = root
            for name in path[:-1]:
                here = here.setdefault(name, {})
            here[path[-1]] = metric.value
        return root
