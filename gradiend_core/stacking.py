"""Several edits in one model: what they share, whether they fight, and what each still does beside the
others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from gradiend_core.errors import ConfigError
from gradiend_core.exporting import write_edit
from gradiend_core.records.goal import goal_of
from gradiend_core.records.report import Metric, Report, Table
from gradiend_core.records.update import WeightUpdate
from gradiend_core.run_folder import load_run
from gradiend_core.session import Session

if TYPE_CHECKING:
    from gradiend_core.rewriting.measuring import Measure

CONFLICTS = ("one", "two", "cosine", "shared_weights", "shared_by_chance")
EFFECTS = ("edit", "base", "alone", "together", "base_lms", "lms_alone", "lms_together", "n")
#: the share of an edit's largest entries whose overlap is reported, and the most texts that a number rests on
TOP, TEXTS = 0.01, 500


@frozen
class StackedEdit:
    """A finished run, what its edit is for, and how strong it shall be."""

    run: Session
    toward: str
    strength: float = 1.0


@frozen(eq=False)
class Stack:
    """The sum of some edits, what they are for, the sum's report, and a run whose model it is of."""

    names: tuple[str, ...]
    update: WeightUpdate
    report: Report
    run: Session


def stack(edits: Sequence[StackedEdit]) -> Stack:
    """Adds edits of one model. Tables: `conflicts` (for each two the cosine, and the share of largest entries
    that both have) and `effects` (for each what its goal is about, on its own test texts, and the language
    modelling score of its own neutral texts: of the unedited model, with this edit alone, with all). Raises
    ConfigError for edits of different models."""
    if len(edits) < 2:
        raise ConfigError(f"a stack has two edits at least, and this has {len(edits)}")
    first = edits[0].run
    for each in edits[1:]:
        _share_model(first, each.run)
    names = [each.toward for each in edits]
    names = [f"{name} ({place + 1})" if names.count(name) > 1 else name for place, name in enumerate(names)]
    parts = {
        name: each.run.update(each.toward) * each.strength for name, each in zip(names, edits, strict=True)
    }
    empty = [name for name, update in parts.items() if not update.norm]
    if empty:
        raise ConfigError(
            f"the edit toward {empty[0]} is nothing, as no candidate was better than the model; leave it out"
        )
    whole = sum_of(list(parts.values()))
    conflicts = [(one, two, *_conflict(parts[one], parts[two])) for one, two in combinations(names, 2)]
    effects = [(name, *_effect(each, parts[name], whole)) for name, each in zip(names, edits, strict=True)]
    metrics: dict[tuple[str, ...], Metric] = {
        (one, two, "cosine"): Metric(cosine, whole.scope.size) for one, two, cosine, _, _ in conflicts
    }
    for row in effects:
        metrics |= {
            (row[0], name): Metric(value, row[-1])
            for name, value in zip(EFFECTS[1:-1], row[1:-1], strict=True)
        }
    tables = {"conflicts": Table(CONFLICTS, tuple(conflicts)), "effects": Table(EFFECTS, tuple(effects))}
    return Stack(
        tuple(names), whole, Report("stack", metrics, tables, lines=tuple(_lines(conflicts, effects))), first
    )


def sum_of(updates: Sequence[WeightUpdate]) -> WeightUpdate:
    whole = updates[0]
    for each in updates[1:]:
        whole = whole + each
    return whole


def _share_model(first: Session, other: Session) -> None:
    """One model in memory for all; refuses another one, or one that another source reads."""
    own, theirs = (
        each.expected.get("model_fingerprint") or each.loaded.fingerprint for each in (first, other)
    )
    if own != theirs or first.config.source.kind != other.config.source.kind:
        models = f"{first.config.general.model!r} ({own}) and {other.config.general.model!r} ({theirs})"
        raise ConfigError(f"the edits are of different models, {models}; stack edits of one model")
    if other is not first:
        other.__dict__["loaded"] = first.loaded


