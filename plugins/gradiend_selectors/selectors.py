"""Selectors by location, by name, at random, by gradients, or from a saved feature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gradiend_core.api import (
    ConfigError,
    NoSettings,
    ParameterScope,
    ParameterSlice,
    SelectionTask,
    component_of,
    count_of,
    difference_of_means,
    largest,
    layer_number,
    load_feature,
)
from gradiend_selectors import COMPONENTS, Components, Layers, Pattern, RandomPart, Saved, TopByGradient

if TYPE_CHECKING:
    from torch import nn


#: weights whose gradients are looked at in one pass over the examples
AT_ONCE = 2**30


def scope_of(model: nn.Module, names: Iterable[str]) -> ParameterScope:
    parameters = dict(model.named_parameters())
    return ParameterScope(tuple(ParameterSlice(name, tuple(parameters[name].shape)) for name in names))


def backbone(model: nn.Module) -> list[str]:
    """The names of the parameters of `model.base_model`: embeddings and layers, without the task's head."""
    inside = {id(parameter) for parameter in getattr(model, "base_model", model).parameters()}
    return [name for name, parameter in model.named_parameters() if id(parameter) in inside]


def in_parts(scope: ParameterScope) -> Iterator[tuple[int, ParameterScope]]:
    """Scopes of consecutive parameters with at most AT_ONCE weights together (or one parameter), and where
    each begins."""
    start, size = 0, 0
    slices: list[ParameterSlice] = []
    for parameter_slice in scope.slices:
        if slices and size + parameter_slice.size > AT_ONCE:
            yield start, ParameterScope(tuple(slices))
            start, size, slices = start + size, 0, []
        slices.append(parameter_slice)
        size += parameter_slice.size
    yield start, ParameterScope(tuple(slices))


class Backbone:
    """Every parameter of the backbone."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def select(self, task: SelectionTask) -> ParameterScope:
        return scope_of(task.model, backbone(task.model))


class ByPattern:
    """Every parameter, heads included, that matches an include pattern and no exclude pattern."""

    def __init__(self, config: Pattern) -> None:
        self.config = config

    def select(self, task: SelectionTask) -> ParameterScope:
        names = [name for name, _ in task.model.named_parameters()]
        for pattern in self.config.include + self.config.exclude:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise ConfigError(
                    f"scope pattern {pattern!r} matches no parameter; names look like {names[0]!r} and"
                    f" {names[-1]!r}"
                )

        def matches(name: str, patterns: tuple[str, ...]) -> bool:
            return any(fnmatchcase(name, pattern) for pattern in patterns)

        chosen = [n for n in names if matches(n, self.config.include) and not matches(n, self.config.exclude)]
        if not chosen:
            raise ConfigError("the exclude patterns of the scope leave no parameter")
        return scope_of(task.model, chosen)


class ByLayer:
    """The backbone's parameters in a range of layers. Encoder and decoder layers are each counted from 0."""

    def __init__(self, config: Layers) -> None:
        self.config = config

    def select(self, task: SelectionTask) -> ParameterScope:
        names = backbone(task.model)
        layers = {name: layer for name in names if (layer := layer_number(name)) is not None}
        count = 1 + max(layers.values(), default=-1)
        first, last = (
            number + count if number < 0 else number for number in (self.config.first, self.config.last)
        )
        if not 0 <= first <= last < count:
            raise ConfigError(
                f"selector.first = {self.config.first} and selector.last = {self.config.last} are no range of"
                f" the {count} layers that this model has"
            )
        return scope_of(task.model, [name for name, layer in layers.items() if first <= layer <= last])


class ByComponent:
    """The backbone's parameters by component: embedding or normalisation by the module, attention by the
    name; the rest of a layer is the MLP."""

    def __init__(self, config: Components) -> None:
        self.config = config

    def select(self, task: SelectionTask) -> ParameterScope:
        component_by_name = {name: component_of(task.model, name) for name in backbone(task.model)}
        chosen = [
            name for name, component in component_by_name.items() if component in self.config.components
        ]
        if not chosen:
            there = ", ".join(
                component for component in COMPONENTS if component in component_by_name.values()
            )
            raise ConfigError(f"this model has no {' or '.join(self.config.components)}; it has {there}")
        return scope_of(task.model, chosen)


class PartOfBackbone:
    """The common base of selectors of single weights: they take an amount of the backbone."""

    config: RandomPart | TopByGradient

    def size(self, model: nn.Module) -> tuple[int, int]:
        """The number of weights that it selects, and of how many, without gradients."""
        whole = scope_of(model, backbone(model)).size
        return count_of(self.config.share, whole, "selector.share"), whole


class AtRandom(PartOfBackbone):
    """Selects weights of the backbone at random."""

    def __init__(self, config: RandomPart) -> None:
        self.config = config

    def held(self, model: nn.Module) -> int:
        """The bytes of the permutation that it draws from."""
        return 8 * self.size(model)[1]

    def select(self, task: SelectionTask) -> ParameterScope:
        whole = scope_of(task.model, backbone(task.model))
        generator = torch.Generator().manual_seed(task.seed)
        count = count_of(self.config.share, whole.size, "selector.share")
        return whole.narrowed(torch.randperm(whole.size, generator=generator)[:count])


class ByGradient(PartOfBackbone):
    """The weights of the backbone whose mean gradient differs most between the classes, on any axis. A large
    model is processed in parts, each with a pass over the examples, and the largest so far are kept."""

    config: TopByGradient

    def __init__(self, config: TopByGradient) -> None:
        self.config = config

    def held(self, model: nn.Module) -> int:
        """The bytes of the mean differences of one part at a time, and of the largest so far with their
        positions, twice."""
        at_once = max(scope.size for _, scope in in_parts(scope_of(model, backbone(model))))
        return 4 * at_once + at_once // 4 + 2 * 12 * self.size(model)[0]

    def select(self, task: SelectionTask) -> ParameterScope:
        whole = scope_of(task.model, backbone(task.model))
        count = count_of(self.config.share, whole.size, "selector.share")
        best, positions = torch.empty(0), torch.empty(0, dtype=torch.int64)
        for start, part_scope in in_parts(whole):
            sizes = difference_of_means(task.gradients(part_scope), task.train, task.axes, self.config.pairs)
            chosen = largest(sizes, min(count, part_scope.size))
            best, positions = (
                torch.cat([best, sizes[chosen.to(sizes.device)].cpu()]),
                torch.cat([positions, chosen + start]),
            )
            kept = largest(best, min(count, len(best)))
            best, positions = best[kept], positions[kept]
        return whole.narrowed(positions)


class FromSaved:
    """The scope of a saved feature, alone or in a run's folder."""

    def __init__(self, config: Saved) -> None:
        self.config = config

    def select(self, task: SelectionTask) -> ParameterScope:
        folder = Path(self.config.folder).expanduser()
        feature = load_feature(folder / "feature" if (folder / "feature").is_dir() else folder)
        if self.config.share == 1.0 and isinstance(self.config.share, float):
            return feature.scope
        count = count_of(self.config.share, feature.scope.size, "selector.share")
        return feature.scope.narrowed(largest(getattr(feature, self.config.by).abs(), count))
