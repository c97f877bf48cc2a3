"""The encodings of single examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from gradiend_core.api import OTHERS, LearnedFeature, NoSettings, Report, shown
from gradiend_visualizers.style import BOTH, FIRST, NEUTRAL, SECOND, new_figure

#: values below which a violin would draw a shape that is not there
FEWEST = 20
#: inches of a figure with few groups
WIDTH = 5.6


class Encodings:
    """A violin and the single test examples for each class, and for neutral text; where the classes are
    degrees, the single test examples over their expected codes."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        if "encoder" not in reports or "encodings" not in reports["encoder"].tables:
            return None
        table = reports["encoder"].tables["encodings"]
        rows = table.records()
        title = f"Encodings of test examples, correlation {shown(reports['encoder']['test.correlation'])}"
        if reports["encoder"].get("test.rank_correlation") is not None:
            return _degrees(feature, rows, title)
        groups = [group for group in _groups(feature, rows) if group[2]]
        figure, (axes,) = new_figure(1, title, height=4, width=max(WIDTH, 1 + len(groups)))
        rng = np.random.default_rng(0)
        for position, (_, color, values) in enumerate(groups):
            if len(values) >= FEWEST and len(set(values)) > 1:
                drawn: Any = axes.violinplot(values, [position], widths=0.8, showextrema=False)
                for body in drawn["bodies"]:
                    body.set(facecolor=color, alpha=0.25)
            axes.scatter(
                position + rng.uniform(-0.12, 0.12, len(values)),
                values,
                s=6,
                color=color,
                alpha=0.5,
                linewidths=0,
            )
            axes.hlines(np.mean(values), position - 0.3, position + 0.3, color=color, linewidth=2)
        names = [f"{name}\nn = {len(values)}" for name, _, values in groups]
        axes.set_xticks(range(len(groups)), names)
        axes.set(ylabel="encoding", ylim=(-1.08, 1.08))
        axes.axhline(0, color="black", linewidth=0.6)
        return figure


def _degrees(feature: LearnedFeature, rows: list[dict[str, Any]], title: str) -> Figure:
    """The encodings of pairs of degrees over their expected codes, with the line on which both are equal."""
    high, low = feature.classes
    test = [row for row in rows if row["split"] == "test"]
    codes = np.array([row["code"] for row in test]).round(6)  # 0.3 − 0.1 and 0.2 − 0 are one code
    values = np.array([row["encoding"] for row in test])
    figure, (axes,) = new_figure(1, title, height=4.5, width=WIDTH)
    colors = LinearSegmentedColormap.from_list("degrees", (SECOND, BOTH, FIRST))
    axes.plot((-1, 1), (-1, 1), color="black", linewidth=0.6, label="encoding = expected code")
    axes.scatter(codes, values, s=8, c=codes, cmap=colors, vmin=-1, vmax=1, alpha=0.5, linewidths=0)
    distinct = np.unique(codes)
    means = [values[codes == code].mean() for code in distinct]
    axes.scatter(distinct, means, s=30, marker="_", color="black", label="mean of a code")
    if neutral := [row["encoding"] for row in rows if row["split"] == "neutral"]:
        axes.scatter([0] * len(neutral), neutral, s=8, color=NEUTRAL, label="neutral", alpha=0.5)
    axes.set(xlabel=f"expected code, from {low} (−1) to {high} (+1)", ylabel="encoding")
    axes.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08))
    axes.legend(loc="upper left", fontsize="small")
    return figure


def _groups(feature: LearnedFeature, rows: list[dict[str, Any]]) -> Iterator[tuple[str, str, list[float]]]:
    """The groups with a violin, by label and colour, with their encodings: both classes and neutral text; for
    a merged class, each transition; against all others, each transition from one of them."""

    def encodings(**wanted: Any) -> list[float]:
        return [row["encoding"] for row in rows if all(row[name] == value for name, value in wanted.items())]

    def of_class(name: str, code: int, color: str) -> Iterator[tuple[str, str, list[float]]]:
        transitions = sorted({row["transition"] for row in rows if row["code"] == code})
        if "+" in name and len(transitions) > 1:
            for transition in transitions:
                values = encodings(split="test", code=code, transition=transition)
                yield f"{transition}\n({'+' if code > 0 else '−'}1)", color, values
        else:
            yield f"{name}\n({'+' if code > 0 else '−'}1)", color, encodings(split="test", code=code)

    first, second = feature.classes
    yield from of_class(first, 1, FIRST)
    yield "neutral\n(0)", NEUTRAL, encodings(split="neutral")
    if second != OTHERS:
        yield from of_class(second, -1, SECOND)
        return
    for other in sorted({row["class"] for row in rows if row["code"] == -1}):
        yield f"{other} → {first}\n(−1)", SECOND, encodings(**{"split": "test", "code": -1, "class": other})
