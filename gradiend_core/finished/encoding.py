"""What the encoder of a run reads in new texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from gradiend_core.data.marked import marked, written
from gradiend_core.errors import DataError, PluginError
from gradiend_core.records.contribution import Trait
from gradiend_core.records.pair import NEUTRAL, MinimalPair
from gradiend_core.records.report import Report, Table
from gradiend_core.roles.abilities import IsFitted
from gradiend_core.roles.evaluator import Evaluator
from gradiend_core.roles.kinds import EVALUATOR

if TYPE_CHECKING:
    from gradiend_core.roles.source import Examples
    from gradiend_core.run.model import ModelMaker
    from gradiend_core.run.run import Run


@frozen
class Encoding:
    """What a feature reads in one text."""

    feature: str
    factual: str
    alternative: str
    encoding: float
    text: str


def encode(run: Run, texts: Sequence[str | MinimalPair]) -> Table:
    """The encodings of texts with a marked slot (`marked`), or of pairs: a row for each feature and text.
    Raises DataError for a text without a slot, and for one that the model cannot take."""
    if isinstance(texts, str):
        raise DataError(
            f"encode takes a list of texts with a marked slot, not {texts!r:.80}; `encode_texts` takes a file"
        )
    examples = ready(run, texts)
    from gradiend_core.comparison.crossing import encode_all

    encodings = encode_all(run.features, run.gradients_over(run.feature.scope), examples)
    rows = [
        Encoding(feature.name, pair.factual, pair.alternative, value, written(pair))
        for feature, values in zip(run.features, encodings.tolist(), strict=True)
        for pair, value in zip(examples.pairs, values, strict=True)
    ]
    return Table.of(Encoding, rows)


def encode_texts(run: Run, texts: Any) -> tuple[Report, ...]:
    """Encodes other texts (a name, a file or anything else that `read_texts` takes): the report of the
    encoder evaluator for each feature of a run. The run's paradigm finds the slots with the settings of the
    run, except for splits: all pairs are test pairs, and no class is required. Raises DataError where no pair
    is found."""
    data = run.setup.data.of_others(texts)
    prepared_by = _model_of(run).prepared
    examples = {"test": prepared_by(data.pairs), NEUTRAL: prepared_by(data.neutral_pairs)}
    if not examples["test"].pairs:
        drops = "; ".join(
            f"{drop.count} dropped: {drop.reason}"
            for prepared in examples.values()
            for drop in prepared.drops
        )
        raise DataError(
            f"none of the {len(data.pairs)} pairs in {texts!r:.80} can be used with this model ({drops})"
        )
    readers = run.registry.with_trait(EVALUATOR, Trait.READS_ENCODINGS)
    if not readers:
        raise PluginError("no plugin has an evaluator that reads encodings")
    configured = {choice.kind: choice.config for choice in run.config.evaluators}
    reader = next((contribution for contribution in readers if contribution.name in configured), readers[0])
    config = configured.get(reader.name) or reader.config()
    evaluator: Evaluator = reader.build(evolve(config, splits=("test",)))
    return tuple(
        evaluator.evaluate(run.evaluation_task(axis, {}, data, examples)) for axis in range(len(run.features))
    )


def in_one(run: Run, reports: Sequence[Report]) -> Table:
    """The encodings of all features of a run, from the reports of `encode_texts`."""
    tables = [report.tables["encodings"] for report in reports]
    rows = [
        (feature.name, *row)
        for feature, table in zip(run.features, tables, strict=True)
        for row in table.rows
    ]
    return Table(("feature", *tables[0].columns), tuple(rows))


def ready(run: Run, texts: Sequence[str | MinimalPair]) -> Examples:
    """Texts with a marked slot, or pairs, as examples of the run's model. Raises DataError for a text without
    a slot, and for one that the model cannot take."""
    examples = _model_of(run).prepared([marked(text) if isinstance(text, str) else text for text in texts])
    if examples.drops:
        drop = examples.drops[0]
        raise DataError(f"the model cannot take {(drop.examples or ('a text',))[0]!r:.200}: {drop.reason}")
    return examples


def _model_of(run: Run) -> ModelMaker:
    """The model that prepares pairs. A source that learns something itself has then learned it from the run's
    texts."""
    if isinstance(run.source, IsFitted):
        _ = run.examples
    return run.setup.model
