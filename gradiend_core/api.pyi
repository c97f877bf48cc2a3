# Every name that a plugin may import from `gradiend_core.api`, by what it is for; all else is internal.

from collections.abc import Callable
from typing import Any

# --- declaring a plugin ---
from gradiend_core.hookspecs import hookimpl as hookimpl
from gradiend_core.records.contribution import Contribution as Contribution
from gradiend_core.records.contribution import NoSettings as NoSettings
from gradiend_core.records.contribution import Trait as Trait
from gradiend_core.records.setting import function_named as function_named
from gradiend_core.records.setting import setting as setting

# --- errors: the value, the reason, the fix ---
from gradiend_core.errors import ConfigError as ConfigError
from gradiend_core.errors import DataError as DataError
from gradiend_core.errors import GradiendError as GradiendError
from gradiend_core.errors import LearningError as LearningError
from gradiend_core.errors import ModelError as ModelError
from gradiend_core.errors import PluginError as PluginError
from gradiend_core.errors import StorageError as StorageError
from gradiend_core.errors import unknown as unknown

# --- what a plugin of each kind must do, and is given ---
from gradiend_core.roles.evaluator import EvaluationTask as EvaluationTask
from gradiend_core.roles.evaluator import Evaluator as Evaluator
from gradiend_core.roles.gradients import GradientMatrix as GradientMatrix
from gradiend_core.roles.gradients import ModelGradients as ModelGradients
from gradiend_core.roles.learner import Learner as Learner
from gradiend_core.roles.learner import LearningTask as LearningTask
from gradiend_core.roles.paradigm import PairingTask as PairingTask
from gradiend_core.roles.paradigm import Paradigm as Paradigm
from gradiend_core.roles.policy import Policy as Policy
from gradiend_core.roles.selector import SelectionTask as SelectionTask
from gradiend_core.roles.selector import Selector as Selector
from gradiend_core.roles.source import Examples as Examples
from gradiend_core.roles.source import GradientSource as GradientSource
from gradiend_core.roles.visualizer import ComparisonVisualizer as ComparisonVisualizer
from gradiend_core.roles.visualizer import Visualizer as Visualizer

# --- what it may be able to do besides ---
from gradiend_core.roles.abilities import FillsSlots as FillsSlots
from gradiend_core.roles.abilities import HasBudget as HasBudget
from gradiend_core.roles.abilities import IsFitted as IsFitted
from gradiend_core.roles.abilities import KnowsWords as KnowsWords
from gradiend_core.roles.abilities import TakesSpans as TakesSpans
from gradiend_core.roles.abilities import PlansSelection as PlansSelection
from gradiend_core.roles.abilities import PlansVectors as PlansVectors
from gradiend_core.roles.abilities import ScoresTexts as ScoresTexts