def _conflict(one: WeightUpdate, two: WeightUpdate) -> tuple[float, float, float]:
    """Cosine, and the share of the largest entries that both have, as found and as by chance."""
    from gradiend_core.comparison.similarity import shared

    scope = one.scope.joined(two.scope)
    count = max(1, round(TOP * scope.size))
    top = [each.over(scope).direction.abs().topk(count, sorted=False).indices for each in (one, two)]
    return one.cosine(two), shared(top[0], top[1].to(top[0].device), scope.size) / count, count / scope.size


def _effect(
    edit: StackedEdit, alone: WeightUpdate, whole: WeightUpdate
) -> tuple[float, float, float, float, float, float, int]:
    from gradiend_core.rewriting.apply import applied
    from gradiend_core.rewriting.measuring import measure_of

    task = edit.run.evaluation_task(edit.run.axis_of(edit.toward))
    measure, model = measure_of(task, TEXTS), edit.run.loaded.model
    found = [_measured(measure, edit.toward, task.feature.classes)]
    for update in (alone, whole):
        with applied(model, update):
            found.append(_measured(measure, edit.toward, task.feature.classes))
    probabilities, scores, n = zip(*found, strict=True)
    return (*probabilities, *scores, n[0])


def _measured(measure: Measure, toward: str, classes: tuple[str, str]) -> tuple[float, float, int]:
    from gradiend_core.rewriting.measuring import goal_values

    goal = goal_of(toward, classes)
    candidate = measure.candidate("test", goal.texts)
    values = goal_values(goal, candidate.probabilities)
    return float(values.mean()), candidate.lms, len(values)


def _lines(
    conflicts: Sequence[tuple[str, str, float, float, float]], effects: Sequence[tuple[object, ...]]
) -> list[str]:
    lines = [
        f"{one} and {two}: cosine {cosine:+.3f}, {share:.1%} of the largest weights in common (by chance"
        f" {chance:.1%})"
        for one, two, cosine, share, chance in conflicts
    ]
    return lines + [
        f"{name}: {base:.3f} → {alone:.3f} alone, {together:.3f} together; language modelling {score:.3f} →"
        f" {own:.3f} alone, {all_of:.3f} together (n = {n})"
        for name, base, alone, together, score, own, all_of, n in effects
    ]


def opened(texts: Sequence[str]) -> list[StackedEdit]:
    """Edits of finished runs, each given as "FOLDER:GOAL" or "FOLDER:GOAL*0.5"; a folder is opened once."""
    runs: dict[str, Session] = {}
    edits = []
    for text in texts:
        folder, _, rest = text.rpartition(":")
        toward, _, strength = rest.partition("*")
        try:
            factor = float(strength or 1.0)
        except ValueError:
            factor = 0.0
        if not folder or not toward or not factor:
            raise ConfigError(f"{text!r} is no edit; write it as FOLDER:CLASS or FOLDER:CLASS*0.5")
        if folder not in runs:
            runs[folder] = load_run(folder)
        edits.append(StackedEdit(runs[folder], toward, factor))
    return edits


def export_stack(
    found: Stack, output: str | Path, form: str = "full", *, keep: float = 1.0, rank: int = 8
) -> list[str]:
    """Writes the sum of the edits, as `export` does a single one."""
    return write_edit(
        found.run, found.update, " and ".join(found.names), _card(found), output, form, keep=keep, rank=rank
    )


def _card(found: Stack) -> str:
    model = found.run.config.general.model
    lines = ["---", f"base_model: {model}", "tags: [gradiend]", "---", f"# {' and '.join(found.names)}", ""]
    lines += [
        f"The weights of `{model}` with several edits (GRADIEND, arXiv 2502.01406) by gradiend-core.",
        "",
    ]
    return "\n".join([*lines, *(f"- {line}" for line in found.report.lines), ""])
