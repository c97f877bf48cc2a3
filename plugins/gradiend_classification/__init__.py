"""Sequence classifiers as a gradient source."""

from __future__ import annotations

from attrs import frozen, validators

from gradiend_core.api import Contribution, hookimpl, setting


@frozen
class ClassificationSettings:
    """Settings of `classification`."""

    max_tokens: int = setting(128, "Tokens of a text; what comes later is cut.", validator=validators.ge(8))


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
