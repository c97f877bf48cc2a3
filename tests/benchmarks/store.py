"""What the store saves: `python tests/benchmarks/store.py [MODEL [TEXTS]]`. Ten seeds of 200 steps at 1 % of
the parameters, from the store, its building included, against gradients computed at each step (of which some
steps are done and the rest counted).

"bert-base" as MODEL is a BERT of that size with random weights and the embedded model's tokenizer.
"""

from __future__ import annotations

import sys
import tempfile
import time

from engine import bert_base

from gradiend_core import Session

SEEDS, STEPS, SAMPLE = 10, 200, 20


def session(model: str, texts: str | None, **tables: object) -> Session:
    return Session(
        "english-pronouns",
        model=model,
        texts=texts,
        selector={"kind": "top-gradient", "share": 0.01, "pairs": 64},
        data={"max_per_class": 300, "max_neutral": 100},
        evaluators={"kinds": ["encoder"]},
        **tables,
    )


if __name__ == "__main__":
    model, *texts = sys.argv[1:] or ["tiny-mlm"]
    with tempfile.TemporaryDirectory() as folder:
        model = bert_base(f"{folder}/model") if model == "bert-base" else model
        learner = {"steps": STEPS, "early_stop": False, "validate_every": 0, "calibrate": False}
        few = session(
            model, texts[0] if texts else None, learner=learner | {"steps": SAMPLE}, store={"use": "never"}
        )
        assert few.gradients.coverage(few.examples["train"])
        start = time.perf_counter()
        assert few.feature
        step = (time.perf_counter() - start) / SAMPLE
        many = session(
            model,
            texts[0] if texts else None,
            learner=learner,
            store={"use": "always", "folder": folder},
            seeds={"at_most": SEEDS, "convergent": SEEDS, "threshold": 0.0},
        )
        assert many.gradients.coverage(many.examples["train"])
        start = time.perf_counter()
        assert many.matrix
        built = time.perf_counter() - start
        assert many.feature
        stored, computed = time.perf_counter() - start, step * STEPS * SEEDS
        rows = sum(len(many.examples[name].pairs) for name in ("train", "validation", "neutral_trained"))
        print(f"{model}: {many.gradients.scope.size:,} columns, {rows} examples in the store")
        print(
            f"  {SEEDS} seeds of {STEPS} steps: {stored:.1f} s from the store ({built:.1f} s of them to build"
            f" it), {computed:.0f} s computed ({step * 1000:.0f} ms a step): {computed / stored:.0f} times"
            " faster"
        )
