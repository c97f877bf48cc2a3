"""Every learner's quality and cost, as a table: `python tests/benchmarks/learners.py [MODEL ...]`. Each cell
is of one run with defaults, seed 0 and at most 300 pairs of each class; seconds are those of learning alone,
with gradients computed where they are needed (no store), on an otherwise idle machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gradiend_core import Session

ASSETS = Path(__file__).parents[3] / "shared" / "assets"
STORIES = {"texts": str(ASSETS / "text/tinystories/tiny_stories_cased.txt")}
MODELS = {
    "tiny-mlm": {"model": "tiny-mlm"},
    "tiny-clm": {"model": "tiny-clm"},
    "stories260k": {"model": str(ASSETS / "models/stories260k"), **STORIES},
}
PAIRS = {"max_per_class": 300, "max_neutral": 200}
LEARNERS = ("adam", "mean-difference", "ridge", "supervised-encoder", "supervised-decoder", "shuffled")

if __name__ == "__main__":
    print("| model | learner | test correlation | neutral mean | P toward 3SG | P toward 3PL | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name in sys.argv[1:] or MODELS:
        where = MODELS[name]
        for kind in LEARNERS:
            learner = {"kind": kind}
            run = Session(
                "english-pronouns",
                **where,
                data=PAIRS,
                learner=learner,
                evaluators={"kinds": ["encoder", "decoder"]},
            )
            encoder, decoder = run.reports["encoder"], run.reports["decoder"]
            shifts = [
                f"{decoder[toward, 'base_probability']:.3f} → {decoder[toward, 'rewritten_probability']:.3f}"
                for toward in run.data.classes
            ]
            numbers = [f"{encoder['test.correlation']:.3f}", f"{encoder['neutral.mean']:+.2f}", *shifts]
            print(f"| {name} | `{kind}` | {' | '.join(numbers)} | {run.timing['learning']:.1f} |", flush=True)
