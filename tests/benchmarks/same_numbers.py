"""Are the numbers of two sets of runs the same to the last digit? `python tests/benchmarks/same_numbers.py
OLD NEW`

Both are folders with runs of the same names, made by two versions of the code. Every results.json is compared
but for times, versions and plugin names; so is every number of a comparison.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: what is another with each version, or each run
IGNORED = ("timing", "versions", "plugins")


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Every path at which two values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new} - set(IGNORED)):
            yield from differences(old.get(key, "nothing"), new.get(key, "nothing"), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, two) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, two, f"{path}[{number}]")
    elif old != new:
        yield f"{path.lstrip('.')}: {old!r:.80} and {new!r:.80}"


def main(old: Path, new: Path) -> int:
    count = 0
    for path in sorted(p for name in ("results.json", "comparison.json") for p in old.rglob(name)):
        name = path.relative_to(old)
        if not (new / name).exists():
            print(f"{name}: missing")
            count += 1
            continue
        found = list(differences(json.loads(path.read_text()), json.loads((new / name).read_text())))
        print(f"{name}: {'the same' if not found else f'{len(found)} differences'}")
        print("".join(f"    {line}\n" for line in found[:20]), end="")
        count += len(found)
    return count


if __name__ == "__main__":
    sys.exit(bool(main(Path(sys.argv[1]), Path(sys.argv[2]))))
