"""The search for an edit against a full grid: `python tests/benchmarks/search.py`.

For each model and class: the probability on validation pairs of the best edit within the floor, of 16
learning rates from 1e-3 to 100 and of a search of 8 evaluations, the unedited model among them; the same
feature, texts and floor.
"""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from gradiend_evaluators import DecoderSettings
from gradiend_evaluators.decoder import DecoderEvaluator

from gradiend_core import Session

ASSETS = Path(__file__).parents[3] / "shared" / "assets"
STORIES = {"texts": str(ASSETS / "text/tinystories/tiny_stories_cased.txt"), "data": {"max_per_class": 500}}
JOBS = [
    ("tiny-mlm", {}),
    ("tiny-clm", {}),
    *((str(ASSETS / "models" / name), STORIES) for name in ("stories260k", "stories260k-mlm")),
]
RATES = tuple(digit * 10**power for power in range(-3, 3) for digit in (1.0, 2.0, 5.0))[:16]

if __name__ == "__main__":
    for model, tables in JOBS:
        run = Session("english-pronouns", model=model, learner={}, evaluators={"kinds": []}, **tables)  # type: ignore[arg-type]
        task = run.evaluation_task()
        settings = DecoderSettings()
        both = {}
        for name, config in (("grid", evolve(settings, learning_rates=RATES)), ("search", settings)):
            with run.stage(name):
                table = DecoderEvaluator(config).evaluate(task).tables["candidates"]
            both[name] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        for toward in run.feature.classes:
            parts = []
            for name, rows in both.items():
                own = [row for row in rows if row["toward"] == toward]
                (chosen,) = (row for row in own if row["chosen"])
                parts.append(
                    f"{name} {chosen['probability']:.3f} at {chosen['learning_rate']:.3g} of {len(own)}"
                )
            print(f"{Path(model).name:16} toward {toward}: {', '.join(parts)}", flush=True)
        print(
            f"{'':16} seconds: grid {run.timing['grid']:.1f}, search {run.timing['search']:.1f}", flush=True
        )
