"""What a suite shares: `python tests/benchmarks/suite.py [SUITE.toml [FEW]]`, by default the 45 features of
docs/examples.

suite            all runs and the comparison, against single `gradiend run`s with the same settings and with
                 default ones;
                 FEW of these are timed, spread over the suite, and their mean taken for all
cross-encoding   every feature on the test pairs of every feature of its model in one pass, against a pass
                 for each feature
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tomli_w
import torch

from gradiend_core.comparison.crossing import encode_all
from gradiend_core.config.suitefile import USUAL, read_suite
from gradiend_core.finished.comparing import _features, _model_names, _opened, _readings
from gradiend_core.records.run import ComparisonSettings

FILE = Path(__file__).parents[2] / "docs" / "examples" / "many-features.toml"


def seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "gradiend_core", *command], check=True, capture_output=True)
    return time.perf_counter() - start


def main(file: Path, few: int) -> None:
    suite = read_suite(file)
    members = [member for member in suite.members if ".shuffled" not in member.name]
    with tempfile.TemporaryDirectory() as place:
        plain = Path(place, "suite.toml")
        plain.write_text(file.read_text().replace("nulls = 1", "nulls = 0"))
        whole = seconds("suite", str(plain), "--output", f"{place}/suite")
        print(f"{len(members)} runs and their comparison: {whole:.1f} s")
        for kind in ("the same settings", "default settings"):
            times = []
            for number, member in enumerate(members[:: max(1, len(members) // few)]):
                tables = {
                    name: own
                    for name, own in member.tables.items()
                    if kind != "default settings" or name not in USUAL
                }
                single = Path(place, f"{number}.toml")
                single.write_text(tomli_w.dumps(tables))
                times.append(seconds("run", str(single), "--output", f"{place}/{kind[:3]}{number}"))
            mean = sum(times) / len(times)
            print(
                f"single runs with {kind}: {mean:.1f} s each (of {len(times)});"
                f" {mean * len(members) / whole:.1f} times as long"
            )
        opened = _opened({path.name: path for path in sorted(Path(place, "suite", "runs").iterdir())}, {})
        models = _model_names(opened)
        features, pairs = _features(opened, models)
        readings, _ = _readings(opened, models, features, pairs, ComparisonSettings().max_pairs)
    for model, reading in readings.items():
        own = [each.seeds[0] for each in features if each.model == model]
        for count in (len(own), 45):
            some = (own * 45)[:count]  # what a feature costs does not depend on its numbers
            encode_all(some[:1], reading.gradients, reading.examples)  # coverage is measured once
            start = time.perf_counter()
            together = encode_all(some, reading.gradients, reading.examples)
            middle = time.perf_counter()
            alone = torch.cat([encode_all([each], reading.gradients, reading.examples) for each in some])
            ratio = (time.perf_counter() - middle) / (middle - start)
            error = float((together - alone).abs().max())
            print(
                f"cross-encoding of {count} features of {model} on {len(reading.examples.pairs)} pairs:"
                f" {middle - start:.2f} s in one pass, {ratio:.1f} times as long in {count} (differ by"
                f" {error:.1e})"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE, int(sys.argv[2]) if len(sys.argv) > 2 else 6)
