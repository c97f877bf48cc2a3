"""The results of a run so far, and the record of a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from gradiend_core.learning.seeds import SeedRun
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.funnel import Funnel
from gradiend_core.records.pair import PairData
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.report import Report, Reports
from gradiend_core.roles.gradients import GradientMatrix
from gradiend_core.roles.source import Examples
from gradiend_core.run.model import LoadedModel

if TYPE_CHECKING:
    from gradiend_core.gradients.operator import GradientOperator

#: the neutral examples that learning may use; no evaluation sees them
NEUTRAL_TRAINED = "neutral_trained"


@frozen(eq=False)
class Prepared:
    """Pairs prepared for the model, and what was learned about the model meanwhile."""

    #: by split, and the neutral ones
    examples: Mapping[str, Examples]
    #: target words that the tokenizer splits
    left_out_words: tuple[str, ...] = ()
    #: what came of fitting the source, where it is fitted
    source_report: Report | None = None
    #: what to know of the model before any number of it
    model_problems: tuple[str, ...] = ()


@frozen(eq=False)
class RunState:
    """The record of each finished stage, None for the others. `features` and `reports` are by axis."""

    data: PairData | None = None
    loaded: LoadedModel | None = None
    prepared: Prepared | None = None
    gradients: GradientOperator | None = None
    matrix: GradientMatrix | None = None
    seeds: tuple[SeedRun, ...] | None = None
    features: tuple[LearnedFeature, ...] | None = None
    reports: tuple[Reports, ...] | None = None


@frozen
class SeedResult:
    """The result of one seed: the validation correlation of its worst axis, or why it has no feature."""

    seed: int
    validation_correlation: float
    problem: str = ""


@frozen
class RunRecord:
    """What a run was made from and how it went; with the reports, everything in `results.json`. `axes` are
    the learned axes, `counts` the number of pairs by split and class, `timing` the seconds of each stage."""

    provenance: Provenance
    axes: tuple[tuple[str, str], ...]
    funnel: Funnel
    counts: dict[str, dict[str, int]]
    left_out_words: tuple[str, ...]
    source_report: Report | None
    seeds: tuple[SeedResult, ...]
    timing: dict[str, float]
    model_problems: tuple[str, ...] = ()
