"""Text that a model generates, to be compared with that of another."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gradiend_core.api import EvaluationTask, KnowsWords, example_batches, pad_id, subset

#: how many words are shown for a slot
LIKELIEST = 5


def continuations(task: EvaluationTask, prompts: Sequence[str], new_tokens: int) -> dict[str, str]:
    """The continuation of each prompt by a generating model, greedily, so that differences come from the
    model alone."""
    model, tokenizer = task.gradients.model, task.tokenizer
    if not prompts or not model.can_generate():  # type: ignore[operator]  # of transformers' models
        return {}
    pad = pad_id(tokenizer, model)
    continued = {}
    for prompt in prompts:
        inputs = tokenizer(prompt, return_tensors="pt").to(model.device)
        made = model.generate(**inputs, max_new_tokens=new_tokens, do_sample=False, pad_token_id=pad)  # type: ignore[operator]
        continued[prompt] = tokenizer.decode(
            made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        ).strip()
    return continued


def likeliest(task: EvaluationTask, count: int) -> dict[str, str]:
    """The most likely tokens at the slots of some test texts of each class, with their probabilities; by
    text."""
    test, shown = task.examples["test"], {}
    rows = [
        row
        for name in task.feature.classes
        for row in [row for row, pair in enumerate(test.pairs) if pair.factual_class == name][:count]
    ]
    if not rows or not isinstance(task.source, KnowsWords):
        return {}
    examples = subset(test, rows)
    model, device = task.gradients.model, task.gradients.device
    best: dict[int, tuple[list[float], list[int]]] = {}
    with torch.inference_mode():
        for numbers in example_batches(model, examples, device):
            batch = examples.batch(numbers, device)
            values, tokens = task.source.slot_log_probabilities(model, batch).exp().topk(LIKELIEST)
            best |= dict(zip(numbers, zip(values.tolist(), tokens.tolist(), strict=True), strict=True))
    for number, pair in enumerate(examples.pairs):
        words = [
            f"{task.tokenizer.decode([token]).strip()} {value:.3f}"
            for value, token in zip(*best[number], strict=True)
        ]
        shown[f"{pair.left}[{pair.factual}]{pair.right}"] = ", ".join(words)
    return shown
