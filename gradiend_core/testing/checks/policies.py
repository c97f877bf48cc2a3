"""Checks of policies."""

from __future__ import annotations

import attrs
import torch

from gradiend_core.records.goal import goals_of
from gradiend_core.roles.kinds import POLICY
from gradiend_core.testing.checks.register import FEW, check
from gradiend_core.testing.subject import Subject


@check(POLICY)
def the_unedited_model_is_in_the_race(subject: Subject) -> None:
    """It has a score for every goal, from texts of the axis alone, and a broken model never wins against
    it."""
    from gradiend_core.rewriting.measuring import measure_of

    run, policy = subject.session, subject.build()
    task = run.evaluation_task()
    measure, classes = measure_of(task, FEW), task.feature.classes
    names = run.config.rewrite.toward or (*classes, *(f"less-{name}" for name in classes), "balanced")
    for goal in goals_of(names, classes):
        texts_of = tuple(policy.texts_of(goal))
        known = bool(texts_of) and set(texts_of) <= set(classes)
        assert known, f"texts_of({goal.name}) is {texts_of}, and the axis has {classes}"
        base = measure.unedited("validation", texts_of)
        unedited_score = policy.score(goal, base, base)
        scored = unedited_score is not None and unedited_score == unedited_score
        assert scored, f"the unedited model has no score for {goal.name}; give it one"
        assert base.language
        broken = attrs.evolve(
            base,
            learning_rate=1.0,
            language=attrs.evolve(base.language, scores=base.language.scores * 0.0),
            probabilities={name: torch.zeros_like(values) for name, values in base.probabilities.items()},
        )
        score = policy.score(goal, broken, base)
        fine = score is None or score <= unedited_score
        assert fine, (
            f"for {goal.name} a model that predicts nothing scores {score}, and the unedited one"
            f" {unedited_score}"
        )
