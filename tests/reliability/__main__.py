"""Tries everything in full, and writes the tables of docs/pages/reliability.md: `python -m tests.reliability
[PART]`.

Parts are hostile, killed and faults; each alone puts only its own table into the page. Half an hour on two
cores.
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Iterator

from tests.conftest import ROOT
from tests.reliability import faults, hostile, killed

PAGE = ROOT / "docs" / "pages" / "reliability.md"
#: changed files of each loader, and moments drawn from the time of each job
MANY, DRAWN = 1500, 60


def of_hostile() -> Iterator[str]:
    yield "| read | changed files | loaded | refused | failed |\n|---|---|---|---|---|"
    for name, loader in hostile.LOADERS.items():
        outcomes: Counter[str] = Counter()
        for seed in range(MANY // 10 if name in hostile.SLOW else MANY):
            try:
                outcomes[
                    "loaded" if hostile.attempt(loader, random.Random(seed)) == "loaded" else "refused"
                ] += 1
            except AssertionError as error:
                outcomes["failed"] += 1
                print(f"seed {seed}: {str(error)[:300]}", file=sys.stderr)
        yield (
            f"| {name} | {outcomes.total():,} | "
            + " | ".join(f"{outcomes[each]:,}" for each in ("loaded", "refused", "failed"))
            + " |"
        )


def of_killed() -> Iterator[str]:
    yield (
        "| job | killed | at the touch of a file | at a moment of its time | not the same in the end"
        " |\n|---|---|---|---|---|"
    )
    for name, job in killed.JOBS.items():
        wanted, touches, seconds = killed.undisturbed(job)
        rng, found, wrong = random.Random(0), [0, 0], 0
        for number in [*range(1, touches + 1), *[0] * DRAWN]:
            try:
                found[not number] += killed.tried(
                    job, wanted, number, 0.0 if number else rng.uniform(0.05, seconds)
                )
            except AssertionError as error:
                wrong += 1
                print(f"{name}, {number or 'drawn'}: {str(error)[:300]}", file=sys.stderr)
        yield f"| {name} | {sum(found):,} | {found[0]} | {found[1]} | {wrong} |"


def of_faults() -> Iterator[str]:
    yield "| what goes wrong | tried | what happens | failed |\n|---|---|---|---|"
    for name in faults.FAULTS:
        try:
            yield f"| {name} | 1 | {faults.tried(name)} | 0 |"
        except AssertionError as error:
            print(f"{name}: {error}", file=sys.stderr)
            yield f"| {name} | 1 | | 1 |"


def main(parts: list[str]) -> None:
    for part, made in (("hostile", of_hostile), ("killed", of_killed), ("faults", of_faults)):
        if not parts or part in parts:
            table = []
            for row in made():
                print(row, flush=True)
                table.append(row)
            marked = re.compile(f"(<!-- {part} -->\n).*?(<!-- end -->)", re.S)
            page = PAGE.read_text(encoding="utf-8")
            rows = "\n".join(table)
            page = marked.sub(lambda match, rows=rows: f"{match[1]}{rows}\n{match[2]}", page)
            PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
