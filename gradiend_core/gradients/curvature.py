"""What a change of the weights costs: the diagonal of the Fisher information, by layers.

F is the mean over predicted tokens of the squared gradient of −log P(token), for tokens drawn from the
model's own predictions (not those that stand in the text, which would give the empirical Fisher, arXiv
1905.12558). To second order a change Δ of the weights moves the predictions by KL(before ‖ after) = ½ Σ F Δ²
nats a token, as far as weights act alone.

A text has one backward pass, of the sum of its tokens' losses with random signs: the square of its gradient
is then the sum over tokens, as what two tokens have in common cancels on average.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from attrs import frozen
from torch import Tensor

from gradiend_core.errors import ModelError
from gradiend_core.gradients import parallel
from gradiend_core.gradients.coverage import Coverage
from gradiend_core.gradients.layers import LinearLayer
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.gradients.taps import Use
from gradiend_core.progress import progress
from gradiend_core.records.scope import ParameterSlice
from gradiend_core.roles.source import Examples

#: a matrix of more rows or columns has no eigenbases: they would be larger than itself many times
WIDEST = 8192


@frozen
class Losses:
    """The losses of a batch with that many examples, [examples], computed on demand. The model is given
    `rows` rows for each example."""

    examples: int
    compute: Callable[[], Tensor]
    rows: int = 1


#: bases of the rows and columns of some parameters' matrices, by number of the slice
Bases = Mapping[int, tuple[Tensor, Tensor]]


def squared_gradients(
    gradients: GradientOperator,
    checked_on: Examples,
    batches: Sequence[Losses],
    name: str = "curvature",
    bases: Bases = MappingProxyType({}),
) -> Tensor:
    """The squares of the examples' gradients, summed over all examples, [n]. Which parameters the layers
    account for is tried on `checked_on`. A parameter with bases has the squares in these."""
    coverage = gradients.coverage(checked_on)
    total = torch.zeros(gradients.scope.size, dtype=gradients.dtype, device=gradients.device)
    with progress(name, len(batches)) as done:
        for number in parallel.share(len(batches)):
            _add(gradients, coverage, batches[number], total, bases)
            done.advance()
    return parallel.summed(total)


def _add(gradients: GradientOperator, coverage: Coverage, batch: Losses, total: Tensor, bases: Bases) -> None:
    scope, passes = gradients.scope, gradients.passes
    columns = [columns for _, columns in scope.with_columns()]
    calls: dict[int, list[tuple[Use, Sequence[Tensor], Tensor]]] = defaultdict(list)
    uses = [use.slice_number for uses in coverage.taps.uses.values() for use in uses]

    def square(call: tuple[Use, Sequence[Tensor], Tensor]) -> None:
        use, inputs, delta = call
        parameter, sums = scope.slices[use.slice_number], total[columns[use.slice_number]]
        if parameter.index is not None:
            entries = use.layer.entries(use.name, inputs, delta, parameter.index.to(delta.device))
            sums += entries.square_().sum(0).to(sums.device)
            return
        near = delta.device == sums.device
        there = sums if near else torch.zeros(len(sums), dtype=sums.dtype, device=delta.device)
        if use.slice_number in bases and isinstance(use.layer, LinearLayer):
            sides = tuple(basis.to(delta) for basis in bases[use.slice_number])
            use.layer.add_turned_squares(inputs, delta, sides, there.view(parameter.shape))  # type: ignore[arg-type]
        else:
            use.layer.add_squares(use.name, inputs, delta, there.view(parameter.shape))
        if not near:
            sums += there.to(sums.device)

    def receive(use: Use, inputs: Sequence[Tensor], delta: Tensor) -> None:
        call = (use, inputs, delta)
        if uses.count(use.slice_number) == 1 and coverage.taps.calls[use.layer.module] == 1:
            square(call)
        else:
            calls[use.slice_number].append(call)

    if coverage.taps.uses:
        with passes.backward(coverage.taps, batch.examples, receive, rows=batch.rows) as backward:
            backward(batch.compute().to(passes.dtype).sum())
    for module in coverage.taps.unseen:
        raise ModelError(
            f"a {type(module).__name__} of this model is given other rows than there are texts, so the"
            ' curvature cannot be read from it; set rewrite.metric = "none"'
        )
    for number, made in calls.items():
        _square_of_sum(made, scope.slices[number], batch.examples, total[columns[number]])
    if coverage.others:
        others = {number: passes.parameters[number] for number in coverage.others}

        def take(number: int, gradient: Tensor) -> None:
            taken = scope.slices[number].taken(gradient.flatten()).to(total)
            total[columns[number]].addcmul_(taken, taken)

        with passes.backward(coverage.taps.only(set()), 1, None, others, take) as backward:
            losses = batch.compute().to(passes.dtype)
            for example, loss in enumerate(losses):
                backward(loss, keep=example + 1 < len(losses))


def eigenbases(
    gradients: GradientOperator, checked_on: Examples, batches: Sequence[Losses], name: str = "covariances"
) -> dict[int, tuple[Tensor, Tensor]]:
    """For each linear weight that is whole in scope and used once, the eigenvectors of the covariances of
    what its gradient is made of, inputs and gradients of outputs (K-FAC, arXiv 1503.05671), in the order of
    its axes. In them the Fisher information is nearest to a diagonal (EKFAC, arXiv 1806.03884)."""
    coverage, passes, sums = gradients.coverage(checked_on), gradients.passes, dict[int, list[Tensor]]()
    if not coverage.taps.uses:
        return {}
    counts = Counter(use.slice_number for uses in coverage.taps.uses.values() for use in uses)

    def receive(use: Use, inputs: Sequence[Tensor], delta: Tensor) -> None:
        number, parameter = use.slice_number, gradients.scope.slices[use.slice_number]
        once = counts[number] == 1 and coverage.taps.calls[use.layer.module] == 1
        if not once or not isinstance(use.layer, LinearLayer) or use.name != "weight":
            return
        if parameter.index is not None or max(parameter.shape) > WIDEST:
            return
        for side, factor in enumerate(use.layer.factors(inputs, delta)):
            rows = factor.flatten(0, 1).to(gradients.dtype)
            if number not in sums:
                sums[number] = [rows.new_zeros(size, size) for size in parameter.shape]
            sums[number][side].addmm_(rows.T, rows)

    def vectors(covariance: Tensor) -> Tensor:
        directions: Tensor = torch.linalg.eigh(parallel.summed(covariance)).eigenvectors
        return directions

    with progress(name, len(batches)) as done:
        for batch in (batches[number] for number in parallel.share(len(batches))):
            with passes.backward(coverage.taps, batch.examples, receive, rows=batch.rows) as backward:
                backward(batch.compute().to(passes.dtype).sum())
            done.advance()
    return {number: (vectors(of_rows), vectors(of_columns)) for number, (of_rows, of_columns) in sums.items()}


@torch.no_grad()
def _square_of_sum(
    made: Sequence[tuple[Use, Sequence[Tensor], Tensor]],
    parameter: ParameterSlice,
    examples: int,
    total: Tensor,
) -> None:
    """Adds the squared gradients of a parameter that several modules hold, as tied embeddings, or that one
    module uses several times: an example's gradient is the sum of these, so it is formed, one at a time."""
    gradient = total.new_empty(parameter.shape)
    for example in range(examples):
        gradient.zero_()
        for use, inputs, delta in made:
            here = slice(example, example + 1)
            use.layer.add(use.name, [tensor[here] for tensor in inputs], delta[here], gradient)
        taken = parameter.taken(gradient.flatten())
        total.addcmul_(taken, taken)
