"""In how wide a range the learner's two step sizes work: `python tests/benchmarks/learning_rate.py [MODEL
[TEXTS]]`.

For each pair of values the test correlation of two seeds after 100 steps, and how far rewriting gets.
"""

from __future__ import annotations

import sys

import gradiend_learners.units as learner

from gradiend_core import Session

model, *texts = sys.argv[1:] or ["tiny-mlm"]
print(
    f"{model}: encoder step, decoder step, correlation and probability of each class after rewriting, by seed"
)
for learner.ENCODER_STEP in (0.1, 0.5, 2.0):
    for learner.DECODER_STEP in (0.01, 0.05, 0.2):
        cells = []
        for seed in (0, 1):
            run = Session(
                "english-pronouns",
                model=model,
                texts=texts[0] if texts else None,
                seed=seed,
                learner={"kind": "adam", "max_steps": 100},
            )
            reports = run.reports
            shifted = "/".join(
                f"{reports['decoder'][name, 'rewritten_probability']:.2f}" for name in run.data.classes
            )
            cells.append(f"{reports['encoder']['test.correlation']:.3f} {shifted}")
        print(f"  {learner.ENCODER_STEP:<4} {learner.DECODER_STEP:<5} {'   '.join(cells)}", flush=True)
