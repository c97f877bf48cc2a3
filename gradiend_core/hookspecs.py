"""Every hook, in the order of a run. A plugin implements the ones it needs, marked with
`gradiend_core.api.hookimpl`.

Declaring hooks return what exists; they are called once, for every plugin, before anything runs, and must be
light: no torch, transformers, datasets or matplotlib at import. Observing hooks are told what happened; what
they return is ignored, and one that raises is named, muted and the run goes on. No hook may be a wrapper or
ask for an order.
"""

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
hookimpl = pluggy.HookimplMarker(PROJECT)


# --- declaring
# -------------------------------------------------------------------------------------------------------
@hookspec
def gradiend_texts() -> Iterable[Contribution]:
    """Named texts; the factory returns what `read_texts` takes, such as the path of a text file with one text
    a line."""


@hookspec
def gradiend_models() -> Iterable[Contribution]:
    """Named models that come with a plugin; the factory returns a folder that `from_pretrained` loads."""


@hookspec
def gradiend_feature_paradigms() -> Iterable[Contribution]:
    """Feature paradigms: texts to minimal pairs (`roles.Paradigm`)."""


@hookspec
def gradiend_gradient_sources() -> Iterable[Contribution]:
    """Gradient sources: minimal pairs to differentiable losses (`roles.GradientSource`)."""


@hookspec
def gradiend_parameter_selectors() -> Iterable[Contribution]:
    """Parameter selectors: a model to a parameter scope (`roles.Selector`)."""


@hookspec
def gradiend_learners() -> Iterable[Contribution]:
    """Learners: gradients to a learned feature (`roles.Learner`)."""


@hookspec
def gradiend_policies() -> Iterable[Contribution]:
    """Policies: edits of a model to the one that serves a goal best (`roles.Policy`)."""


@hookspec
def gradiend_evaluators() -> Iterable[Contribution]:
    """Evaluators: a learned feature to a report (`roles.Evaluator`)."""


@hookspec
def gradiend_visualizers() -> Iterable[Contribution]:
    """Visualizers: a feature and its reports to a figure (`roles.Visualizer`)."""


@hookspec
def gradiend_comparison_visualizers() -> Iterable[Contribution]:
    """Visualizers of comparisons: the report of many features to a figure (`roles.ComparisonVisualizer`)."""


# --- observing
# -------------------------------------------------------------------------------------------------------
@hookspec
def gradiend_run_started(provenance: Provenance) -> None:
    """Data, model and scope are ready; learning is about to begin."""


@hookspec
def gradiend_step_finished(row: TrainingRow) -> None:
    """A training step was done."""


@hookspec
def gradiend_feature_learned(feature: LearnedFeature) -> None:
    """A feature was learned."""


@hookspec
def gradiend_evaluated(report: Report) -> None:
    """An evaluator has finished."""


@hookspec
def gradiend_model_rewritten(update: WeightUpdate) -> None:
    """An update was added to a model's weights."""


@hookspec
def gradiend_run_finished(output: Path) -> None:
    """Everything is in the output folder."""
