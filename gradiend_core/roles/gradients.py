"""The gradient matrix as learners and evaluators see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.scope import ParameterScope
from gradiend_core.roles.source import Examples, GradientSource

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class GradientMatrix(Protocol):
    """G: a row for each example, a column for each parameter in scope. Each product takes the examples that
    are its rows. `gradients.GradientOperator` computes it, `gradients.StoredGradients` reads stored rows."""

    @property
    def scope(self) -> ParameterScope:
        """Its columns."""

    @property
    def device(self) -> torch.device:
        """The device of the products."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the products."""

    def project(self, examples: Examples, directions: Tensor, role: GradientRole) -> Tensor:
        """G @ directionsᵀ: each example's gradient along K directions, [examples, K] from [K, n]."""

    def accumulate(
        self,
        examples: Examples,
        rows: Sequence[int],
        coefficients: Tensor,
        roles: Sequence[GradientRole],
        out: Tensor | None = None,
        *,
        add: bool = False,
    ) -> Tensor:
        """Gᵀ @ coefficients over some rows of the examples, [roles, n]; coefficients are [rows], or [roles,
        rows] where they differ. All roles share one forward pass. `out` is overwritten, or `add`ed to,
        and returned, so that a loop needs no new memory."""


@frozen(eq=False)
class TokenProducts:
    """The contribution of each token of one example to the product of its gradient with a direction."""

    #: the tokens that the model was given, [tokens]: several rows one after the other, and those of an
    #: encoder-decoder's decoder last
    ids: tuple[int, ...]
    #: the positions from which fillers are predicted
    slots: tuple[int, ...]
    #: what each token adds through each parameter of the scope, [parameters, tokens + 1]; the last column has
    #: what belongs to no token; the sum of all is the product
    values: Tensor


class ModelGradients(GradientMatrix, Protocol):
    """A gradient matrix together with its model, so that it is available over any scope."""

    @property
    def model(self) -> nn.Module:
        """In evaluation mode."""

    @property
    def source(self) -> GradientSource:
        """The gradient source that computes the losses."""

    def project(
        self,
        examples: Examples,
        directions: Tensor,
        role: GradientRole,
        others: tuple[ParameterScope, Tensor] | None = None,
    ) -> Tensor:
        """As for any gradient matrix; with `others` also along M directions over a smaller scope, in the same
        pass, [examples, K + M]."""

    def by_token(self, examples: Examples, direction: Tensor, role: GradientRole) -> list[TokenProducts]:
        """Each example's gradient along one direction [n], before it is summed over tokens and parameters."""

    def over(self, scope: ParameterScope) -> ModelGradients:
        """The gradient matrix of the same model and source over another scope."""
