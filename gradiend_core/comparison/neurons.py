"""The single units of a model that a feature changes most: neurons of the MLPs, and attention heads."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from gradiend_core.comparison.where import EXPERTS, component_of, layer_number, ordinary_gradients
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.scope import ParameterScope

NEURON, HEAD, KEY_VALUE_HEAD = "MLP neuron", "attention head", "key and value head"
#: what models call the matrices of attention
QUERY = re.compile(r"[._](q|query|q_proj|q_lin|q_attn)\.")
KEY_VALUE = re.compile(r"[._](k|v|key|value|k_proj|v_proj|k_lin|v_lin)\.")
OUTPUT = re.compile(r"[._](o|o_proj|out_proj|out_lin|output\.dense|dense)\.")


@frozen
class UnitRow:
    """A neuron or an attention head: its share of the decoder's squared length, that share relative to the
    mean share of its kind, its share of the squared gradients of ordinary text (the curvature), how many
    times as large the first share is, and its rank within its kind. The share of ordinary text is None where
    the curvature was not measured: a few units have large gradients whatever the feature."""

    kind: str
    layer: int
    number: int
    share_of_decoder: float
    times_the_mean: float
    share_of_ordinary: float | None
    times_ordinary: float | None
    rank: int

    @property
    def above_ordinary(self) -> float:
        """p · log(p / q) for the share p of the decoder and the share q of ordinary text: what the unit adds
        to the divergence of the two. Large for a unit with much of the feature that ordinary text does not
        use; 0 where q is not known."""
        return self.share_of_decoder * math.log(self.times_ordinary) if self.times_ordinary else 0.0


def largest_units(feature: LearnedFeature, model: nn.Module, count: int) -> list[UnitRow]:
    """The units of each kind with the largest shares, at most `count` of each. Empty where the names or
    shapes of the model's matrices do not show its units."""
    curvature = ordinary_gradients(feature)
    shares = _shares(feature.scope, model, lambda columns: feature.decoder[columns].square())
    ordinary = (
        {} if curvature is None else _shares(feature.scope, model, lambda columns: curvature[columns].float())
    )
    return [row for kind in shares for row in _ranked(kind, shares[kind], ordinary.get(kind, {}), count)]


def standing_out(units: Sequence[UnitRow], count: int) -> list[UnitRow]:
    """The units with the most of the feature beyond what ordinary text has of them, at most `count`."""
    above = [unit for unit in units if unit.above_ordinary > 0]
    return sorted(above, key=lambda unit: -unit.above_ordinary)[:count]


def _shares(
    scope: ParameterScope, model: nn.Module, values: Callable[[slice], Tensor]
) -> dict[str, dict[int, Tensor]]:
    """The share of each unit in the sum of some values over the scope, by kind and layer, [units] in
    float64."""
    sums: dict[str, dict[int, Tensor]] = {}
    whole = 0.0
    for parameter, columns in scope.with_columns():
        entries = values(columns).cpu()
        whole += float(entries.sum(dtype=torch.float64))
        layer = layer_number(parameter.name)
        if layer is None or EXPERTS.search(parameter.name):
            continue
        kind_and_sizes = _units_of(model, parameter.name, parameter.shape)
        if kind_and_sizes is None:
            continue
        kind, units, axis = kind_and_sizes
        of_units = parameter.spread(entries).double().transpose(0, axis).reshape(units, -1).sum(1)
        by_layer = sums.setdefault(kind, {})
        by_layer[layer] = by_layer.get(layer, 0) + of_units
    return {
        kind: {layer: of_units / (whole or 1.0) for layer, of_units in by_layer.items()}
        for kind, by_layer in sums.items()
    }


def _ranked(
    kind: str, shares: dict[int, Tensor], ordinary: dict[int, Tensor], count: int
) -> Iterator[UnitRow]:
    mean = float(torch.cat(list(shares.values())).mean())
    units = [
        (float(share), layer, number)
        for layer, values in shares.items()
        for number, share in enumerate(values)
    ]
    for rank, (share, layer, number) in enumerate(sorted(units, key=lambda unit: -unit[0])[:count], 1):
        usual = float(ordinary[layer][number]) if ordinary else None
        times = share / usual if usual else None
        yield UnitRow(kind, layer, number, share, share / mean if mean else 0.0, usual, times, rank)


def _units_of(model: nn.Module, name: str, shape: tuple[int, ...]) -> tuple[str, int, int] | None:
    """The kind of unit that a matrix has, how many, and along which axis; None where it has none or that is
    not known."""
    from transformers.pytorch_utils import Conv1D

    module = model.get_submodule(name.rpartition(".")[0])
    if len(shape) != 2 or not name.endswith(".weight"):
        return None
    transposed = isinstance(module, Conv1D)
    out_axis, in_axis = (1, 0) if transposed else (0, 1)
    config: Any = getattr(model, "config", None)  # a model of a plugin may have none
    component = component_of(model, name)
    if component == "mlp":
        width = getattr(config, "hidden_size", None)
        if shape[in_axis] == width != shape[out_axis]:
            return NEURON, shape[out_axis], out_axis
        if shape[out_axis] == width != shape[in_axis]:
            return NEURON, shape[in_axis], in_axis
        return None
    if component != "attention":
        return None
    heads = getattr(config, "num_attention_heads", None)
    groups = getattr(config, "num_key_value_heads", None) or heads
    for pattern, kind, units, axis in (
        (QUERY, HEAD, heads, out_axis),
        (KEY_VALUE, HEAD if groups == heads else KEY_VALUE_HEAD, groups, out_axis),
        (OUTPUT, HEAD, heads, in_axis),
    ):
        if pattern.search(name) and units and shape[axis] % units == 0:
            return kind, units, axis
    return None
