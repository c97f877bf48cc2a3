"""Figures in the style, size, words and formats of the settings, and matplotlib as it was."""

from __future__ import annotations

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from gradiend_core.errors import ConfigError
from gradiend_core.records.run import FigureSettings
from gradiend_core.run.drawing import drawn, save_figure


def draw() -> Figure:
    figure = Figure(figsize=(6, 3))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="3SG (he)")
    axes.set_xticks([0, 1], ["3SG\n(+1)", "33SG"])
    axes.set_title("3SG → 3PL")
    axes.legend()
    return figure


def words(figure: Figure) -> set[str]:
    figure.canvas.draw()
    return {text.get_text() for text in figure.findobj(Text)}


def test_words_stand_for_others_where_they_stand_alone():
    figure = drawn(draw, FigureSettings(labels={"3SG": "singular", "3PL": "plural"}))
    assert {"singular → plural", "singular\n(+1)", "singular (he)", "33SG"} <= words(figure)
    assert {"3SG → 3PL", "3SG\n(+1)"} <= words(drawn(draw, FigureSettings()))


def test_width_keeps_the_shape_and_files_have_their_formats(tmp_path):
    settings = FigureSettings(formats=("png", "svg"), dpi=100, width=4.0)
    figure = drawn(draw, settings)
    assert tuple(figure.get_size_inches()) == (4.0, 2.0)
    title, tick = figure.axes[0].title, figure.axes[0].get_xticklabels()[0]
    plain = drawn(draw, FigureSettings()).axes[0]
    assert title.get_fontsize() == pytest.approx(plain.title.get_fontsize() * 2 / 3)
    assert tick.get_fontsize() == pytest.approx(plain.get_xticklabels()[0].get_fontsize() * 2 / 3)
    save_figure(figure, tmp_path, "shown", settings)
    assert {path.name for path in tmp_path.iterdir()} == {"shown.png", "shown.svg"}
    assert matplotlib.image.imread(tmp_path / "shown.png").shape[:2] == (200, 400)


def test_a_style_is_that_of_the_figure_alone(tmp_path):
    sheet = tmp_path / "mine.mplstyle"
    sheet.write_text("axes.facecolor: 0.5\n")
    before = dict(matplotlib.rcParams)
    for style, colour in ((str(sheet), (0.5, 0.5, 0.5, 1.0)), ("", (1.0, 1.0, 1.0, 1.0))):
        assert drawn(draw, FigureSettings(style=style)).axes[0].get_facecolor() == colour
    assert dict(matplotlib.rcParams) == before
    with pytest.raises(ConfigError, match=r"figures.style is 'nothing', which is neither .* ggplot"):
        drawn(draw, FigureSettings(style="nothing"))
    assert drawn(lambda: None, FigureSettings(width=3.0, labels={"a": "b"})) is None
