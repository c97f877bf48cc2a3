"""Labels, encodings, their correlation, and the orientation and calibration of an encoder on single examples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from attrs import evolve
from torch import Tensor

from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.pair import MinimalPair
from gradiend_core.roles.source import Examples

#: where calibration puts the class means before tanh; tanh of it is 0.9, well separated and not yet saturated
CODE = math.atanh(0.9)


def labels_of(pairs: Sequence[MinimalPair], classes: tuple[str, str]) -> Tensor:
    """+1 for pairs whose factual class is the first, −1 for the second, 0 for any other, [pairs]."""
    values = {classes[0]: 1.0, classes[1]: -1.0}
    return torch.tensor([values.get(pair.factual_class, 0.0) for pair in pairs])


def projections(feature: LearnedFeature, gradients: GradientOperator, examples: Examples) -> Tensor:
    """Each example's source gradient along the encoder, [examples], on the CPU."""
    return gradients.project(examples, feature.encoder[None], feature.source)[:, 0].cpu()


def encodings(feature: LearnedFeature, gradients: GradientOperator, examples: Examples) -> Tensor:
    """Encodings of examples one by one, [examples], on the CPU. Computed in batches, exactly as if alone."""
    return feature.encode(projections(feature, gradients, examples))


def correlation(values: Tensor, labels: Tensor) -> float | None:
    """Pearson correlation; None where one side does not vary."""
    stacked = torch.stack([values.double(), labels.double()])
    if len(values) < 2 or bool((stacked.std(dim=1) == 0).any()):
        return None
    return float(stacked.corrcoef()[0, 1])


def calibrated(feature: LearnedFeature, projected: Tensor, labels: Tensor) -> LearnedFeature:
    """The feature with encoder scale and bias such that single validation examples have class means at ±0.9 before and
    after tanh alike, first class positive. The decoder's outputs for the classes stay as they are.

    The encoder is trained on mean gradients of batches, which are shorter than those of single examples, so its
    own scale saturates on one or the other. Where the class means coincide there is nothing to calibrate.
    """
    first, second = (float(projected[labels == sign].mean()) for sign in (1.0, -1.0))
    if not math.isfinite(first - second) or first == second:
        return feature
    if first < second:
        feature, first, second = feature.flipped(), -first, -second
    scale = 2 * CODE / (first - second)
    return evolve(feature, encoder=feature.encoder * scale, encoder_bias=-scale * (first + second) / 2)