# --- records: what travels between the stages ---
from gradiend_core.records.candidate import Candidate as Candidate
from gradiend_core.records.candidate import OrdinaryScores as OrdinaryScores
from gradiend_core.records.candidate import TextPredictions as TextPredictions
from gradiend_core.records.candidate import TextScores as TextScores
from gradiend_core.records.edit import ChosenEdit as ChosenEdit
from gradiend_core.records.edit import EditScores as EditScores
from gradiend_core.records.feature import LearnedFeature as LearnedFeature
from gradiend_core.records.feature import TrainingRow as TrainingRow
from gradiend_core.records.funnel import Drop as Drop
from gradiend_core.records.funnel import DropCounter as DropCounter
from gradiend_core.records.funnel import Funnel as Funnel
from gradiend_core.records.goal import Goal as Goal
from gradiend_core.records.goal import goal_of as goal_of
from gradiend_core.records.gradient_role import GradientRole as GradientRole
from gradiend_core.records.masking import MaskingSettings as MaskingSettings
from gradiend_core.records.metric import Metric as Metric
from gradiend_core.records.metric import shown as shown
from gradiend_core.records.pair import NEUTRAL as NEUTRAL
from gradiend_core.records.pair import NEUTRAL_SLOT as NEUTRAL_SLOT
from gradiend_core.records.pair import OTHERS as OTHERS
from gradiend_core.records.pair import SPLITS as SPLITS
from gradiend_core.records.pair import MinimalPair as MinimalPair
from gradiend_core.records.pair import PairData as PairData
from gradiend_core.records.pair import code_of as code_of
from gradiend_core.records.provenance import Provenance as Provenance
from gradiend_core.records.report import Metrics as Metrics
from gradiend_core.records.report import Report as Report
from gradiend_core.records.report import Reports as Reports
from gradiend_core.records.report import Table as Table
from gradiend_core.records.run import DataSettings as DataSettings
from gradiend_core.records.run import GradientSettings as GradientSettings
from gradiend_core.records.run import RewriteSettings as RewriteSettings
from gradiend_core.records.scope import ParameterScope as ParameterScope
from gradiend_core.records.scope import ParameterSlice as ParameterSlice
from gradiend_core.records.pair import word_pairs as word_pairs
from gradiend_core.records.text import Text as Text
from gradiend_core.records.text import Token as Token
from gradiend_core.records.update import WeightUpdate as WeightUpdate

# --- toolbox for authors: paradigms ---
from gradiend_core.data.finding import Finder as Finder
from gradiend_core.data.finding import Finding as Finding
from gradiend_core.data.finding import RulesFinder as RulesFinder
from gradiend_core.data.finding import Slot as Slot
from gradiend_core.data.pairing import make_pairs as make_pairs
from gradiend_core.data.paradigm import RulesParadigm as RulesParadigm
from gradiend_core.data.marked import MARKED as MARKED
from gradiend_core.data.rules import Classes as Classes
from gradiend_core.data.rules import Rules as Rules
from gradiend_core.data.rules import choose_classes as choose_classes
from gradiend_core.data.rules import in_capitals as in_capitals
from gradiend_core.data.rules import starts_sentence as starts_sentence
from gradiend_core.data.texts import read_texts as read_texts

# --- toolbox for authors: gradient sources ---
from gradiend_core.progress import progress as progress
from gradiend_core.gradients.batching import example_batches as example_batches
from gradiend_core.gradients.batching import micro_batches as micro_batches
from gradiend_core.gradients.passes import model_errors as model_errors
from gradiend_core.gradients.examples import relabelled as relabelled
from gradiend_core.gradients.examples import subset as subset
from gradiend_core.gradients.operator import GradientOperator as GradientOperator
from gradiend_core.data.boundaries import not_alone as not_alone
from gradiend_core.data.splits import connected as connected
from gradiend_core.language.fillers import located as located
from gradiend_core.language.loading import architecture as architecture
from gradiend_core.language.loading import config_of as config_of
from gradiend_core.language.loading import load_model as load_model
from gradiend_core.language.slots import SlotExamples as SlotExamples
from gradiend_core.language.slots import SlotSource as SlotSource
from gradiend_core.language.slots import TextSlotSource as TextSlotSource
from gradiend_core.language.slots import TokenBatch as TokenBatch
from gradiend_core.language.slots import logits_of as logits_of
from gradiend_core.language.slots import pad_id as pad_id
from gradiend_core.language.slots import padded as padded
from gradiend_core.language.slots import prepare_slots as prepare_slots
from gradiend_core.language.slots import token_limit as token_limit
from gradiend_core.language.spans import SpanSource as SpanSource
from gradiend_core.language.spans import prepare_spans as prepare_spans
from gradiend_core.language.texts import HiddenText as HiddenText
from gradiend_core.language.texts import TextBatch as TextBatch
from gradiend_core.language.texts import TextRow as TextRow
from gradiend_core.language.texts import accuracy_scores as accuracy_scores
from gradiend_core.language.texts import hidden_text_batches as hidden_text_batches
from gradiend_core.language.texts import text_batches as text_batches
from gradiend_core.language.texts import text_predictions as text_predictions
from gradiend_core.language.texts import text_scores as text_scores

