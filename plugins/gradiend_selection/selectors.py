"""Parameters by where they are, by name, or at random."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import torch

from gradiend_core.api import ConfigError, NoSettings, ParameterScope, ParameterSlice
from gradiend_selection import Pattern, RandomPart

if TYPE_CHECKING:
    from torch import nn


def scope_of(model: nn.Module, names: list[str]) -> ParameterScope:
    parameters = dict(model.named_parameters())
    return ParameterScope(tuple(ParameterSlice(name, tuple(parameters[name].shape)) for name in names))


class Backbone:
    """The parameters of `model.base_model`: embeddings and layers, without the head of the task."""

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def select(self, model: nn.Module, seed: int) -> ParameterScope:
        inside = {id(parameter) for parameter in getattr(model, "base_model", model).parameters()}
        return scope_of(model, [name for name, parameter in model.named_parameters() if id(parameter) in inside])


class ByPattern:
    """Every parameter, heads too, that an include pattern matches and no exclude pattern does."""

    def __init__(self, config: Pattern) -> None:
        self.config = config

    def select(self, model: nn.Module, seed: int) -> ParameterScope:
        names = [name for name, _ in model.named_parameters()]
        for pattern in self.config.include + self.config.exclude:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise ConfigError(
                    f"scope pattern {pattern!r} matches no parameter; names look like {names[0]!r} and {names[-1]!r}"
                )

        def matches(name: str, patterns: tuple[str, ...]) -> bool:
            return any(fnmatchcase(name, pattern) for pattern in patterns)

        chosen = [n for n in names if matches(n, self.config.include) and not matches(n, self.config.exclude)]
        if not chosen:
            raise ConfigError("the exclude patterns of the scope leave no parameter")
        return scope_of(model, chosen)


class AtRandom:
    """Each weight of the backbone as likely as any other."""

    def __init__(self, config: RandomPart) -> None:
        self.config = config

    def select(self, model: nn.Module, seed: int) -> ParameterScope:
        whole = Backbone(NoSettings()).select(model, seed)
        count = max(1, round(whole.size * self.config.fraction))
        generator = torch.Generator().manual_seed(seed)
        return whole.narrowed(torch.randperm(whole.size, generator=generator)[:count])
