"""Finished runs as one HTML file that needs no network, for readers who did not make the runs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from gradiend_core.comparison.drawn import coloured_by_layer
from gradiend_core.errors import ConfigError, StorageError
from gradiend_core.finished.comparing import compare_runs, comparison_figures, runs_in
from gradiend_core.progress import progress
from gradiend_core.records.contribution import SECTIONS, Trait
from gradiend_core.records.edit import ChosenEdit
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.funnel import Drop
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.report import Report, Reports
from gradiend_core.records.run import Choice
from gradiend_core.roles.kinds import EVALUATOR, VISUALIZER
from gradiend_core.run.finished import FinishedRun, load_run
from gradiend_core.run.folder import MARKER
from gradiend_core.storage.files import write_text

#: more runs than this are only compared, and listed with their numbers
IN_FULL = 6
#: what says in a page that it is ours
GENERATOR = '<meta name="generator" content="gradiend-core">'
#: points of the scatter, examples of each kind, and rows of a table
POINTS, EXAMPLES, ROWS = 600, 5, 60


def write_report(
    folders: Sequence[str | Path], output: str | Path, *, strengths: bool = True, overwrite: bool = False
) -> Path:
    """Writes finished runs, or folders that contain some, as one file. Several runs are compared too. With
    `strengths`, the edits of each run are first tried at several strengths unless the run has measured that;
    this loads the model. Raises StorageError for a folder that is not a finished run, and for a file that
    exists; with `overwrite`, a report is replaced."""
    output = Path(output)
    if output.suffix not in (".html", ".htm"):
        raise ConfigError(
            f"a report is one HTML file, and {str(output)!r} is not named like one; end it with .html"
        )
    _expect_new(output, overwrite=overwrite)
    runs = runs_in(folders)
    in_full = len(runs) <= IN_FULL
    features: list[FeatureView] = []
    with progress("runs shown", len(runs)) as shown:
        for name, folder in runs.items():
            features += _views(name, folder, strengths=strengths and in_full)
            shown.advance()
    compared = Comparison.of(runs) if len(features) > 1 else None
    write_text(output, _render(features, compared, in_full))
    return output


def _expect_new(output: Path, *, overwrite: bool) -> None:
    if not output.exists():
        return
    ours = output.is_file() and GENERATOR in output.read_text(encoding="utf-8", errors="replace")[:2000]
    if not ours:
        raise StorageError(f"{output} exists and is not a report that gradiend wrote; give a new file")
    if not overwrite:
        raise StorageError(
            f"{output} exists; give a new file with --output, or overwrite it (--overwrite, overwrite=True)"
        )


def _render(features: Sequence[FeatureView], compared: Comparison | None, in_full: bool) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gradiend_core.finished"),
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
    """A number as people read it; a dash where it was not measured."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return (f"{value:.{digits}f}" if abs(value) >= 0.001 or not value else f"{value:.1e}").replace("-", "−")


