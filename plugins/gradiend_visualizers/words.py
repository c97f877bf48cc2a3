"""The encodings of each target word."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from gradiend_core.api import LearnedFeature, NoSettings, Report
from gradiend_visualizers.style import FIRST, NEUTRAL, SECOND, new_figure

#: the most words that are shown; of more those with the most examples
MOST = 40


class Words:
    """Mean and spread for each word, the strongest first; a word that encodes like the other class stands
    out."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        if "encoder" not in reports or "words" not in reports["encoder"].tables:
            return None
        rows = sorted(reports["encoder"].tables["words"].records(), key=lambda row: -row["n"])
        shown = sorted(rows[:MOST], key=lambda row: row["mean"])
        if not shown:
            return None
        left = f", the {MOST} most frequent of {len(rows)} words" if len(rows) > MOST else ""
        figure, (axes,) = new_figure(1, f"Encodings by word{left}", height=1.4 + 0.2 * len(shown))
        for position, row in enumerate(shown):
            color = FIRST if row["code"] > 0 else SECOND if row["code"] < 0 else NEUTRAL
            axes.errorbar(row["mean"], position, xerr=row["std"], fmt="o", color=color, ms=4, lw=1)
        axes.set_yticks(
            range(len(shown)),
            [f"{row['word']} ({row['class']}, n = {row['n']})" for row in shown],
            fontsize=8,
        )
        axes.axvline(0, color="black", linewidth=0.6)
        axes.set(
            xlabel="encoding, mean and standard deviation", xlim=(-1.3, 1.3), ylim=(-0.7, len(shown) - 0.3)
        )
        axes.grid(axis="x", color="#E5E5E5", linewidth=0.8)
        axes.grid(visible=False, axis="y")
        return figure
