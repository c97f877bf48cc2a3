"""The default run of a real model through the command line: how long it takes, in forward and backward passes
of one text, how much memory, and what comes of it.

    python tests/benchmarks/real.py MODEL --texts ../shared/assets/text/english_novels [--set PATH=VALUE …]

MODEL is a folder, a GGUF file or a hub id. The time of a pass is taken before and after the run, in this
process, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gradiend_core import Session
from gradiend_core.gradients.examples import subset

PASSES = 20


def seconds_of_a_pass(model: str, texts: str, settings: list[str]) -> float:
    """The mean over some texts, one by one: forward, and backward to every weight."""
    run = Session("english-pronouns", model=model, texts=texts, settings=[*settings, "data.max_per_class=60"])
    examples = subset(run.examples["train"], range(PASSES))
    loaded = run.loaded.model
    begun = 0.0
    for row in range(PASSES):
        if row == PASSES // 2:  # the first ones are slower
            begun = time.perf_counter()
        run.source.losses(loaded, examples.batch([row], loaded.device)).sum().backward()
        loaded.zero_grad()
    return (time.perf_counter() - begun) / (PASSES - PASSES // 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--texts", required=True)
    parser.add_argument("--set", dest="settings", action="append", default=["data.sentences=en"])
    given = parser.parse_args()
    one = seconds_of_a_pass(given.model, given.texts, given.settings)
    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, "-m", "gradiend_core", "run", "english-pronouns", "--model", given.model]
        call += ["--texts", given.texts, "--output", f"{folder}/run"]
        for setting in given.settings:
            call += ["--set", setting]
        begun = time.perf_counter()
        subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - begun
        results = json.loads((Path(folder) / "run" / "results.json").read_text())
    other = seconds_of_a_pass(given.model, given.texts, given.settings)
    gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    passes = seconds / ((one + other) / 2)
    print(f"{seconds:.0f} s, {passes:.0f} passes of one text ({one:.3f} and {other:.3f} s), {gib:.2f} GiB")
    print("seconds  ", {name: round(value, 1) for name, value in results["timing"].items()})
    for name in results["lines"]:
        print("\n".join(results["lines"][name]))


if __name__ == "__main__":
    main()
