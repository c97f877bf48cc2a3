"""Convergence of learning, and the step that was kept."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from gradiend_core.api import LearnedFeature, NoSettings, Report
from gradiend_visualizers.style import ACCENT, FIRST, NEUTRAL, SECOND, new_figure


class Convergence:
    """Loss on the left; validation correlation and class means on the right, with the step that was kept."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def draw(self, feature: LearnedFeature, reports: Mapping[str, Report]) -> Figure | None:
        if not feature.training:
            return None
        if feature.training[-1].pairs:
            return _agreement(feature)
        figure, (loss, validation) = new_figure(
            2, f"Learning {feature.classes[0]} (+1) against {feature.classes[1]} (−1)"
        )
        loss.plot(
            [row.step for row in feature.training],
            [row.loss for row in feature.training],
            color=NEUTRAL,
            linewidth=1,
        )
        loss.set(xlabel="step", ylabel="loss, relative to saying nothing", ylim=(0, None))
        first, second = feature.classes
        correlations = _validated(feature, "validation_correlation")
        validation.plot(*correlations, color=ACCENT, marker="o", ms=3, label="correlation")
        validation.plot(*_validated(feature, "validation_first"), color=FIRST, label=f"mean of {first}")
        validation.plot(*_validated(feature, "validation_second"), color=SECOND, label=f"mean of {second}")
        for number, seed_curve in enumerate(_other_seeds(feature, reports)):
            validation.plot(
                *seed_curve,
                color=ACCENT,
                alpha=0.3,
                lw=1,
                label=None if number else "correlation, other seeds",
            )
        validation.axvline(
            feature.best_step, color=NEUTRAL, linestyle=":", label=f"kept: step {feature.best_step}"
        )
        validation.set(
            xlabel="step",
            ylabel="on validation pairs, before calibration",
            xlim=loss.get_xlim(),
            ylim=(-1.05, 1.05),
        )
        validation.legend(fontsize=8, frameon=False, loc="center")
        return figure


def _agreement(feature: LearnedFeature) -> Figure | None:
    """For class means: how far the directions of two halves of the pairs agree. The last row belongs to the
    feature itself. Where all pairs were read at once, there is nothing to draw."""
    rows = feature.training[:-1]
    if not rows:
        return None
    figure, (axes,) = new_figure(
        1, f"Learning {feature.classes[0]} (+1) against {feature.classes[1]} (−1): do more pairs change it?"
    )
    axes.plot([row.pairs for row in rows], [1 - row.loss for row in rows], color=ACCENT, marker="o")
    axes.set(
        xlabel="pairs read", ylabel="cosine between the directions\nof two halves of them", ylim=(0, 1.02)
    )
    axes.set_xticks([row.pairs for row in rows])
    return figure


def _validated(feature: LearnedFeature, name: str) -> tuple[list[int], list[float]]:
    """The steps with a validation value, and these values."""
    values = {row.step: getattr(row, name) for row in feature.training if getattr(row, name) is not None}
    return list(values), list(values.values())


def _other_seeds(
    feature: LearnedFeature, reports: Mapping[str, Report]
) -> list[tuple[list[int], list[float]]]:
    """Steps and correlations of each other seed."""
    table = reports["stability"].tables.get("training") if "stability" in reports else None
    rows = table.records() if table else []
    others = sorted({row["seed"] for row in rows} - {feature.seed})
    rows_by_seed = [[row for row in rows if row["seed"] == seed] for seed in others]
    return [
        ([row["step"] for row in rows_of_seed], [row["validation_correlation"] for row in rows_of_seed])
        for rows_of_seed in rows_by_seed
    ]
