"""The picture of README and start page, from a finished run: `python docs/first_result.py RUN`."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

import gradiend_core as gd

PICTURE = Path(__file__).parent / "pages" / "figures" / "first-result.png"
FIRST, SECOND, NEUTRAL = "#0072b2", "#d55e00", "#7f7f7f"


def encodings(axes: Axes, run: gd.FinishedRun, words: dict[str, str]) -> None:
    first, second = run.feature.classes
    rows = run.reports["encoder"].tables["encodings"].records()
    groups = [
        (words[first], FIRST, [row for row in rows if row["split"] == "test" and row["class"] == first]),
        ("neutral words", NEUTRAL, [row for row in rows if row["split"] == "neutral"]),
        (words[second], SECOND, [row for row in rows if row["split"] == "test" and row["class"] == second]),
    ]
    groups = [group for group in groups if group[2]]
    drawn = np.random.default_rng(0)
    for position, (_, colour, of_group) in enumerate(groups):
        values = [row["encoding"] for row in of_group]
        places = position + drawn.uniform(-0.25, 0.25, len(values))
        axes.scatter(places, values, s=9, color=colour, alpha=0.5)
    axes.set_xticks(range(len(groups)), [name for name, *_ in groups])
    axes.set_ylabel("encoding")
    axes.set_title("Read: texts that it has not seen")


def transfer(axes: Axes, run: gd.FinishedRun) -> None:
    report = run.reports["transfer"]
    rows = [row for row in report.tables["words"].records() if row["kind"] == "related"][:12][::-1]
    axes.axvspan(-report["random_largest"], report["random_largest"], color="#ebebeb")
    axes.axvline(report["untrained_correlation"], color=NEUTRAL, linestyle="--")
    axes.scatter([row["correlation"] for row in rows], range(len(rows)), color=FIRST, s=22)
    axes.set_yticks(range(len(rows)), [f"{row['first']} / {row['second']}" for row in rows])
    axes.set_xlim(-1.05, 1.05)
    axes.set_xlabel("correlation of encodings with number\n(grey: chance; dashed: an untrained model)")
    axes.set_title("Know: words that it was not learned from")


def edits(axes: Axes, run: gd.FinishedRun, words: dict[str, str]) -> None:
    chosen = run.reports["decoder"].edits
    for position, edit in enumerate(chosen):
        colour = FIRST if edit.goal == run.feature.classes[0] else SECOND
        before, after = edit.before.probability.value, edit.after.probability.value
        bars = axes.bar([position - 0.19, position + 0.19], [before, after], 0.34, color=["#c8ccd1", colour])
        axes.bar_label(bars, [f"{value:.1%}" for value in (before, after)])
    axes.set_xticks(range(len(chosen)), [f"toward\n{words[edit.goal]}" for edit in chosen])
    axes.set_ylabel("probability where the others stood")
    axes.margins(y=0.15)
    axes.set_title("Rewrite: before (grey) and after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = gd.load_run(parser.parse_args().run)
    words = {name: ", ".join(run.data.words[name]) for name in run.feature.classes}
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
    encodings(axes[0], run, words)
    transfer(axes[1], run)
    edits(axes[2], run, words)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
