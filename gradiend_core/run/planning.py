"""The memory of a run, estimated before it starts from a model without weights.

Bytes by stage: what is there all the time (the process, the model), float32 vectors over the scope [n], and
what a batch keeps for its backward pass. Whatever is small for every large model (texts, tokens, figures) is
not counted."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from gradiend_core.progress import duration
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.pair import axes_of
from gradiend_core.roles.abilities import PlansSelection, PlansStates, PlansTexts, PlansVectors
from gradiend_core.roles.kinds import LEARNER, SELECTOR
from gradiend_core.roles.selector import SelectionTask
from gradiend_core.run.runner import Listener, Runner

if TYPE_CHECKING:
    from gradiend_core.records.scope import ParameterScope
    from gradiend_core.run.run import Run

#: texts in a batch that is timed
TIMED = 8
FLOAT, INDEX, GIB = 4, 8, 2**30
#: bytes of a weight's curvature, which a feature has beside its vectors of float32
CURVATURE = 2
#: bytes that a batch keeps for each token and each entry of a layer's input or output
KEPT = 4


@frozen
class Stage:
    """The largest amount that a stage of a run holds, in bytes, by purpose."""

    name: str
    needs: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        return sum(size for _, size in self.needs)

    @property
    def parts(self) -> str:
        return ", ".join(f"{name} {_gib(size)}" for name, size in self.needs if size)


@frozen
class MemoryPlan:
    """Stages on one device. `parameters` counts the model's weights, `columns` those in scope; `disk` is the
    space for the run's folder and the gradient store."""

    device: str
    parameters: int
    columns: int
    stages: tuple[Stage, ...]
    disk: int
    #: bytes on disk while learning goes on: the state to resume from, and the next one while it is written
    states: int = 0

    @property
    def largest(self) -> Stage:
        return max(self.stages, key=lambda stage: stage.total)

    @property
    def peak(self) -> int:
        """The largest number of bytes in any stage."""
        return self.largest.total

    def lines(self) -> list[str]:
        """The plan as a table."""
        shown = [f"{self.parameters:,} parameters, {self.columns:,} in scope, on {self.device}"]
        for stage in self.stages:
            shown.append(f"  {stage.name:<12}{_gib(stage.total):>9} GiB  ({stage.parts})")
        return [*shown, self.summary()]

    def summary(self) -> str:
        """The plan in one line."""
        most = f"{_gib(self.peak)} GiB at most on {self.device}, while {self.largest.name}"
        return f"memory    {most} ({self.largest.parts}); disk {_gib(self.disk)} GiB" + (
            f", and {_gib(self.states)} GiB while learning, for states to resume from" if self.states else ""
        )


def memory_plan(run: Run) -> MemoryPlan | None:
    """The plan of a run, or None where its source, selector or learner cannot estimate without weights
    (`roles.PlansVectors`, `roles.PlansSelection`). Raises ModelError where the model's config cannot be
    read."""
    import torch

    from gradiend_core.gradients.quantised import bytes_in

    config, registry = run.config, run.registry
    settings = config.gradients
    learner = registry.build(LEARNER, config.learner.kind, config.learner.config)
    if not isinstance(learner, PlansVectors):
        return None
    try:
        model, _ = run.source.load(run.setup.model.folder, evolve(settings, device="meta"))
    except NotImplementedError:  # a source of models that cannot be without weights
        return None
    selected = _selected(run, model)
    if selected is None:
        return None
    parameters = sum(parameter.numel() for parameter in model.parameters())
    weights, plain = bytes_in(model, settings.quantisation), bytes_in(model, "none")
    device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    process = _resident() if device == "cpu" else 0
    kept = _kept(model, settings.memory_gib * GIB, settings.checkpointing)
    kept += (
        2 * FLOAT * max(parameter.numel() for parameter in model.parameters())
    )  # a layer's gradient, and its sum
    vector, index = FLOAT * selected.columns, INDEX * selected.columns * (selected.columns < selected.whole)
    chosen = config.paradigm.config
    axes = 1 if getattr(chosen, "grades", None) else len(axes_of(chosen.classes)) or 1
    bases = _bases(model) if config.rewrite.metric in ("kronecker", "inputs") else 0
    always = (("process", process), ("weights", weights), ("indices", index))
    kept_of_feature = (learner.feature_vectors() * vector + CURVATURE * selected.columns + bases) * axes
    features = (("features", kept_of_feature),)
    stages = []
    if selected.held:
        stages.append(Stage("selecting", (*always[:2], ("vectors", selected.held), ("batch", kept))))
    vectors = int(learner.vectors(axes) * vector)
    stages.append(Stage("learning", (*always, ("vectors", vectors), ("batch", kept))))
    # the untrained copy has weights, and learns a feature of its own
    copied = ("a copy of the model", weights)
    stages.append(Stage("evaluating", (*always, *features, copied, ("vectors", 3 * vector), ("batch", kept))))
    goals = 0
    if run.setup.chooses_edits:
        goals, size = len(config.rewrite.toward) or 2, next(model.parameters()).element_size()
        edited = (
            ("edited weights", selected.columns * size),
            ("update", 2 * vector),
            ("logits", _logits(model, size)),
        )
        stages.append(Stage("editing", (*always, *features, *edited)))
        unpacked = ("weights that are not quantised", plain if settings.quantisation != "none" else 0)
        stages.append(Stage("rewriting", (*always, *features, unpacked, *edited[:2])))
    disk = kept_of_feature + index + goals * plain
    if config.store.use == "always":
        disk += int(config.store.limit_gib * GIB)
    states = learner.state_vectors() if isinstance(learner, PlansStates) else 0
    return MemoryPlan(device, parameters, selected.columns, tuple(stages), disk, 2 * states * vector)


