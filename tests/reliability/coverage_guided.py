"""Inputs found by coverage: `python tests/reliability/coverage_guided.py LOADER [-max_total_time=60 …]`, with
atheris installed.

What atheris makes is the content of the loader's file; for artefacts it is their JSON content, with right
checksums, as noise alone would never get past them.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["gradiend_core", "tomllib", "conllu"]):
    from gradiend_core.errors import GradiendError
    from tests.reliability import hostile

#: the file of each loader that is attacked
FILES = {
    "feature": "feature.json",
    "update": "update.json",
    "reference feature": "config.json",
    "run file": "run.toml",
    "suite file": "suite.toml",
    "settings": "settings.txt",
    "pairs": "pairs.jsonl",
    "text file": "a.txt",
    "CoNLL-U file": "a.conllu",
}


def main(name: str, options: list[str]) -> None:
    loader = hostile.LOADERS[name]
    place = Path(tempfile.mkdtemp())
    (folder := place / "it").mkdir()
    loader.make(folder)
    path = folder / FILES[name]
    whole = path.read_bytes()
    artefact = name in ("feature", "update")
    seeds = place / "seeds"
    seeds.mkdir()
    (seeds / "whole").write_bytes(json.dumps(json.loads(whole)["content"]).encode() if artefact else whole)
    rng = random.Random(0)

    def one(data: bytes) -> None:
        if artefact:
            try:
                content = json.loads(data)
            except (ValueError, RecursionError):
                return
            path.write_text(
                json.dumps({**json.loads(whole), "content": content}), encoding="utf-8", errors="replace"
            )
            loader.reseal(folder)
        else:
            path.write_bytes(data)
        with warnings.catch_warnings(), suppress(GradiendError):
            warnings.simplefilter("ignore")
            loader.load(folder)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        """Half of the time as the format goes, where noise would rarely be parsed."""
        rng.seed(seed)
        if artefact and rng.random() < 0.5:
            try:
                content, _ = hostile.planted(json.loads(data), rng)
                return json.dumps(content).encode("utf-8", "replace")[:most]
            except (ValueError, RecursionError):
                pass
        return atheris.Mutate(data, most)

    # what crashes is kept beside the seeds; libFuzzer would put it into the folder that one happens to be in
    atheris.Setup(
        [sys.argv[0], str(seeds), f"-artifact_prefix={place}/", *options], one, custom_mutator=mutated
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
