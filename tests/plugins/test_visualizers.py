"""Figures say what the tables say, and can be read with few and with many features."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from attrs import evolve
from gradiend_visualizers.heatmap import clustered, heatmap
from gradiend_visualizers.many import CrossEncoding, Overlap, Similarity
from gradiend_visualizers.sets import SHAPES, SharedWeights
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from gradiend_core.api import NoSettings, Report, Table
from gradiend_core.comparison.tables import CrossingRow, FeatureRow, PairRow, SetRow
from gradiend_core.errors import ConfigError, PluginError


def comparison(count: int, names: list[str] | None = None) -> Report:
    """As `compare_features` gives it, with numbers that are known: features are the more alike the nearer
    their numbers."""
    names = names or [f"FirstClass{number}-SecondClass{number}" for number in range(count)]
    model = ["tiny-mlm" if number < count / 2 else "tiny-clm" for number in range(count)]
    features = [
        FeatureRow(name, "A", "B", False, False, model[number], 1, 1000, 0.9)
        for number, name in enumerate(names)
    ]
    pairs, crossing = [], []
    for one in range(count):
        for two in range(count):
            if model[one] != model[two]:
                continue
            both, value = (names[one], names[two]), 1 - abs(one - two) / count
            oriented = value * (-1) ** (one + two)
            crossing.append(CrossingRow(*both, value, None, value, -value, oriented, None, 20))
            for measure in ("cosine", "overlap 0.01") if one <= two else ():
                numbers = value, value, None, 0.01, 0.05, 0.5
                pairs.append(PairRow(*both, "decoder", measure, *numbers, None, False, True))
    tables = {
        "features": Table.of(FeatureRow, features),
        "pairs": Table.of(PairRow, pairs),
        "crossing": Table.of(CrossingRow, crossing),
    }
    return Report("comparison", {}, tables)


@pytest.mark.parametrize("kind", [Similarity, Overlap, CrossEncoding])
@pytest.mark.parametrize("count", [2, 14, 45, 60])
def test_labels_never_collide(kind, count):
    figure = kind(NoSettings()).draw(comparison(count))
    renderer = FigureCanvasAgg(figure).get_renderer()
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        boxes = [label.get_window_extent(renderer) for label in ticks]
        assert len(boxes) == count
        assert not any(one.overlaps(two) for one, two in pairwise(boxes))
    named = [text for text in axes.texts if text.get_text() in ("tiny-mlm", "tiny-clm")]
    assert [text.get_text() for text in named] == ["tiny-mlm", "tiny-clm"], "what the groups are"
    grey = np.ma.getmaskarray(np.ma.masked_invalid(axes.images[0].get_array()))
    for text in named:
        box = text.get_window_extent(renderer).transformed(axes.transData.inverted())
        row, columns = (
            round(text.get_position()[1] + 0.3),
            np.arange(np.ceil(box.x0 - 0.5), np.floor(box.x1 + 0.5) + 1),
        )
        assert grey[row, columns.clip(0, count - 1).astype(int)].all() or count == 2, (
            "beside the numbers, not on them"
        )
    title = figure._suptitle.get_window_extent(renderer)
    width, height = figure.canvas.get_width_height()
    every = [
        *(label.get_window_extent(renderer) for label in (*axes.get_xticklabels(), *axes.get_yticklabels())),
        title,
    ]
    assert all(
        box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1 for box in every
    ), "cut off"


def test_a_heatmap_has_the_numbers_in_their_places():
    report = comparison(5)
    axes = Similarity(NoSettings()).draw(report).axes[0]
    shown = axes.images[0].get_array()
    rows, columns = (
        [label.get_text() for label in ticks] for ticks in (axes.get_yticklabels(), axes.get_xticklabels())
    )
    assert rows == columns
    wanted = {row[:2]: row[4] for row in report.tables["pairs"].rows if row[3] == "cosine"}
    for (one, two), value in wanted.items():
        assert (
            shown[rows.index(one), columns.index(two)] == shown[rows.index(two), columns.index(one)] == value
        )
    models = {row[0]: row[5] for row in report.tables["features"].rows}
    assert [models[name] for name in rows] == sorted((models[name] for name in rows), reverse=True), (
        "models stay together"
    )
    apart = next((i, j) for i in range(5) for j in range(5) if models[rows[i]] != models[rows[j]])
    assert np.ma.is_masked(shown[apart]) or np.isnan(shown[apart]), "what cannot be compared is no number"


def test_rows_are_encoders_and_columns_texts():
    report = comparison(4, ["a", "b", "c", "d"])
    rows = [
        evolve(row, oriented=0.25) if (row.feature, row.texts_of) == ("a", "b") else row
        for row in report.tables["crossing"].read(CrossingRow)
    ]
    axes = (
        CrossEncoding(NoSettings())
        .draw(Report("c", {}, {**report.tables, "crossing": Table.of(CrossingRow, rows)}))
        .axes[0]
    )
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert axes.images[0].get_array()[names.index("a"), names.index("b")] == 0.25
    assert axes.images[0].get_array()[names.index("b"), names.index("a")] != 0.25


def test_alike_ones_are_neighbours():
    values = np.full((6, 6), 0.1) + 0.9 * np.eye(6)
    pairs = {(0, 3): 0.9, (1, 4): -0.8, (2, 5): 0.7}  # opposite is alike, too
    for (one, two), value in pairs.items():
        values[one, two] = values[two, one] = value
    order = clustered(values)
    assert all(abs(order.index(one) - order.index(two)) == 1 for one, two in pairs)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_venn_diagram_says_every_share(count):
    """Whatever the order in which a combination is named."""
    assert count in SHAPES
    names = ["delta", "alpha", "epsilon", "beta", "gamma"][:count]
    every = [own for size in range(1, count + 1) for own in combinations(names, size)]
    numbers = {own: 100 * place for place, own in enumerate(every)}
    totals = {name: sum(number for own, number in numbers.items() if name in own) for name in names}
    shares = {own: f"{number / max(totals.values()):.1%}" for own, number in numbers.items()}
    rows = [SetRow(", ".join(own), len(own), number, "overlap 0.01") for own, number in numbers.items()]
    figure = SharedWeights(NoSettings()).draw(Report("c", {}, {"sets": Table.of(SetRow, rows)}))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(texts) == sorted(
        [*shares.values(), *(f"{name}\n{total:,}" for name, total in totals.items())]
    )
    renderer = FigureCanvasAgg(figure).get_renderer()
    FigureCanvasAgg(figure).draw()
    color = {
        text.get_text().split("\n")[0]: to_rgb(text.get_color())
        for text in figure.axes[0].texts
        if "\n" in text.get_text()
    }
    sets = {
        name: next(p for p in figure.axes[0].patches if to_rgb(p.get_edgecolor()) == color[name])
        for name in names
    }
    where = {
        text.get_text(): figure.axes[0].transData.transform(text.get_position())
        for text in figure.axes[0].texts
    }
    for own, share in shares.items():
        inside = {name for name, patch in sets.items() if patch.contains_point(where[share])}
        assert inside == set(own), "each share is in its own region"
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))


def test_of_more_features_a_column_for_each_combination():
    rows = [SetRow(f"f{n}, f{n + 1}", 2, 100 - n, "overlap 0.01") for n in range(40)]
    bars, dots = SharedWeights(NoSettings()).draw(Report("c", {}, {"sets": Table.of(SetRow, rows)})).axes
    assert [bar.get_height() for bar in bars.patches] == [100 - n for n in range(30)]
    assert [label.get_text() for label in dots.get_yticklabels()] == sorted(f"f{n}" for n in range(31))


def test_few_cells_say_their_numbers_and_many_do_not():
    small, large = (heatmap(np.full((n, n), 0.5), ["x"] * n, ["x"] * n, "t", "l") for n in (3, 20))
    assert [text.get_text() for text in small.axes[0].texts] == [".50"] * 9
    assert not large.axes[0].texts


def test_every_figure_of_a_run_can_be_a_part_of_another(quick):
    kinds = [name for name, _ in quick.figures()]
    assert len(kinds) >= 4
    whole = Figure(figsize=(12, 3 * len(kinds)), layout="constrained")
    for kind, part in zip(kinds, whole.subfigures(len(kinds), 1), strict=True):
        assert quick.draw(kind, into=part) is part
        alone = quick.draw(kind)
        assert isinstance(alone, Figure)
        titles = [[axes.get_title() for axes in figure.axes] for figure in (part, alone)]
        assert titles[0] == titles[1]
    FigureCanvasAgg(whole).draw()
    assert quick.draw(kinds[0]) is not whole, "the next figure is one of its own again"


def test_a_figure_without_data_is_refused(quick, monkeypatch):
    with pytest.raises(ConfigError, match=r"no data for the figure 'trade-off'; it has .*encodings"):
        quick.draw("trade-off")
    with pytest.raises(PluginError, match="encoding.*did you mean"):
        quick.draw("encoding")
    monkeypatch.setattr("gradiend_visualizers.style.empty_figure", lambda *size: Figure(figsize=size))
    with pytest.raises(ConfigError, match="cannot be a part of another"):
        quick.draw("encodings", into=Figure().subfigures(1, 1))
