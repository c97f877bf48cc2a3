"""Labels, encodings and their correlation, and the orientation and calibration of an encoder on single
examples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from attrs import evolve
from torch import Tensor

from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.pair import MinimalPair, code_of, is_on_axis
from gradiend_core.roles.gradients import GradientMatrix
from gradiend_core.roles.source import Examples

#: the mean code of a class that calibration aims at: told apart well, and not yet all the same
CODE = 0.95


def labels_of(
    pairs: Sequence[MinimalPair], axis: tuple[str, str], source: GradientRole = GradientRole.FACTUAL
) -> Tensor:
    """The code that each pair should have, [pairs]. Where classes are degrees, it depends on which gradient
    is encoded, the source."""
    return torch.tensor([code_of(pair, axis, source) for pair in pairs])


def on_axis(pairs: Sequence[MinimalPair], axis: tuple[str, str]) -> Tensor:
    """Whether each pair is on an axis, and not neutral to it, [pairs]."""
    return torch.tensor([is_on_axis(pair, axis) for pair in pairs], dtype=torch.bool)


def projections(feature: LearnedFeature, gradients: GradientMatrix, examples: Examples) -> Tensor:
    """The source gradient of each example along the encoder, [examples], on the CPU."""
    return gradients.project(examples, feature.encoder[None], feature.source)[:, 0].cpu()


def encodings(feature: LearnedFeature, gradients: GradientMatrix, examples: Examples) -> Tensor:
    """Encodings of examples one by one, [examples], on the CPU. Computed in batches, exactly as if alone."""
    return feature.encode(projections(feature, gradients, examples))


def correlation(values: Tensor, labels: Tensor) -> float | None:
    """Pearson correlation; None where one side does not vary."""
    stacked = torch.stack([values.double(), labels.double()])
    if len(values) < 2 or bool((stacked.std(dim=1) == 0).any()):
        return None
    return float(stacked.corrcoef()[0, 1])


def class_mean_values(values: Tensor, labels: Tensor) -> tuple[float, float]:
    """The mean value of the first class, and that of the second, or of the codes above and below 0 where the
    classes are degrees; NaN for a class without examples."""
    return float(values[labels > 0].mean()), float(values[labels < 0].mean())


def calibrated(feature: LearnedFeature, projected: Tensor, labels: Tensor) -> LearnedFeature:
    """The feature with its encoder scaled such that single validation examples reach a mean code of 0.95 for
    their class, the first class positive. Where no scale reaches it, because the classes overlap, the best
    scale is taken. Classes that are degrees get the scale whose codes are closest to the expected ones. The
    encoder is trained on mean gradients of batches, which are shorter than those of single examples, so tanh
    would saturate differently. Only the scale changes, and what the classes decode to stays the same: a shift
    would centre the classes, but move neutral text, whose gradients along the feature are near 0, away from
    0."""
    values = feature.encoder_scale * projected + feature.encoder_bias
    first, second = class_mean_values(values, labels)
    if not math.isfinite(first - second) or first == second:
        return feature
    if first < second:
        feature, values = feature.flipped(), -values
    scales = torch.logspace(-1.5, 1.5, 121, dtype=torch.float64) * 2 / abs(first - second)
    codes = (scales[:, None] * values).tanh()
    if bool((labels.abs() != 1).any()):
        best = (codes - labels).square().mean(1).argmin()
    else:
        means = torch.stack([codes[:, labels == sign].mean(1) * sign for sign in (1.0, -1.0)]).mean(0)
        reached = (means >= CODE).nonzero()
        best = reached[0, 0] if len(reached) else means.argmax()
    scale = float(scales[best])
    return evolve(
        feature, encoder_scale=feature.encoder_scale * scale, encoder_bias=feature.encoder_bias * scale
    )
