"""Everything that a plugin imports. Light: names that need torch are loaded when they are first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gradiend_core.errors import (
    ConfigError,
    DataError,
    GradiendError,
    LearningError,
    ModelError,
    PluginError,
    StorageError,
    unknown,
)
from gradiend_core.hookspecs import hookimpl
from gradiend_core.records.candidate import Candidate, TextScores
from gradiend_core.records.contribution import Contribution, NoSettings
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.funnel import Drop, DropCounter, Funnel
from gradiend_core.records.goal import Goal, goal_of
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.pair import NEUTRAL, NEUTRAL_SLOT, OTHERS, SPLITS, MinimalPair, PairData, code_of
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.report import Metric, Report, Table
from gradiend_core.records.run import DataSettings, GradientSettings, RewriteSettings
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.records.text import Text, Token
from gradiend_core.records.update import WeightUpdate
from gradiend_core.roles.evaluator import EvaluationTask, Evaluator
from gradiend_core.roles.learner import Learner, LearningTask
from gradiend_core.roles.paradigm import PairingTask, Paradigm
from gradiend_core.roles.policy import Policy
from gradiend_core.roles.selector import SelectionTask, Selector
from gradiend_core.roles.source import Examples, FittedSource, GradientSource, LanguageSource
from gradiend_core.roles.visualizer import ComparisonVisualizer, Visualizer

if TYPE_CHECKING:
    from gradiend_core.comparison.similarity import compare, shared
    from gradiend_core.comparison.where import (
        PLACE_COLUMNS,
        WEIGHT_COLUMNS,
        largest_weights,
        places,
        shares_by_place,
    )
    from gradiend_core.data.finding import Finder, Finding, RulesFinder, Slot
    from gradiend_core.data.pairing import make_pairs
    from gradiend_core.data.paradigm import RulesParadigm
    from gradiend_core.data.rules import Classes, Rules, choose_classes, starts_sentence
    from gradiend_core.data.texts import read_texts
    from gradiend_core.gradients.batching import micro_batches
    from gradiend_core.gradients.examples import relabelled, subset
    from gradiend_core.gradients.fillers import located
    from gradiend_core.gradients.loading import architecture, config_of, load_model
    from gradiend_core.gradients.operator import GradientMatrix, GradientOperator
    from gradiend_core.gradients.places import component_of, layer_of
    from gradiend_core.gradients.slots import (
        SlotSource,
        TokenBatch,
        logits_of,
        padded,
        prepare_slots,
        token_limit,
    )
    from gradiend_core.gradients.spans import SpanSource, prepare_spans
    from gradiend_core.gradients.texts import TextBatch, TextRow, masked_places, text_batches, text_scores
    from gradiend_core.learning.batches import class_batches
    from gradiend_core.learning.checkpoint import Checkpoint
    from gradiend_core.learning.closed_form import assembled, class_means
    from gradiend_core.learning.convergence import converged, diagnosis, knows_nothing
    from gradiend_core.learning.encoder_decoder import EncoderDecoder, Rates, Trainer
    from gradiend_core.learning.encodings import calibrated, correlation, encodings, labels_of, projections
    from gradiend_core.learning.selection import count_of, difference_of_means, largest
    from gradiend_core.rewriting.apply import Rewriter
    from gradiend_core.rewriting.measuring import Measure, goal_values, measure_of
    from gradiend_core.rewriting.search import Edit, Trials, WeightEdit, bracket, choose, grid
    from gradiend_core.storage.features import load_feature

_LAZY = {
    "gradiend_core.comparison.similarity": ("compare", "shared"),
    "gradiend_core.comparison.where": (
        "PLACE_COLUMNS",
        "WEIGHT_COLUMNS",
        "largest_weights",
        "places",
        "shares_by_place",
    ),
    "gradiend_core.data.finding": ("Finder", "Finding", "RulesFinder", "Slot"),
    "gradiend_core.data.pairing": ("make_pairs",),
    "gradiend_core.data.paradigm": ("RulesParadigm",),
    "gradiend_core.data.rules": ("Classes", "Rules", "choose_classes", "starts_sentence"),
    "gradiend_core.data.texts": ("read_texts",),
    "gradiend_core.gradients.batching": ("micro_batches",),
    "gradiend_core.gradients.examples": ("relabelled", "subset"),
    "gradiend_core.gradients.fillers": ("located",),
    "gradiend_core.gradients.loading": ("architecture", "config_of", "load_model"),
    "gradiend_core.gradients.operator": ("GradientMatrix", "GradientOperator"),
    "gradiend_core.gradients.places": ("component_of", "layer_of"),
    "gradiend_core.gradients.slots": (
        "SlotSource",
        "TokenBatch",
        "logits_of",
        "padded",
        "prepare_slots",
        "token_limit",
    ),
    "gradiend_core.gradients.spans": ("SpanSource", "prepare_spans"),
    "gradiend_core.gradients.texts": ("TextBatch", "TextRow", "masked_places", "text_batches", "text_scores"),
    "gradiend_core.learning.batches": ("class_batches",),
    "gradiend_core.learning.checkpoint": ("Checkpoint",),
    "gradiend_core.learning.closed_form": ("assembled", "class_means"),
    "gradiend_core.learning.convergence": ("converged", "diagnosis", "knows_nothing"),
    "gradiend_core.learning.encoder_decoder": ("EncoderDecoder", "Rates", "Trainer"),
    "gradiend_core.learning.encodings": (
        "calibrated",
        "correlation",
        "encodings",
        "labels_of",
        "projections",
    ),
    "gradiend_core.learning.selection": ("count_of", "difference_of_means", "largest"),
    "gradiend_core.rewriting.apply": ("Rewriter",),
    "gradiend_core.rewriting.measuring": ("Measure", "goal_values", "measure_of"),
    "gradiend_core.rewriting.search": ("Edit", "Trials", "WeightEdit", "bracket", "choose", "grid"),
    "gradiend_core.storage.features": ("load_feature",),
}
_MODULE_OF = {name: module for module, names in _LAZY.items() for name in names}

__all__ = [
    "NEUTRAL",
    "NEUTRAL_SLOT",
    "OTHERS",
    "SPLITS",
    "Candidate",
    "ComparisonVisualizer",
    "ConfigError",
    "Contribution",
    "DataError",
    "DataSettings",
    "Drop",
    "DropCounter",
    "EvaluationTask",
    "Evaluator",
    "Examples",
    "FittedSource",
    "Funnel",
    "Goal",
    "GradiendError",
    "GradientRole",
    "GradientSettings",
    "GradientSource",
    "LanguageSource",
    "LearnedFeature",
    "Learner",
    "LearningError",
    "LearningTask",
    "Metric",
    "MinimalPair",
    "ModelError",
    "NoSettings",
    "PairData",
    "PairingTask",
    "Paradigm",
    "ParameterScope",
    "ParameterSlice",
    "PluginError",
    "Policy",
    "Provenance",
    "Report",
    "RewriteSettings",
    "SelectionTask",
    "Selector",
    "StorageError",
    "Table",
    "Text",
    "TextScores",
    "Token",
    "TrainingRow",
    "Visualizer",
    "WeightUpdate",
    "code_of",
    "goal_of",
    "hookimpl",
    "unknown",
    *_MODULE_OF,
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
