"""A change of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from torch import Tensor

    from gradiend_core.records.scope import ParameterScope


@frozen(eq=False)
class WeightUpdate:
    """`new weights = weights + learning_rate · direction` over a scope; `direction` is decoder(feature_factor), [n]."""

    direction: Tensor
    scope: ParameterScope
    feature_factor: float
    learning_rate: float

    @property
    def norm(self) -> float:
        """Euclidean length of what is added to the weights."""
        return self.norm_at(self.learning_rate)

    def norm_at(self, learning_rate: float) -> float:
        """The same for another learning rate."""
        return abs(learning_rate) * float(self.direction.norm())
