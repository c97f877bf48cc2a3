"""Does the budget that an edit was chosen under hold on ordinary text that the choice has not seen?

    python tests/benchmarks/budget.py MODEL [--texts FILE] [--seeds 10]

Each seed divides the texts anew: into pairs, text to choose by and text to report of. A line for each seed
and goal has the bound by which the edit was chosen and the unwanted KL divergence of the other half.
"""

from __future__ import annotations

import argparse

import gradiend_core as gd

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--texts")
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    held, tried = 0, 0
    for seed in range(given.seeds):
        run = gd.Session(
            "english-pronouns",
            model=given.model,
            texts=given.texts,
            seed=seed,
            settings=['evaluators.kinds=["decoder"]', "data.max_per_class=300"],
        )
        report = run.reports["decoder"]
        for row in report.tables["candidates"].records():
            if row["chosen"] and row["learning_rate"]:
                fresh = report[row["toward"], "unwanted_kl"] or 0.0
                held, tried = held + (fresh <= run.config.policy.config.max_kl), tried + 1
                print(
                    seed,
                    row["toward"],
                    f"bound {row['unwanted_bound']:.4f}, other half {fresh:.4f}",
                    flush=True,
                )
    print(f"the budget holds in {held} of {tried}")
