"""How fast the three products are, as ratios of one run: `python tests/benchmarks/engine.py [MODEL [TEXTS]]`.

    project      against one backward pass for each example, what an encoder evaluation would otherwise cost
    accumulate   two roles of a batch with one forward pass against one backward pass for each example and role
    columns      against one backward pass for each example that keeps only the columns

"bert-base" as MODEL is a BERT of that size with random weights and the embedded model's tokenizer; it takes some minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median

import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from gradiend_core import Session
from gradiend_core.gradients.examples import subset
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.testing.gradients import naive_gradients

ROUNDS = 3


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bert_base(folder: str) -> str:
    tiny = Session("english-pronouns").model_folder
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=30522)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def measure(session: Session, count: int) -> None:
    gradients, examples = session.gradients, subset(session.examples["train"], range(count))
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(1, gradients.scope.size, generator=generator)
    columns = torch.randperm(gradients.scope.size, generator=generator)[: gradients.scope.size // 100].sort().values
    rows, shares, roles = list(range(count)), torch.full((count,), 1 / count), [GradientRole.ALTERNATIVE, GradientRole.DIFFERENCE]

    def one_by_one(use: Callable[[torch.Tensor], object]) -> None:
        for row in rows:
            use(naive_gradients(gradients, subset(examples, [row]), roles[0]))

    work = {
        "project": (lambda: gradients.project(examples, direction, roles[0]), lambda: one_by_one(lambda g: g @ direction.T)),
        "accumulate": (
            lambda: gradients.accumulate(examples, rows, shares, roles),
            lambda: [one_by_one(lambda g: g[0]) for _ in roles],
        ),
        "columns": (lambda: gradients.columns(examples, columns, roles[0]), lambda: one_by_one(lambda g: g[:, columns])),
    }
    threads = torch.get_num_threads()
    print(f"{session.config.general.model}: {gradients.scope.size:,} parameters in scope, {count} examples, {threads} threads")
    for name, (ours, naive) in work.items():
        ours(), naive()
        ratios = [seconds(naive) / seconds(ours) for _ in range(ROUNDS)]
        print(f"  {name:10} {median(ratios):5.1f} times faster (of {ROUNDS}: {min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    model, *texts = sys.argv[1:] or ["tiny-mlm"]
    with tempfile.TemporaryDirectory() as folder:
        name = bert_base(folder) if model == "bert-base" else model
        run = Session("english-pronouns", model=name, texts=texts[0] if texts else None)
        measure(run, 16 if model == "bert-base" else 64)
