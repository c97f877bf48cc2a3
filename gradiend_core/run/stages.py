"""The stages of a run, in their order. Each is a function from records to a record:

    pairs      texts → minimal pairs                            PairData
    load       model name → model and tokenizer                 LoadedModel
    prepare    pairs → examples in tokens                       Prepared
    select     model → the weights that take part               GradientOperator
    learn      gradients → encoder and decoder, by seed         SeedRun
    choose     seeds → the best feature of each axis            LearnedFeature
    measure    ordinary text → what a change of weights costs   LearnedFeature
    evaluate   features → reports, the chosen edits among them  Report
    edit       chosen edits → rewritten models                  RewrittenModel
    draw       features and reports → figures                   matplotlib figures

The runner (`runner.py`) calls them; they know neither the runner nor a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from attrs import evolve, frozen
from torch import Tensor

from gradiend_core.errors import DataError
from gradiend_core.gradients.batching import batch_cost, micro_batches
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.gradients.padding import seen_padding
from gradiend_core.gradients.passes import model_errors
from gradiend_core.gradients.store import matrix_of
from gradiend_core.gradients.threads import choose_threads
from gradiend_core.language.gguf import described, gguf_file
from gradiend_core.language.knowledge import language_problem
from gradiend_core.language.rewritten import RewrittenModel
from gradiend_core.learning.seeds import SeedRun, best_of, learn_seeds
from gradiend_core.learning.selection import pruned
from gradiend_core.records.contribution import Trait
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.funnel import Drop, Funnel, merge
from gradiend_core.records.pair import NEUTRAL, OTHERS, SPLITS, PairData, code_of
from gradiend_core.records.report import Report, Reports, chosen_edits
from gradiend_core.records.run import Choice
from gradiend_core.records.scope import ParameterScope
from gradiend_core.records.text import Text
from gradiend_core.rewriting.fisher import fisher_diagonal, fisher_in_eigenbases
from gradiend_core.rewriting.ordinary import choosing_and_reporting
from gradiend_core.roles.abilities import IsFitted, KnowsWords, ScoresTexts
from gradiend_core.roles.gradients import GradientMatrix
from gradiend_core.roles.kinds import EVALUATOR, LEARNER, SELECTOR, VISUALIZER
from gradiend_core.roles.learner import LearningTask
from gradiend_core.roles.selector import SelectionTask
from gradiend_core.roles.source import Examples
from gradiend_core.run.drawing import drawn
from gradiend_core.run.evaluating import Evaluable, evaluation_task, gradients_over
from gradiend_core.run.model import LoadedModel
from gradiend_core.run.setup import Setup
from gradiend_core.run.state import NEUTRAL_TRAINED, Prepared

#: examples whose losses show how many threads are best
TRIED = 8
#: seconds are counted under a name while the block runs
Timed = Callable[[str], AbstractContextManager[None]]


@frozen(eq=False)
class Learnable:
    """What learning needs from the stages before it. With `checkpoints`, a state to resume from is kept
    there."""

    data: PairData
    examples: Mapping[str, Examples]
    gradients: GradientMatrix
    checkpoints: Path | None


def pairs(setup: Setup) -> PairData:
    """Pairs and neutral text, with the funnel."""
    return setup.data.pairs()


def load(setup: Setup) -> LoadedModel:
    """The model and its tokenizer."""
    return setup.model.loaded()


def prepare(setup: Setup, data: PairData, loaded: LoadedModel, timed: Timed) -> Prepared:
    """Pairs prepared for the model; a source that is trained first is trained here. Raises DataError where a
    split has lost a class, and ModelError for a target word of several tokens."""
    left_out: tuple[str, ...] = ()
    if isinstance(setup.source, KnowsWords):
        left_out = tuple(setup.source.check_words(data.words, loaded.tokenizer, data.drop_multi_token_words))
    by_name = {split: data.split(split) for split in SPLITS} | {
        NEUTRAL: tuple(pair for pair in data.neutral_pairs if pair.split != "train"),
        NEUTRAL_TRAINED: tuple(pair for pair in data.neutral_pairs if pair.split == "train"),
    }
    examples = {name: setup.model.prepared(chosen) for name, chosen in by_name.items()}
    for split in SPLITS:
        for axis in data.axes:
            _expect_both_classes(split, axis, examples[split])
    report = None
    if isinstance(setup.source, IsFitted):
        with timed("source"):
            report = setup.source.fit(loaded.model, examples, setup.seed)
    return Prepared(examples, left_out, report, tuple(_model_problems(setup, loaded, examples)))


def _model_problems(setup: Setup, loaded: LoadedModel, examples: Mapping[str, Examples]) -> Iterator[str]:
    """What a reader should know about the model before any of its numbers."""
    texts = [pair.text for pair in examples["train"].pairs]
    if file := gguf_file(setup.model.folder):
        yield (
            f"the model is read from a GGUF file with {described(file)}; gradients and edits are of its"
            " weights as plain numbers"
        )
    if problem := _threads(setup, loaded, examples["train"]):
        yield problem
    with model_errors(loaded.model, "scoring a text"):
        problem = language_problem(setup.source, loaded.model, loaded.tokenizer, texts, setup.seed)
    if problem:
        yield problem
    if difference := seen_padding(loaded.model):
        yield (
            f"this model sees padding, whatever mask it is given: a loss is another by {difference:.2g} of"
            " its size beside a longer text; only texts of one length share a batch, which takes longer"
        )


def _threads(setup: Setup, loaded: LoadedModel, examples: Examples) -> str:
    """Chooses the number of threads by timing the losses of a few examples."""
    device = next(loaded.model.parameters()).device
    rows = max(micro_batches(examples.lengths, cost=batch_cost(loaded.model, device), most=TRIED), key=len)
    batch = examples.batch(rows, device)

    def trial() -> None:
        with torch.no_grad():
            setup.source.losses(loaded.model, batch)

    return choose_threads(setup.config.gradients.threads, trial, device)


def select(setup: Setup, data: PairData, loaded: LoadedModel, prepared: Prepared) -> GradientOperator:
    """The gradient matrix over the selected weights."""
    choice = setup.config.selector
    selector = setup.registry.build(SELECTOR, choice.kind, choice.config)

    def over(scope: ParameterScope) -> GradientOperator:
        return gradients_over(setup, loaded, scope)

    task = SelectionTask(loaded.model, over, prepared.examples["train"], data.axes, setup.seed)
    return over(selector.select(task))


def slow_parameters(gradients: GradientOperator) -> Iterator[str]:
    """The parameters that torch differentiates as a whole, because layers do not account for them."""
    names, problem = gradients.differentiated_whole()
    if names:
        why = f" ({problem})" if problem else ""
        yield (
            f"{len(names)} of {len(gradients.scope.slices)} parameters, such as {names[0]}, are"
            f" differentiated as a whole and not layer by layer{why}; that is right, but slower"
        )


def store(
    setup: Setup, data: PairData, loaded: LoadedModel, prepared: Prepared, gradients: GradientOperator
) -> GradientMatrix:
    """The gradients for learning: from the store on disk, where it is used, or from the model itself."""
    names = ("train", "validation", NEUTRAL_TRAINED)
    examples = [prepared.examples[name] for name in names if prepared.examples[name].pairs]
    few = Trait.READS_FEW in setup.registry.get(LEARNER, setup.config.learner.kind).traits
    several = not few and (setup.config.seeds.at_most > 1 or len(data.axes) > 1)
    return matrix_of(gradients, examples, loaded.fingerprint, setup.config.store, several=several)


def learn(setup: Setup, learnable: Learnable, tell: Callable[[TrainingRow], None]) -> tuple[SeedRun, ...]:
    """The result of each seed; `tell` is called at every step."""
    choice, examples = setup.config.learner, learnable.examples
    learner = setup.registry.build(LEARNER, choice.kind, choice.config)

    def task(seed: int) -> LearningTask:
        return LearningTask(
            learnable.gradients,
            examples["train"],
            examples["validation"],
            examples[NEUTRAL_TRAINED],
            learnable.data.axes,
            seed,
            tell,
            learnable.checkpoints and learnable.checkpoints / f"seed-{seed}",
        )

    return learn_seeds(learner, task, setup.seed, setup.config.seeds)


def choose(
    setup: Setup, loaded: LoadedModel, prepared: Prepared, seeds: tuple[SeedRun, ...]
) -> tuple[LearnedFeature, ...]:
    """The feature of each axis, from the seed with the best validation score; pruned, where the run asks for
    that."""
    features, prune = best_of(seeds).features, setup.config.prune
    if prune.keep == 1.0 and isinstance(prune.keep, float):
        return features

    def over(scope: ParameterScope) -> GradientOperator:
        return gradients_over(setup, loaded, scope)

    validation = prepared.examples["validation"]
    return tuple(pruned(feature, prune.keep, prune.by, over, validation) for feature in features)


def measure(
    setup: Setup,
    loaded: LoadedModel,
    prepared: Prepared,
    gradients: GradientOperator,
    features: tuple[LearnedFeature, ...],
    ordinary: Callable[[], Sequence[Text]],
) -> tuple[LearnedFeature, ...]:
    """The features with the model's curvature, where edits are divided by it. It is measured on ordinary
    texts that no edit is reported on; without such texts it stays unknown."""
    settings, source = setup.config.rewrite, setup.source
    if settings.metric == "none" or not setup.chooses_edits or not isinstance(source, ScoresTexts):
        return features
    texts = [text.text for text in choosing_and_reporting(ordinary())[0][-settings.curvature_texts :]]
    if not texts:
        return features
    batches = source.prepare_texts(texts, loaded.tokenizer, loaded.model, setup.seed)
    by_scope: dict[str, tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]] = {}
    for feature in features:
        if (key := feature.scope.fingerprint()) not in by_scope:
            given = gradients.over(feature.scope), prepared.examples["train"], batches, setup.seed
            if settings.metric == "fisher":
                by_scope[key] = fisher_diagonal(*given), {}
            else:
                by_scope[key] = fisher_in_eigenbases(*given, inputs_only=settings.metric == "inputs")
    measured = [by_scope[feature.scope.fingerprint()] for feature in features]
    return tuple(
        evolve(feature, curvature=curvature.bfloat16(), bases=bases)
        for feature, (curvature, bases) in zip(features, measured, strict=True)
    )


def evaluate(
    setup: Setup,
    feature: LearnedFeature,
    axis: int,
    evaluable: Evaluable,
    kinds: Collection[str],
    known: Reports,
    timed: Timed,
    tell: Callable[[Report], None],
) -> dict[str, Report]:
    """The reports of some of the configured evaluators for one axis, in the order of the run file. Each
    evaluator sees the earlier reports, both `known` and new; `tell` is called with every new one."""
    reports = dict(known)
    task = evaluation_task(setup, feature, axis, evaluable, reports)
    for choice in setup.config.evaluators:
        if choice.kind in kinds:
            with timed(f"evaluator_{choice.kind}"):
                evaluator = setup.registry.build(EVALUATOR, choice.kind, choice.config)
                reports[choice.kind] = evaluator.evaluate(task)
            tell(reports[choice.kind])
    return reports


def edit(
    setup: Setup, loaded: LoadedModel, feature: LearnedFeature, reports: Reports
) -> Iterator[RewrittenModel]:
    """The rewritten model of each goal with a chosen edit. It is the run's model, which has the edit until
    the next one is requested."""
    for goal, chosen in chosen_edits(reports).items():
        update = chosen.update(feature)
        with setup.model.edited(update) as model:
            yield RewrittenModel(model, loaded.tokenizer, update, goal)


def draw(
    setup: Setup,
    feature: LearnedFeature,
    reports: Reports,
    timed: Timed,
    choices: Collection[Choice] = (),
    into: Any = None,
) -> Iterator[tuple[str, Any]]:
    """Each figure that the reports have data for, as (name, matplotlib Figure): those of `choices`, or of the
    run; drawn `into` a SubFigure, where one is given."""
    for choice in choices or setup.config.visualizers:
        with timed("visualizers"):
            visualizer = setup.registry.build(VISUALIZER, choice.kind, choice.config)
            figure = drawn(partial(visualizer.draw, feature, reports), setup.config.figures, into)
        if figure is not None:
            yield choice.kind, figure


def funnel_of(data: PairData, examples: Mapping[str, Examples]) -> Funnel:
    """What happened to every text, down to the examples that the model takes."""
    drops = [
        Drop(
            f"tokenizer, {'neutral slots' if name.startswith(NEUTRAL) else 'pairs'}",
            drop.reason,
            drop.count,
            drop.examples,
        )
        for name, ready in examples.items()
        for drop in ready.drops
    ]
    kept = [
        (name, sum(pair.factual_class == name for split in SPLITS for pair in examples[split].pairs))
        for name in data.classes
    ]
    slots = sum(len(examples[name].pairs) for name in (NEUTRAL, NEUTRAL_TRAINED))
    kept += [("neutral texts", len(data.neutral_texts)), ("neutral slots", slots)]
    return evolve(data.funnel, kept=tuple(kept), drops=merge((*data.funnel.drops, *drops)))


def _expect_both_classes(split: str, axis: tuple[str, str], examples: Examples) -> None:
    codes = {code_of(pair, axis) for pair in examples.pairs}
    for name, code in zip(axis, (1.0, -1.0), strict=True):
        if code not in codes:
            why = (
                "; ".join(f"{drop.count} dropped: {drop.reason}" for drop in examples.drops)
                or "none was there"
            )
            of = f"class {name}" if name != OTHERS else f"another class with an alternative of {axis[0]}"
            raise DataError(f"no {split} pair of {of} can be used with this model ({why})")
