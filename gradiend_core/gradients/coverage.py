"""For which parameters the layers account for the whole gradient: measured on the actual model, not assumed.

A model may use a weight in a way that its module's forward does not show (`F.linear(x,
self.embedding.weight)`), or mix examples inside a module. So each parameter in scope is compared with plain
autograd of one example, along random directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import torch
from attrs import frozen
from torch import Tensor, nn

from gradiend_core.gradients.batching import TOKEN_BUDGET, rows_of
from gradiend_core.gradients.layers import LAYER_BUDGET
from gradiend_core.gradients.padding import interacts, note_padding, seen_padding
from gradiend_core.gradients.passes import Passes
from gradiend_core.gradients.taps import Taps, Use
from gradiend_core.records.scope import ParameterSlice
from gradiend_core.roles.source import Examples

#: a wrong value is within 1 % along one direction once in a hundred times, along three once in a million
DIRECTIONS = 3
#: the difference that rounding explains, as a share of a parameter's own gradient and of the largest one
OWN, LARGEST = 1e-2, 1e-5
#: the same between plain backward passes of a padded batch and of one example
BATCHED = 1e-3
#: the same for weights of 16 bits
OWN_HALF, LARGEST_HALF = 0.2, 1e-2


@frozen(eq=False)
class Coverage:
    """Taps for the parameters that layers account for, the numbers of the other parameters, and the bytes
    that an example keeps for its backward pass per unit of its length. `problem` is torch's message if the
    model could not be watched at all."""

    taps: Taps
    others: tuple[int, ...]
    bytes_per_token: float
    problem: str = ""

    def budget(self, memory: float) -> int:
        """Tokens, padding included, that a batch may have."""
        return int(min(TOKEN_BUDGET, max(1, memory / self.bytes_per_token)))


def measure(passes: Passes, examples: Examples) -> Coverage:
    """Compares an example of medium length and the longest one, in a batch and alone. Whole parameters are
    compared, whichever of their entries are in scope: a few entries may have no gradient in one example, and
    a wrong one in another."""
    order = sorted(range(len(examples.lengths)), key=lambda row: examples.lengths[row])
    pair = [order[len(order) // 2], order[-1]]
    if seen_padding(passes.model):  # two of one length, as batches of it are
        length = examples.lengths[pair[0]]
        pair = [row for row in order if examples.lengths[row] == length][:2]
        pair = pair[:1] if interacts(passes.model) else (pair * 2)[:2]
    scope, dtype = passes.scope, passes.dtype
    taps = Taps.of(passes.model, scope, dtype)
    directions = [_Directions(number, parameter_slice) for number, parameter_slice in enumerate(scope.slices)]
    layered, whole = torch.zeros(2, len(pair), len(directions), DIRECTIONS, dtype=dtype)
    size, example = torch.zeros(len(directions), 1, dtype=dtype), 0

    def receive(use: Use, inputs: Sequence[Tensor], delta: Tensor) -> None:
        pieces = directions[use.slice_number].in_parts(delta)
        layered[:, use.slice_number] += torch.cat(
            [use.layer.along(use.name, inputs, delta, piece) for piece in pieces], 1
        ).cpu()

    def take(number: int, gradient: Tensor) -> None:
        gradient = gradient.to(dtype)
        whole[example, number] = directions[number].along(gradient).cpu()
        size[number] = torch.maximum(size[number], gradient.norm().cpu())

    def loss(rows: list[int]) -> Tensor:
        return passes.losses(examples.batch(rows, passes.device))[:, 0].sum()

    rows = rows_of(examples.batch(pair, passes.device))
    kept, problem = _Kept(passes.model), ""
    try:
        with passes.backward(taps, len(pair), receive, rows=rows) as backward:
            with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor):
                together = loss(pair)
            backward(together)
    except RuntimeError as error:  # some module cannot be watched; which one, torch does not say
        layered.fill_(torch.nan)
        problem = str(error).splitlines()[0]
    with passes.backward(taps.only(set()), 1, None, dict(enumerate(passes.parameters)), take) as backward:
        for example, row in enumerate(pair):  # noqa: B007  # `take` reads it
            backward(loss([row]))
    half = any(parameter.dtype.itemsize < 4 for parameter in passes.parameters)
    of_parameter, of_largest = (OWN_HALF, LARGEST_HALF) if half else (OWN, LARGEST)
    close = ((layered - whole).abs() <= of_parameter * size + of_largest * size.max()).all(2).all(0)
    covered = {use.slice_number for uses in taps.uses.values() for use in uses if close[use.slice_number]}
    covered -= {use.slice_number for module in taps.unwatched for use in taps.uses[module]}
    others = tuple(number for number in range(len(directions)) if number not in covered)
    if others and not interacts(passes.model):
        alone, example = whole.sum(0), 0
        whole.zero_()
        chosen = {number: passes.parameters[number] for number in others}
        with passes.backward(taps.only(set()), 1, None, chosen, take) as backward:
            backward(loss(pair))
        differences = (whole[0] - alone).abs().amax(1) / size[:, 0].clamp(min=float(size.max()) * LARGEST)
        difference = float(differences[list(others)].max())
        if difference > (OWN_HALF if half else BATCHED):  # some custom backward looks at the whole batch
            note_padding(passes.model, difference, interacting=bool(seen_padding(passes.model)))
            return measure(passes, examples)
    return Coverage(
        taps.only(covered), others, max(1.0, kept.bytes / (len(pair) * examples.lengths[pair[-1]])), problem
    )


class _Kept:
    """Counts what autograd keeps for the backward pass, without the weights."""

    def __init__(self, model: nn.Module) -> None:
        self.bytes = 0
        self._seen = {
            tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())
        }

    def pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor


class _Directions:
    """Random directions in the shape of a parameter, the same for the same number. They have rank one, so
    drawing and keeping them costs nothing; for a large embedding they are formed one at a time."""

    def __init__(self, number: int, parameter_slice: ParameterSlice) -> None:
        generator = torch.Generator().manual_seed(number)
        self.shape = parameter_slice.shape
        self.first = torch.randn(DIRECTIONS, parameter_slice.shape[0], generator=generator)
        self.rest = torch.randn(DIRECTIONS, prod(parameter_slice.shape[1:]), generator=generator)

    def in_parts(self, like: Tensor) -> Iterator[Tensor]:
        """All directions, [DIRECTIONS, *shape], in pieces where that is much."""
        pieces = (
            factor.to(like).split(max(1, LAYER_BUDGET // prod(self.shape)))
            for factor in (self.first, self.rest)
        )
        for first, rest in zip(*pieces, strict=True):
            yield (first.unsqueeze(2) * rest.unsqueeze(1)).view(-1, *self.shape)

    def along(self, gradient: Tensor) -> Tensor:
        """A gradient in the shape of the parameter along each direction, [DIRECTIONS]."""
        moved = gradient.reshape(len(self.first[0]), -1) @ self.rest.to(gradient).T
        along: Tensor = torch.linalg.vecdot(self.first.to(gradient), moved.T)
        return along
