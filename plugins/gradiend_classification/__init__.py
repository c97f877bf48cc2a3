"""Sequence classifiers as a gradient source."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl


@frozen
class ClassificationSettings:
    """Settings of `classification`: the most tokens of a text; what comes later is cut."""

    max_tokens: int = field(default=128, validator=validators.ge(8))


@hookimpl
def gradiend_gradient_sources() -> list[Contribution]:
    return [
        Contribution(
            "classification",
            ClassificationSettings,
            "gradiend_classification.source:ClassificationSource",
            "sequence classifiers: fillers are labels, and the text is what is left without them",
        )
    ]
