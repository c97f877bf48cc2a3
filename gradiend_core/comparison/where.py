"""The layers and components of a model in which a feature lies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from math import prod

import torch
from attrs import frozen
from torch import Tensor, nn

from gradiend_core.learning.selection import count_of, largest
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.scope import ParameterScope, ParameterSlice

NUMBER = re.compile(r"\.(\d+)\.")
#: experts of their own, and experts that are stacked in one parameter
EXPERT, EXPERTS = re.compile(r"\.experts\.(\d+)\."), re.compile(r"\.experts\.")
ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)


@frozen(order=True)
class Location:
    """The number of a layer, None outside of all layers, and a component, "" where the model does not tell
    it."""

    layer: int | None
    component: str


@frozen
class LocationRow:
    """One location: the number of its weights in scope, and its fraction of all weights, of the squared
    lengths of decoder and encoder, of the largest decoder weights, and of the squared gradients of ordinary
    text (the curvature). The encoder's is None where its length depends on how it was learned, that of
    ordinary text where it was not measured."""

    layer: int | None
    component: str
    weights: int
    share_of_weights: float
    share_of_decoder: float
    share_of_encoder: float | None
    share_of_largest: float
    share_of_ordinary: float | None


@frozen
class WeightRow:
    """A single weight: its parameter, its position there, and the entries of decoder and encoder."""

    parameter: str
    position: str
    decoder: float
    encoder: float


def layer_number(name: str) -> int | None:
    """The number of the layer that a parameter belongs to, by its name; None for a parameter outside of all
    layers."""
    match = NUMBER.search(name)
    return int(match.group(1)) if match else None


def component_of(model: nn.Module, name: str) -> str:
    """The component of a parameter: embedding or normalisation by its module, attention by its name; the rest
    of a layer is "mlp", anything else "other"."""
    module = model.get_submodule(name.rpartition(".")[0])
    if isinstance(module, nn.Embedding):
        return "embeddings"
    if "Norm" in type(module).__name__:
        return "norm"
    if ATTENTION.search(name):
        return "attention"
    return "mlp" if layer_number(name) is not None else "other"


def locations(scope: ParameterScope, model: nn.Module | None) -> dict[str, Location]:
    """The location of each parameter of a scope; without a model, as far as the parameter's name tells it."""
    names = [parameter.name for parameter in scope.slices]
    return {name: Location(layer_number(name), component_of(model, name) if model else "") for name in names}


def by_layer(some: Iterable[Location]) -> list[Location]:
    """Locations layer by layer; those outside of all layers come first."""
    return sorted(some, key=lambda at: (-1 if at.layer is None else at.layer, at.component))


def shares_by_location(
    feature: LearnedFeature, location_of: Mapping[str, Location], top: float
) -> list[LocationRow]:
    """A row for each location, layer by layer; `top` is the fraction (float) or number (int) of largest
    weights."""
    count = count_of(top, feature.scope.size, "top")
    chosen = largest(feature.decoder.abs(), count)
    columns_of: dict[Location, list[slice]] = {}
    for parameter, columns in feature.scope.with_columns():
        for location, columns_there in _by_expert(parameter, columns, location_of[parameter.name]):
            columns_of.setdefault(location, []).append(columns_there)

    def shares(values: Callable[[slice], Tensor]) -> dict[Location, float]:
        """The share of each location in the sum of some values over the scope."""
        sums = {
            location: sum(float(values(columns).sum(dtype=torch.float64)) for columns in of_location)
            for location, of_location in columns_of.items()
        }
        whole = sum(sums.values()) or 1.0
        return {location: value / whole for location, value in sums.items()}

    decoder = shares(lambda columns: feature.decoder[columns].double().square_())
    encoder = shares(lambda columns: feature.encoder[columns].double().square_())
    curvature = ordinary_gradients(feature)
    ordinary = {} if curvature is None else shares(lambda columns: curvature[columns])
    rows = []
    for location in by_layer(columns_of):
        weights = sum(columns.stop - columns.start for columns in columns_of[location])
        among = sum(
            int(((chosen >= columns.start) & (chosen < columns.stop)).sum())
            for columns in columns_of[location]
        )
        rows.append(
            LocationRow(
                location.layer,
                location.component,
                weights,
                weights / feature.scope.size,
                decoder[location],
                encoder[location],
                among / count,
                ordinary.get(location),
            )
        )
    return rows


def ordinary_gradients(feature: LearnedFeature) -> Tensor | None:
    """The mean squared gradients of ordinary text by weight, [n]; None where they were not measured, or only
    in other bases."""
    return None if feature.bases else feature.curvature


def _by_expert(
    parameter: ParameterSlice, columns: slice, location: Location
) -> Iterator[tuple[Location, slice]]:
    """The columns of each expert of a parameter in a mixture of experts; for any other parameter all
    columns."""
    if one := EXPERT.search(parameter.name):
        yield Location(location.layer, f"expert {one[1]}"), columns
    elif EXPERTS.search(parameter.name) and len(parameter.shape) == 3:
        ends = torch.arange(parameter.shape[0] + 1) * prod(parameter.shape[1:])
        if parameter.index is not None:
            ends = torch.searchsorted(parameter.index.cpu(), ends)
        for expert, (start, stop) in enumerate(pairwise(ends.tolist())):
            if start < stop:
                there = slice(columns.start + start, columns.start + stop)
                yield Location(location.layer, f"expert {expert}"), there
    else:
        yield location, columns


def largest_weights(feature: LearnedFeature, count: int) -> list[WeightRow]:
    """The single weights with the largest entries of the decoder, largest first."""
    rows: list[WeightRow] = []
    if not count:
        return rows
    narrow = feature.narrowed(largest(feature.decoder.abs(), min(count, feature.scope.size)))
    for parameter, columns in narrow.scope.with_columns():
        assert parameter.index is not None  # of a narrowed scope
        positions = torch.stack(torch.unravel_index(parameter.index, parameter.shape), 1).tolist()
        decoder, encoder = (
            values[columns].tolist() for values in (narrow.decoder, narrow.encoder_scale * narrow.encoder)
        )
        rows += [
            WeightRow(parameter.name, ", ".join(map(str, position)), *entries)
            for position, *entries in zip(positions, decoder, encoder, strict=True)
        ]
    return sorted(rows, key=lambda row: -abs(row.decoder))
