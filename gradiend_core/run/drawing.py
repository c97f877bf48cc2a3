"""Figures with the options of the settings, without touching matplotlib's global state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from gradiend_core.errors import ConfigError
from gradiend_core.records.run import FigureSettings

#: the SubFigure that is drawn into; None: each figure stands alone
_into: ContextVar[Any] = ContextVar("drawn into", default=None)


def empty_figure(width: float, height: float) -> Any:
    """A matplotlib Figure of this size in inches, whose layout fits its texts; or, while `Run.draw` draws
    into a part of another figure, that part (a SubFigure)."""
    if (target := _into.get()) is not None:
        return target
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def drawn(draw: Callable[[], Any], settings: FigureSettings, into: Any = None) -> Any:
    """The result of `draw`, a matplotlib Figure or None, with the style, size and labels of the settings; or
    the SubFigure that it is drawn `into`, which keeps its size. Raises ConfigError for an unknown style."""
    token = _into.set(into)
    try:
        with _styled(settings):
            figure = draw()
    finally:
        _into.reset(token)
    if figure is None:
        return None
    if settings.width and into is None:
        _resize(figure, settings.width)
    if settings.labels:
        _relabel(figure, settings)
    return figure


def save_figure(figure: Any, folder: Path, name: str, settings: FigureSettings) -> None:
    """Writes NAME.png and so on, in each of the formats."""
    with _styled(settings):
        for suffix in settings.formats:
            figure.savefig(folder / f"{name}.{suffix}", dpi=settings.dpi)


@contextmanager
def _styled(settings: FigureSettings) -> Iterator[None]:
    if not settings.style:
        yield
        return
    from matplotlib import style

    with ExitStack() as stack:
        try:
            stack.enter_context(style.context(str(Path(settings.style).expanduser())))
        except OSError as error:
            raise ConfigError(
                f"figures.style is {settings.style!r}, which is neither the file of a style sheet nor one of"
                f" {', '.join(style.available)}"
            ) from error
        yield


def _resize(figure: Any, width: float) -> None:
    """Scales a figure and its text, so that everything still fits."""
    from matplotlib.text import Text

    factor = width / figure.get_size_inches()[0]
    figure.set_size_inches(figure.get_size_inches() * factor)
    sizes = {text: text.get_fontsize() * factor for text in figure.findobj(Text)}
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = axis.get_ticklabels()
            if labels:
                axis.set_tick_params(labelsize=labels[0].get_fontsize() * factor)
    for text, size in sizes.items():
        text.set_fontsize(size)


def _relabel(figure: Any, settings: FigureSettings) -> None:
    """Replaces words in the text of a figure, wherever they stand alone."""
    from matplotlib.text import Text

    pattern = re.compile(
        rf"(?<!\w)({'|'.join(map(re.escape, sorted(settings.labels, key=len, reverse=True)))})(?!\w)"
    )

    def replaced(text: str) -> str:
        return pattern.sub(lambda match: settings.labels[match.group()], text)

    for axes in figure.axes:  # ticks are written anew whenever a figure is drawn
        for axis in (axes.xaxis, axes.yaxis):
            ticks = [label.get_text() for label in axis.get_ticklabels()]
            if any(replaced(text) != text for text in ticks):
                axis.set_ticks(axis.get_ticklocs(), [replaced(text) for text in ticks])
    for text in figure.findobj(Text):
        text.set_text(replaced(text.get_text()))
