"""Every kind of plugin: its name, the hook that declares it, and the type of its implementation. The name is
the same everywhere: in the run file (in the plural for kinds with several contributions), in messages and in
`gradiend plugins`."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from attrs import frozen

from gradiend_core.roles.evaluator import Evaluator
from gradiend_core.roles.learner import Learner
from gradiend_core.roles.paradigm import Paradigm
from gradiend_core.roles.policy import Policy
from gradiend_core.roles.selector import Selector
from gradiend_core.roles.source import GradientSource
from gradiend_core.roles.visualizer import ComparisonVisualizer, Visualizer

Built = TypeVar("Built", covariant=True)


@frozen
class PluginKind(Generic[Built]):
    """A kind of plugin; `Registry.build(LEARNER, name)` gives a `Learner`."""

    name: str
    hook: str

    def __str__(self) -> str:
        return self.name


TEXT: PluginKind[Any] = PluginKind("text", "gradiend_texts")
MODEL: PluginKind[Any] = PluginKind("model", "gradiend_models")
PARADIGM: PluginKind[Paradigm] = PluginKind("paradigm", "gradiend_feature_paradigms")
SOURCE: PluginKind[GradientSource] = PluginKind("source", "gradiend_gradient_sources")
SELECTOR: PluginKind[Selector] = PluginKind("selector", "gradiend_parameter_selectors")
LEARNER: PluginKind[Learner] = PluginKind("learner", "gradiend_learners")
POLICY: PluginKind[Policy] = PluginKind("policy", "gradiend_policies")
EVALUATOR: PluginKind[Evaluator] = PluginKind("evaluator", "gradiend_evaluators")
VISUALIZER: PluginKind[Visualizer] = PluginKind("visualizer", "gradiend_visualizers")
COMPARISON_VISUALIZER: PluginKind[ComparisonVisualizer] = PluginKind(
    "comparison-visualizer", "gradiend_comparison_visualizers"
)
#: in the order of a run
PLUGIN_KINDS: tuple[PluginKind[Any], ...] = (
    TEXT,
    MODEL,
    PARADIGM,
    SOURCE,
    SELECTOR,
    LEARNER,
    POLICY,
    EVALUATOR,
    VISUALIZER,
    COMPARISON_VISUALIZER,
)
