"""Whether several seeds find the same feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from gradiend_core.api import LearnedFeature, NoSettings, Report, layer_number
from gradiend_visualizers.style import ACCENT, FIRST, SECOND, new_figure

#: the most bars
MOST = 60


class Seeds:
    """How well each seed's feature tells the classes apart, and how far seeds agree in each parameter."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        if "stability" not in reports or "seeds" not in reports["stability"].tables:
            return None
        report = reports["stability"]
        seeds, parameters = report.tables["seeds"].records(), by_layer(report.tables["parameters"].records())
        figure, (scores, agreement) = new_figure(
            2, f"{len(seeds)} seeds", height=max(3.6, 1.4 + 0.13 * len(parameters))
        )
        for shift, name, color in ((0.0, "validation", ACCENT), (0.1, "test", FIRST)):
            known = [
                (row["seed"] + shift, row[f"{name}_correlation"])
                for row in seeds
                if row[f"{name}_correlation"] is not None
            ]
            scores.plot(*zip(*known, strict=True), "o", color=color, label=f"{name} pairs")
        scores.set(xlabel="seed", ylabel="correlation", xticks=[row["seed"] for row in seeds])
        scores.legend(fontsize=8, frameon=False)
        positions = range(len(parameters))
        for shift, name, color in ((-0.2, "decoder", FIRST), (0.2, "encoder", SECOND)):
            cosines = [row[f"{name}_cosine"] for row in parameters]
            agreement.barh(
                [position + shift for position in positions], cosines, 0.4, color=color, label=name
            )
        agreement.set_yticks(positions, [row["parameter"] for row in parameters], fontsize=6)
        agreement.set(xlabel="mean cosine of two seeds", ylim=(len(parameters) - 0.4, -0.6))
        agreement.legend(fontsize=8, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0))
        return figure


def by_layer(parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parameters, or layers where there are too many, with means over their weights."""
    if len(parameters) <= MOST:
        return parameters
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in parameters:
        layer = layer_number(row["parameter"])
        groups.setdefault("no layer" if layer is None else f"layer {layer}", []).append(row)
    return [
        {
            "parameter": name,
            **{
                key: (
                    sum(row[key] * row["weights"] for row in rows_of_layer)
                    / sum(row["weights"] for row in rows_of_layer)
                )
                for key in ("decoder_cosine", "encoder_cosine")
            },
        }
        for name, rows_of_layer in groups.items()
    ]
