"""How fast texts become pairs, and in how much memory: `python tests/benchmarks/data.py [LINES]`.

First 100,000 sentences of the novels in ../shared/assets (repeated with a number until there are enough),
with the words of the English pronouns and no tags: sentences a second from text in memory to finished pairs.
Then a file of LINES lines (1,000,000), read line by line: the process's peak memory, of which Python and its
libraries take what is printed first."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from gradiend_pronouns import EnglishPronouns
from gradiend_pronouns.paradigm import english_pronouns

from gradiend_core.data.texts import read_texts
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text
from gradiend_core.roles.paradigm import PairingTask

NOVELS = Path(__file__).parents[3] / "shared" / "assets" / "text" / "english_novels"
SENTENCES = 100_000


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    settings = DataSettings(sentences="en")
    start = time.perf_counter()
    novels = list(read_texts(str(NOVELS), settings))
    print(f"reading and splitting: {len(novels) / (time.perf_counter() - start):,.0f} sentences a second")
    sentences = [
        Text(f"{text.text} {n // len(novels)}", n)
        for n, text in zip(range(SENTENCES), novels * 9, strict=False)
    ]
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        data = english_pronouns(EnglishPronouns()).pairs(PairingTask(sentences, settings, 0))
        rates.append(len(sentences) / (time.perf_counter() - start))
    print(f"texts to pairs: {sorted(rates)[1]:,.0f} sentences a second ({data.funnel.matched:,} matched)")
    del sentences
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.txt"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{novels[n % len(novels)].text} {n}\n" for n in range(lines))
        del novels
        size, before = path.stat().st_size / 2**20, peak()
        start = time.perf_counter()
        data = english_pronouns(EnglishPronouns()).pairs(
            PairingTask(read_texts(str(path)), DataSettings(), 0)
        )
        seconds = time.perf_counter() - start
    print(f"{lines:,} lines, {size:,.0f} MiB: {seconds:.0f} s, peak {peak():,.0f} MiB, {before:,.0f} before")
