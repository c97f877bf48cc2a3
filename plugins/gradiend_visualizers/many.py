"""Many features side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from matplotlib.figure import Figure

from gradiend_core.api import NoSettings, Report
from gradiend_visualizers.heatmap import clustered, heatmap


@frozen(eq=False)
class Square:
    """A number for every two features, in an order that groups similar ones, model by model."""

    names: list[str]
    values: np.ndarray
    groups: dict[str, int]

    @classmethod
    def of(cls, report: Report, cells: Sequence[tuple[str, str, float | None]]) -> Square:
        """A matrix from (row, column, value); features of shuffled classes are left out."""
        features = [row for row in report.tables["features"].records() if not row["null"]]
        number_of = {row["feature"]: number for number, row in enumerate(features)}
        values = np.full((len(number_of), len(number_of)), np.nan)
        for one, two, value in cells:
            if one in number_of and two in number_of and value is not None:
                values[number_of[one], number_of[two]] = value
        order: list[int] = []
        groups: dict[str, int] = {}
        for model in dict.fromkeys(row["model"] for row in features):
            numbers_of_model = [number for number, row in enumerate(features) if row["model"] == model]
            groups[model] = len(order)
            order += [
                numbers_of_model[number]
                for number in clustered(values[np.ix_(numbers_of_model, numbers_of_model)])
            ]
        return cls([features[number]["feature"] for number in order], values[np.ix_(order, order)], groups)

    def draw(self, title: str, label: str, *, signed: bool = False) -> Figure:
        return heatmap(self.values, self.names, self.names, title, label, signed=signed, groups=self.groups)


def measured(report: Report, measure: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(one, two, row) of the decoders, both ways round."""
    rows = [
        row
        for row in report.tables["pairs"].records()
        if row["side"] == "decoder" and row["measure"] == measure
    ]
    return [pair for row in rows for pair in ((row["one"], row["two"], row), (row["two"], row["one"], row))]


class Similarity:
    """Cosines of decoders. Where the order of classes has no meaning, the sign has none either, and is left
    out."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, report: Report) -> Figure | None:
        rows = measured(report, "cosine") if "pairs" in report.tables else []
        if not rows:
            return None
        signed = any(row["signed"] for one, two, row in rows if one != two)
        cells = [(one, two, row["value"] if row["signed"] else abs(row["value"])) for one, two, row in rows]
        note = "signed where both have poles" if signed else "without sign"
        return Square.of(report, cells).draw(f"Cosine of decoders, {note}", "cosine", signed=signed)


class Overlap:
    """Shares of the largest decoder weights that two features have in common."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, report: Report) -> Figure | None:
        if "pairs" not in report.tables:
            return None
        measure = next(
            row["measure"] for row in report.tables["pairs"].records() if row["measure"].startswith("overlap")
        )
        rows = measured(report, measure)
        others = [row for one, two, row in rows if one != two] or [row for _, _, row in rows]
        chance, in_place = (
            float(np.mean([row[name] for row in others])) for name in ("chance", "chance_in_place")
        )
        title = (
            f"Shared largest weights ({measure.split()[1]}): by chance {chance:.3f}, in the same parameters"
            f" {in_place:.3f}"
        )
        return Square.of(report, [(one, two, row["value"]) for one, two, row in rows]).draw(title, "share")


class CrossEncoding:
    """What each encoder (rows) reads in each feature's texts (columns): 1 like its own classes, −1 the other
    way round."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, report: Report) -> Figure | None:
        if "crossing" not in report.tables:
            return None
        cells = [
            (row["feature"], row["texts_of"], row["oriented"]) for row in report.tables["crossing"].records()
        ]
        title = "What each encoder (row) reads of each feature's texts (column)"
        return Square.of(report, cells).draw(title, "half the difference of class means", signed=True)


class Places:
    """For each feature the fraction of its squared length in each layer and component."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, report: Report) -> Figure | None:
        if "where" not in report.tables:
            return None
        null = {row["feature"] for row in report.tables["features"].records() if row["null"]}
        rows = [row for row in report.tables["where"].records() if row["feature"] not in null]
        at = sorted({(-1 if row["layer"] is None else row["layer"], row["component"]) for row in rows})
        names = list(dict.fromkeys(row["feature"] for row in rows))
        values = np.full((len(names), len(at)), np.nan)
        for row in rows:
            location = (-1 if row["layer"] is None else row["layer"], row["component"])
            values[names.index(row["feature"]), at.index(location)] = row["share_of_decoder"]
        columns = [component if layer < 0 else f"{layer} {component}".strip() for layer, component in at]
        largest = float(np.nanmax(values))
        return heatmap(
            values,
            names,
            columns,
            "Where features are",
            "share of the decoder's squared length",
            largest=largest,
        )
