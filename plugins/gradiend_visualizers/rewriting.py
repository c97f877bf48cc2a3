"""What each learning rate does to the model, and which was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradiend_core.api import Goal, LearnedFeature, NoSettings, Report, goal_of
from gradiend_visualizers.style import ACCENT, BOTH, FIRST, NEUTRAL, SECOND, new_figure

#: of several feature factors
STYLES = ("-", "--", ":", "-.")


class Rewriting:
    """For each goal its probability, and the unwanted KL divergence of ordinary text, over the learning rates
    tried."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        if "decoder" not in reports or "candidates" not in reports["decoder"].tables:
            return None
        table = reports["decoder"].tables["candidates"]
        rows = table.records()
        goals = list(dict.fromkeys(row["toward"] for row in rows))
        if not goals:
            return None
        figure, panels = new_figure(
            len(goals), "Rewriting: what each learning rate does, on validation texts", height=4.4
        )
        for axes, toward in zip(panels, goals, strict=True):
            _panel(axes, goal_of(toward, feature.classes), [row for row in rows if row["toward"] == toward])
        panels[0].set_ylabel("probability")
        return figure


def _panel(axes: Axes, goal: Goal, rows: list[dict[str, Any]]) -> None:
    base, tried = rows[0], [row for row in rows if row["learning_rate"]]
    costs = axes.twinx()
    costs.spines["top"].set_visible(False)
    costs.set(yscale="log", ylabel="unwanted KL, nats a token of ordinary text")
    color = (FIRST if goal.of == goal.classes[0] else SECOND) if goal.sign else BOTH
    what = f"P({goal.of})" if goal.sign else "balance"
    for factor, style in zip(dict.fromkeys(row["feature_factor"] for row in tried), STYLES, strict=False):
        rows_of_factor = sorted(
            (row for row in tried if row["feature_factor"] == factor), key=lambda row: row["learning_rate"]
        )
        rates, note = [row["learning_rate"] for row in rows_of_factor], f", factor {factor:+g}"
        axes.plot(
            rates,
            [row["probability"] for row in rows_of_factor],
            style,
            color=color,
            marker="o",
            ms=3,
            label=what + note,
        )
        costs.plot(
            rates,
            [row["unwanted_kl"] for row in rows_of_factor],
            style,
            color=NEUTRAL,
            marker="s",
            ms=3,
            label="unwanted KL" + note,
        )
    axes.axhline(base["probability"], color=color, linestyle=":", label=f"{what}, unedited")
    chosen = next(row for row in rows if row["chosen"])
    if chosen["learning_rate"]:
        axes.axvline(chosen["learning_rate"], color=ACCENT, label=f"chosen: {chosen['learning_rate']:.3g}")
    where = f"on texts of {goal.texts_of}" if goal.sign else "(1 − |P − P'|)(P + P') on all texts"
    kept = "" if chosen["learning_rate"] else ": no edit kept"
    axes.set_title(f"toward {goal.name}, {where}{kept}", fontsize=10)
    axes.set(xscale="log", xlabel="learning rate", ylim=(-0.02, 1.02))
    handles = [*axes.get_legend_handles_labels()[0], *costs.get_legend_handles_labels()[0]]
    axes.legend(
        handles=handles, fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2
    )
