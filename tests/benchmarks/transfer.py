"""Does `transfer` say yes to what is not there?

    python tests/benchmarks/transfer.py untrained FOLDER [--paradigm english-gender] [--draws 20]
    python tests/benchmarks/transfer.py nonsense FOLDER [--draws 40]

`untrained` learns the feature from copies of the model with random weights, `nonsense` tells random words
from random words on the model itself. Each line has a draw, its correlation and p-value; the last how many
are significant at 0.05. TEXTS is a file with a text on each line.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

import gradiend_core as gd

ASSETS = Path(__file__).parents[3] / "shared" / "assets"
TEXTS = ASSETS / "text" / "tinystories" / "tiny_stories_cased.txt"
SETTINGS = ['evaluators.kinds=["transfer"]', "evaluators.transfer.untrained=0", "data.max_per_class=300"]


def untrained(folder: Path, paradigm: str, draws: int, settings: list[str]) -> list[Any]:
    architecture = AutoConfig.from_pretrained(folder).architectures[0]
    auto = AutoModelForMaskedLM if "Masked" in architecture else AutoModelForCausalLM
    tokenizer, reports = AutoTokenizer.from_pretrained(folder), []
    for seed in range(draws):
        torch.manual_seed(seed)
        with TemporaryDirectory() as made:
            auto.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(made)
            tokenizer.save_pretrained(made)
            run = gd.Session(paradigm, model=made, texts=str(TEXTS), settings=[*SETTINGS, *settings])
            reports.append(told(seed, run))
    return reports


def nonsense(folder: Path, draws: int, settings: list[str]) -> list[Any]:
    """Four frequent words against four others, and 17 pairs of other words as what should transfer."""
    counts = Counter(
        word for text in TEXTS.read_text().splitlines() for word in re.findall(r"\b[a-z]+\b", text)
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    frequent = [word for word, count in counts.most_common(400) if count > 300]
    alone = [
        word
        for word in frequent
        if len(tokenizer.tokenize(f"so {word}")) == len(tokenizer.tokenize("so")) + 1
    ]
    reports = []
    for seed in range(draws):
        rng = random.Random(seed)
        learned = rng.sample(alone, 8)
        others = [word for word, count in counts.most_common(600) if count > 80 and word not in learned]
        rng.shuffle(others)
        words = {"A": learned[:4], "B": learned[4:]}
        related = {"A": others[:17], "B": others[17:34]}
        run_file = {"paradigm": {"kind": "words", "words": words, "related": related}}
        run = gd.Session(
            run_file=run_file, model=str(folder), texts=str(TEXTS), settings=[*SETTINGS, *settings]
        )
        reports.append(told(seed, run))
    return reports


def told(seed: int, run: Any) -> Any:
    report = run.reports["transfer"]
    values = [
        report.get(name)
        for name in ("correlation", "p_value", "random_p_value", "sign_p_value", "control_p_value")
    ]
    print(seed, *(f"{value:.3f}" if value is not None else "none" for value in values), flush=True)
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("untrained", "nonsense"))
    parser.add_argument("model", type=Path)
    parser.add_argument("--paradigm", default="english-pronouns")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    if given.what == "untrained":
        measured = untrained(given.model, given.paradigm, given.draws, given.set)
    else:
        measured = nonsense(given.model, given.draws, given.set)
    significant = sum((report.get("p_value") or 1.0) <= 0.05 for report in measured)
    print(f"{significant} of {len(measured)} have p <= 0.05")
