"""A run's numbers as plain values, and its warnings, from its record and its reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import asdict

from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.report import Reports
from gradiend_core.records.run import RunConfig
from gradiend_core.run.state import RunRecord


def results(
    config: RunConfig, record: RunRecord, features: Sequence[LearnedFeature], reports: Sequence[Reports]
) -> dict[str, Any]:
    """All numbers, nested; several axes under "axes", by first class. This is `results.json`."""
    by_axis = {
        feature.classes[0]: {
            **{name: report.nested() for name, report in reports_of_axis.items()},
            "findings": [sentence for report in reports_of_axis.values() for sentence in report.findings],
            "lines": {name: list(report.lines) for name, report in reports_of_axis.items()},
            "training": {
                "best_step": feature.best_step,
                "steps": len(feature.training),
                "seed": feature.seed,
            },
        }
        for feature, reports_of_axis in zip(features, reports, strict=True)
    }
    return {
        **({"axes": by_axis} if len(by_axis) > 1 else next(iter(by_axis.values()))),
        "data": {"funnel": asdict(record.funnel), "counts": record.counts},
        "seeds": [asdict(seed) for seed in record.seeds],
        **({"source": record.source_report.nested()} if record.source_report else {}),
        "warnings": warnings(config, record, reports),
        "timing": {**record.timing, "total": sum(record.timing.values())},
        "provenance": asdict(record.provenance),
    }


def warnings(config: RunConfig, record: RunRecord, reports: Sequence[Reports]) -> list[str]:
    """The warnings of data, source and evaluators, and about seeds that did not converge."""
    messages = [*record.model_problems, *record.funnel.warnings]
    if (bits := config.gradients.quantisation) != "none":
        messages.append(
            f"all was measured on the model in {bits}; edits are written into the model that is not quantised"
        )
    if record.left_out_words:
        words = ", ".join(record.left_out_words)
        messages.append(f"left out, as they are not one token for this tokenizer: {words}")
    messages += record.source_report.warnings if record.source_report else ()
    messages += [
        warning
        for reports_of_axis in reports
        for report in reports_of_axis.values()
        for warning in report.warnings
    ]
    wanted, seeds = config.seeds, record.seeds
    converged = [
        seed for seed in seeds if not seed.problem and seed.validation_correlation >= wanted.threshold
    ]
    if len(converged) < wanted.convergent:
        messages.append(
            f"only {len(converged)} of {len(seeds)} seeds reached a validation correlation of"
            f" {wanted.threshold:g} ({', '.join(f'{seed.validation_correlation:.3f}' for seed in seeds)});"
            " more texts, more steps (learner.max_steps) or more seeds (seeds.at_most) may help"
        )
    return messages + [f"seed {seed.seed}: {seed.problem}" for seed in seeds if seed.problem]
