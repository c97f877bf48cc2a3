"""The evaluation task of an evaluator: everything of a run that it may use, created on demand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

from attrs import evolve, frozen

from gradiend_core.data.marked import MARKED, written
from gradiend_core.errors import ConfigError, ModelError
from gradiend_core.gradients.examples import subset
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.gradients.precision import takes_bfloat16
from gradiend_core.language.loading import untrained_copy
from gradiend_core.learning.encodings import labels_of
from gradiend_core.learning.seeds import SeedRun
from gradiend_core.records.contribution import Trait
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.goal import goals_of
from gradiend_core.records.pair import MinimalPair, PairData
from gradiend_core.records.report import Reports, chosen_edit
from gradiend_core.records.scope import ParameterScope
from gradiend_core.records.text import Text
from gradiend_core.rewriting.natural import kept_pairs
from gradiend_core.roles.abilities import IsFitted, TakesSpans
from gradiend_core.roles.evaluator import EvaluationTask
from gradiend_core.roles.kinds import LEARNER, POLICY
from gradiend_core.roles.learner import LearningTask
from gradiend_core.roles.source import Examples, GradientSource
from gradiend_core.run.model import LoadedModel
from gradiend_core.run.setup import Setup
from gradiend_core.run.state import NEUTRAL_TRAINED

#: validation pairs of each class, from which a copy with random weights takes the sign and scale of codes
VALIDATION_OF_COPY = 20


@frozen(eq=False)
class Evaluable:
    """What evaluation needs from the stages before it. `gradients` are over any scope that contains the
    features', `controls` prepares slots of the paradigm's other classes, and `ordinary` reads ordinary texts
    on demand."""

    data: PairData
    loaded: LoadedModel
    examples: Mapping[str, Examples]
    seeds: tuple[SeedRun, ...]
    gradients: GradientOperator
    controls: Callable[[], Examples]
    ordinary: Callable[[], Sequence[Text]]


def gradients_over(
    setup: Setup, loaded: LoadedModel, scope: ParameterScope, source: GradientSource | None = None
) -> GradientOperator:
    """The gradient matrix over any scope, of the run's model and source or of another."""
    settings = setup.config.gradients
    return GradientOperator(
        loaded.model,
        source or setup.source,
        scope,
        memory=settings.memory_gib * 2**30,
        checkpointing=settings.checkpointing,
        bfloat16=takes_bfloat16(settings.precision, loaded.model),
    )


def evaluation_task(
    setup: Setup, feature: LearnedFeature, axis: int, evaluable: Evaluable, reports: Reports
) -> EvaluationTask:
    """The evaluation task for an axis; `reports` are those of earlier evaluators."""
    config, loaded, gradients = setup.config, evaluable.loaded, evaluable.gradients.over(feature.scope)
    over_spans = cache(partial(_over_spans, setup, loaded, feature.scope))
    return EvaluationTask(
        feature,
        tuple(run.features[axis] for run in evaluable.seeds if run.features),
        gradients,
        setup.source,
        loaded.tokenizer,
        evaluable.examples,
        evaluable.data,
        setup.seed,
        goals_of(config.rewrite.toward, feature.classes),
        config.rewrite,
        setup.registry.build(POLICY, config.policy.kind, config.policy.config),
        config.policy.kind,
        lambda goal: chosen_edit(reports, goal).update(feature),
        evaluable.controls,
        evaluable.ordinary,
        partial(_spans, gradients, over_spans, loaded),
        partial(_untrained, setup, feature, axis, evaluable),
        cache(partial(_kept, setup, feature, evaluable)),
        Trait.SUMS_GRADIENTS in setup.registry.get(LEARNER, config.learner.kind).traits,
    )


def _kept(setup: Setup, feature: LearnedFeature, evaluable: Evaluable) -> Examples | None:
    """Slots that an edit must not change (`rewrite.keep`); None without any."""
    rewrite = setup.config.rewrite
    if not rewrite.keep:
        return None
    pairs = kept_pairs(
        evaluable.controls().pairs,
        evaluable.data.words,
        feature.classes,
        rewrite.keep,
        rewrite.keep_slots,
        setup.seed,
    )
    examples = setup.model.prepared(pairs)
    for pair in pairs:
        if pair.factual_class == MARKED and pair not in examples.pairs:
            reasons = ", ".join(drop.reason for drop in examples.drops)
            raise ConfigError(
                f"rewrite.keep has {written(pair)!r:.200}, which the model cannot take ({reasons}); use other"
                " words, or leave it out"
            )
    return examples


def _over_spans(setup: Setup, loaded: LoadedModel, scope: ParameterScope) -> GradientOperator | None:
    """The gradient matrix of fillers of any number of tokens; None if the source has no such variant."""
    if not isinstance(setup.source, TakesSpans):
        return None
    return gradients_over(setup, loaded, scope, setup.source.spans())


def _spans(
    gradients: GradientOperator,
    over_spans: Callable[[], GradientOperator | None],
    loaded: LoadedModel,
    pairs: Sequence[MinimalPair],
) -> tuple[Examples, GradientOperator]:
    """Prepared pairs whose fillers may have any number of tokens, with their gradients. Where the run's
    source can take all of them, it is used: one row for both fillers costs half as much as two, and the
    losses are the same. Both operators are kept, as a new one first measures its layers on the model."""
    pairs = tuple(pairs)
    examples = gradients.source.prepare(pairs, loaded.tokenizer, loaded.model)
    if len(examples.pairs) < len(pairs) and (of_spans := over_spans()):
        longer = of_spans.source.prepare(pairs, loaded.tokenizer, loaded.model)
        if len(longer.pairs) > len(examples.pairs):
            return longer, of_spans
    return examples, gradients


def _untrained(
    setup: Setup, feature: LearnedFeature, axis: int, evaluable: Evaluable, seed: int
) -> EvaluationTask:
    """The task of an axis on a copy of the model with random weights, whose feature was learned from as many
    training pairs as the run's. Few validation pairs are enough for its sign and scale."""
    if isinstance(setup.source, IsFitted):
        raise ModelError("this gradient source learns something itself, so no untrained model is compared")
    loaded = LoadedModel(untrained_copy(evaluable.loaded.model, seed), evaluable.loaded.tokenizer, "")
    gradients = gradients_over(setup, loaded, feature.scope)
    choice = setup.config.learner
    learner = setup.registry.build(LEARNER, choice.kind, choice.config)
    examples, read = evaluable.examples, feature.training[-1].pairs if feature.training else 0
    train = examples["train"]
    if 0 < read < len(train.pairs):
        train = subset(train, sorted(random.Random(seed).sample(range(len(train.pairs)), read)))
    labels = labels_of(examples["validation"].pairs, feature.classes)
    few = [row for code in (1.0, -1.0) for row in labels.eq(code).nonzero()[:VALIDATION_OF_COPY, 0].tolist()]
    learned = learner.learn(
        LearningTask(
            gradients,
            train,
            subset(examples["validation"], few),
            examples[NEUTRAL_TRAINED],
            evaluable.data.axes,
            setup.seed,
            lambda row: None,
            None,
        )
    )[axis]
    copied = evolve(evaluable, loaded=loaded, gradients=gradients)
    return evaluation_task(setup, learned, axis, copied, {})
