"""Whether all seeds find the same feature: the quality of each, and how far their directions and largest
weights agree."""

from __future__ import annotations

from itertools import combinations
from statistics import fmean, stdev

import torch
from attrs import frozen

from gradiend_core.api import (
    EvaluationTask,
    LearnedFeature,
    Metric,
    Metrics,
    Report,
    Table,
    compare,
    correlation,
    count_of,
    labels_of,
    on_axis,
)
from gradiend_evaluators import StabilitySettings


@frozen
class SeedRow:
    """How well the feature of one seed tells the classes apart."""

    seed: int
    validation_correlation: float | None
    test_correlation: float | None
    neutral_mean: float | None
    steps: int


@frozen
class TrainingRow:
    """One validation of one seed."""

    seed: int
    step: int
    validation_correlation: float


@frozen
class ParameterRow:
    """How far the seeds agree in one parameter, and its fraction of the largest decoder weights of all
    seeds."""

    parameter: str
    weights: int
    encoder_cosine: float
    decoder_cosine: float
    share_of_top: float


class StabilityEvaluator:
    """Reports nothing for a single seed. All seeds share each pass of the model."""

    def __init__(self, config: StabilitySettings) -> None:
        self.config = config

    def evaluate(self, task: EvaluationTask) -> Report:
        seeds = task.seeds
        if len(seeds) < 2:
            return Report("stability", {})
        gradients = task.gradients.over(seeds[0].scope)
        encoders = torch.stack([feature.encoder for feature in seeds])
        test, neutral = task.examples["test"], task.examples["neutral"]
        projected = gradients.project(test, encoders, seeds[0].source).cpu()
        axis = task.feature.classes
        labels, seen = labels_of(test.pairs, axis, seeds[0].source), on_axis(test.pairs, axis)
        scores = [
            correlation(feature.encode(projections)[seen], labels[seen])
            for feature, projections in zip(seeds, projected.T, strict=True)
        ]
        means: list[float | None] = [None] * len(seeds)
        if neutral.pairs:
            projected_neutral = gradients.project(neutral, encoders, seeds[0].source).cpu()
            means = [
                float(feature.encode(projections).mean())
                for feature, projections in zip(seeds, projected_neutral.T, strict=True)
            ]
        rows = [
            SeedRow(feature.seed, feature.validation_correlation, score, mean, len(feature.training))
            for feature, score, mean in zip(seeds, scores, means, strict=True)
        ]
        count = count_of(self.config.top, seeds[0].scope.size, "evaluators.stability.top")
        pairs = [compare(one, two, count) for one, two in combinations(seeds, 2)]
        metrics: Metrics = {
            ("agreement", name): Metric(fmean(getattr(pair, name) for pair in pairs), len(pairs))
            for name in ("encoder_cosine", "decoder_cosine", "overlap", "chance")
        }
        metrics |= spread("validation_correlation", [row.validation_correlation for row in rows])
        metrics |= spread("test_correlation", scores) | spread("neutral_mean", means)
        training = [
            TrainingRow(feature.seed, row.step, row.validation_correlation)
            for feature in seeds
            for row in feature.training
            if row.validation_correlation is not None
        ]
        tables = {
            "training": Table.of(TrainingRow, training),
            "seeds": Table.of(SeedRow, rows),
            "parameters": Table.of(ParameterRow, by_parameter(seeds, count)),
        }
        mean, cosine = metrics["test_correlation", "mean"], metrics["agreement", "decoder_cosine"]
        line = (
            f"{len(seeds)} seeds   mean test correlation {mean.shown()}, mean cosine of two decoders"
            f" {cosine.shown()}"
        )
        return Report("stability", metrics, tables, lines=(line,))


def spread(name: str, values: list[float | None]) -> Metrics:
    """Mean, standard deviation and smallest value over the seeds."""
    known = [value for value in values if value is not None]
    if not known:
        return {(name, "mean"): Metric(None, 0)}
    deviation = stdev(known) if len(known) > 1 else None
    numbers = {"mean": fmean(known), "std": deviation, "least": min(known)}
    return {(name, key): Metric(value, len(known)) for key, value in numbers.items()}


def by_parameter(seeds: tuple[LearnedFeature, ...], count: int) -> list[ParameterRow]:
    """For each parameter: mean cosines between seeds, and its fraction of the largest decoder weights of all
    seeds."""
    tops = [feature.decoder.abs().topk(count).values[-1] for feature in seeds]
    rows = []
    for parameter_slice, columns in seeds[0].scope.with_columns():
        cosines = [
            torch.stack(
                [torch.nn.functional.normalize(getattr(feature, name)[columns], dim=0) for feature in seeds]
            )
            for name in ("encoder", "decoder")
        ]
        encoder, decoder = (
            float((directions @ directions.T).fill_diagonal_(0).sum()) / (len(seeds) * (len(seeds) - 1))
            for directions in cosines
        )
        large = sum(
            int((feature.decoder[columns].abs() >= top).sum())
            for feature, top in zip(seeds, tops, strict=True)
        )
        rows.append(
            ParameterRow(
                parameter_slice.name, parameter_slice.size, encoder, decoder, large / (count * len(seeds))
            )
        )
    return rows
