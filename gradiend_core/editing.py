"""Which edit a run's decoder evaluation has chosen."""

from __future__ import annotations

from collections.abc import Mapping

from gradiend_core.errors import ConfigError
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.report import Report
from gradiend_core.records.update import WeightUpdate


def chosen_update(
    feature: LearnedFeature, reports: Mapping[str, Report], toward: str, part: str
) -> WeightUpdate:
    """The update of a feature for a goal at the chosen learning rate and feature factor. Raises ConfigError
    where none was looked for."""
    if "decoder" not in reports:
        raise ConfigError("no decoder evaluation has chosen a learning rate; give one")
    report = reports["decoder"]
    if (toward, "learning_rate") not in report.metrics:
        raise ConfigError(
            f"the decoder evaluation did not look for an edit toward {toward}; give a learning rate, or name"
            " it in rewrite.toward"
        )
    rate, factor = (report[toward, name] for name in ("learning_rate", "feature_factor"))
    return feature.update(toward, float(rate or 0.0), feature_factor=factor, part=part)
