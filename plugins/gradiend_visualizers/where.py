"""Where the gradients of a feature are large."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from gradiend_core.api import LearnedFeature, NoSettings, Report
from gradiend_visualizers.heatmap import heatmap


class Where:
    """Layers by components: how much denser the decoder is there than if it were spread evenly over all
    weights."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        if "where" not in reports or "places" not in reports["where"].tables:
            return None
        rows = reports["where"].tables["places"].records()
        layers = sorted({-1 if row["layer"] is None else row["layer"] for row in rows})
        components = sorted({row["component"] for row in rows})
        values = np.full((len(layers), len(components)), np.nan)
        for row in rows:
            cell = (
                layers.index(-1 if row["layer"] is None else row["layer"]),
                components.index(row["component"]),
            )
            values[cell] = row["share_of_decoder"]
        names = ["no layer" if layer < 0 else f"layer {layer}" for layer in layers]
        title = f"Where the gradients of {feature.classes[0]} against {feature.classes[1]} are large"
        label = "share of the decoder's squared length"
        return heatmap(values, names, components, title, label, largest=float(np.nanmax(values)))
