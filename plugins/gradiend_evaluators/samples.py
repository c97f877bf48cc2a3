"""Text that a model makes, to be read beside that of another."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gradiend_core.api import EvaluationTask, KnowsWords, subset

#: how many words are shown for a slot
LIKELIEST = 5


def continuations(task: EvaluationTask, prompts: Sequence[str], new_tokens: int) -> dict[str, str]:
    """What a generating model makes of each prompt, greedily, so that only the model matters; by prompt."""
    model, tokenizer = task.gradients.model, task.tokenizer
    if not prompts or not model.can_generate():  # type: ignore[operator]  # of transformers' models
        return {}
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    continued = {}
    for prompt in prompts:
        inputs = tokenizer(prompt, return_tensors="pt").to(model.device)
        made = model.generate(**inputs, max_new_tokens=new_tokens, do_sample=False, pad_token_id=pad)  # type: ignore[operator]
        continued[prompt] = tokenizer.decode(
            made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        ).strip()
    return continued


def likeliest(task: EvaluationTask, count: int) -> dict[str, str]:
    """The likeliest tokens at the slots of some test texts of each class, with their probabilities; by
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
    with torch.inference_mode():
        batch = examples.batch(range(len(rows)), task.gradients.device)
        best = task.source.slot_log_probabilities(task.gradients.model, batch).exp().topk(LIKELIEST)
    for pair, values, tokens in zip(examples.pairs, best.values.tolist(), best.indices.tolist(), strict=True):
        words = [
            f"{task.tokenizer.decode([token]).strip()} {value:.3f}"
            for value, token in zip(values, tokens, strict=True)
        ]
        shown[f"{pair.left}[{pair.factual}]{pair.right}"] = ", ".join(words)
    return shown