def time_plan(run: Run) -> str:
    """A line on how long learning and all encodings will take, measured on two small batches of the run's
    texts; empty where the learner cannot say how many texts it reads."""
    import torch

    from gradiend_core.gradients.examples import subset

    learner = run.registry.build(LEARNER, run.config.learner.kind, run.config.learner.config)
    if not isinstance(learner, PlansTexts):
        return ""
    gradients, examples = run.gradients, run.examples
    train = subset(examples["train"], range(min(2 * TIMED, len(examples["train"].pairs))))
    half = len(train.pairs) // 2
    coefficients = torch.ones(len(train.pairs))
    gradients.accumulate(
        train, range(half), coefficients[:half], [GradientRole.FACTUAL]
    )  # the first is slower
    begun = time.perf_counter()
    gradients.accumulate(train, range(half, len(train.pairs)), coefficients[half:], [GradientRole.FACTUAL])
    seconds = (time.perf_counter() - begun) / (len(train.pairs) - half)
    axes = len(run.data.axes)
    texts = axes * learner.texts(len(examples["train"].pairs), len(examples["validation"].pairs))
    every = axes * sum(len(some.pairs) for some in examples.values())
    return (
        f"time      learning at most {duration(seconds * texts)}, reading the encodings of all texts"
        f" {duration(seconds * every)}, at {1000 * seconds:.0f} ms for a text"
    )


class TimeTold(Listener):
    """Prints the time plan of a run once its weights are selected, before it learns. With several processes,
    which share the gradients, each measures and one prints."""

    def __init__(self, run: Run, *, shown: bool) -> None:
        self.run, self.shown = run, shown

    def stage_finished(self, stage: str, runner: Runner) -> None:
        if stage == "gradients" and (line := time_plan(self.run)) and self.shown:
            print(line, flush=True)


def shortage(plan: MemoryPlan) -> str:
    """A warning where the device has less free memory than the plan needs, else ""."""
    free = _free(plan.device) + (_resident() if plan.device == "cpu" else 0)
    if not free or plan.peak <= free:
        return ""
    return (
        f"the run will need about {_gib(plan.peak)} GiB on {plan.device}, and {_gib(free)} are free; narrow"
        " the scope (selector.kind=top-gradient), take a learner with fewer vectors"
        " (learner.kind=mean-difference), gradients.dtype=bfloat16, or less gradients.memory_gib"
    )


def disk_shortage(plan: MemoryPlan, folder: Path) -> str:
    """A warning where the disk of a folder has less free space than the plan needs, else ""."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    usage, needed = shutil.disk_usage(there), plan.disk + plan.states
    if needed <= usage.free or not usage.total:  # what is no disk has no size
        return ""
    return (
        f"the run will write about {_gib(needed)} GiB to {there}, and {_gib(usage.free)} are free; narrow the"
        " scope, or give another --output"
    )


def _free(device: str) -> int:
    """Free bytes, 0 where the system does not say."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 0


@frozen
class _Selected:
    """The number of weights in scope, of all weights in their parameters, and the bytes held during
    selection."""

    columns: int
    whole: int
    held: int = 0


class _NoGradients(Exception):
    """A selector asked a model without weights for gradients."""


def _selected(run: Run, model: Any) -> _Selected | None:
    """What the run's selector selects from a model without weights; None where it cannot say."""
    choice = run.config.selector
    selector = run.registry.build(SELECTOR, choice.kind, choice.config)
    if isinstance(selector, PlansSelection):
        columns, whole = selector.size(model)
        return _Selected(columns, whole, selector.held(model))

    def no_gradients(_: ParameterScope) -> Any:
        raise _NoGradients

    try:
        scope = selector.select(SelectionTask(model, no_gradients, (), (), run.seed))  # type: ignore[arg-type]
    except (_NoGradients, NotImplementedError):  # torch's own, where a value of a meta tensor is asked for
        return None
    parameters = dict(model.named_parameters())
    return _Selected(
        scope.size, sum(parameters[parameter_slice.name].numel() for parameter_slice in scope.slices)
    )


def _kept(model: Any, limit: float, checkpointing: bool) -> int:
    """What a batch keeps: the inputs and outputs of its layers, up to the limit."""
    from gradiend_core.gradients.batching import TOKEN_BUDGET

    entries = sum(sum(parameter.shape) for parameter in model.parameters() if parameter.dim() == 2)
    return int(min(limit, entries * KEPT * TOKEN_BUDGET / (10 if checkpointing else 1)))


def _bases(model: Any) -> int:
    """The bases of the rows and columns of all matrices, except for the largest matrices."""
    from gradiend_core.gradients.curvature import WIDEST

    shapes = [parameter.shape for parameter in model.parameters() if parameter.dim() == 2]
    return sum(FLOAT * (rows**2 + columns**2) for rows, columns in shapes if max(rows, columns) <= WIDEST)


def _logits(model: Any, size: int) -> int:
    """The bytes of the logits of a batch of texts: the model's output, with `size` bytes a number, and two
    float32 arrays."""
    from gradiend_core.language.texts import text_budget

    vocabulary = getattr(getattr(model, "config", None), "vocab_size", 0) or 0
    return text_budget(model) * vocabulary * (size + 2 * FLOAT)


def _resident() -> int:
    """The memory of this process, libraries included, in bytes; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


def _gib(size: int) -> str:
    return f"{size / GIB:.2f}"
