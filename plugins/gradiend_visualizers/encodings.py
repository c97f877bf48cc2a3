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
    """A violin and the single test examples for each class, and for neutral text."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        if "encoder" not in reports or "encodings" not in reports["encoder"].tables:
            return None
        table = reports["encoder"].tables["encodings"]
        rows = table.records()
        graded = reports["encoder"].get("test.rank_correlation") is not None
        of_classes = _degrees(rows) if graded else _groups(feature, rows)
        groups = [group for group in of_classes if group[2]]
        figure, (axes,) = new_figure(
            1,
            f"Encodings of test examples, correlation {shown(reports['encoder']['test.correlation'])}",
            height=4,
            width=max(WIDTH, 1 + len(groups)),
        )
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


def _degrees(rows: list[dict[str, Any]]) -> Iterator[tuple[str, Any, list[float]]]:
    """Graded classes from the highest to the lowest, coloured by their degree, and neutral text."""
    colors = LinearSegmentedColormap.from_list("degrees", (SECOND, BOTH, FIRST))
    for code, name in sorted({(row["code"], row["class"]) for row in rows if row["split"] == "test"})[::-1]:
        values = [row["encoding"] for row in rows if (row["split"], row["class"]) == ("test", name)]
        yield f"{name}\n({code:+.2g})".replace("-", "−"), colors((code + 1) / 2), values
    yield "neutral\n(0)", NEUTRAL, [row["encoding"] for row in rows if row["split"] == "neutral"]


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
