"""Finished runs as one HTML file that needs no network: for people who were not there when it was made."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from gradiend_core.comparing import compare_runs, comparison_figures, runs_in
from gradiend_core.errors import ConfigError
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.report import Report
from gradiend_core.run_folder import MARKER, evaluate_run, load_run
from gradiend_core.session import Session
from gradiend_core.storage.files import read_json, write_text

#: more runs than this are only compared, and listed with their numbers
IN_FULL = 6
#: points of the scatter, examples of each kind, and rows of a table
POINTS, EXAMPLES, ROWS = 600, 5, 60
#: evaluators that have a section of their own
TOLD = ("encoder", "decoder", "where", "strengths")


def write_report(folders: Sequence[str | Path], output: str | Path, *, strengths: bool = True) -> Path:
    """Finished runs, or folders with such inside, as one file. Several are compared too. With `strengths`,
    the edits of each run are first tried at several strengths, where that was not done yet; this takes the
    model. Raises StorageError for what is no finished run."""
    found, output = runs_in([Path(folder) for folder in folders]), Path(output)
    if output.suffix not in (".html", ".htm"):
        raise ConfigError(
            f"a report is one HTML file, and {str(output)!r} is not named like one; end it with .html"
        )
    in_full = len(found) <= IN_FULL
    features = [
        view for name, folder in found.items() for view in _views(name, folder, tried=strengths and in_full)
    ]
    compared = Comparison.of(found) if len(features) > 1 else None
    write_text(output, _render(features, compared, in_full))
    return output


def _render(features: Sequence[FeatureView], compared: Comparison | None, in_full: bool) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gradiend_core"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "whole": lambda value: f"{value:,}"}
    return environment.get_template("report.html").render(
        features=features, comparison=compared, in_full=in_full, most=ROWS
    )


def number(value: Any, digits: int = 3) -> str:
    """A value for people; what was not measured is a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return (f"{value:.{digits}f}" if abs(value) >= 0.001 or not value else f"{value:.1e}").replace("-", "−")


