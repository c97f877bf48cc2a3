"""What the encoder reads at unseen words, pair by pair, beside what chance gives."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from gradiend_core.api import LearnedFeature, NoSettings, Report
from gradiend_visualizers.style import ACCENT, FIRST, NEUTRAL, SECOND, new_figure

#: word pairs that are shown, at most
MOST = 30


class Transfer:
    """A point for each pair of unseen words; the range of random directions and the untrained copy behind."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        report = reports.get("transfer")
        if report is None or "words" not in report.tables:
            return None
        rows = [row for row in report.tables["words"].records() if row["kind"] == "related"]
        rows = sorted(rows, key=lambda row: row["correlation"])[-MOST:]
        title = "Does the encoder read words that it was not learned from?"
        figure, (axes,) = new_figure(1, title, height=2.2 + 0.22 * len(rows), width=7)
        if (largest := report.get("random_largest")) is not None:
            label = "the mean of random directions, at most"
            axes.axvspan(-largest, largest, color=NEUTRAL, alpha=0.15, lw=0, label=label)
        if (untrained := report.get("untrained_correlation")) is not None:
            axes.axvline(untrained, color=NEUTRAL, ls="--", label="mean, model with random weights")
        axes.axvline(report["correlation"] or 0.0, color=ACCENT, label="mean of the groups")
        colors = [FIRST if row["correlation"] > 0 else SECOND for row in rows]
        axes.scatter([row["correlation"] for row in rows], range(len(rows)), c=colors, s=22, zorder=3)
        names = [f"{row['first']} / {row['second']}" for row in rows]
        axes.set_yticks(range(len(rows)), names, fontsize=8)
        axes.axvline(0, color="black", linewidth=0.6)
        axes.set(xlim=(-1.05, 1.05), ylim=(-0.7, len(rows) - 0.3))
        axes.set_xlabel("correlation of encodings with the classes")
        axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
        axes.grid(visible=False, axis="y")
        return figure
