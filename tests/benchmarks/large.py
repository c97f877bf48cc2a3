"""A model of 355 million or 1.24 billion parameters (the shapes of gpt2-medium and Llama 3.2 1B, weights
drawn) in the memory of this machine: what the plan says, and what is used, stage by stage.

    python tests/benchmarks/large.py gpt2-medium FOLDER mean-difference        # unpruned
    python tests/benchmarks/large.py llama-1b FOLDER adam \\
        selector.kind=top-gradient selector.share=0.01 gradients.dtype=bfloat16
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
from gradiend_core.roles.kinds import MODEL

GIB = 2**30


def build(folder: Path, shape: str) -> None:
    from transformers import AutoTokenizer, GPT2Config, LlamaConfig
    from transformers.models.auto import AutoModelForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(str(Plugins.discover().registry.get(MODEL, "tiny-clm").build()))
    special = {"bos_token_id": tokenizer.bos_token_id or 0, "eos_token_id": tokenizer.eos_token_id or 0}
    torch.manual_seed(0)
    if shape == "gpt2-medium":
        config = GPT2Config(n_layer=24, n_embd=1024, n_head=16, **special)
    else:
        wide = {
            "vocab_size": 128256,
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "max_position_embeddings": 2048,
        }
        heads = {"num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8}
        config = LlamaConfig(**wide, **heads, tie_word_embeddings=True, dtype="bfloat16", **special)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def resident() -> int:
    """Bytes of this process in memory, weights that are mapped from their file among them."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


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


def main(shape: str, folder: Path, learner: str, *settings: str) -> None:
    if not folder.exists():
        build(folder, shape)
    session = Session(
        "english-pronouns",
        model=str(folder),
        texts="tiny-english",
        classes=("3SG", "3PL"),
        data={"max_per_class": 60, "max_neutral": 60},
        settings=settings,
        learner={"kind": learner} | ({"steps": 20} if learner == "adam" else {}),
    )
    from gradiend_core.run.planning import memory_plan

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
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
