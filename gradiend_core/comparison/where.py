"""In which layers and components of a model a feature is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from gradiend_core.gradients.places import component_of, layer_of
from gradiend_core.learning.selection import count_of, largest
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.scope import ParameterScope

#: the number of a layer, None outside of all, and a component, "" where no model tells it
Place = tuple[int | None, str]
PLACE_COLUMNS = (
    "layer",
    "component",
    "weights",
    "share_of_weights",
    "share_of_decoder",
    "share_of_encoder",
    "share_of_largest",
)
WEIGHT_COLUMNS = ("parameter", "position", "decoder", "encoder")


def places(scope: ParameterScope, model: nn.Module | None) -> dict[str, Place]:
    """Where each parameter of a scope is; without a model what its name tells."""
    names = [part.name for part in scope.slices]
    return {name: (layer_of(name), component_of(model, name) if model else "") for name in names}


def shares_by_place(
    feature: LearnedFeature, place_of: Mapping[str, Place], top: float
) -> list[tuple[object, ...]]:
    """For each place how many weights it has, and which share of all weights, of the squared lengths of
    decoder and encoder, and of the largest weights of the decoder; layer by layer."""
    count = count_of(top, feature.scope.size, "top")
    chosen = largest(feature.decoder.abs(), count)
    found: dict[Place, list[float]] = {}
    for part, at in feature.scope.parts():
        own = found.setdefault(place_of[part.name], [0, 0.0, 0.0, 0])
        own[0] += part.size
        for which, vector in enumerate((feature.decoder, feature.encoder)):
            own[1 + which] += float(vector[at].double().square_().sum())
        own[3] += int(((chosen >= at.start) & (chosen < at.stop)).sum())
    lengths = [sum(own[1 + which] for own in found.values()) or 1.0 for which in (0, 1)]
    order = sorted(found, key=lambda place: (-1 if place[0] is None else place[0], place[1]))
    return [
        (
            *place,
            int(weights),
            weights / feature.scope.size,
            decoder / lengths[0],
            encoder / lengths[1],
            most / count,
        )
        for place in order
        for weights, decoder, encoder, most in [found[place]]
    ]


def largest_weights(feature: LearnedFeature, count: int) -> list[tuple[str, str, float, float]]:
    """The single weights with the largest entries of the decoder, largest first: the parameter, the position
    in it, and the entries of decoder and encoder."""
    rows: list[tuple[str, str, float, float]] = []
    if not count:
        return rows
    narrow = feature.narrowed(largest(feature.decoder.abs(), min(count, feature.scope.size)))
    for part, at in narrow.scope.parts():
        positions = torch.stack(torch.unravel_index(part.index, part.shape), 1)  # type: ignore[arg-type]  # of a narrowed scope
        values = zip(
            positions.tolist(), narrow.decoder[at].tolist(), narrow.encoder[at].tolist(), strict=True
        )
        rows += [
            (part.name, ", ".join(map(str, position)), decoder, encoder)
            for position, decoder, encoder in values
        ]
    return sorted(rows, key=lambda row: -abs(row[2]))
