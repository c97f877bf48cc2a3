"""Visualizers draw a feature and its reports, or many features side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.report import Report


class Visualizer(Protocol):
    """Draws a figure of a feature. Built by its factory from its configuration."""

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Any | None:
        """A matplotlib Figure, or None where the reports that it needs are missing. Global state of
        matplotlib stays as it is."""


class ComparisonVisualizer(Protocol):
    """Draws a figure of a comparison. Built by its factory from its configuration."""

    def draw(self, report: Report) -> Any | None:
        """A matplotlib Figure of a comparison (`comparison.report.compare_features` documents its tables), or
        None where the tables that it needs are missing. Global state of matplotlib stays as it is."""
