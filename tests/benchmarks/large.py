"""A model of 355 million parameters (the shape of gpt2-medium, weights drawn) in the memory of this machine: what the plan says,
and what is used, stage by stage.

    python tests/benchmarks/large.py FOLDER mean-difference        # unpruned
    python tests/benchmarks/large.py FOLDER adam scope.kind=top-gradient scope.share=0.01
"""

from __future__ import annotations

import json
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from gradiend_core import Session, save_run
from gradiend_core.plugins.manager import Plugins

GIB = 2**30


def build(folder: Path, layers: int = 24, width: int = 1024, vocabulary: int = 50257) -> None:
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(str(Plugins.discover().registry.get("model", "tiny-clm").build()))
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=vocabulary,
        n_layer=layers,
        n_embd=width,
        n_head=width // 64,
        bos_token_id=tokenizer.bos_token_id or 0,
        eos_token_id=tokenizer.eos_token_id or 0,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def resident() -> int:
    """Bytes of this process in memory, but for pages of files that are mapped, which can go at any time."""
    resident, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
    return (resident - shared) * 4096


class Peaks:
    """The most memory that each stage of a session held."""

    def __init__(self, session: Session) -> None:
        self.found: dict[str, int] = {"start": resident()}
        self.names, self.session, self.old = ["start"], session, session.stage
        session.stage = self.stage  # type: ignore[method-assign]
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        while True:
            name = self.names[-1]
            self.found[name] = max(self.found.get(name, 0), resident())
            time.sleep(0.002)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.names.append(name)
        try:
            with self.old(name):
                yield
        finally:
            self.names.pop()


def main(folder: Path, learner: str, *settings: str) -> None:
    if not folder.exists():
        build(folder)
    session = Session(
        "english-pronouns",
        model=str(folder),
        texts="tiny-english",
        classes=("3SG", "3PL"),
        data={"max_per_class": 60, "max_neutral": 60},
        settings=settings,
        learner={"kind": learner} | ({"steps": 20, "progress": False} if learner == "adam" else {}),
    )
    from gradiend_core.planning import memory_plan

    plan = memory_plan(session)
    print("\n".join(plan.lines()))
    peaks = Peaks(session)

    warnings.simplefilter("ignore")
    save_run(session, folder.with_name(f"{folder.name}-{learner}"))
    peak = max(peaks.found.values())
    for name, value in peaks.found.items():
        print(f"{name:24} {value / GIB:6.2f} GiB")
    print(f"planned {plan.peak / GIB:.2f} GiB, used {peak / GIB:.2f} GiB, ratio {plan.peak / peak:.2f}")
    print(json.dumps({name: round(value, 1) for name, value in session.timing.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
