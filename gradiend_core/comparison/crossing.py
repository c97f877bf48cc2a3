"""What each feature reads in the held-out pairs of the others: many features in one pass of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from attrs import frozen
from torch import Tensor

from gradiend_core.comparison.weights import common_scope
from gradiend_core.learning.encodings import class_mean_values, correlation
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.scope import ParameterScope
from gradiend_core.roles.gradients import ModelGradients
from gradiend_core.roles.source import Examples

#: numbers that the encoders of one pass may take
BUDGET = 2**29


@frozen
class Crossing:
    """What one feature reads in the pairs of another."""

    #: of its encodings with the other's classes
    correlation: float | None
    #: the mean encoding of the other's first class, and of its second
    first: float
    second: float
    n: int

    @property
    def oriented(self) -> float:
        return (self.first - self.second) / 2


def encode_all(features: Sequence[LearnedFeature], gradients: ModelGradients, examples: Examples) -> Tensor:
    """Encodings of each example by each feature, [features, examples]. Features of one gradient role and
    scope share a pass, as many as the memory budget allows."""
    encodings = torch.zeros(len(features), len(examples.pairs))
    groups: dict[tuple[str, str], list[int]] = {}
    for number, feature in enumerate(features):
        groups.setdefault((feature.source.value, feature.scope.fingerprint()), []).append(number)
    for numbers in _together(groups, features):
        scope = common_scope([features[number] for number in numbers])
        directions = torch.stack([_over(features[number], scope) for number in numbers])
        projected = gradients.over(scope).project(examples, directions, features[numbers[0]].source).cpu()
        for number, projections in zip(numbers, projected.T, strict=True):
            encodings[number] = features[number].encode(projections)
    return encodings


def _together(
    groups: Mapping[tuple[str, str], list[int]], features: Sequence[LearnedFeature]
) -> list[list[int]]:
    """Groups of features that share a pass: of one gradient role, as many as fit, those of one scope
    first."""
    passes: dict[str, list[list[int]]] = {}
    for (role, _), numbers in groups.items():
        size = features[numbers[0]].scope.size
        for number in numbers:
            open_ones = passes.setdefault(role, [[]])
            if (len(open_ones[-1]) + 1) * size > BUDGET and open_ones[-1]:
                open_ones.append([])
            open_ones[-1].append(number)
    return [numbers for groups_of_role in passes.values() for numbers in groups_of_role]


def _over(feature: LearnedFeature, scope: ParameterScope) -> Tensor:
    if feature.scope.size == scope.size:
        return feature.encoder
    whole = torch.zeros(scope.size)
    whole[feature.scope.columns_in(scope)] = feature.encoder.cpu()
    return whole


def crossing(values: Tensor, labels: Tensor) -> Crossing:
    """How one feature reads the pairs of an axis, from their encodings and their expected codes, both
    [pairs]."""
    seen = labels != 0
    means = class_mean_values(values, labels)
    return Crossing(correlation(values[seen], labels[seen]), *means, int(seen.sum()))
