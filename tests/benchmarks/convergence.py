"""Do defaults converge? `python tests/benchmarks/convergence.py [SEEDS]`: the smallest test correlation of
ten seeds, for every model at hand, at batch 1, 8 and 32, with no learning rate given. Some 15 minutes;
gradients come from a store.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from gradiend_core import Session

ASSETS = Path(__file__).parents[3] / "shared" / "assets"
STORIES = {"texts": str(ASSETS / "text/tinystories/tiny_stories_cased.txt")}
HE_SHE = {"paradigm": {"words": {"3SG": ["he"], "3PL": ["she"]}}}
JOBS = [
    ("tiny-mlm 3SG/3PL", {"model": "tiny-mlm"}, {}),
    ("tiny-clm 3SG/3PL", {"model": "tiny-clm"}, {}),
    (
        "stories260k 3SG/3PL",
        {"model": str(ASSETS / "models/stories260k"), **STORIES},
        {"data": {"max_per_class": 500}},
    ),
    (
        "stories260k he/she",
        {"model": str(ASSETS / "models/stories260k"), **STORIES},
        {"data": {"max_per_class": 500}, **HE_SHE},
    ),
]

if __name__ == "__main__":
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        for name, where, tables in JOBS:
            for batch in (1, 8, 32):
                run = Session(
                    "english-pronouns",
                    **where,
                    **tables,
                    learner={"kind": "adam", "batch_size": batch},
                    seeds={"at_most": seeds, "convergent": seeds, "threshold": 0.0},
                    store={"use": "always", "folder": folder, "limit_gib": 12},
                    evaluators={"kinds": ["stability"]},
                )
                report = run.reports["stability"]
                steps = [row[-1] for row in report.tables["seeds"].rows]
                score, least = report["test_correlation.mean"], report["test_correlation.least"]
                print(
                    f"{name:20} batch {batch:2}: test correlation {score:.3f}, least {least:.3f} of"
                    f" {len(steps)}; steps {min(steps)} to {max(steps)}; decoders' cosine"
                    f" {report['agreement.decoder_cosine']:.2f}, learning {run.timing['learning']:.0f} s",
                    flush=True,
                )
