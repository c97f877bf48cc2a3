"""What edits do at equal unwanted KL divergence: the feature's with and without its metric, and simpler ones.

    python tests/benchmarks/edits.py MODEL OUTPUT.csv [--texts FILE] [--paradigm NAME] [--seeds 3] \
        [--kl 0.005 0.01] [--methods plain fine-tuning ...] [--max-texts 300] [--set learner.kind=adam ...]
    python tests/benchmarks/edits.py --table OUTPUT.csv ...

The rate of each edit is that at which the unwanted KL divergence of the text to choose by is the given one
(from 88 to 100 % of it); among dampings the one with the largest effect on validation texts is taken. All
columns are of test texts and of ordinary text that the choice has not seen. The table has means over seeds,
and in brackets the smallest and the largest.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from attrs import asdict, evolve
from gradiend_evaluators import METHODS, BaselineSettings
from gradiend_evaluators.baselines import BaselineEvaluator
from gradiend_evaluators.measured import EditRow
from gradiend_evaluators.policies import Gaining, gain

import gradiend_core as gd
from gradiend_core.api import Candidate, Goal, OrdinaryScores

COLUMNS = {
    "probability": "P",
    "share": "share",
    "related_log_odds": "related",
    "specificity": "specificity",
    "top1_agreement": "top 1",
    "inside_kl": "inside",
    "split_kl": "split",
    "outside_kl": "outside",
}
#: in which edits are listed
ORDER = [
    "logit-bias",
    "logit-contrast",
    "output-rows",
    "random",
    "fine-tuning",
    "activation",
    "mean-difference",
    "plain",
    "feature, none",
    "feature, inputs",
    "feature, fisher",
    "feature, kronecker",
]


class At(Gaining):
    """As much as an unwanted KL divergence of the text to choose by allows."""

    def __init__(self, kl: float) -> None:
        self.kl = kl

    def spent(self, ordinary: OrdinaryScores) -> float:
        return ordinary.unwanted_kl / self.kl

    def score(self, goal: Goal, candidate: Candidate, base: Candidate) -> float | None:
        within = candidate.ordinary is not None and self.spent(candidate.ordinary) <= 1
        return gain(goal, candidate) if within or not candidate.learning_rate else None


def measure(given: argparse.Namespace) -> None:
    config = BaselineSettings(methods=tuple(given.methods), max_texts=given.max_texts, strengths=())
    for seed in range(given.seeds):
        settings = [f"rewrite.dampings={given.dampings}", "data.max_per_class=500", *given.set]
        run = gd.Session(given.paradigm, model=given.model, texts=given.texts, seed=seed, settings=settings)
        task = run.evaluation_task(0, {})
        for kl in given.kl:
            report = BaselineEvaluator(config).evaluate(evolve(task, policy=At(kl)))
            rows = [asdict(row) for row in report.tables["edits"].read(EditRow)]
            for row in rows:
                if row["method"] == "feature":
                    row["method"] = f"feature, {run.config.rewrite.metric}"
            append(
                given.output,
                [{"model": Path(given.model).name, "seed": seed, "budget": kl, **row} for row in rows],
            )


def append(path: Path, rows: Sequence[dict[str, object]]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        if new:
            writer.writeheader()
        writer.writerows(rows)


def table(paths: Sequence[Path]) -> None:
    """A table for each model; what needs no method comes first."""
    rows = [row for path in paths for row in csv.DictReader(path.open())]
    for model in dict.fromkeys(row["model"] for row in rows):
        seeds = len({row["seed"] for row in rows if row["model"] == model})
        print(f"\n## {model}, {seeds} seed{'s' if seeds > 1 else ''}\n")
        print("| toward | KL | edit |", " | ".join(COLUMNS.values()), "|")
        print("|" + "---|" * (3 + len(COLUMNS)))
        of_model = [row for row in rows if row["model"] == model]
        keys = {(row["toward"], row["budget"], row["method"]) for row in of_model}
        for key in sorted(keys, key=lambda key: (*key[:2], ORDER.index(key[2].rstrip(" 0123456789")))):
            some = [row for row in of_model if (row["toward"], row["budget"], row["method"]) == key]
            print("|", " | ".join([*key, *(cell([row[name] for row in some]) for name in COLUMNS)]), "|")


def cell(texts: Sequence[str]) -> str:
    values = [float(text) for text in texts if text]
    if not values:
        return ""
    shown = f"{sum(values) / len(values):.3f}"
    return shown if len(values) == 1 else f"{shown} [{min(values):.3f}, {max(values):.3f}]"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?")
    parser.add_argument("output", nargs="?", type=Path)
    parser.add_argument("--table", nargs="+", type=Path)
    parser.add_argument("--texts")
    parser.add_argument("--paradigm", default="english-pronouns")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--kl", nargs="+", type=float, default=[0.005, 0.01])
    parser.add_argument("--methods", nargs="*", default=[name for name in METHODS if name != "leace"])
    parser.add_argument("--dampings", default="[0.03, 0.3, 3.0]")
    parser.add_argument("--max-texts", type=int, default=300)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    if given.table:
        table(given.table)
    else:
        measure(given)
