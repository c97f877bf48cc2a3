"""Parameter selectors: which weights take part. An amount is a fraction (0.01) or a count (1000)."""

from __future__ import annotations

from typing import Any

from attrs import NOTHING, frozen, validators

from gradiend_core.api import Contribution, NoSettings, Trait, hookimpl, setting

COMPONENTS = ("embeddings", "attention", "mlp", "norm", "other")


def check_share(_: Any, attribute: Any, value: float) -> None:
    """Accepts fractions in (0, 1] and counts from 1."""
    if not (0 < value <= 1 if isinstance(value, float) else value >= 1):
        raise ValueError(
            f"'{attribute.name}' must be a fraction above 0.0 and up to 1.0, or a count from 1, not {value!r}"
        )


SHARE = "The fraction (float) or number (int) of weights that take part."


@frozen
class Pattern:
    """Settings of `pattern`: shell-style patterns of parameter names; every match takes part."""

    include: tuple[str, ...] = setting(("*",), "Patterns of the names of parameters that take part.")
    exclude: tuple[str, ...] = setting((), "Patterns of the names of parameters that are left out.")


@frozen
class Layers:
    """Settings of `layers`: a range of layers."""

    first: int = setting(0, "The first layer, from 0; negative numbers count from the end.")
    last: int = setting(-1, "The last layer, which takes part too.")


@frozen
class Components:
    """Settings of `components`."""

    components: tuple[str, ...] = setting(
        ("attention", "mlp"),
        f"Which of {', '.join(COMPONENTS)}.",
        validator=[validators.min_len(1), validators.deep_iterable(validators.in_(COMPONENTS))],
    )


@frozen
class RandomPart:
    """Settings of `random`: weights of the backbone, drawn at random."""

    share: int | float = setting(0.1, SHARE, validator=check_share)


@frozen
class TopByGradient:
    """Settings of `top-gradient`: weights of the backbone by the size of the difference of the classes' mean
    gradients."""

    share: int | float = setting(0.01, SHARE, validator=check_share)
    pairs: int = setting(
        256, "Training pairs that the mean gradients rest on, at most.", validator=validators.ge(2)
    )


@frozen
class Saved:
    """Settings of `saved`: the weights of a saved feature or run."""

    folder: str = setting(NOTHING, "The folder of the feature or run.", validator=validators.min_len(1))
    share: int | float = setting(1.0, SHARE, validator=check_share)
    by: str = setting(
        "decoder",
        "The weights of the feature whose size counts.",
        validator=validators.in_(("decoder", "encoder")),
    )


@hookimpl
def gradiend_parameter_selectors() -> list[Contribution]:
    return [
        Contribution(
            "backbone",
            NoSettings,
            "gradiend_selectors.selectors:Backbone",
            "every weight but those of heads; tied ones once",
            traits={Trait.DEFAULT},
        ),
        Contribution(
            "pattern",
            Pattern,
            "gradiend_selectors.selectors:ByPattern",
            "whole parameters by patterns of their names",
        ),
        Contribution(
            "layers", Layers, "gradiend_selectors.selectors:ByLayer", "the weights of a range of layers"
        ),
        Contribution(
            "components",
            Components,
            "gradiend_selectors.selectors:ByComponent",
            "embeddings, attention, MLP or normalisation",
        ),
        Contribution(
            "random",
            RandomPart,
            "gradiend_selectors.selectors:AtRandom",
            "single weights of the backbone at random, a control",
        ),
        Contribution(
            "top-gradient",
            TopByGradient,
            "gradiend_selectors.selectors:ByGradient",
            "single weights with the largest mean gradient, before training",
            "arXiv 2602.23993",
        ),
        Contribution(
            "saved",
            Saved,
            "gradiend_selectors.selectors:FromSaved",
            "the weights of a saved feature, or the largest of them",
        ),
    ]
