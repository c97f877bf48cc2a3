"""One look for all figures, without touching matplotlib's global state."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradiend_core.api import empty_figure

# Okabe and Ito's palette: told apart by colour-blind readers too.
FIRST, SECOND, BOTH, NEUTRAL, ACCENT = "#0072B2", "#D55E00", "#CC79A7", "#7F7F7F", "#009E73"


def new_figure(
    columns: int, title: str, *, height: float = 3.6, width: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure with plain axes in one row."""
    figure: Figure = empty_figure(width or 1.2 + 4.4 * columns, height)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    figure.suptitle(title, fontsize=11)
    for panel in axes:
        make_plain(panel)
    return figure, list(axes)


def make_plain(axes: Axes) -> None:
    """No frame, and light lines behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
