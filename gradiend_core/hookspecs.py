"""Every hook, in the order of a run. A plugin implements the ones it needs, marked with
`gradiend_core.api.hookimpl`.

Declaring hooks return contributions. They are called once for every plugin before anything runs, and must be
light: no torch, transformers, datasets or matplotlib at import. Observing hooks are told what happened. Their
return value is ignored; a plugin that raises is named and muted, and the run goes on. No hook may be a
wrapper or ask for an order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from gradiend_core.records.contribution import Contribution
    from gradiend_core.records.feature import LearnedFeature, TrainingRow
    from gradiend_core.records.provenance import Provenance
    from gradiend_core.records.report import Report
    from gradiend_core.records.update import WeightUpdate

PROJECT = "gradiend"
hookspec = pluggy.HookspecMarker(PROJECT)
#: marks a function of a plugin as the implementation of the hook of that name
hookimpl = pluggy.HookimplMarker(PROJECT)


# --- declaring
# -------------------------------------------------------------------------------------------------------
@hookspec
def gradiend_texts() -> Iterable[Contribution]:
    """Named texts. The factory returns anything that `read_texts` takes, such as the path of a file with one
    text per line."""


@hookspec
def gradiend_models() -> Iterable[Contribution]:
    """Named models that come with a plugin. The factory returns a folder that `from_pretrained` loads."""


@hookspec
def gradiend_feature_paradigms() -> Iterable[Contribution]:
    """Feature paradigms, which turn texts into minimal pairs (`roles.Paradigm`)."""


@hookspec
def gradiend_gradient_sources() -> Iterable[Contribution]:
    """Gradient sources, which turn minimal pairs into differentiable losses (`roles.GradientSource`)."""


@hookspec
def gradiend_parameter_selectors() -> Iterable[Contribution]:
    """Parameter selectors, which choose the scope of a model (`roles.Selector`)."""


@hookspec
def gradiend_learners() -> Iterable[Contribution]:
    """Learners, which learn a feature from gradients (`roles.Learner`)."""


@hookspec
def gradiend_policies() -> Iterable[Contribution]:
    """Policies, which choose the best of several edits for a goal (`roles.Policy`)."""


@hookspec
def gradiend_evaluators() -> Iterable[Contribution]:
    """Evaluators, which report on a learned feature (`roles.Evaluator`)."""


@hookspec
def gradiend_visualizers() -> Iterable[Contribution]:
    """Visualizers, which draw a figure of a feature and its reports (`roles.Visualizer`)."""


@hookspec
def gradiend_comparison_visualizers() -> Iterable[Contribution]:
    """Visualizers of comparisons, which draw a figure of the report on many features
    (`roles.ComparisonVisualizer`)."""


# --- observing
# -------------------------------------------------------------------------------------------------------
@hookspec
def gradiend_run_started(provenance: Provenance) -> None:
    """Data, model and scope are ready; learning begins."""


@hookspec
def gradiend_step_finished(row: TrainingRow) -> None:
    """A training step is finished."""


@hookspec
def gradiend_feature_learned(feature: LearnedFeature) -> None:
    """A feature has been learned."""


@hookspec
def gradiend_evaluated(report: Report) -> None:
    """An evaluator has finished."""


@hookspec
def gradiend_model_rewritten(update: WeightUpdate) -> None:
    """An update was added to the weights of a model."""


@hookspec
def gradiend_run_finished(output: Path) -> None:
    """Everything is written to the output folder."""
