"""The twelve examples run as they stand, each in a folder of its own, and show what they promise."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.families.build import build

SCRIPTS = sorted((ROOT / "docs" / "examples" / "journeys").iterdir())
#: what a script leaves, and a number that it prints, with the least value that it may have
SHOWN = {
    "01": (
        ["first-feature/figures/encodings.png", "first-feature/rewritten/many"],
        r"correlation ([\d.]+)",
        0.9,
    ),
    "02": (
        ["german/pairs/audit.md", "german/pairs/pairs.csv", "german/run/results.json"],
        r"correlation ([\d.]+)",
        0.9,
    ),
    "03": (["small-and-stable/seeds/4/feature"], r"correlation ([\d.]+)", 0.9),
    "04": (["debiased/rewritten/balanced/model.safetensors"], r"after +Anna slept because he ([\d.]+)", 0.1),
    "05": ([], r"right filler of two on ([\d.]+)", 0.9),
    "06": (["encoder-decoder/results.json"], r"correlation ([\d.]+)", 0.5),
    "07": (["number/figures/encodings.png"], r"1SG → 1PL +\+([\d.]+)", 0.5),
    "08": (["unseen-words/tables/encoder_words.csv"], r"correlation ([\d.]+)", 0.3),
    "09": (["seeds/comparison/tables/spread.csv"], r"test.correlation ([\d.]+) ±", 0.9),
    "10": (["pairs/comparison/figures/cross-encoding.png"], r"their own texts by ([\d.]+)", 0.8),
    "11": (["compared/tables/pairs.csv"], r"without-verbs.*\(correlation ([\d.]+)", 0.8),
    "12": (["shipped/full/config.json", "shipped/lora/adapter_config.json"], r"of length ([\d.]+)", 0.1),
}


def test_there_is_one_for_each_journey():
    assert [path.name[:2] for path in SCRIPTS] == sorted(SHOWN)
    page = (ROOT / "docs" / "pages" / "examples.md").read_text(encoding="utf-8")
    assert all(f"`{path.name}`" in page for path in SCRIPTS)
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 70 for path in SCRIPTS)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_runs_and_shows_what_it_promises(script, tmp_path):
    program = ["bash"] if script.suffix == ".sh" else [sys.executable]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    # what a small BART learns in half a minute is no promise; the rest of the script takes any model
    model = [str(build("T5", tmp_path / "t5"))] if script.name.startswith("06") else []
    done = subprocess.run(
        [*program, str(script), *model], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    files, number, least = SHOWN[script.name[:2]]
    for name in files:
        assert (tmp_path / name).exists(), name
    printed = re.search(number, done.stdout)
    assert printed, done.stdout
    assert float(printed[1]) >= least, printed[0]
    if script.name.startswith("03"):
        counted = re.search(r"([\d,]+) of ([\d,]+) weights", done.stdout)
        weights, of = (int(count.replace(",", "")) for count in counted.groups())
        assert weights <= of / 1000
    if script.name.startswith("08"):
        assert "0 in both" in done.stdout
    if script.name.startswith("09"):
        with (tmp_path / files[0]).open(encoding="utf-8") as file:
            assert {row["seeds"] for row in csv.DictReader(file)} == {"5"}
