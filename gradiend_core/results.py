"""A run's numbers as plain values, and what their reader should know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict

from gradiend_core.learning.seeds import convergent
from gradiend_core.records.pair import SPLITS

if TYPE_CHECKING:
    from gradiend_core.session import Session


def results(session: Session) -> dict[str, Any]:
    """All numbers, nested; several axes under "axes", by first class."""
    by_axis = {
        feature.classes[0]: {
            **{name: report.nested() for name, report in reports.items()},
            "lines": {name: list(report.lines) for name, report in reports.items()},
            "training": {
                "best_step": feature.best_step,
                "steps": len(feature.training),
                "seed": feature.seed,
            },
        }
        for _, feature, reports in session.by_axis()
    }
    counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    for (split, name), number in sorted(session.data.counts().items()):
        counts[split][name] = number
    return {
        **({"axes": by_axis} if len(by_axis) > 1 else next(iter(by_axis.values()))),
        "data": {"funnel": asdict(session.funnel), "counts": counts},
        "seeds": [
            {"seed": run.seed, "validation_correlation": run.score, "problem": run.problem}
            for run in session.seed_runs
        ],
        **({"source": session.source_report.nested()} if session.source_report else {}),
        "warnings": warnings(session),
        "timing": {**session.timing, "total": sum(session.timing.values())},
        "provenance": asdict(session.provenance),
    }


def warnings(session: Session) -> list[str]:
    """Those of the evaluators, and what became of seeds that did not converge."""
    found = [*session.data.funnel.warnings]
    if (bits := session.config.gradients.quantisation) != "none":
        found.append(
            f"all was measured on the model in {bits}; edits are written into the model that is not quantised"
        )
    if session.spared:
        found.append(f"left out, as they are not one token for this tokenizer: {', '.join(session.spared)}")
    found += session.source_report.warnings if session.source_report else ()
    found += [
        warning
        for _, _, reports in session.by_axis()
        for report in reports.values()
        for warning in report.warnings
    ]
    wanted, runs = session.config.seeds, session.seed_runs
    enough = len(convergent(runs, wanted.threshold))
    if enough < wanted.convergent:
        found.append(
            f"only {enough} of {len(runs)} seeds reached a validation correlation of {wanted.threshold:g}"
        )
    return found + [f"seed {run.seed}: {run.problem}" for run in runs if run.problem]
