"""The picture of what a run does, of README and start page: `python docs/workflow.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

PICTURE = Path(__file__).parent / "pages" / "figures" / "workflow.png"
FIRST, SECOND, NEUTRAL, LIGHT = "#0072b2", "#d55e00", "#5f5f5f", "#f3f5f8"
#: title, lines, and the kinds of plugin that do it
Step = tuple[str, tuple[str, ...], str]
#: the steps from text to a feature
STEPS: tuple[Step, ...] = (
    ("Minimal pairs", ("The chef tasted the soup,", "then ___ added pepper.", "he | they"), "paradigm"),
    (
        "Gradients",
        ("of the losses of", "the model at both words,", "over chosen weights"),
        "gradient source, selector",
    ),
    ("Encoder", ("h = tanh(We · ∇source + be)", "reads: he → +1, they → −1,", "neutral → 0"), "learner"),
    ("Decoder", ("∇target ≈ Wd · h + bd", "a direction of", "the weights"), "learner"),
)
#: what can be done with a feature
USES: tuple[Step, ...] = (
    ("Evaluate", ("unseen words beside chance", "and an untrained copy"), "evaluator"),
    ("Explain", ("which tokens and layers", "the encoder reads"), "evaluator, visualizer"),
    ("Rewrite", ("weights + rate · direction,", "within a budget of change"), "policy"),
    ("Compare", ("which features share weights", "and encode each other"), "visualizer"),
)
WIDTH, GAP, HIGH, LOW = 3.3, 0.5, 1.85, 1.5


def box(axes: Axes, x: float, y: float, height: float, step: Step, colour: str) -> None:
    title, lines, kind = step
    axes.add_patch(
        FancyBboxPatch((x, y), WIDTH, height, "round,pad=0,rounding_size=0.12", fc=LIGHT, ec=colour, lw=1.6)
    )

    def write(below: float, text: str, **options: Any) -> None:
        axes.text(x + WIDTH / 2, y + height - below, text, ha="center", va="center", **options)

    write(0.26, title, fontsize=12, weight="bold", color=colour)
    for number, line in enumerate(lines):
        write(0.64 + 0.3 * number, line, fontsize=9)
    write(height - 0.2, kind, fontsize=8, style="italic", color=NEUTRAL)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": NEUTRAL, "lw": 1.4})


def main() -> None:
    figure, axes = plt.subplots(figsize=(12, 4.1))
    top, middle = LOW + 0.75, LOW + 0.4
    centres = [number * (WIDTH + GAP) + WIDTH / 2 for number in range(len(STEPS))]
    for number, (step, use) in enumerate(zip(STEPS, USES, strict=True)):
        x = number * (WIDTH + GAP)
        box(axes, x, top, HIGH, step, FIRST)
        box(axes, x, 0, LOW, use, SECOND)
        arrow(axes, (centres[number], middle), (centres[number], LOW))
        if number:
            arrow(axes, (x - GAP, top + HIGH / 2), (x, top + HIGH / 2))
    axes.plot([centres[0], centres[-1]], [middle, middle], color=NEUTRAL, lw=1.4)
    for centre in centres[2:]:
        axes.plot([centre, centre], [middle, top], color=NEUTRAL, lw=1.4)
    axes.text(
        centres[2] + (WIDTH + GAP) / 2, middle + 0.16, "the feature", ha="center", fontsize=9, color=NEUTRAL
    )
    axes.set(xlim=(-0.1, centres[-1] + WIDTH / 2 + 0.1), ylim=(-0.1, top + HIGH + 0.1))
    axes.axis("off")
    figure.savefig(PICTURE, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
