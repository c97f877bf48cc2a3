"""The gradients of an example that are used."""

from __future__ import annotations

from enum import Enum


class GradientRole(Enum):
    """A gradient of one minimal pair, as weights of its two losses (factual, alternative).

    DIFFERENCE is ∇loss(factual) − ∇loss(alternative); this table is the only place where that sign is
    written.
    """

    FACTUAL = "factual"
    ALTERNATIVE = "alternative"
    DIFFERENCE = "difference"

    @property
    def loss_weights(self) -> tuple[float, float]:
        return {
            GradientRole.FACTUAL: (1.0, 0.0),
            GradientRole.ALTERNATIVE: (0.0, 1.0),
            GradientRole.DIFFERENCE: (1.0, -1.0),
        }[self]

    @property
    def degree_weights(self) -> tuple[float, float]:
        """The weights of the degrees of the factual and the alternative word in the code of a pair."""
        return {
            GradientRole.FACTUAL: (1.0, 0.0),
            GradientRole.ALTERNATIVE: (0.0, -1.0),
            GradientRole.DIFFERENCE: (0.5, -0.5),
        }[self]
