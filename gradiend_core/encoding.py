"""What the encoder of a run reads in texts that the run has not seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from gradiend_core.errors import DataError
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.pair import NEUTRAL, MinimalPair
from gradiend_core.records.report import Report, Table

if TYPE_CHECKING:
    from gradiend_core.model_run import ModelRun
    from gradiend_core.session import Session

#: a slot in a text that is written by hand
SLOT = re.compile(r"\[([^\[\]|]+)(?:\|([^\[\]|]+))?\]")
COLUMNS = ("feature", "factual", "alternative", "encoding", "text")


def marked(text: str) -> MinimalPair:
    """The pair of a text whose slot has its fillers in brackets: "The chef was tired, so [he|they] left."
    With one filler alone, "The chef was [tired].", the slot is neutral. Raises DataError for a text that has
    not one such slot."""
    parts = SLOT.split(text)
    if len(parts) != 4 or parts[1] == "MASK":
        problem = "several slots" if len(parts) > 4 else "no slot with its fillers"
        raise DataError(
            f"{text!r:.200} has {problem}; mark one, with its factual and its alternative filler, as in "
            '"The chef was tired, so [he|they] left."'
        )
    left, factual, alternative, right = parts
    of = NEUTRAL if alternative is None else ""
    return MinimalPair(left, right, factual, alternative or factual, of, of, "test")


def written(pair: MinimalPair) -> str:
    """The pair as `marked` reads it."""
    fillers = pair.factual if pair.alternative == pair.factual else f"{pair.factual}|{pair.alternative}"
    return f"{pair.left}[{fillers}]{pair.right}"


def encode(session: Session, texts: Sequence[str | MinimalPair]) -> Table:
    """What each feature of a session reads in texts with a marked slot (`marked`), or in pairs: a row for
    each feature and text.

    Raises DataError for a text without a slot, and for one that the model cannot take."""
    if isinstance(texts, str):
        raise DataError(
            f"encode takes a list of texts with a marked slot, not {texts!r:.80}; `encode_texts` takes a file"
        )
    pairs = [marked(text) if isinstance(text, str) else text for text in texts]
    examples = _model_of(session).prepared(pairs)
    if examples.drops:
        drop = examples.drops[0]
        raise DataError(f"the model cannot take {(drop.examples or ('a text',))[0]!r:.200}: {drop.reason}")
    from gradiend_core.comparison.crossing import encode_all

    found = encode_all(session.features, session.gradients_over(session.feature.scope), examples)
    return Table(
        COLUMNS,
        tuple(
            (named(feature), pair.factual, pair.alternative, value, written(pair))
            for feature, values in zip(session.features, found.tolist(), strict=True)
            for pair, value in zip(examples.pairs, values, strict=True)
        ),
    )


def encode_texts(session: Session, texts: Any) -> tuple[Report, ...]:
    """For each feature of a session, the report of the evaluator "encoder" on other texts: a name, a file or
    whatever else `read_texts` takes. The run's paradigm finds their slots, by the settings of the run but for
    its splits: all pairs are test pairs, and no class has to be there. Raises DataError where no pair is
    found."""
    data = session.data_run.of_others(texts)
    ready = _model_of(session).prepared
    examples = {"test": ready(data.pairs), NEUTRAL: ready(data.neutral_pairs)}
    if not examples["test"].pairs:
        drops = "; ".join(
            f"{drop.count} dropped: {drop.reason}" for own in examples.values() for drop in own.drops
        )
        raise DataError(
            f"none of the {len(data.pairs)} pairs in {texts!r:.80} can be used with this model ({drops})"
        )
    entry = session.registry.get("evaluation", "encoder")
    config = next(
        (each.config for each in session.config.evaluation if each.kind == "encoder"), entry.config()
    )
    evaluator = entry.build(evolve(config, splits=("test",)))
    return tuple(
        evaluator.evaluate(session.evaluation_task(axis, {}, data, examples))
        for axis in range(len(session.features))
    )


def in_one(session: Session, reports: Sequence[Report]) -> Table:
    """The encodings of all features of a session, from the reports of `encode_texts`."""
    own = [report.tables["encodings"] for report in reports]
    rows = [
        (named(feature), *row)
        for feature, table in zip(session.features, own, strict=True)
        for row in table.rows
    ]
    return Table(("feature", *own[0].columns), tuple(rows))


def named(feature: LearnedFeature) -> str:
    return " against ".join(feature.classes)


def _model_of(session: Session) -> ModelRun:
    """What makes pairs ready. A source that learns something of its own has then learned it, from the run's
    texts."""
    if hasattr(session.source, "fit"):
        _ = session.examples
    return session.model_run
