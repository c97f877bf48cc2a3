"""Parameter selectors: which weights take part. A share is a fraction (0.01) or a count (1000)."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, NoSettings, hookimpl

COMPONENTS = ("embeddings", "attention", "mlp", "norm", "other")


def check_share(_: Any, attribute: Any, value: float) -> None:
    """Fractions in (0, 1], counts from 1."""
    if not (0 < value <= 1 if isinstance(value, float) else value >= 1):
        raise ValueError(
            f"'{attribute.name}' must be a fraction above 0.0 and up to 1.0, or a count from 1, not {value!r}"
        )


@frozen
class Pattern:
    """Settings of `pattern`: shell-style patterns of parameter names; every match takes part."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()


@frozen
class Layers:
    """Settings of `layers`: the first and the last layer, from 0; negative numbers count from the end."""

    first: int = 0
    last: int = -1


@frozen
class Components:
    """Settings of `components`: which of embeddings, attention, mlp, norm, other."""

    components: tuple[str, ...] = field(
        default=("attention", "mlp"),
        validator=[validators.min_len(1), validators.deep_iterable(validators.in_(COMPONENTS))],
    )


@frozen
class RandomPart:
    """Settings of `random`: a share of the backbone's weights, drawn without regard to what they do."""

    share: int | float = field(default=0.1, validator=check_share)


@frozen
class TopByGradient:
    """Settings of `top-gradient`: a share of the backbone's weights, by the size of the difference of the
    classes' mean gradients on at most `pairs` training pairs."""

    share: int | float = field(default=0.01, validator=check_share)
    pairs: int = field(default=256, validator=validators.ge(2))


@frozen
class Saved:
    """Settings of `saved`: the scope of a saved feature or run, and of it a share by the size of its `by`
    weights."""

    folder: str = field(validator=validators.min_len(1))
    share: int | float = field(default=1.0, validator=check_share)
    by: str = field(default="decoder", validator=validators.in_(("decoder", "encoder")))


@hookimpl
def gradiend_parameter_selectors() -> list[Contribution]:
    return [
        Contribution(
            "backbone",
            NoSettings,
            "gradiend_selection.selectors:Backbone",
            "every weight but those of heads; tied ones once",
        ),
        Contribution(
            "pattern",
            Pattern,
            "gradiend_selection.selectors:ByPattern",
            "whole parameters by patterns of their names",
        ),
        Contribution(
            "layers", Layers, "gradiend_selection.selectors:ByLayer", "the weights of a range of layers"
        ),
        Contribution(
            "components",
            Components,
            "gradiend_selection.selectors:ByComponent",
            "embeddings, attention, MLP or normalisation",
        ),
        Contribution(
            "random",
            RandomPart,
            "gradiend_selection.selectors:AtRandom",
            "single weights of the backbone at random, a control",
        ),
        Contribution(
            "top-gradient",
            TopByGradient,
            "gradiend_selection.selectors:ByGradient",
            "single weights with the largest mean gradient, before training",
            "arXiv 2602.23993",
        ),
        Contribution(
            "saved",
            Saved,
            "gradiend_selection.selectors:FromSaved",
            "the weights of a saved feature, or the largest of them",
        ),
    ]
