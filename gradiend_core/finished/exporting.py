"""Writes an edit to a folder: a whole checkpoint, the update alone, or an adapter, each with its card."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradiend_core.errors import ConfigError
from gradiend_core.records.edit import EditScores
from gradiend_core.records.update import WeightUpdate
from gradiend_core.run.card import model_card
from gradiend_core.storage.files import write_text
from gradiend_core.storage.folders import expect_free, fresh_folder
from gradiend_core.storage.updates import save_update

if TYPE_CHECKING:
    from gradiend_core.records.feature import LearnedFeature
    from gradiend_core.run.run import Run

RECIPE = "mergekit.yml"
#: texts of each kind that an edit which is not the chosen one is measured on
MEASURED = 200
FORMATS = ("full", "sparse", "lora", "task-vector", "gguf")


def export(
    run: Run,
    toward: str,
    output: str | Path,
    form: str = "full",
    *,
    strength: float = 1.0,
    learning_rate: float | None = None,
    damping: float | None = None,
    keep: float = 1.0,
    rank: int = 8,
    overwrite: bool = False,
) -> list[str]:
    """Writes the edit that strengthens a class (`Run.update`), times `strength`. Of its entries only the
    fraction `keep` with the largest absolute values stays. Returns a few lines about what was written.

    The format "full" is a model for `from_pretrained`, "sparse" the update's entries for `load_update`; both
    are exact. "lora" is an adapter of this `rank` for peft, with its error stated. "task-vector" is a
    checkpoint of the changes alone, with a mergekit recipe that adds them to the base model. "gguf" is the
    GGUF file that the run's model was read from, with the edit in it. Raises StorageError for a folder that
    is not empty; with `overwrite`, a folder written by us is replaced."""
    expect_free(Path(output), overwrite=overwrite)
    update = run.update(toward, learning_rate, damping) * strength
    if not update.learning_rate:
        raise ConfigError(
            f"the edit toward {toward} has learning rate 0, as none was better than the model; give a"
            " learning rate"
        )

    def card(written: WeightUpdate) -> str:
        chosen = strength == 1 and learning_rate is None and written is update
        return model_card(
            run, toward, written, strength, keep, None if chosen else scores(run, toward, written)
        )

    return write_edit(
        run,
        update,
        toward,
        card,
        output,
        form,
        keep=keep,
        rank=rank,
        overwrite=overwrite,
        feature=run.features[run.axis_of(toward)],
    )


def write_edit(
    run: Run,
    update: WeightUpdate,
    toward: str,
    card: Callable[[WeightUpdate], str],
    output: str | Path,
    form: str,
    *,
    keep: float,
    rank: int,
    overwrite: bool,
    feature: LearnedFeature | None = None,
) -> list[str]:
    """Writes any update of a session's model in one of the formats; `card` makes the card for the update as
    written. The loss of a sparse or low-rank format is stated as a length, and in the metric of the `feature`
    that the update belongs to."""
    if form not in FORMATS:
        raise ConfigError(f"the format is {form!r}; use one of {', '.join(FORMATS)}")
    if not 0 < keep <= 1:
        raise ConfigError(f"keep is {keep:g}, but must be a share above 0 and up to 1")
    whole = update
    if keep < 1:
        update = update.restricted(max(1, round(keep * update.scope.size)))
    lines = [
        f"toward {toward}: {update.scope.size:,} weights change, by a vector of length {update.norm:.3g}"
    ]
    if keep < 1:
        lines.append(lost(whole, update, feature))
    if form == "sparse":
        save_update(update, output, run.setup.model.editable_fingerprint(), card(update), overwrite=overwrite)
    elif form == "lora":
        from gradiend_core.rewriting.lora import adapter_update, lora_factors, save_lora

        model, base = run.loaded.model, run.config.general.model
        factors = lora_factors(model, update, rank)
        adapter = adapter_update(model, update, factors)
        about = card(adapter)
        save_lora(model, update, output, rank, base, about, overwrite=overwrite, factors=factors)
        errors = ", ".join(f"{by_rank}: {error:.3f}" for by_rank, error in factors.errors.items())
        lines.append(
            f"an adapter can change {factors.held:.1%} of the update; relative error by rank {errors}"
        )
        lines.append(lost(whole, adapter, feature))
        if factors.left_out:
            lines.append(
                f"left out, as no adapter can change them: {len(factors.left_out)} parameters, such as"
                f" {factors.left_out[0]}"
            )
    elif form == "gguf":
        lines.append(_write_gguf(run, update, toward, card(update), Path(output), overwrite=overwrite))
    else:
        from gradiend_core.language.rewritten import RewrittenModel

        files = {"README.md": card(update)}
        if form == "task-vector":
            files[RECIPE] = _recipe(run.setup.model.folder, Path(output).resolve())
            lines.append(f"mergekit-yaml {output}/{RECIPE} MERGED adds it to {run.config.general.model}")
        made = run.setup.model.edited(update) if form == "full" else nullcontext(_changes(run, update))
        with made as model:
            rewritten = RewrittenModel(model, run.loaded.tokenizer, update, toward, files)
            rewritten.save_pretrained(output, overwrite=overwrite)
    return [*lines, f"written to {output}"]


def _write_gguf(
    run: Run, update: WeightUpdate, toward: str, about: str, output: Path, *, overwrite: bool
) -> str:
    from gradiend_core.language.gguf import described, gguf_file, write_edited

    file = gguf_file(run.setup.model.folder)
    if file is None:
        raise ConfigError(
            f"the format gguf writes into the GGUF file that a model was read from, and"
            f" {run.config.general.model!r} is none; use the format full, and llama.cpp's"
            " convert_hf_to_gguf.py on what it writes"
        )
    with fresh_folder(output, overwrite=overwrite) as fresh:
        written = fresh / f"{file.stem}-{toward}{file.suffix}"
        changed, tensors = write_edited(file, written, run.loaded.model, update)
        write_text(fresh / "README.md", about)
        kinds = described(written)
    return f"{changed} of {tensors} tensors were written anew, as F16, or F32 where they were: {kinds}"


def lost(whole: WeightUpdate, written: WeightUpdate, feature: LearnedFeature | None) -> str:
    """How much of an update is not written: relative to its length √Σ Δ², and to √Σ F Δ², which is what
    ordinary text notices."""
    missing = (whole - written).direction
    there = whole.direction * whole.learning_rate
    line = f"lost of the edit: {share(float(missing.norm()), float(there.norm()))} of its length"
    if feature is None or feature.curvature is None:
        return line
    return f"{line}, {share(feature.cost(missing), feature.cost(there))} in the metric of ordinary text"


def share(one: float, of: float) -> str:
    return f"{one / of:.1%}" if of else "0.0%"


def scores(run: Run, toward: str, update: WeightUpdate) -> tuple[EditScores, EditScores] | None:
    """The scores of the run's model before and after an update; None where the model's source cannot score
    texts, or where edits cannot be applied to the loaded model."""
    from gradiend_core.records.goal import goal_of
    from gradiend_core.rewriting.apply import applied
    from gradiend_core.rewriting.measuring import edit_scores, measure_of
    from gradiend_core.roles.abilities import ScoresTexts

    if not isinstance(run.source, ScoresTexts) or run.config.gradients.quantisation != "none":
        return None
    axis = run.axis_of(toward)
    goal, measure = (
        goal_of(toward, run.features[axis].classes),
        measure_of(run.evaluation_task(axis), MEASURED),
    )
    before = edit_scores(goal, measure.unedited("test", goal.texts))
    with applied(run.loaded.model, update):
        return before, edit_scores(goal, measure.candidate("test", goal.texts))


def _changes(run: Run, update: WeightUpdate) -> Any:
    """The model with nothing but the update as its weights."""
    from gradiend_core.rewriting.apply import apply_update

    model = run.setup.model.editable()
    for tensor in (
        *model.parameters(),
        *(buffer for buffer in model.buffers() if buffer.is_floating_point()),
    ):
        tensor.data.zero_()
    apply_update(model, update)
    return model


def _recipe(base: str, folder: Path) -> str:
    """A mergekit recipe: the base model plus the task vector (arXiv 2212.04089). Its weight is the strength
    of the edit."""
    models = "".join(
        f"  - model: {json.dumps(str(model))}\n    parameters:\n      weight: 1.0\n"
        for model in (base, folder)
    )
    return f"merge_method: linear\nmodels:\n{models}parameters:\n  normalize: false\ndtype: float32\n"
