"""Several edits in one model: what they have in common, whether they conflict, and what each still does
beside the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import asdict, frozen

from gradiend_core.errors import ConfigError
from gradiend_core.finished.exporting import write_edit
from gradiend_core.records.goal import goal_of
from gradiend_core.records.metric import Metric
from gradiend_core.records.report import Report, Table
from gradiend_core.records.update import WeightUpdate
from gradiend_core.run.finished import load_run
from gradiend_core.run.run import Run

if TYPE_CHECKING:
    from gradiend_core.rewriting.measuring import Measure

#: the share of an edit's largest entries whose overlap is reported, and the most texts that a number rests on
TOP, TEXTS = 0.01, 500


@frozen
class StackedEdit:
    """A run, the goal of its edit, and the strength."""

    run: Run
    toward: str
    strength: float = 1.0


@frozen(eq=False)
class Stack:
    """The sum of some edits, their goals, the report on the sum, and a run of the edited model."""

    names: tuple[str, ...]
    update: WeightUpdate
    report: Report
    run: Run


@frozen
class Conflict:
    """Two edits: their cosine, and the fraction of largest entries that both have, observed and expected by
    chance."""

    one: str
    two: str
    cosine: float
    shared_weights: float
    shared_by_chance: float

    @property
    def line(self) -> str:
        return (
            f"{self.one} and {self.two}: cosine {self.cosine:+.3f}, {self.shared_weights:.1%} of the largest"
            f" weights in common (by chance {self.shared_by_chance:.1%})"
        )


@frozen
class Effect:
    """The effect that an edit is for, on its test texts, and the language modelling score of its neutral
    texts: for the unedited model, with this edit alone, and with all edits together."""

    edit: str
    base: float
    alone: float
    together: float
    base_lms: float
    lms_alone: float
    lms_together: float
    n: int

    @property
    def line(self) -> str:
        return (
            f"{self.edit}: {self.base:.3f} → {self.alone:.3f} alone, {self.together:.3f} together; language"
            f" modelling {self.base_lms:.3f} → {self.lms_alone:.3f} alone, {self.lms_together:.3f} together"
            f" (n = {self.n})"
        )


def stack(edits: Sequence[StackedEdit]) -> Stack:
    """Adds edits of one model. The report has the tables "conflicts" (`Conflict`) and "effects" (`Effect`).
    Raises ConfigError for edits of different models."""
    if len(edits) < 2:
        raise ConfigError(f"a stack has two edits at least, and this has {len(edits)}")
    edits = [edits[0], *(_on_model_of(edits[0].run, edit) for edit in edits[1:])]
    goals = [edit.toward for edit in edits]
    names = [f"{goal} ({number})" if goals.count(goal) > 1 else goal for number, goal in enumerate(goals, 1)]
    updates = {
        name: edit.run.update(edit.toward) * edit.strength for name, edit in zip(names, edits, strict=True)
    }
    for name, update in updates.items():
        if not update.norm:
            raise ConfigError(
                f"the edit toward {name} is nothing, as no candidate was better than the model; leave it out"
            )
    total = sum_of(list(updates.values()))
    conflicts = [_conflict(one, two, updates) for one, two in combinations(names, 2)]
    effects = [_effect(name, edit, updates[name], total) for name, edit in zip(names, edits, strict=True)]
    metrics: dict[tuple[str, ...], Metric] = {
        (pair.one, pair.two, "cosine"): Metric(pair.cosine, total.scope.size) for pair in conflicts
    }
    for effect in effects:
        values = {name: value for name, value in asdict(effect).items() if name not in ("edit", "n")}
        metrics |= {(effect.edit, name): Metric(value, effect.n) for name, value in values.items()}
    tables = {"conflicts": Table.of(Conflict, conflicts), "effects": Table.of(Effect, effects)}
    lines = (*(row.line for row in conflicts), *(row.line for row in effects))
    return Stack(tuple(names), total, Report("stack", metrics, tables, lines=lines), edits[0].run)


def sum_of(updates: Sequence[WeightUpdate]) -> WeightUpdate:
    total = updates[0]
    for update in updates[1:]:
        total = total + update
    return total


def _on_model_of(first: Run, edit: StackedEdit) -> StackedEdit:
    """The edit with its run on the first one's model, so that all share one model in memory. Raises
    ConfigError for another model, or one that is read by another source."""
    other = edit.run
    fingerprint, other_fingerprint = first.model_fingerprint, other.model_fingerprint
    if fingerprint != other_fingerprint or first.config.source.kind != other.config.source.kind:
        models = (
            f"{first.config.general.model!r} ({fingerprint}) and {other.config.general.model!r}"
            f" ({other_fingerprint})"
        )
        raise ConfigError(f"the edits are of different models, {models}; stack edits of one model")
    return edit if other is first else StackedEdit(other.with_model(first.loaded), edit.toward, edit.strength)


def _conflict(one: str, two: str, updates: dict[str, WeightUpdate]) -> Conflict:
    from gradiend_core.comparison.similarity import shared

    scope = updates[one].scope.joined(updates[two].scope)
    count = max(1, round(TOP * scope.size))
    first, second = (
        updates[name].over(scope).direction.abs().topk(count, sorted=False).indices for name in (one, two)
    )
    share = shared(first, second.to(first.device), scope.size) / count
    return Conflict(one, two, updates[one].cosine(updates[two]), share, count / scope.size)


def _effect(name: str, edit: StackedEdit, alone: WeightUpdate, total: WeightUpdate) -> Effect:
    from gradiend_core.rewriting.apply import applied
    from gradiend_core.rewriting.measuring import measure_of

    task = edit.run.evaluation_task(edit.run.axis_of(edit.toward))
    measure, model = measure_of(task, TEXTS, ordinary_texts=0), edit.run.loaded.model
    measured = [_measured(measure, edit.toward, task.feature.classes)]
    for update in (alone, total):
        with applied(model, update):
            measured.append(_measured(measure, edit.toward, task.feature.classes))
    (base, base_lms, n), (by_itself, lms_alone, _), (together, lms_together, _) = measured
    return Effect(name, base, by_itself, together, base_lms, lms_alone, lms_together, n)


def _measured(measure: Measure, toward: str, classes: tuple[str, str]) -> tuple[float, float, int]:
    from gradiend_core.rewriting.measuring import goal_values

    goal = goal_of(toward, classes)
    candidate = measure.candidate("test", goal.texts)
    values = goal_values(goal, candidate.probabilities)
    return float(values.mean()), candidate.lms, len(values)


def opened(texts: Sequence[str]) -> list[StackedEdit]:
    """Edits of finished runs, each given as "FOLDER:GOAL" or "FOLDER:GOAL*0.5". Each folder is opened
    once."""
    runs: dict[str, Run] = {}
    edits = []
    for text in texts:
        folder, _, rest = text.rpartition(":")
        toward, _, strength = rest.partition("*")
        try:
            factor = float(strength or 1.0)
        except ValueError:
            factor = 0.0
        if not folder or not toward or not factor:
            raise ConfigError(f"{text!r} is not an edit; write it as FOLDER:CLASS or FOLDER:CLASS*0.5")
        if folder not in runs:
            runs[folder] = load_run(folder)
        edits.append(StackedEdit(runs[folder], toward, factor))
    return edits


def export_stack(
    stacked: Stack,
    output: str | Path,
    form: str = "full",
    *,
    keep: float = 1.0,
    rank: int = 8,
    overwrite: bool = False,
) -> list[str]:
    """Writes the sum of the edits, as `export` does a single one."""
    name, card = " and ".join(stacked.names), _card(stacked)
    return write_edit(
        stacked.run,
        stacked.update,
        name,
        lambda _: card,
        output,
        form,
        keep=keep,
        rank=rank,
        overwrite=overwrite,
    )


def _card(stacked: Stack) -> str:
    model = stacked.run.config.general.model
    lines = ["---", f"base_model: {model}", "tags: [gradiend]", "---", f"# {' and '.join(stacked.names)}", ""]
    lines += [
        f"The weights of `{model}` with several edits (GRADIEND, arXiv 2502.01406) by gradiend-core.",
        "",
    ]
    return "\n".join([*lines, *(f"- {line}" for line in stacked.report.lines), ""])
