"""How cost grows: `python tests/benchmarks/linear.py [FIGURE.png]`. Seconds of each product for more examples
and for wider models, and the peak memory of the process as `project` is given more examples. Straight lines
through the origin are the claim.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time

import torch
from matplotlib.figure import Figure
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from gradiend_core import Session
from gradiend_core.gradients.examples import subset
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.roles.source import Examples

COUNTS, WIDTHS = (40, 80, 160, 320), (128, 256, 384, 512)
ROLES = [GradientRole.ALTERNATIVE, GradientRole.DIFFERENCE]


def model(folder: str, width: int) -> Session:
    tokenizer = AutoTokenizer.from_pretrained(Session("english-pronouns").model_folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=4,
        num_attention_heads=8,
        intermediate_size=4 * width,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Session("english-pronouns", model=folder)


def seconds(gradients: GradientOperator, examples: Examples) -> dict[str, float]:
    count, direction = len(examples.pairs), torch.ones(1, gradients.scope.size)
    narrow = gradients.narrowed(torch.arange(0, gradients.scope.size, 100))
    work = {
        "project": lambda: gradients.project(examples, direction, ROLES[0]),
        "accumulate": lambda: gradients.accumulate(examples, range(count), torch.ones(count), ROLES),
        "rows of 1 %": lambda: [None for _ in narrow.rows(examples, ROLES)],
    }
    found = {}
    for name, do in work.items():
        do()
        times = []
        for _ in range(2):
            start = time.perf_counter()
            do()
            times.append(time.perf_counter() - start)
        found[name] = min(times)
    return found


def draw(points: list[tuple[float, dict[str, float]]], axes: object, label: str) -> None:
    for name in points[0][1]:
        axes.plot([x for x, _ in points], [found[name] for _, found in points], marker="o", label=name)
    axes.set(xlabel=label, ylabel="seconds", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)


if __name__ == "__main__":
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    with tempfile.TemporaryDirectory() as folder:
        run, points = model(folder, 256), []
        for count in COUNTS:
            examples = subset(run.examples["train"], range(count))
            run.gradients.project(examples, torch.ones(1, run.gradients.scope.size), ROLES[0])
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(f"{count:4} examples: peak memory after project {peak:.2f} GiB")
        for count in COUNTS:
            points.append((count, seconds(run.gradients, subset(run.examples["train"], range(count)))))
            each = ", ".join(f"{name} {value / count * 1000:.2f}" for name, value in points[-1][1].items())
            print(f"{count:4} examples: {each} ms an example")
        draw(points, left, "examples")
        points = []
        for width in WIDTHS:
            run = model(folder, width)
            n = run.gradients.scope.size
            points.append((n / 1e6, seconds(run.gradients, subset(run.examples["train"], range(32)))))
            each = ", ".join(f"{name} {value / n * 1e9:.1f}" for name, value in points[-1][1].items())
            print(f"{n / 1e6:5.1f} M parameters: {each} ns a parameter")
        draw(points, right, "million parameters")
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1], dpi=110)
