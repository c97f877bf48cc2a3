"""Parameter selectors: which weights take part."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, NoSettings, hookimpl


@frozen
class Pattern:
    """Settings of `pattern`: shell-style patterns of parameter names; every match takes part."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()


@frozen
class RandomPart:
    """Settings of `random`: the share of the backbone's weights, drawn without regard to what they do."""

    fraction: float = field(default=0.1, validator=[validators.gt(0), validators.le(1)])


@hookimpl
def gradiend_parameter_selectors() -> list[Contribution]:
    return [
        Contribution(
            "backbone", NoSettings, "gradiend_selection.selectors:Backbone", "every weight but those of heads; tied ones once"
        ),
        Contribution("pattern", Pattern, "gradiend_selection.selectors:ByPattern", "whole parameters by patterns of their names"),
        Contribution(
            "random", RandomPart, "gradiend_selection.selectors:AtRandom", "single weights of the backbone at random, a control"
        ),
    ]
