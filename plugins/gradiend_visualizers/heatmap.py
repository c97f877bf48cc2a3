"""Matrices with named rows and columns, readable from 2 to about 60 of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from gradiend_core.api import empty_figure

#: inches of a cell, and of a letter of a label
CELL, LETTER = 0.17, 0.065
#: with at most so many rows and columns, cells say their numbers
NUMBERED = 14


def heatmap(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    label: str,
    *,
    signed: bool = False,
    largest: float = 1.0,
    groups: Mapping[str, int] | None = None,
) -> Figure:
    """A figure that grows with its labels; missing values (NaN) are grey. Groups are divided by lines, and
    each is named beside its first row if nothing else is named there."""
    cell = max(CELL, 3.4 / max(len(rows), len(columns)), 0.42 if max(values.shape) <= NUMBERED else 0.0)
    margin = 0.4 + LETTER * max(len(name) for name in [*rows, *columns])
    size = (len(columns) * cell + margin + 1.6, len(rows) * cell + margin + 0.6)
    figure: Figure = empty_figure(max(size[0], 0.4 + 0.085 * len(title)), size[1])
    axes = figure.subplots()
    axes.set_facecolor("#DDDDDD")
    image = axes.imshow(
        values, cmap="RdBu_r" if signed else "viridis", vmin=-largest if signed else 0, vmax=largest
    )
    font = 8 if cell > 0.25 else 6.5
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=font)
    axes.set_yticks(range(len(rows)), rows, fontsize=font)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if groups and len(groups) > 1:
        _divide(axes, groups, len(rows))
    if max(values.shape) <= NUMBERED:
        _numbers(axes, values, signed=signed, largest=largest)
    figure.colorbar(image, ax=axes, shrink=min(1.0, 3 / size[1]), label=label)
    figure.suptitle(title, fontsize=11)
    return figure


def _divide(axes: Axes, groups: Mapping[str, int], count: int) -> None:
    """Lines between groups, and the name of each in the grey area beside its square."""
    last = max(groups.values())
    for name, edge in groups.items():
        if edge:
            axes.axhline(edge - 0.5, color="white", linewidth=1.5)
            axes.axvline(edge - 0.5, color="white", linewidth=1.5)
        position, side = (-0.3, "left") if edge == last else (count - 0.7, "right")
        axes.text(position, edge - 0.3, name, ha=side, va="top", fontsize=8, color="#555555")


def _numbers(axes: Axes, values: np.ndarray, *, signed: bool, largest: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            strength = abs(value) / largest
            dark = strength > 0.6 if signed else strength < 0.55
            text = f"{value:.2f}".replace("0.", ".", 1)
            axes.text(
                column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black"
            )


def clustered(similarity: np.ndarray) -> list[int]:
    """An order in which similar ones are neighbours: average linkage of 1 − |similarity|."""
    if len(similarity) < 3:
        return list(range(len(similarity)))
    distance = 1 - np.abs(np.nan_to_num((similarity + similarity.T) / 2))
    np.fill_diagonal(distance, 0)
    return [
        int(position)
        for position in leaves_list(linkage(squareform(distance.clip(min=0), checks=False), "average"))
    ]
