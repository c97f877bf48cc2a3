"""How fast the three products are, as ratios of one run: `python tests/benchmarks/engine.py [MODEL [TEXTS]]`.

    project      against one backward pass for each example, what an encoder evaluation would otherwise cost
    accumulate   two roles of a batch with one forward pass against a backward pass for each example and role
    rows         of 1 % of the parameters, against one backward pass for each example that keeps only these

"bert-base" as MODEL is a BERT of that size with random weights and the embedded model's tokenizer; it takes
some minutes. One backward pass for each example costs about the same for any text, ours grows with its
tokens: short texts gain most.
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
from gradiend_core.roles.source import Examples
from gradiend_core.testing.gradients import naive_gradients


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


def measure(session: Session, count: int, fewer: int, rounds: int) -> None:
    """`fewer` examples for all but `project`, of which encoder evaluation consists."""
    gradients, examples, some = (
        session.gradients,
        *(subset(session.examples["train"], range(n)) for n in (count, fewer)),
    )
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(1, gradients.scope.size, generator=generator)
    columns = (
        torch.randperm(gradients.scope.size, generator=generator)[: gradients.scope.size // 100].sort().values
    )
    narrow = gradients.narrowed(columns)
    shares, roles = torch.full((fewer,), 1 / fewer), [GradientRole.ALTERNATIVE, GradientRole.DIFFERENCE]
    assert narrow.coverage(examples).others == gradients.coverage(examples).others == ()

    def one_by_one(examples: Examples, use: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        rows = range(len(examples.pairs))
        return torch.cat([use(naive_gradients(gradients, subset(examples, [row]), roles[0])) for row in rows])

    work = {
        "project": (
            lambda: gradients.project(examples, direction, roles[0]),
            lambda: one_by_one(examples, lambda g: g @ direction.T),
        ),
        "accumulate": (
            lambda: gradients.accumulate(some, range(fewer), shares, roles),
            lambda: [one_by_one(some, lambda g: g[0, :1]) for _ in roles],
        ),
        "rows, 1 %": (
            lambda: [None for _ in narrow.rows(some, roles[:1])],
            lambda: one_by_one(some, lambda g: g[:, columns]),
        ),
    }
    tokens = sum(examples.lengths) / count
    print(
        f"{session.config.general.model}: {gradients.scope.size:,} parameters in scope, {count} examples of"
        f" {tokens:.1f} tokens, {torch.get_num_threads()} threads"
    )
    for name, (ours, naive) in work.items():
        if rounds > 1:
            ours()
        ratios = [seconds(naive) / seconds(ours) for _ in range(rounds)]
        print(
            f"  {name:10} {median(ratios):5.1f} times faster (of {rounds}: {min(ratios):.1f} to"
            f" {max(ratios):.1f})",
            flush=True,
        )
    whole = session.examples["train"]
    for length in (10, 12, 16, 20):
        same = subset(whole, [row for row, own in enumerate(whole.lengths) if own == length][:64])
        if len(same.pairs) < 64:
            continue
        few = subset(same, range(8))
        alone = seconds(
            lambda few=few: [
                naive_gradients(gradients, subset(few, [row]), roles[0]) @ direction.T for row in range(8)
            ]
        )
        together = seconds(lambda same=same: gradients.project(same, direction, roles[0]))
        print(f"  project of texts of {length} tokens: {8 * alone / together:.1f} times faster", flush=True)
    some = subset(examples, range(8))
    alone = (naive_gradients(gradients, subset(some, [row]), roles[0]).double() for row in range(8))
    right = torch.cat(
        [row @ direction.T.double() for row in alone]
    )  # in float32 the error of this sum would be the larger one
    error = float((gradients.project(some, direction, roles[0]) - right).abs().max() / right.abs().max())
    print(f"  largest error of project, relative to the largest value: {error:.1e}")


if __name__ == "__main__":
    model, *texts = sys.argv[1:] or ["tiny-mlm"]
    with tempfile.TemporaryDirectory() as folder:
        name = bert_base(folder) if model == "bert-base" else model
        run = Session("english-pronouns", model=name, texts=texts[0] if texts else None)
        measure(run, *((200, 32, 1) if model == "bert-base" else (64, 64, 3)))
