"""Do several seeds find the same feature?"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from gradiend_core.api import LearnedFeature, NoSettings, Report
from gradiend_figures.many import records
from gradiend_figures.style import ACCENT, FIRST, SECOND, new_figure


class Seeds:
    """How well each seed's feature tells the classes, and how far they agree in each parameter."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        if "stability" not in reports or "seeds" not in reports["stability"].tables:
            return None
        report = reports["stability"]
        seeds, parts = records(report.tables["seeds"]), records(report.tables["parameters"])
        figure, (scores, agreement) = new_figure(2, f"{len(seeds)} seeds", height=max(3.6, 1.4 + 0.13 * len(parts)))
        for shift, name, color in ((0.0, "validation", ACCENT), (0.1, "test", FIRST)):
            known = [(row["seed"] + shift, row[f"{name}_correlation"]) for row in seeds if row[f"{name}_correlation"] is not None]
            scores.plot(*zip(*known, strict=True), "o", color=color, label=f"{name} pairs")
        scores.set(xlabel="seed", ylabel="correlation", xticks=[row["seed"] for row in seeds])
        scores.legend(fontsize=8, frameon=False)
        places = range(len(parts))
        for shift, name, color in ((-0.2, "decoder", FIRST), (0.2, "encoder", SECOND)):
            cosines = [row[f"{name}_cosine"] for row in parts]
            agreement.barh([place + shift for place in places], cosines, 0.4, color=color, label=name)
        agreement.set_yticks(places, [row["parameter"] for row in parts], fontsize=6)
        agreement.set(xlabel="mean cosine of two seeds", ylim=(len(parts) - 0.4, -0.6))
        agreement.legend(fontsize=8, frameon=False)
        return figure