@frozen(eq=False)
class FeatureView:
    """What the page says of one feature."""

    name: str
    session: Session
    feature: LearnedFeature
    reports: Mapping[str, Report]
    results: Mapping[str, Any]
    figures: Mapping[str, str]
    run_file: str
    folder: Path

    @property
    def id(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in self.name)

    def get(self, path: str) -> float | None:
        """The number "report.path.to.metric", None where there is none."""
        report, _, rest = path.partition(".")
        return self.reports[report].get(rest) if report in self.reports else None

    def goals(self) -> list[dict[str, Any]]:
        """What the edits do, by goal."""
        if "decoder" not in self.reports:
            return []
        names = list(dict.fromkeys(path[0] for path in self.reports["decoder"].metrics))
        wanted = ("base_probability", "rewritten_probability", "base_lms", "rewritten_lms", "learning_rate")
        return [
            {"name": name, **{key: self.reports["decoder"].get((name, key)) for key in wanted}}
            for name in names
        ]

    def drops(self) -> list[dict[str, Any]]:
        return sorted(self.results["data"]["funnel"]["drops"], key=lambda drop: -drop["count"])

    def funnel(self) -> list[tuple[str, int]]:
        """Stages with their counts."""
        funnel = self.results["data"]["funnel"]
        kept = [(f"kept: {name}", count) for name, count in funnel["kept"]]
        return [("texts read", funnel["read"]), ("with a target word", funnel["matched"]), *kept]

    def encodings(self) -> list[dict[str, Any]]:
        """Of test pairs and neutral slots."""
        rows = _rows(self.reports, "encoder", "encodings")
        return [row for row in rows if row["split"] in ("test", "neutral")]

    def scatter(self) -> list[dict[str, Any]]:
        """Points with a group 0, 1, 2 (first class, neutral, second class), evenly thinned to what a page can
        hold."""
        groups: dict[int, list[dict[str, Any]]] = {0: [], 1: [], 2: []}
        for row in self.encodings():
            groups[1 - int(row["code"])].append(row)
        points = []
        for group, rows in groups.items():
            step = max(1, -(-3 * len(rows) // POINTS))
            points += [
                {"group": group, "at": place % 97 / 97, **row} for place, row in enumerate(rows[::step])
            ]
        return points

    def examples(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Texts that drive the feature most, least, and the wrong way."""
        rows, (first, second) = (
            [row for row in self.encodings() if row["split"] == "test"],
            self.feature.classes,
        )
        if not rows:
            return []
        by_value = sorted(rows, key=lambda row: row["encoding"])
        wrong = sorted(
            (row for row in rows if row["encoding"] * row["code"] < 0),
            key=lambda row: row["encoding"] * row["code"],
        )
        return [
            (f"most like {first} (+1)", by_value[::-1][:EXAMPLES]),
            (f"most like {second} (−1)", by_value[:EXAMPLES]),
            ("least of either", sorted(rows, key=lambda row: abs(row["encoding"]))[:EXAMPLES]),
            ("on the wrong side", wrong[:EXAMPLES]),
        ]

    def strengths(self) -> list[dict[str, Any]]:
        """For each goal its points from weak to strong, each with what the model then makes of some texts."""
        points, samples = (_rows(self.reports, "strengths", name) for name in ("points", "samples"))
        found = []
        for goal in dict.fromkeys(point["toward"] for point in points):
            own = [
                {
                    **point,
                    "samples": [
                        each
                        for each in samples
                        if (each["toward"], each["strength"]) == (goal, point["strength"])
                    ],
                }
                for point in points
                if point["toward"] == goal
            ]
            found.append({"goal": goal, "points": own})
        return found

    def others(self) -> Iterator[Report]:
        """Reports without a section of their own that say something."""
        for name, report in self.reports.items():
            if name not in TOLD and (report.tables or report.lines):
                yield report

    def provenance(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.results["provenance"]
        return found


@frozen(eq=False)
class Comparison:
    """What the page says of all features together."""

    report: Report
    figures: Mapping[str, str]

    @classmethod
    def of(cls, runs: Mapping[str, Path]) -> Comparison:
        report = compare_runs(runs)
        return cls(report, {name: as_image(figure) for name, figure in comparison_figures(report)})

    def features(self) -> list[dict[str, Any]]:
        """Those that are not of shuffled classes."""
        return [row for row in self.report.tables["features"].records() if not row["null"]]


def _views(name: str, folder: Path, *, tried: bool) -> Iterator[FeatureView]:
    session = load_run(folder)
    if tried and "decoder" in session.reports and "strengths" not in session.reports:
        session = evaluate_run(folder, ["strengths"])
    drawn = dict(_with_figures(session, folder).figures())
    results = read_json(folder / "results.json")
    for prefix, feature, reports in session.by_axis():
        title = f"{name}.{feature.classes[0]}" if prefix else name
        own = {
            kind.removeprefix(prefix): as_image(figure)
            for kind, figure in drawn.items()
            if kind.startswith(prefix)
        }
        text = (folder / MARKER).read_text(encoding="utf-8")
        yield FeatureView(title, session, feature, reports, results, own, text, folder)


def _with_figures(session: Session, folder: Path) -> Session:
    """The session, or, where its run draws nothing, one that draws all that is usual."""
    if session.config.figures:
        return session
    registry = session.registry
    usual = [name for name in registry.names("figures") if registry.get("figures", name).by_default]
    return load_run(folder, [f"figures.kinds={json.dumps(usual)}"])


def as_image(figure: Any) -> str:
    """A matplotlib figure as the address of an image that holds it."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def _rows(reports: Mapping[str, Report], report: str, table: str) -> list[dict[str, Any]]:
    """The rows of a table, none where it is not there."""
    found = reports[report].tables.get(table) if report in reports else None
    return found.records() if found else []
