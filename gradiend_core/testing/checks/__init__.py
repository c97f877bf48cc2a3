"""What a contribution of each kind must do."""

from gradiend_core.testing.checks import (
    evaluators,
    every_kind,
    learners,
    paradigms,
    policies,
    selectors,
    sources,
    texts_and_models,
    visualizers,
)
from gradiend_core.testing.checks.register import Check, checks_of

__all__ = [
    "Check",
    "checks_of",
    "evaluators",
    "every_kind",
    "learners",
    "paradigms",
    "policies",
    "selectors",
    "sources",
    "texts_and_models",
    "visualizers",
]
