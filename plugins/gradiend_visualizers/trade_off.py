"""The effect of the feature's edit and of simpler ones over their cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradiend_core.api import LearnedFeature, NoSettings, Report, empty_figure
from gradiend_visualizers.style import ACCENT, BOTH, FIRST, NEUTRAL, SECOND, make_plain

#: what is shown of an edit, over its unwanted KL divergence, and what is said of it
EFFECTS = {
    "probability": "probability of the class's words",
    "related_log_odds": "related words follow, log-odds",
    "specificity": "slots whose word stays the likeliest",
    "rewritten_perplexity": "perplexity of ordinary text",
}
#: lines for methods, the feature's first
LOOKS = {
    "feature": (ACCENT, "-", "o"),
    "plain": (ACCENT, "--", "s"),
    "mean-difference": (FIRST, "-", "^"),
    "fine-tuning": (SECOND, "-", "v"),
    "random": (NEUTRAL, ":", "x"),
    "logit-bias": (BOTH, "-", "D"),
    "logit-contrast": (BOTH, "--", "d"),
    "output-rows": ("#E69F00", "-", "P"),
}
OTHER = ("#56B4E9", "-.", "*")


class TradeOff:
    """A row for each goal, a column for each effect."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        tables = reports["baselines"].tables if "baselines" in reports else {}
        rows = tables["curves"].records() if "curves" in tables else []
        rows = [row for row in rows if row["unwanted_kl"]]
        goals = list(dict.fromkeys(row["toward"] for row in rows))
        effects = [name for name in EFFECTS if any(row[name] is not None for row in rows)]
        if not goals:
            return None
        figure: Figure = empty_figure(1.0 + 3.6 * len(effects), 0.9 + 3.1 * len(goals))
        panels = figure.subplots(len(goals), len(effects), squeeze=False)
        figure.suptitle("What edits do, over what they cost: unwanted KL in nats a token of ordinary text")
        for toward, line in zip(goals, panels, strict=True):
            for effect, axes in zip(effects, line, strict=True):
                _panel(axes, effect, [row for row in rows if row["toward"] == toward])
            line[0].set_ylabel(f"toward {toward}")
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
        return figure


def _panel(axes: Axes, effect: str, rows: list[dict[str, Any]]) -> None:
    for method in dict.fromkeys(row["method"] for row in rows):
        of_method = [row for row in rows if row["method"] == method and row[effect] is not None]
        of_method.sort(key=lambda row: row["unwanted_kl"])
        color, style, marker = LOOKS.get(method, OTHER)
        axes.plot(
            [row["unwanted_kl"] for row in of_method],
            [row[effect] for row in of_method],
            style,
            color=color,
            marker=marker,
            ms=4,
            label=method,
        )
    base = {"probability": "base_probability", "specificity": "base_specificity"}
    base["rewritten_perplexity"] = "base_perplexity"
    unedited = rows[0][base[effect]] if effect in base else 0.0
    axes.axhline(unedited, color=NEUTRAL, lw=0.8, ls=":")
    axes.set_xlim(left=0)
    axes.set_title(EFFECTS[effect], fontsize=9)
    make_plain(axes)
