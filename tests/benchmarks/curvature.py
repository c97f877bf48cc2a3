"""What the diagonal of the Fisher information costs: beside one backward pass for each text, and beside 30
training steps.

    python tests/benchmarks/curvature.py MODEL [TEXTS]

Prints the seconds as ratios, the largest difference from the squares of single backward passes with the same
drawn tokens and signs, relative to the largest value, and the memory that is held for the result.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import torch

import gradiend_core as gd
from gradiend_core.gradients.curvature import Losses, squared_gradients
from gradiend_core.rewriting.fisher import drawn_losses
from gradiend_core.rewriting.ordinary import choosing_and_reporting

TEXTS, STEPS, BATCH = 100, 30, 16

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("texts", nargs="?")
    given = parser.parse_args()
    run = gd.Session(
        "english-pronouns",
        model=given.model,
        texts=given.texts,
        learner={"kind": "adam", "max_steps": STEPS, "batch_size": BATCH},
        settings=["rewrite.metric=none", "data.max_per_class=300"],
    )
    gradients, model, source = run.gradients, run.loaded.model, run.source
    examples = run.examples["train"]
    start = time.perf_counter()
    _ = run.features
    training = time.perf_counter() - start
    texts = [text.text for text in choosing_and_reporting(run.runner.ordinary())[0][:TEXTS]]
    prepared = source.prepare_texts(texts, run.loaded.tokenizer, model, 0)

    def measured(batches: list[Losses]) -> tuple[torch.Tensor, float]:
        start = time.perf_counter()
        squares = squared_gradients(gradients, examples, batches)
        return squares, time.perf_counter() - start

    def losses(batch: object) -> torch.Tensor:
        return drawn_losses(model, batch, torch.Generator(gradients.device).manual_seed(0))  # type: ignore[arg-type]

    ours, seconds = measured([Losses(len(batch), partial(losses, batch)) for batch in prepared])
    parameters = [dict(model.named_parameters())[piece.name] for piece in gradients.scope.slices]
    naive, start, rows = torch.zeros_like(ours), time.perf_counter(), 0
    for batch in prepared:
        of_rows = losses(batch)
        for row in range(len(batch)):
            grads = torch.autograd.grad(of_rows[row], parameters, retain_graph=row + 1 < len(batch))
            flat = [
                piece.taken(grad.flatten()) for piece, grad in zip(gradients.scope.slices, grads, strict=True)
            ]
            naive += torch.cat(flat).square()
            rows += 1
    single = time.perf_counter() - start
    error = float((ours - naive).abs().max() / naive.abs().max())
    print(f"{len(texts)} texts, {rows} rows, {gradients.scope.size:,} weights: {seconds:.1f} s")
    print(
        f"one backward pass for each row takes {single / seconds:.1f} times as long; difference {error:.1e}"
    )
    print(f"{STEPS} training steps of batch {BATCH} take {training / seconds:.1f} times as long")
    print(f"held: one vector, {4 * gradients.scope.size / 2**20:.1f} MiB")
