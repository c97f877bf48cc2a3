"""The gradient matrix G, a row for each example and a column for each parameter in scope, as a linear
operator.

Three products, exact to rounding, none of which forms G:
    project      G @ W      encodings
    accumulate   Gᵀ @ c     weighted sums of gradients
    rows         G[:, S]    each example's gradient, for a scope that was narrowed to the columns S

Each takes one forward and one backward pass of a batch, layer by layer (`layers`). Parameters for which that
is not proven on the model at hand (`coverage`) are differentiated by torch as a whole (`autodiff`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from attrs import evolve
from torch import Tensor, nn

from gradiend_core.gradients import autodiff, parallel
from gradiend_core.gradients.batching import batch_cost, micro_batches, rows_of
from gradiend_core.gradients.coverage import Coverage, measure
from gradiend_core.gradients.padding import check_padding
from gradiend_core.gradients.passes import Passes, expect_autograd, model_errors, of_role
from gradiend_core.gradients.taps import Use
from gradiend_core.gradients.tokens import by_token
from gradiend_core.progress import progress
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.scope import ParameterScope
from gradiend_core.roles.gradients import TokenProducts
from gradiend_core.roles.source import Examples, GradientSource

#: bytes that a batch may keep for its backward pass, unless another limit is given
MEMORY = 2**28
#: bytes that `rows` may hold at once
ROWS_BUDGET = 2**27


class GradientOperator:
    """G for one model, one gradient source and one scope; which examples are its rows is said at each
    product.

    `memory` limits, in bytes, what a batch keeps for its backward pass. With `checkpointing` layers are
    computed twice instead of kept. With `bfloat16` products of matrices are taken in it, and summed up in
    float32: no longer exact to rounding of float32, but of bfloat16.
    """

    def __init__(
        self,
        model: nn.Module,
        source: GradientSource,
        scope: ParameterScope,
        *,
        memory: float = MEMORY,
        checkpointing: bool = False,
        bfloat16: bool = False,
    ) -> None:
        self.model, self.source, self.scope = model, source, scope
        self.memory = memory
        self.passes = Passes(model, source, scope, checkpointing, bfloat16)
        self.device, self.dtype = self.passes.device, self.passes.dtype
        self._columns = [columns for _, columns in scope.with_columns()]
        self._losses = autodiff.Losses(model, source.losses)
        self._coverage: Coverage | None = None
        #: whether torch can differentiate this model in forward mode, and map it over examples
        self._forward_mode = self._mapped = autodiff.transformable(model)

    def project(
        self,
        examples: Examples,
        directions: Tensor,
        role: GradientRole,
        others: tuple[ParameterScope, Tensor] | None = None,
    ) -> Tensor:
        """G @ directionsᵀ: each example's gradient along K directions, [examples, K], from directions [K, n].

        All directions share one forward and one backward pass. No example's gradient is formed. With `others`
        also along M directions over a scope within this one, [examples, K + M].
        """
        coverage = self.coverage(examples)
        if others and coverage.others:
            scope, more = others
            both = self.project(examples, directions, role), self.over(scope).project(examples, more, role)
            return torch.cat(both, 1)
        count = len(directions) + (len(others[1]) if others else 0)
        result = torch.zeros(len(examples.pairs), count, dtype=self.dtype, device=self.device)
        directions = directions.to(self.device, self.dtype)
        split = {number: directions[:, position] for number, position in enumerate(self._columns)}
        narrow = _by_name(*others) if others else {}

        mine = parallel.share(len(examples.pairs))
        for positions in self._batches([examples.lengths[row] for row in mine], coverage, "texts read"):
            rows = [mine[position] for position in positions]
            batch = examples.batch(rows, self.device)
            products = result.new_zeros(len(rows), count)

            def receive(
                use: Use, inputs: Sequence[Tensor], delta: Tensor, products: Tensor = products
            ) -> None:
                parameter_slice, directions_there = (
                    self.scope.slices[use.slice_number],
                    split[use.slice_number].to(delta.device),
                )
                if parameter_slice.index is None:
                    value = use.layer.along(
                        use.name, inputs, delta, directions_there.unflatten(1, parameter_slice.shape)
                    )
                else:
                    value = (
                        use.layer.entries(use.name, inputs, delta, parameter_slice.index.to(delta.device))
                        @ directions_there.T
                    )
                products[:, : len(directions)] += value.to(products.device)
                if parameter_slice.name in narrow:
                    index, more = narrow[parameter_slice.name]
                    entries = use.layer.entries(use.name, inputs, delta, index.to(delta.device))
                    products[:, len(directions) :] += (entries @ more.to(entries).T).to(products.device)

            if coverage.taps.uses:
                with self.passes.backward(coverage.taps, len(rows), receive, rows=rows_of(batch)) as backward:
                    backward(of_role(self.passes.losses(batch), role).sum())
            if coverage.others:
                products += self.along_others(examples, rows, batch, split, role, coverage)
            result[rows] = products
        return parallel.summed(result)

    def along_others(
        self,
        examples: Examples,
        rows: Sequence[int],
        batch: Any,
        directions: Mapping[int, Tensor],
        role: GradientRole,
        coverage: Coverage,
    ) -> Tensor:
        """The share of G @ directionsᵀ of the parameters that are differentiated as a whole, [examples,
        K]."""
        count = len(directions[coverage.others[0]])
        products = torch.zeros(len(rows), count, dtype=self.dtype, device=self.device)
        if self._forward_mode:
            weights = torch.tensor(role.loss_weights, dtype=self.dtype, device=self.device)
            try:
                for k in range(count):
                    changes = {
                        self.scope.slices[number].name: (
                            self.scope.slices[number].spread(directions[number][k])
                        )
                        for number in coverage.others
                    }
                    tangent = autodiff.along(self._losses, batch, changes)
                    if tangent is not None:
                        products[:, k] += tangent.to(self.dtype) @ weights
                return products
            except (RuntimeError, NotImplementedError):  # some operation has no derivative in forward mode
                self._forward_mode = False
                products.zero_()
        for position, row in enumerate(rows):

            def take(number: int, gradient: Tensor, position: int = position) -> None:
                taken = self.scope.slices[number].taken(gradient.flatten()).to(products)
                products[position] += directions[number] @ taken

            self._backward_others(examples.batch([row], self.device), role, coverage, take)
        return products

    def _backward_others(
        self, batch: Any, role: GradientRole, coverage: Coverage, take: Callable[[int, Tensor], None]
    ) -> None:
        """Passes the gradient of one example for each parameter that is differentiated as a whole to
        `take`."""
        others = {number: self.passes.parameters[number] for number in coverage.others}
        with self.passes.backward(coverage.taps.only(set()), 1, None, others, take) as backward:
            backward(of_role(self.passes.losses(batch), role).sum())

    def by_token(self, examples: Examples, direction: Tensor, role: GradientRole) -> list[TokenProducts]:
        """Each example's gradient along one direction [n], before it is summed over tokens and parameters; in
        float32 in any case."""
        return by_token(self, examples, direction, role)

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
        """Gᵀ @ coefficients over some rows, [roles, n]; coefficients are [rows], or [roles, rows] where they
        differ. `out` is overwritten, or `add`ed to.

        All roles share one forward pass. Layers add to the result in place, without a copy of any gradient.
        """
        coverage = self.coverage(examples)
        if out is None:
            total = torch.zeros(len(roles), self.scope.size, dtype=self.dtype, device=self.device)
        else:
            # of several processes, whose sums are added up, one alone has what was there
            total = out if add and parallel.number() == 0 else out.zero_()
        mine = parallel.share(len(rows))
        rows = [rows[position] for position in mine]
        coefficients = coefficients.to(self.device, self.dtype).expand(len(roles), -1)[:, mine]
        current = total[0]

        def receive(use: Use, inputs: Sequence[Tensor], delta: Tensor) -> None:
            parameter_slice, columns_sum = (
                self.scope.slices[use.slice_number],
                current[self._columns[use.slice_number]],
            )
            if parameter_slice.index is None and delta.device == columns_sum.device:
                use.layer.add(use.name, inputs, delta, columns_sum.view(parameter_slice.shape))
            elif parameter_slice.index is None:
                elsewhere = torch.zeros(parameter_slice.shape, dtype=columns_sum.dtype, device=delta.device)
                use.layer.add(use.name, inputs, delta, elsewhere)
                columns_sum += elsewhere.flatten().to(columns_sum.device)
            else:
                columns_sum += use.layer.summed(
                    use.name, inputs, delta, parameter_slice.index.to(delta.device)
                ).to(columns_sum.device)

        def take(number: int, gradient: Tensor) -> None:
            columns_sum = current[self._columns[number]]
            columns_sum += self.scope.slices[number].taken(gradient.flatten()).to(columns_sum)

        others = {number: self.passes.parameters[number] for number in coverage.others}
        lengths = [examples.lengths[row] for row in rows]
        for positions in self._batches(lengths, coverage, "gradients of texts"):
            batch = examples.batch([rows[position] for position in positions], self.device)
            with self.passes.backward(
                coverage.taps, len(positions), receive, others, take, rows_of(batch)
            ) as backward:
                losses = self.passes.losses(batch)
                for r, role in enumerate(roles):
                    current = total[r]
                    backward(of_role(losses, role) @ coefficients[r, positions], keep=r + 1 < len(roles))
        return parallel.summed(total)

    def _batches(
        self, lengths: Sequence[int], coverage: Coverage, name: str, **options: Any
    ) -> Iterator[list[int]]:
        """Positions in batches, with a progress bar of that name."""
        budget, cost = coverage.budget(self.memory), batch_cost(self.model, self.device)
        with progress(name, len(lengths)) as texts:
            for batch in micro_batches(lengths, budget=budget, cost=cost, **options):
                yield batch
                texts.advance(len(batch))

    def rows(self, examples: Examples, roles: Sequence[GradientRole]) -> Iterator[tuple[list[int], Tensor]]:
        """G in blocks as they are computed: positions in the examples, and their gradients [roles, positions,
        n]. Narrow the scope first for few columns: no other entry of an example's gradient is then kept for
        longer than a layer takes."""
        coverage = self.coverage(examples)
        most = max(1, ROWS_BUDGET // (len(roles) * self.scope.size * self.dtype.itemsize))
        same_length = bool(coverage.others)
        for rows in self._batches(
            examples.lengths, coverage, "gradients of texts", same_length=same_length, most=most
        ):
            batch = examples.batch(rows, self.device)
            block = torch.zeros(len(roles), len(rows), self.scope.size, dtype=self.dtype, device=self.device)
            current = block[0]

            def receive(use: Use, inputs: Sequence[Tensor], delta: Tensor) -> None:
                index = self.scope.slices[use.slice_number].index
                index = None if index is None else index.to(delta.device)
                entries = use.layer.entries(use.name, inputs, delta, index)
                current[:, self._columns[use.slice_number]] += entries.to(current.device)  # noqa: B023

            if coverage.taps.uses:
                with self.passes.backward(coverage.taps, len(rows), receive, rows=rows_of(batch)) as backward:
                    losses = self.passes.losses(batch)
                    for r, role in enumerate(roles):
                        current = block[r]
                        backward(of_role(losses, role).sum(), keep=r + 1 < len(roles))
            if coverage.others:
                names = [self.scope.slices[number].name for number in coverage.others]
                for r, role in enumerate(roles):
                    self._fill_others(examples, rows, batch, names, role, coverage, block[r])
            yield rows, block

    def _fill_others(
        self,
        examples: Examples,
        rows: Sequence[int],
        batch: Any,
        names: Sequence[str],
        role: GradientRole,
        coverage: Coverage,
        block: Tensor,
    ) -> None:
        """Writes the gradients of the parameters that are differentiated as a whole into `block`, [examples,
        n]."""
        weights = torch.tensor(role.loss_weights, dtype=self.dtype, device=self.device)
        if self._mapped:
            try:
                gradients = autodiff.rows(self._losses, batch, names, weights)
            except (RuntimeError, NotImplementedError):  # some operation cannot be mapped over examples
                self._mapped = False
            else:
                for number, gradient in zip(coverage.others, gradients.values(), strict=True):
                    taken = self.scope.slices[number].taken(gradient.flatten(1))
                    block[:, self._columns[number]] += taken.to(block)
                return
        for position, row in enumerate(rows):

            def take(number: int, gradient: Tensor, position: int = position) -> None:
                taken = self.scope.slices[number].taken(gradient.flatten())
                block[position, self._columns[number]] += taken.to(block)

            self._backward_others(examples.batch([row], self.device), role, coverage, take)

    def columns(self, examples: Examples, columns: Tensor, role: GradientRole) -> Tensor:
        """G[:, columns] for all examples, [examples, columns]; columns are positions in the scope,
        ascending."""
        narrow = self.narrowed(columns)
        if narrow.scope.size != len(columns):
            raise ValueError("columns must be ascending and unique")
        result = torch.empty(len(examples.pairs), len(columns), dtype=self.dtype, device=self.device)
        for rows, block in narrow.rows(examples, [role]):
            result[rows] = block[0]
        return result

    def narrowed(self, columns: Tensor) -> GradientOperator:
        """The same matrix with only these columns."""
        return self.over(self.scope.narrowed(columns))

    def over(self, scope: ParameterScope) -> GradientOperator:
        """The gradient matrix of the same model and source over another scope; this matrix if the scope is
        the same."""
        if scope is self.scope:
            return self
        return GradientOperator(
            self.model,
            self.source,
            scope,
            memory=self.memory,
            checkpointing=self.passes.checkpointing,
            bfloat16=self.passes.bfloat16,
        )

    def differentiated_whole(self) -> tuple[list[str], str]:
        """The parameters that layers do not account for, and torch's message, as far as products were
        computed."""
        if self._coverage is None:
            return [], ""
        return [self.scope.slices[number].name for number in self._coverage.others], self._coverage.problem

    def coverage(self, examples: Examples) -> Coverage:
        """Which parameters the layers account for, measured once on two of the first examples."""
        if self._coverage is None:
            expect_autograd(self.model)
            with model_errors(self.model, "the gradient of a text"):
                check_padding(self.model, self.source.losses, examples, self.device)
                self._coverage = measure(evolve(self.passes, bfloat16=False), examples)
        return self._coverage


def _by_name(scope: ParameterScope, directions: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """For each parameter, the positions that a scope has of it, and directions over these, [M, positions]."""
    return {
        parameter.name: (
            torch.arange(len(directions[0, columns])) if parameter.index is None else parameter.index,
            directions[:, columns],
        )
        for parameter, columns in scope.with_columns()
    }
