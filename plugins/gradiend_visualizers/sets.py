"""Which of the largest weights several features share: Venn diagrams of two to five, an UpSet plot of
more."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from scipy.ndimage import distance_transform_edt

from gradiend_core.api import NoSettings, Report, empty_figure
from gradiend_visualizers.style import ACCENT, BOTH, FIRST, NEUTRAL, SECOND

TURNS = np.pi / 2 + 2 * np.pi / 5 * np.arange(5)
#: found by search: of five ellipses, each turned by so much from its centre's direction, all 31 regions are
#: large
TILT = 0.3
COLORS = (FIRST, SECOND, ACCENT, BOTH, "#E69F00")
#: for each number of sets (x, y, width, height, angle) of each, such that every combination has a region, and
#: where its name is
SHAPES: dict[int, list[tuple[float, float, float, float, float]]] = {
    2: [(-0.5, 0, 2, 2, 0), (0.5, 0, 2, 2, 0)],
    3: [(-0.5, 0.3, 2, 2, 0), (0.5, 0.3, 2, 2, 0), (0, -0.55, 2, 2, 0)],
    4: [
        (-0.55, -0.1, 2.4, 1.4, -45),
        (-0.1, 0.25, 2.4, 1.4, -45),
        (0.1, 0.25, 2.4, 1.4, 45),
        (0.55, -0.1, 2.4, 1.4, 45),
    ],
    5: [(0.35 * np.cos(a), 0.35 * np.sin(a), 2.6, 1.44, np.degrees(a + TILT)) for a in TURNS],
}
NAMES: dict[int, list[tuple[float, float]]] = {
    2: [(-1.0, 1.1), (1.0, 1.1)],
    3: [(-1.0, 1.5), (1.0, 1.5), (0, -1.75)],
    4: [(-1.45, -0.95), (-0.95, 1.3), (0.95, 1.3), (1.45, -0.95)],
    5: [
        (0.35 * np.cos(a) + 1.58 * np.cos(a + TILT), 0.35 * np.sin(a) + 1.5 * np.sin(a + TILT)) for a in TURNS
    ],
}
#: bars of an UpSet plot
BARS = 30


class SharedWeights:
    """A Venn diagram for few features, unless some belong to models of another shape, which can share
    nothing."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, report: Report) -> Figure | None:
        if "sets" not in report.tables:
            return None
        rows = report.tables["sets"].records()
        counts = {frozenset(row["features"].split(", ")): row["weights"] for row in rows}
        names = sorted(frozenset().union(*counts))
        few = 2 <= len(names) <= max(SHAPES)
        if few and "pairs" in report.tables:
            compared = {frozenset((row["one"], row["two"])) for row in report.tables["pairs"].records()}
            if any(frozenset(both) not in compared for both in combinations(names, 2)):
                return None
        title = f"Largest decoder weights ({rows[0]['measure'].split()[1]}) of just these features"
        return venn(names, counts, title) if few else upset(names, counts, title)


def venn(names: list[str], counts: Mapping[frozenset[str], int], title: str) -> Figure:
    """Areas have no meaning, only numbers do: the share of a feature's weights (the largest number that a
    feature has, where these differ), each where its region is widest."""
    crowded = len(names) == max(SHAPES)
    figure: Figure = empty_figure(*((8.4, 7.8) if crowded else (5.6, 5.2)))
    axes = figure.subplots()
    grid = np.stack(np.meshgrid(np.linspace(-2, 2, 500), np.linspace(-2, 2, 500)), -1)
    inside = np.zeros(grid.shape[:2], dtype=int)
    for number, (x, y, width, height, angle) in enumerate(SHAPES[len(names)]):
        color, centre, turn = COLORS[number], np.array([x, y]), np.radians(angle)
        face = (*to_rgb(color), 0.22)
        axes.add_patch(Ellipse((x, y), width, height, angle=angle, facecolor=face, edgecolor=color, lw=1.5))
        along = (grid - centre) @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        inside += (((along / (width / 2, height / 2)) ** 2).sum(-1) < 1).astype(int) << number
        label = f"{names[number]}\n{_total(names[number], counts):,}"
        x_name, y_name = NAMES[len(names)][number]
        axes.text(x_name, y_name, label, ha="center", va="center", fontsize=9, color=color, fontweight="bold")
    largest = max(_total(name, counts) for name in names)
    for pattern in range(1, 2 ** len(names)):
        region = distance_transform_edt(inside == pattern)
        if region.max() > 0:
            row, column = np.unravel_index(region.argmax(), region.shape)
            combination = frozenset(name for number, name in enumerate(names) if pattern >> number & 1)
            x, y = grid[row, column]
            axes.text(
                x,
                y,
                _percent(counts.get(combination, 0), largest),
                ha="center",
                va="center",
                fontsize=6.5 if crowded else 8,
            )
    axes.set(xlim=(-2.2, 2.2), ylim=(-2.05, 2.05), aspect="equal")
    axes.axis("off")
    figure.suptitle(title, fontsize=11)
    return figure


def _percent(count: int, of: int) -> str:
    return "<0.1%" if 0 < count < 0.001 * of else f"{count / of:.1%}"


def _total(name: str, counts: Mapping[frozenset[str], int]) -> int:
    return sum(count for combination, count in counts.items() if name in combination)


def upset(names: list[str], counts: Mapping[frozenset[str], int], title: str) -> Figure:
    """A column for each combination: its number of weights, and dots for its features."""
    shown = sorted(counts.items(), key=lambda item: -item[1])[:BARS]
    used = [name for name in names if any(name in combination for combination, _ in shown)]
    width = 1.2 + 0.26 * len(shown) + 0.07 * max(map(len, used))
    figure: Figure = empty_figure(width, 2.6 + 0.17 * len(used))
    bars, dots = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 0.17 * len(used) + 0.1))
    bars.bar(range(len(shown)), [count for _, count in shown], color=FIRST, width=0.7)
    for position, (_, count) in enumerate(shown):
        bars.text(position, count, f"{count:,}", ha="center", va="bottom", fontsize=6, rotation=90)
    bars.set_ylabel("weights")
    bars.margins(y=0.2)
    bars.spines[["top", "right"]].set_visible(False)
    for position, (combination, _) in enumerate(shown):
        rows = sorted(used.index(name) for name in combination)
        dots.plot([position] * len(used), range(len(used)), "o", color="#E5E5E5", ms=4)
        dots.plot([position] * len(rows), rows, "o-", color=FIRST, ms=4, lw=1.2)
    dots.set_yticks(range(len(used)), used, fontsize=7)
    dots.set(xticks=[], ylim=(len(used) - 0.5, -0.5), xlabel=f"the {len(shown)} largest combinations")
    dots.spines[:].set_visible(False)
    dots.tick_params(length=0)
    dots.xaxis.label.set_color(NEUTRAL)
    figure.suptitle(title, fontsize=11)
    return figure
