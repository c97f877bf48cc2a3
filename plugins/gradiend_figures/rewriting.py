"""What each learning rate does to the model, and which was chosen."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from gradiend_core.api import LearnedFeature, NoSettings, Report
from gradiend_figures.style import ACCENT, FIRST, NEUTRAL, SECOND, new_figure


class Rewriting:
    """For each class the target probability and the language modelling score over the learning rates tried."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        if "decoder" not in reports or "candidates" not in reports["decoder"].tables:
            return None
        table = reports["decoder"].tables["candidates"]
        first, second = feature.classes
        figure, both = new_figure(2, "Rewriting: probability of the class on the other class's validation texts", height=4.4)
        for axes, toward, other, color in zip(both, (first, second), (second, first), (FIRST, SECOND), strict=True):
            rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows if row[0] == toward]
            base, tried = rows[0], rows[1:]
            rates = [row["learning_rate"] for row in tried]
            axes.plot(rates, [row["probability"] for row in tried], color=color, marker="o", ms=3, label=f"P({toward})")
            axes.axhline(base["probability"], color=color, linestyle=":", label=f"P({toward}), unedited")
            axes.plot(rates, [row["lms"] for row in tried], color=NEUTRAL, marker="s", ms=3, label="language modelling score")
            axes.axhline(base["lms"], color=NEUTRAL, linestyle=":", label="language modelling score, unedited")
            chosen = next(row for row in rows if row["chosen"])
            if chosen["learning_rate"]:
                axes.axvline(chosen["learning_rate"], color=ACCENT, label=f"chosen: {chosen['learning_rate']:.3g}")
            kept = "" if chosen["learning_rate"] else ": no edit kept"
            axes.set_title(f"toward {toward}, on texts of {other}{kept}", fontsize=10)
            axes.set(xscale="log", xlabel=f"learning rate (feature factor {base['feature_factor']:+g})", ylim=(-0.02, 1.02))
            axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
        return figure
