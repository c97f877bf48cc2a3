"""Tasks of EleutherAI's lm-evaluation-harness as side-effect probes, document by document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from gradiend_core.api import ConfigError, EvaluationTask


def documents(
    task: EvaluationTask, names: Sequence[str], folder: str, model: nn.Module
) -> dict[tuple[str, str], torch.Tensor]:
    """The value of each document by (task, metric), for metrics that have a value for each document. `folder`
    has further task files."""
    try:
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise ConfigError(
            "evaluators.side-effects.lm_eval needs lm-eval, which is not installed; pip install lm-eval"
        ) from error
    tasks = TaskManager(include_path=folder or None, include_defaults=not folder)
    unknown = [name for name in names if name not in tasks.all_tasks]
    if unknown:
        raise ConfigError(f"lm-eval knows no task {unknown[0]!r} at evaluators.side-effects.lm_eval")
    evaluated = simple_evaluate(
        HFLM(pretrained=model, tokenizer=task.tokenizer, batch_size=16),
        tasks=list(names),
        task_manager=tasks,
        log_samples=True,
        bootstrap_iters=0,
        random_seed=None,
        numpy_random_seed=None,
        torch_random_seed=None,
        fewshot_random_seed=task.seed,
    )
    samples: dict[str, list[dict[str, Any]]] = evaluated["samples"]
    values = {
        (f"lm-eval {name}", metric): torch.tensor(
            [float(sample[metric]) for sample in task_samples], dtype=torch.float64
        )
        for name, task_samples in samples.items()
        for metric in task_samples[0]["metrics"]
        if all(isinstance(sample[metric], (int, float)) for sample in task_samples)
    }
    if not values:
        raise ConfigError(
            f"the lm-eval tasks {', '.join(names)} have no metric with a value for each document"
        )
    return values
