"""The effect of each candidate on the model and on ordinary text, and the chosen one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradiend_core.api import Goal, LearnedFeature, NoSettings, Report, goal_of, shown
from gradiend_visualizers.style import ACCENT, BOTH, FIRST, NEUTRAL, SECOND, new_figure

#: of several feature factors and dampings
STYLES = ("-", "--", ":", "-.")
#: costs of which the largest is so many times the smallest are drawn on the scale of logarithms
WIDE = 50


class Rewriting:
    """For each goal its probability over the unwanted KL divergence of ordinary text, a line from the
    unedited model for each kind of edit; over the learning rate where there is no ordinary text."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        if "decoder" not in reports or "candidates" not in reports["decoder"].tables:
            return None
        rows = reports["decoder"].tables["candidates"].records()
        goals = list(dict.fromkeys(row["toward"] for row in rows))
        if not goals:
            return None
        figure, panels = new_figure(
            len(goals), "Rewriting: what each edit does and costs, on validation texts", height=4.4
        )
        for axes, toward in zip(panels, goals, strict=True):
            _panel(axes, goal_of(toward, feature.classes), [row for row in rows if row["toward"] == toward])
        panels[0].set_ylabel("probability")
        return figure


def _panel(axes: Axes, goal: Goal, rows: list[dict[str, Any]]) -> None:
    base, tried = rows[0], [row for row in rows if row["learning_rate"]]
    measured = all(row["unwanted_kl"] is not None for row in tried)
    cost = "unwanted_kl" if measured else "learning_rate"
    color = (FIRST if goal.of == goal.classes[0] else SECOND) if goal.sign else BOTH
    what = f"P({goal.of})" if goal.sign else "balance"
    kinds = list(dict.fromkeys((row["feature_factor"], row["damping"]) for row in tried))
    for number, (factor, damping) in enumerate(kinds):
        of_kind = [row for row in tried if (row["feature_factor"], row["damping"]) == (factor, damping)]
        of_kind.sort(key=lambda row: row[cost])
        note = f", factor {factor:+g}" + ("" if damping is None else f", damping {damping:g}")
        axes.plot(
            [0.0, *(row[cost] for row in of_kind)],
            [base["probability"], *(row["probability"] for row in of_kind)],
            STYLES[number % len(STYLES)],
            color=color,
            marker="o",
            ms=3,
            label=what + note,
        )
    axes.plot(0.0, base["probability"], "o", ms=5, color=NEUTRAL, label="unedited")
    chosen = next(row for row in rows if row["chosen"])
    if chosen["learning_rate"]:
        axes.plot(chosen[cost], chosen["probability"], "*", ms=14, color=ACCENT, label="chosen")
    where = f"on texts of {goal.texts_of}" if goal.sign else "(1 − |P − P'|)(P + P') on all texts"
    kept = (
        f", learning rate {shown(chosen['learning_rate'], '.3g')}"
        if chosen["learning_rate"]
        else ": no edit kept"
    )
    axes.set_title(f"toward {goal.name}, {where}{kept}", fontsize=9)
    costs = "unwanted KL, nats a token of ordinary text" if measured else "learning rate"
    axes.set(xlabel=costs, ylim=(-0.02, None))
    values = [row[cost] for row in tried]
    if tried and max(values) > WIDE * min(values) > 0:
        axes.set_xscale("symlog", linthresh=min(values))
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