# --- toolbox for authors: learners and selectors ---
from gradiend_core.learning.batches import class_batches as class_batches
from gradiend_core.learning.checkpoint import Checkpoint as Checkpoint
from gradiend_core.learning.closed_form import assembled as assembled
from gradiend_core.learning.closed_form import agreeing_means as agreeing_means
from gradiend_core.learning.closed_form import class_means as class_means
from gradiend_core.learning.closed_form import mean_gradients as mean_gradients
from gradiend_core.learning.convergence import converged as converged
from gradiend_core.learning.convergence import diagnosis as diagnosis
from gradiend_core.learning.convergence import knows_nothing as knows_nothing
from gradiend_core.learning.encoder_decoder import EncoderDecoder as EncoderDecoder
from gradiend_core.learning.encoder_decoder import Rates as Rates
from gradiend_core.learning.encoder_decoder import Trainer as Trainer
from gradiend_core.learning.encodings import calibrated as calibrated
from gradiend_core.learning.encodings import class_mean_values as class_mean_values
from gradiend_core.learning.encodings import correlation as correlation
from gradiend_core.learning.encodings import encodings as encodings
from gradiend_core.learning.encodings import labels_of as labels_of
from gradiend_core.learning.encodings import on_axis as on_axis
from gradiend_core.learning.encodings import projections as projections
from gradiend_core.learning.selection import count_of as count_of
from gradiend_core.learning.selection import difference_of_means as difference_of_means
from gradiend_core.learning.selection import largest as largest

# --- toolbox for authors: evaluators and visualizers ---
from gradiend_core.comparison.similarity import compare as compare
from gradiend_core.comparison.similarity import shared as shared
from gradiend_core.comparison.neurons import UnitRow as UnitRow
from gradiend_core.comparison.neurons import largest_units as largest_units
from gradiend_core.comparison.neurons import standing_out as standing_out
from gradiend_core.comparison.where import LocationRow as LocationRow
from gradiend_core.comparison.where import WeightRow as WeightRow
from gradiend_core.comparison.where import component_of as component_of
from gradiend_core.comparison.where import largest_weights as largest_weights
from gradiend_core.comparison.where import layer_number as layer_number
from gradiend_core.comparison.where import locations as locations
from gradiend_core.comparison.explanation import Explanation as Explanation
from gradiend_core.comparison.explanation import explanations as explanations
from gradiend_core.comparison.where import shares_by_location as shares_by_location
from gradiend_core.rewriting.apply import Rewriter as Rewriter
from gradiend_core.rewriting.measuring import Measure as Measure
from gradiend_core.rewriting.measuring import edit_scores as edit_scores
from gradiend_core.rewriting.measuring import goal_values as goal_values
from gradiend_core.rewriting.measuring import measure_of as measure_of
from gradiend_core.rewriting.natural import natural_update as natural_update
from gradiend_core.rewriting.ordinary import axis_words as axis_words
from gradiend_core.rewriting.ordinary import word_tokens as word_tokens
from gradiend_core.rewriting.search import Edit as Edit
from gradiend_core.rewriting.search import Trials as Trials
from gradiend_core.rewriting.search import WeightEdit as WeightEdit
from gradiend_core.rewriting.search import bracket as bracket
from gradiend_core.rewriting.search import choose as choose
from gradiend_core.rewriting.search import grid as grid
from gradiend_core.rewriting.search import smaller as smaller
from gradiend_core.rewriting.search import within_budget as within_budget
from gradiend_core.rewriting.steps import stepped as stepped
from gradiend_core.run.drawing import empty_figure as empty_figure
from gradiend_core.storage.features import load_feature as load_feature

# --- how the names above are loaded: for `gradiend_core` itself and the documents ---
def listed(file: str) -> dict[str, str]: ...
def lazy_names(module: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]: ...
