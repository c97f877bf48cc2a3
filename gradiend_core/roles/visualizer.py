"""Visualizers: a feature and its reports, or many features side by side, as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.report import Report


class Visualizer(Protocol):
    """Made by its factory from its configuration."""

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Any | None:
        """A matplotlib Figure, or None when the reports it needs are not there. No global state is
        touched."""


class ComparisonVisualizer(Protocol):
    """Made by its factory from its configuration."""

    def draw(self, report: Report) -> Any | None:
        """A matplotlib Figure of a comparison (`comparison.report.compare_features` says which tables it
        has), or None when what it needs is not there. No global state is touched."""