@frozen(eq=False)
class FeatureView:
    """What the page shows of one feature. `figures` are images, by the section that shows them."""

    name: str
    run: FinishedRun
    axis: int
    reports: Reports
    figures: Mapping[str, list[tuple[str, str]]]

    @property
    def id(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in self.name)

    @property
    def feature(self) -> LearnedFeature:
        return self.run.features[self.axis]

    @property
    def model(self) -> str:
        """The name of the model; for a folder, its last part."""
        return Path(self.run.config.general.model.rstrip("/")).name

    def has_neutral(self) -> bool:
        """Whether neutral text was encoded. With gradients of differences it has none to encode."""
        return any(row["split"] == "neutral" for row in self.encodings())

    def has_degrees(self) -> bool:
        """Whether the classes are degrees of one feature."""
        return any(row["code"] not in (-1, 0, 1) for row in self.encodings())

    @property
    def run_file(self) -> str:
        return (self.run.folder / MARKER).read_text(encoding="utf-8")

    @property
    def provenance(self) -> Provenance:
        return self.run.provenance

    def encoder(self, path: str) -> float | None:
        """A metric of the encoder evaluator, None if it did not run."""
        report = self._report_with(Trait.READS_ENCODINGS)
        return report.get(path) if report else None

    def transfer(self, path: str) -> float | None:
        """A metric of the transfer evaluator, None if it did not run."""
        report = self._report_with(Trait.SHOWS_FEATURE)
        return report.get(path) if report else None

    def transfer_verdict(self) -> str:
        """The verdict of the transfer evaluator, as the beginning of a sentence."""
        report = self._report_with(Trait.SHOWS_FEATURE)
        verdict = report.lines[0].split(":")[0].split(maxsplit=1)[-1] if report and report.lines else ""
        return verdict[:1].upper() + verdict[1:]

    def findings(self) -> list[str]:
        """The findings, in sentences."""
        return list(self.run.findings.values())[self.axis]

    def followed(self, goal: str) -> float | None:
        """How far related words follow the edit toward a goal, in log-odds."""
        report = self._report_with(Trait.CHOOSES_EDITS)
        return report.get((goal, "related_log_odds")) if report else None

    def edits(self) -> list[ChosenEdit]:
        """The effects of the chosen edits."""
        return [edit for report in self.reports.values() for edit in report.edits]

    def drops(self) -> list[Drop]:
        return sorted(self.run.funnel.drops, key=lambda drop: -drop.count)

    def funnel(self) -> list[tuple[str, int]]:
        """Stages with their counts."""
        funnel = self.run.funnel
        kept = [(f"kept: {name}", count) for name, count in funnel.kept]
        return [("texts read", funnel.read), ("with a target word", funnel.matched), *kept]

    def encodings(self) -> list[dict[str, Any]]:
        """The encodings of test pairs and neutral slots."""
        rows = self._rows(Trait.READS_ENCODINGS, "encodings")
        return [row for row in rows if row["split"] in ("test", "neutral")]

    def scatter(self) -> list[dict[str, Any]]:
        """Points with a group 0, 1, 2 (first class, neutral, second class) and a place from left (0) to right
        (1), evenly thinned to what a page can hold. Where classes are degrees, the place is the expected
        code."""
        groups: dict[int, list[dict[str, Any]]] = {0: [], 1: [], 2: []}
        for row in self.encodings():
            groups[1 - (row["code"] > 0) + (row["code"] < 0)].append(row)
        points = []
        for group, rows in groups.items():
            step = max(1, -(-3 * len(rows) // POINTS))
            for number, row in enumerate(rows[::step]):
                beside = number % 97 / 97 - 0.5  # so that points of one code do not hide each other
                x = (1 - row["code"]) / 2 + beside * (0.02 if self.has_degrees() else 0.4)
                points.append({"group": group, "x": x, **row})
        return points

    def examples(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """The texts that the encoder reads most strongly, least, and with the wrong sign."""
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

    def slot(self) -> str:
        """A slot as it is written by hand, with a word of each class."""
        first, second = (
            next((row["factual"] for row in self.encodings() if row["code"] == code), name)
            for code, name in zip((1.0, -1.0), self.feature.classes, strict=True)
        )
        return f"[{first}|{second}]"

    def explained(self) -> list[dict[str, Any]]:
        """Texts with their tokens coloured by their shares in the encoding, in total and by layer."""
        tokens, by_layers = (self._rows(Trait.EXPLAINS, name) for name in ("by_token", "by_layer"))
        texts = []
        for number in dict.fromkeys(row["text"] for row in tokens):
            of_text = [row for row in tokens if row["text"] == number]
            by_layer: dict[int | None, list[float]] = {}
            for row in by_layers:
                if row["text"] == number:
                    by_layer.setdefault(row["layer"], []).append(row["share"])
            words, shares = [row["token"] for row in of_text], [row["share"] for row in of_text]
            coloured, layers = coloured_by_layer(words, shares, by_layer)
            texts.append({"encoding": of_text[0]["encoding"], "tokens": coloured, "by_layer": layers})
        return texts

    def strengths(self) -> list[dict[str, Any]]:
        """For each goal, the strengths from weak to strong, each with what the model then does with some
        texts."""
        points, samples = (self._rows(Trait.VARIES_STRENGTH, name) for name in ("points", "samples"))
        texts: dict[tuple[str, float], list[dict[str, Any]]] = {}
        for sample in samples:
            texts.setdefault((sample["toward"], sample["strength"]), []).append(sample)
        by_goal: dict[str, list[dict[str, Any]]] = {}
        for point in points:
            shown = texts.get((point["toward"], point["strength"]), [])
            by_goal.setdefault(point["toward"], []).append({**point, "samples": shown})
        return [{"goal": goal, "points": points} for goal, points in by_goal.items()]

    def others(self) -> Iterator[Report]:
        """Reports that no section shows, if they have content."""
        for name, report in self.reports.items():
            if not self.run.registry.get(EVALUATOR, name).section and (report.tables or report.lines):
                yield report

    def not_measured(self, section: str) -> list[tuple[str, str]]:
        """The evaluators of a section that did not run, with what they would measure."""
        known = [self.run.registry.get(EVALUATOR, name) for name in self.run.registry.names(EVALUATOR)]
        return [
            (contribution.name, contribution.summary)
            for contribution in known
            if contribution.section == section and contribution.name not in self.reports
        ]

    def _report_with(self, trait: Trait) -> Report | None:
        names = [contribution.name for contribution in self.run.registry.with_trait(EVALUATOR, trait)]
        return next((self.reports[name] for name in names if name in self.reports), None)

    def _rows(self, trait: Trait, table: str) -> list[dict[str, Any]]:
        """The rows of a table; empty where the table does not exist."""
        report = self._report_with(trait)
        return report.tables[table].records() if report and table in report.tables else []


@frozen(eq=False)
class Comparison:
    """What the page shows of all features together."""

    report: Report
    figures: Mapping[str, str]

    @classmethod
    def of(cls, runs: Mapping[str, Path]) -> Comparison:
        report = compare_runs(runs)
        return cls(report, {name: as_image(figure) for name, figure in comparison_figures(report)})

    def features(self) -> list[dict[str, Any]]:
        """The features that are not of shuffled classes."""
        return [row for row in self.report.tables["features"].records() if not row["null"]]


def _views(name: str, folder: Path, *, strengths: bool) -> Iterator[FeatureView]:
    run = load_run(folder)
    reports = run.axis_reports
    missing = [
        contribution.name
        for contribution in run.registry.with_trait(EVALUATOR, Trait.VARIES_STRENGTH)
        if contribution.name not in run.reports
    ]
    if (
        strengths and missing and run.edits()
    ):  # tried in memory: a finished run is never written to by its report
        run = load_run(folder, [f"evaluators.kinds={json.dumps([*run.reports, *missing])}"])
        reports = run.evaluate(missing)
    drawn = dict(run.figures(_usual_figures(run)))
    for axis, (prefix, feature, _) in enumerate(run.by_axis()):
        title = f"{name}.{feature.classes[0]}" if prefix else name
        figures: dict[str, list[tuple[str, str]]] = {section: [] for section in SECTIONS}
        for kind in [kind for kind in drawn if kind.startswith(prefix)]:
            contribution = run.registry.get(VISUALIZER, kind.removeprefix(prefix))
            figures[contribution.section].append((contribution.summary, as_image(drawn[kind])))
        yield FeatureView(title, run, axis, reports[axis], figures)


def _usual_figures(run: FinishedRun) -> list[Choice]:
    """The figures that the run draws, or all usual ones if it draws none."""
    registry = run.registry
    usual = [registry.get(VISUALIZER, name) for name in registry.names(VISUALIZER)]
    return list(run.config.visualizers) or [
        Choice(contribution.name, contribution.config()) for contribution in usual if contribution.by_default
    ]


def as_image(figure: Any) -> str:
    """A matplotlib figure as a data URL."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
