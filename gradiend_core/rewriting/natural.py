"""The direction of an edit: the decoder's, divided by the cost of changing each weight, and kept from
changing protected slots."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import torch
from attrs import evolve
from torch import Tensor

from gradiend_core.data.marked import MARKED, marked
from gradiend_core.data.rules import capital
from gradiend_core.errors import ConfigError
from gradiend_core.progress import progress
from gradiend_core.records.goal import Goal
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.pair import SPLITS, MinimalPair
from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.ordinary import axis_words
from gradiend_core.roles.evaluator import EvaluationTask
from gradiend_core.roles.gradients import ModelGradients
from gradiend_core.roles.source import Examples

#: the solver ends when what is left is this share of the direction's length, or after so many steps
LEFT, STEPS = 3e-3, 30
#: what a sentence ends with
ENDS = (".", "!", "?", '"', "”", "’", "'")


def natural_update(
    task: EvaluationTask, goal: Goal, feature_factor: float, damping: float | None
) -> WeightUpdate:
    """The update for a goal at learning rate 0: by the metric if there is a damping, with the slots of
    `rewrite.keep` protected."""
    update = task.feature.update(
        goal.name, 0.0, feature_factor=feature_factor, direction=task.rewrite.direction
    )
    return evolve(update, direction=natural_direction(task, update.direction, damping))


def natural_direction(task: EvaluationTask, direction: Tensor, damping: float | None) -> Tensor:
    """The same for any direction, [n], which may be overwritten."""
    kept, feature = task.kept(), task.feature
    weight, damping_mean = task.rewrite.keep_weight, task.rewrite.damping_mean
    if kept is None:
        if damping is None:
            return direction
        return feature.natural(direction, damping, damping_mean, overwrite=True)
    if damping is None or feature.curvature is None:
        return keeping(direction, torch.ones_like(direction), task.gradients, kept, weight)
    metric = torch.cat(list(feature.metric(damping, damping_mean, direction)))
    return keeping(direction, metric, task.gradients, kept, weight, feature.turned)


def keeping(
    direction: Tensor,
    metric: Tensor,
    gradients: ModelGradients,
    kept: Examples,
    weight: float,
    turned: Callable[..., Tensor] = lambda vector, back=False: vector,
) -> Tensor:
    """The change x that moves the model along the direction at the least cost ½ Σ metric x² + ½ weight · s ·
    mean (gᵢ·x)², [n], with gᵢ the DIFFERENCE gradients of the kept pairs. The scale s is such that both costs
    of the natural gradient, direction / metric, are the same at weight 1, whatever the damping. It solves
    (metric + weight · s · mean gᵢ gᵢᵀ) x = direction by conjugate gradients, with the metric as
    preconditioner and no gradient of a single pair formed; where the metric is given in other bases
    (`LearnedFeature.turned`), in these."""
    count, rows = len(kept.pairs), range(len(kept.pairs))
    direction = turned(direction)
    natural = direction / metric

    def along(x: Tensor) -> Tensor:
        return gradients.project(kept, turned(x, back=True)[None], GradientRole.DIFFERENCE)[:, 0].to(x)

    moved = float(along(natural).square().sum())
    if not moved:
        return turned(natural, back=True)
    scale = float(direction @ natural) / moved  # of the sum over the pairs

    def cost(x: Tensor) -> Tensor:
        coefficients = along(x).mul_(weight * scale)
        total = gradients.accumulate(kept, rows, coefficients, [GradientRole.DIFFERENCE])[0].to(x)
        return turned(total).addcmul_(metric, x)

    solution, residual, step = torch.zeros_like(direction), direction.clone(), natural
    size, enough = float(residual @ step), LEFT * float(direction.norm())
    with progress(f"keeping {count} slots", STEPS) as steps:
        for _ in range(STEPS):
            costs = cost(step)
            length = size / float(step @ costs)
            solution.add_(step, alpha=length)
            residual.sub_(costs, alpha=length)
            steps.advance()
            if float(residual.norm()) <= enough:
                break
            scaled = residual / metric
            before, size = size, float(residual @ scaled)
            step.mul_(size / before).add_(scaled)
    return turned(solution, back=True)


def kept_pairs(
    controls: Sequence[MinimalPair],
    words_of: Mapping[str, Sequence[str]],
    axis: tuple[str, str],
    names: Sequence[str],
    count: int,
    seed: int,
) -> list[MinimalPair]:
    """The slots that an edit must not change (`rewrite.keep`): at most `count` of each class among the names,
    none of a test text, and those of the texts among them (`marked`). The factual word is the original one,
    the alternative the one that a text gives, or a word of the axis, drawn by the seed. Raises ConfigError
    for a class without slots, and DataError for a text without one."""
    by_class: dict[str, list[MinimalPair]] = {}
    for pair in controls:
        if pair.split != SPLITS[-1]:
            by_class.setdefault(pair.factual_class, []).append(pair)
    rng, pairs = random.Random(f"{seed}:kept"), list[MinimalPair]()
    words = [word for forms in axis_words(words_of, axis) for word in forms]
    for name in names:
        if "[" in name:
            slots = [evolve(marked(name), factual_class=MARKED, alternative_class=MARKED)]
        elif name in by_class:
            slots = rng.sample(by_class[name], min(count, len(by_class[name])))
        else:
            raise ConfigError(
                f"rewrite.keep names {name!r}, of which these texts have no slot; use some of"
                f" {', '.join(sorted(by_class)) or 'none, as the paradigm has no other class'}, or a text"
                ' with its slot in brackets, as "So [we] left."'
            )
        for pair in slots:
            word = rng.choice(words)
            first = not pair.left.strip() or pair.left.rstrip().endswith(ENDS)
            drawn = evolve(pair, alternative=capital(word) if first else word)
            pairs.append(drawn if pair.alternative == pair.factual else pair)
    return pairs
