"""Changes of weights and their arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from gradiend_core.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from gradiend_core.records.scope import ParameterScope


@frozen(eq=False, repr=False)
class WeightUpdate:
    """`new weights = weights + learning_rate · direction` over a scope; `direction` is
    decoder(feature_factor), [n]. `a + b`, `a - b`, `2 * a` and `-a` are updates too, also for different
    weights of one model. A sum is not a decoder output, so its feature factor is 0 and its learning rate
    1."""

    direction: Tensor
    scope: ParameterScope
    feature_factor: float
    learning_rate: float

    def __repr__(self) -> str:
        return (
            f"<WeightUpdate of {self.scope.size:,} weights, feature factor {self.feature_factor:+g}, learning"
            f" rate {self.learning_rate:.3g}, length {self.norm:.3g}>"
        )

    @property
    def norm(self) -> float:
        """The Euclidean length of the change of weights."""
        return self.norm_at(self.learning_rate)

    def norm_at(self, learning_rate: float) -> float:
        """The same at another learning rate."""
        return abs(learning_rate) * float(self.direction.norm())

    def __mul__(self, factor: float) -> WeightUpdate:
        return evolve(self, learning_rate=self.learning_rate * factor)

    __rmul__ = __mul__

    def __neg__(self) -> WeightUpdate:
        return self * -1.0

    def __add__(self, other: WeightUpdate) -> WeightUpdate:
        scope, (one, two) = self._aligned(other)
        return WeightUpdate(self.learning_rate * one + other.learning_rate * two, scope, 0.0, 1.0)

    def __sub__(self, other: WeightUpdate) -> WeightUpdate:
        return self + -other

    def cosine(self, other: WeightUpdate) -> float:
        """The cosine between two updates; 0 where one of them is zero."""
        _, (one, two) = self._aligned(other)
        lengths, product = self.norm * other.norm, float(one @ two)
        return self.learning_rate * other.learning_rate * product / lengths if lengths else 0.0

    def restricted(self, keep: int) -> WeightUpdate:
        """The update with only its `keep` largest entries, over a scope of these alone."""
        if not 1 <= keep <= self.scope.size:
            raise ModelError(
                f"an update of {self.scope.size} entries cannot keep {keep}; give a number from 1 to"
                f" {self.scope.size}"
            )
        columns = self.direction.abs().topk(keep).indices.sort().values
        return evolve(self, direction=self.direction[columns], scope=self.scope.narrowed(columns.cpu()))

    def over(self, scope: ParameterScope) -> WeightUpdate:
        """The same change over a larger scope."""
        direction = self.direction.new_zeros(scope.size)
        direction[self.scope.columns_in(scope).to(direction.device)] = self.direction
        return evolve(self, direction=direction, scope=scope)

    def _aligned(self, other: WeightUpdate) -> tuple[ParameterScope, tuple[Tensor, Tensor]]:
        """A common scope and the directions of both over it, on this update's device."""
        there = other.direction.to(self.direction.device)
        if self.scope is other.scope or self.scope.fingerprint() == other.scope.fingerprint():
            return self.scope, (self.direction, there)
        scope = self.scope.joined(other.scope)
        return scope, (self.over(scope).direction, evolve(other, direction=there).over(scope).direction)
