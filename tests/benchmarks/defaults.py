"""What a learner, its gradients and its scope give: transfer to unseen words, edits under one budget, and
time.

    python tests/benchmarks/defaults.py MODEL [--texts FILE] [--paradigm NAME] [--only adam …]

One row for each setting: the correlation with the class's words in unseen texts, the transfer to unseen words
with its p-value and that of an untrained copy, P of each class's words on texts of the other before and after
the edit that `policy.max_kl` allows, how the related words follow, and the seconds of learning.
"""

from __future__ import annotations

import argparse
import time

import gradiend_core as gd

CHOICES = {
    "adam, alternative (paper)": ["learner.kind=adam"],
    "adam, difference": ["learner.kind=adam", "learner.source=difference"],
    "mean-difference, alternative": ["learner.kind=mean-difference", "learner.source=alternative"],
    "mean-difference, difference": ["learner.kind=mean-difference", "learner.source=difference"],
    "ridge, difference": ["learner.kind=ridge", "learner.source=difference"],
    "mean-difference, attention and MLP": [
        "learner.kind=mean-difference",
        "learner.source=difference",
        "selector.kind=components",
        'selector.components=["attention", "mlp"]',
    ],
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--texts")
    parser.add_argument("--paradigm", default="english-pronouns")
    parser.add_argument("--only", default="")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    print("| setting | test | transfer | p | untrained p | P before → after | related words | seconds |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name, settings in CHOICES.items():
        if not name.startswith(given.only):
            continue
        kinds = 'evaluators.kinds=["transfer", "encoder", "decoder"]'
        run = gd.Session(
            given.paradigm,
            model=given.model,
            texts=given.texts,
            settings=[
                kinds,
                "data.max_per_class=500",
                "evaluators.encoder.random_directions=0",
                *settings,
                *given.set,
            ],
        )
        _ = run.matrix
        start = time.perf_counter()
        _ = run.features
        seconds = time.perf_counter() - start
        transfer, encoder, decoder = (run.reports[kind] for kind in ("transfer", "encoder", "decoder"))
        edits = ", ".join(
            f"{decoder[goal, 'base_probability']:.3f} → {decoder[goal, 'rewritten_probability']:.3f}"
            for goal in run.goals()
        )
        follows = ", ".join(f"{decoder.get((goal, 'related_log_odds')) or 0:+.2f}" for goal in run.goals())
        p, untrained = transfer.get("p_value"), transfer.get("untrained_p_value")
        print(
            f"| {name} | {encoder['test.correlation']:.3f} | {transfer.get('correlation') or 0:.2f} |"
            f" {p or 1:.3f} | {untrained or 1:.2f} | {edits} | {follows} | {seconds:.0f} |",
            flush=True,
        )
