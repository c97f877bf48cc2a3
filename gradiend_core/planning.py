"""What a run will hold in memory, told before it is begun, from a model without weights.

Bytes by stage: what is there all the time (the process, the model), vectors over the scope [n] of float32,
and what a batch keeps for its backward pass. What is small for every large model (texts, tokens, figures) is
not counted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from gradiend_core.errors import GradiendError
from gradiend_core.records.pair import axes_of

if TYPE_CHECKING:
    from gradiend_core.records.scope import ParameterScope
    from gradiend_core.session import Session

FLOAT, INDEX, GIB = 4, 8, 2**30
#: vectors over the scope of the float32 kind that a feature has: encoder, decoder, its bias
FEATURE = 3
#: bytes that a batch keeps for each token and each entry of a layer's input or output
KEPT = 4


@frozen
class Stage:
    """What a stage of a run holds at most, in bytes, by what it is."""

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
    """Stages on one device. `parameters` are those of the model, `columns` the weights in scope; `disk` is
    what the run's folder and the store of gradients will take."""

    device: str
    parameters: int
    columns: int
    stages: tuple[Stage, ...]
    disk: int

    @property
    def largest(self) -> Stage:
        return max(self.stages, key=lambda stage: stage.total)

    @property
    def peak(self) -> int:
        """Bytes at the most."""
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
        return f"memory    {most} ({self.largest.parts}); disk {_gib(self.disk)} GiB"


def memory_plan(session: Session) -> MemoryPlan | None:
    """The plan of a session's run, or None where its source, its scope or its learner cannot tell without
    weights.

    Learners tell how many vectors they hold at once by `vectors`; a selector that looks at gradients tells
    how many weights it takes by `size(model)`, and the memory for it by `held(model)`."""
    import torch

    from gradiend_core.gradients.quantised import bytes_in

    settings = session.config.gradients
    try:
        model, _ = session.source.load(session.model_folder, evolve(settings, device="meta"))
        columns, whole, selecting = _columns(session, model)
    except (NotImplementedError, AttributeError, TypeError, RuntimeError, GradiendError):
        return None
    learner = session.build("learner", session.config.learner.kind, session.config.learner.config)
    if not hasattr(learner, "vectors"):
        return None
    parameters = sum(each.numel() for each in model.parameters())
    weights, plain = bytes_in(model, settings.quantisation), bytes_in(model, "none")
    device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    process = _resident() if device == "cpu" else 0
    kept = _kept(model, settings.memory_gib * GIB, settings.checkpointing)
    kept += 2 * FLOAT * max(each.numel() for each in model.parameters())  # a layer's gradient, and its sum
    vector, index = FLOAT * columns, INDEX * columns * (columns < whole)
    axes = len(axes_of(session.config.paradigm.config.classes)) or 1
    always = (("process", process), ("weights", weights), ("indices", index))
    features = (("features", FEATURE * vector * axes),)
    stages = (
        [Stage("selecting", (*always[:2], ("vectors", selecting), ("batch", kept * bool(selecting))))]
        if selecting
        else []
    )
    stages.append(
        Stage("learning", (*always, ("vectors", int(learner.vectors(axes) * vector)), ("batch", kept)))
    )
    stages.append(Stage("evaluating", (*always, *features, ("vectors", 3 * vector), ("batch", kept))))
    goals = 0
    if any(choice.kind == "decoder" for choice in session.config.evaluation):
        goals, size = len(session.config.rewrite.toward) or 2, next(model.parameters()).element_size()
        edited = (
            ("edited weights", columns * size),
            ("update", 2 * vector),
            ("logits", _logits(model, size)),
        )
        stages.append(Stage("editing", (*always, *features, *edited)))
        unpacked = ("weights that are not quantised", plain if settings.quantisation != "none" else 0)
        stages.append(Stage("rewriting", (*always, *features, unpacked, *edited[:2])))
    disk = FEATURE * vector * axes + index + goals * plain
    store = session.config.store
    if store.use == "always":
        disk += int(store.limit_gib * GIB)
    return MemoryPlan(device, parameters, columns, tuple(stages), disk)


def shortage(plan: MemoryPlan) -> str:
    """A sentence where the device has less free than the plan needs, else nothing."""
    free = _free(plan.device) + (_resident() if plan.device == "cpu" else 0)
    if not free or plan.peak <= free:
        return ""
    return (
        f"the run will need about {_gib(plan.peak)} GiB on {plan.device}, and {_gib(free)} are free; narrow"
        " the scope (scope.kind=top-gradient), take a learner with fewer vectors"
        " (learner.kind=mean-difference), gradients.dtype=bfloat16, or less gradients.memory_gib"
    )


def _free(device: str) -> int:
    """Bytes that are free, 0 where the system does not say."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 0


def _columns(session: Session, model: Any) -> tuple[int, int, int]:
    """Weights in scope, weights of its parameters as a whole, and bytes that are held while they are
    selected."""
    from gradiend_core.roles.selector import SelectionTask

    config = session.config.scope
    selector = session.build("scope", config.kind, config.config)
    if hasattr(selector, "size"):
        return *selector.size(model), selector.held(model)

    def no_gradients(_: ParameterScope) -> Any:
        raise NotImplementedError("a model without weights has no gradients")

    scope = selector.select(SelectionTask(model, no_gradients, (), (), session.seed))  # type: ignore[arg-type]
    parameters = dict(model.named_parameters())
    return scope.size, sum(parameters[part.name].numel() for part in scope.slices), 0


def _kept(model: Any, limit: float, checkpointing: bool) -> int:
    """What a batch keeps: the inputs and outputs of its layers, up to the limit."""
    from gradiend_core.gradients.batching import TOKEN_BUDGET

    entries = sum(sum(each.shape) for each in model.parameters() if each.dim() == 2)
    return int(min(limit, entries * KEPT * TOKEN_BUDGET / (10 if checkpointing else 1)))


def _logits(model: Any, size: int) -> int:
    """Of a batch of texts: over the vocabulary what the model says, in `size` bytes, and two arrays of
    float32."""
    from gradiend_core.gradients.texts import TEXT_BUDGET

    vocabulary = getattr(getattr(model, "config", None), "vocab_size", 0) or 0
    return TEXT_BUDGET * vocabulary * (size + 2 * FLOAT)


def _resident() -> int:
    """Bytes of this process in memory, its libraries included; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


def _gib(size: int) -> str:
    return f"{size / GIB:.2f}"
