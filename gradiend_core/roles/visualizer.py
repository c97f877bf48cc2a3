"""A visualizer: a feature and its reports as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.report import Report


class Visualizer(Protocol):
    """Made by its factory from its configuration."""

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Any | None:
        """A matplotlib Figure, or None when the reports it needs are not there. No global state is touched."""
