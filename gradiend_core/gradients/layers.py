"""The gradients of single examples, layer by layer, from one batched backward pass that forms no weight's
gradient.

A module with input a, output y and parameter W adds to an example's gradient what the chain rule makes of a
and of δ = ∂loss/∂y, of which both are at hand for the whole batch when the backward pass comes by. For a
linear layer that is Σₜ δₜaₜᵀ, so

    along a direction V        Σₜ δₜ·(V aₜ)          nothing of the weight's size for any example; of each
                                                    token alone, the same without the sum
    summed over examples       one matrix product, added where the sum is kept
    squares of all examples    one matrix product for each, added where their sum is kept
    chosen entries (i, j)      Σₜ δₜᵢaₜⱼ              the others are not computed

Each kind of module has these in a `Layer`. A module of any other kind, without children, is
differentiated by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp, vjp, vmap
from torch.nn.functional import layer_norm

from gradiend_core.gradients.quantised import QuantisedLinear

#: numbers that one layer may hold for all examples of a batch at once, and those that stay in a processor's
#: cache
LAYER_BUDGET, CACHED = 2**24, 2**20
#: A matrix of more numbers than this is not kept near while an example's gradient is formed: to write that
#: costs what so many of its tokens cost along a direction, and to read it along one, so many.
LARGE, WRITE, READ = 2**18, 25, 8
#: rows of an embedding that say what it multiplies them by
PROBED = 16


class Layer:
    """One module's share. `inputs` are the tensors that its forward took, `delta` is ∂loss/∂output, examples
    first."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def along(self, name: str, inputs: Sequence[Tensor], delta: Tensor, directions: Tensor) -> Tensor:
        """Each example's gradient along changes of the parameter `name`, [examples, K] from [K, *shape]."""
        raise NotImplementedError

    def by_token(self, name: str, inputs: Sequence[Tensor], delta: Tensor, direction: Tensor) -> Tensor:
        """What each token adds to an example's gradient along one change of the parameter, [examples, tokens]
        from [*shape]."""
        raise NotImplementedError

    def add(self, name: str, inputs: Sequence[Tensor], delta: Tensor, total: Tensor) -> None:
        """Adds the gradient summed over examples to `total`, in the shape of the parameter."""
        raise NotImplementedError

    def add_squares(self, name: str, inputs: Sequence[Tensor], delta: Tensor, total: Tensor) -> None:
        """Adds the squares of the gradients, summed over examples, to `total`, in the shape of the
        parameter."""
        total += self.entries(name, inputs, delta, None).square_().sum(0).view(total.shape)

    def entries(self, name: str, inputs: Sequence[Tensor], delta: Tensor, index: Tensor | None) -> Tensor:
        """Each example's gradient at flat positions of the parameter, or at all of them, [examples,
        entries]."""
        raise NotImplementedError

    def summed(self, name: str, inputs: Sequence[Tensor], delta: Tensor, index: Tensor) -> Tensor:
        """The gradient summed over examples at flat positions, [entries]."""
        raise NotImplementedError


class LinearLayer(Layer):
    """y = W a + b, with W of shape [out, in], or [in, out] where it is kept `transposed`."""

    def __init__(self, module: nn.Module, *, transposed: bool) -> None:
        super().__init__(module)
        self.transposed = transposed
        self._width: int = module.weight.shape[1]  # type: ignore[index, assignment]  # of nn.Linear, not of any module

    def along(self, name: str, inputs: Sequence[Tensor], delta: Tensor, directions: Tensor) -> Tensor:
        a, delta = _tokens(inputs[0]), _tokens(delta)
        if name == "bias":
            return delta.sum(1) @ directions.T
        left, right = self._sides(a, delta)
        k, tokens = len(directions), a.shape[1]
        if k * tokens <= tokens + (WRITE + READ * k if directions[0].numel() > LARGE else 2 * k):
            if left.shape[2] < right.shape[2]:  # what is moved is as narrow as it can be
                left, right, directions = right, left, directions.mT
            return torch.stack(
                [
                    torch.linalg.vecdot((left @ direction).flatten(1), right.flatten(1))
                    for direction in directions
                ],
                1,
            )
        flat = directions.flatten(1).T
        return torch.cat([gradients.flatten(1) @ flat for gradients in self._gradients(left, right, k)])

    def by_token(self, name: str, inputs: Sequence[Tensor], delta: Tensor, direction: Tensor) -> Tensor:
        if name == "bias":
            return _tokens(delta) @ direction
        left, right = self.factors(inputs, delta)
        products: Tensor = torch.linalg.vecdot(left @ direction, right)
        return products

    def _sides(self, a: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """In the order of the weight's axes: an example's gradient is leftᵀ @ right."""
        return (a, delta) if self.transposed else (delta, a)

    def _gradients(self, left: Tensor, right: Tensor, least: int = 1) -> Iterator[Tensor]:
        """The gradients of the examples, [examples, *shape], in parts of so many at least, if the budget has
        room. A part is overwritten by the next: on a processor new memory costs more than what is put
        there."""
        shape = left.shape[2], right.shape[2]
        size = shape[0] * shape[1]
        step = max(
            1,
            min(LAYER_BUDGET // size, max(least, CACHED // size) if left.device.type == "cpu" else len(left)),
        )
        buffer = left.new_empty(min(step, len(left)), *shape)
        for one, other in zip(left.split(step), right.split(step), strict=True):
            yield torch.bmm(one.mT, other, out=buffer[: len(one)])

    def add(self, name: str, inputs: Sequence[Tensor], delta: Tensor, total: Tensor) -> None:
        a, delta = inputs[0].flatten(0, -2), delta.flatten(0, -2)
        if name == "bias":
            total += delta.sum(0)
        elif self.transposed:
            total.addmm_(a.T, delta)
        else:
            total.addmm_(delta.T, a)

    def add_squares(self, name: str, inputs: Sequence[Tensor], delta: Tensor, total: Tensor) -> None:
        if name == "bias":
            super().add_squares(name, inputs, delta, total)
        else:
            self._add_squares(*self.factors(inputs, delta), total)

    def factors(self, inputs: Sequence[Tensor], delta: Tensor) -> tuple[Tensor, Tensor]:
        """The two factors of the weight's gradients, in the order of its axes: an example's gradient is
        leftᵀ @ right, from [examples, tokens, rows] and [examples, tokens, columns]."""
        return self._sides(_tokens(inputs[0]), _tokens(delta))

    def add_turned_squares(
        self, inputs: Sequence[Tensor], delta: Tensor, bases: tuple[Tensor, Tensor], total: Tensor
    ) -> None:
        """`add_squares` of the weight in other bases of its rows and columns (their columns are the
        vectors)."""
        left, right = self.factors(inputs, delta)
        self._add_squares(left @ bases[0], right @ bases[1], total)

    def _add_squares(self, left: Tensor, right: Tensor, total: Tensor) -> None:
        """An example's gradient is squared while it is in a part of the buffer."""
        for gradients in self._gradients(left, right):
            for gradient in gradients:
                total.addcmul_(gradient, gradient)

    def entries(self, name: str, inputs: Sequence[Tensor], delta: Tensor, index: Tensor | None) -> Tensor:
        a, delta = _tokens(inputs[0]), _tokens(delta)
        if name == "bias":
            summed = delta.sum(1)
            return summed if index is None else summed[:, index]
        left, right = self._sides(a, delta)
        examples, tokens = a.shape[:2]
        if index is None:
            return (left.mT @ right).flatten(1)
        if 8 * tokens * len(index) > a.shape[2] * delta.shape[2]:
            return torch.cat([gradients.flatten(1)[:, index] for gradients in self._gradients(left, right)])
        rows, columns = index // self._width, index % self._width
        step = max(1, LAYER_BUDGET // (examples * tokens))
        blocks = zip(rows.split(step), columns.split(step), strict=True)
        return torch.cat([(left[:, :, row] * right[:, :, column]).sum(1) for row, column in blocks], 1)

    def summed(self, name: str, inputs: Sequence[Tensor], delta: Tensor, index: Tensor) -> Tensor:
        """As if all tokens were of one example."""
        a, delta = inputs[0].flatten(0, -2)[None], delta.flatten(0, -2)[None]
        return self.entries(name, [a], delta, index)[0]


class EmbeddingLayer(Layer):
    """y = factor · W[a]. Only the rows that a batch reads are touched; the padding row has no gradient."""

    def __init__(self, module: nn.Embedding, factor: float = 1.0) -> None:
        super().__init__(module)
        self._factor = factor
        self._shape, self._padding = (module.num_embeddings, module.embedding_dim), module.padding_idx

    def _of(self, inputs: Sequence[Tensor], delta: Tensor) -> tuple[Tensor, Tensor]:
        ids, delta = inputs[0].flatten(1), _tokens(delta)
        if self._factor != 1:
            delta = delta * self._factor
        if self._padding is not None:
            delta = delta * ids.ne(self._padding).unsqueeze(2)
        return ids, delta

    def along(self, name: str, inputs: Sequence[Tensor], delta: Tensor, directions: Tensor) -> Tensor:
        ids, delta = self._of(inputs, delta)
        return torch.stack(
            [torch.linalg.vecdot(delta.flatten(1), direction[ids].flatten(1)) for direction in directions], 1
        )

    def by_token(self, name: str, inputs: Sequence[Tensor], delta: Tensor, direction: Tensor) -> Tensor:
        ids, delta = self._of(inputs, delta)
        products: Tensor = torch.linalg.vecdot(delta, direction[ids])
        return products

    def add(self, name: str, inputs: Sequence[Tensor], delta: Tensor, total: Tensor) -> None:
        ids, delta = self._of(inputs, delta)
        total.index_add_(0, ids.flatten(), delta.flatten(0, 1))

    def add_squares(self, name: str, inputs: Sequence[Tensor], delta: Tensor, total: Tensor) -> None:
        """A row that an example reads several times has one gradient there: their sum."""
        ids, delta = self._of(inputs, delta)
        rows = self._shape[0]
        first = torch.arange(len(ids), device=ids.device)[:, None] * rows
        read, number = (ids + first).unique(return_inverse=True)
        gradients = delta.new_zeros(len(read), delta.shape[2])
        gradients.index_add_(0, number.flatten(), delta.flatten(0, 1))
        total.index_add_(0, read % rows, gradients.square_())

    def entries(self, name: str, inputs: Sequence[Tensor], delta: Tensor, index: Tensor | None) -> Tensor:
        ids, delta = self._of(inputs, delta)
        rows, width = self._shape
        examples = torch.arange(len(ids), device=ids.device).unsqueeze(1).expand_as(ids)
        if index is None:
            whole = delta.new_zeros(len(ids), rows, width)
            return whole.index_put_((examples, ids), delta, accumulate=True).flatten(1)
        counts = torch.bincount(index // width, minlength=rows)  # chosen entries in each row of W
        starts = counts.cumsum(0) - counts
        entries_in_row = counts[ids].flatten()  # chosen entries in the row that each token reads
        token = torch.repeat_interleave(torch.arange(ids.numel(), device=ids.device), entries_in_row)
        entry = (
            starts[ids].flatten()[token]
            + torch.arange(len(token), device=ids.device)
            - (entries_in_row.cumsum(0) - entries_in_row)[token]
        )
        values = delta.flatten(0, 1)[token, index[entry] % width]
        gathered = delta.new_zeros(len(ids), len(index))
        return gathered.index_put_((examples.flatten()[token], entry), values, accumulate=True)

    def summed(self, name: str, inputs: Sequence[Tensor], delta: Tensor, index: Tensor) -> Tensor:
        """As if all tokens were of one example."""
        return self.entries(name, [inputs[0].flatten()[None]], delta.flatten(0, -2)[None], index)[0]


class NormLayer(Layer):
    """y = w·â + b, with â the input brought to mean 0 and variance 1. An example's gradient is smaller than
    its output."""

    def _by_token(self, name: str, inputs: Sequence[Tensor], delta: Tensor) -> Tensor:
        """[examples, tokens, width]"""
        if name == "weight":
            module: nn.LayerNorm = self.module  # type: ignore[assignment]
            delta = delta * layer_norm(inputs[0], module.normalized_shape, eps=module.eps)
        return _tokens(delta)

    def _each(self, name: str, inputs: Sequence[Tensor], delta: Tensor) -> Tensor:
        """[examples, width]"""
        return self._by_token(name, inputs, delta).sum(1)

    def by_token(self, name: str, inputs: Sequence[Tensor], delta: Tensor, direction: Tensor) -> Tensor:
        return self._by_token(name, inputs, delta) @ direction

    def along(self, name: str, inputs: Sequence[Tensor], delta: Tensor, directions: Tensor) -> Tensor:
        return self._each(name, inputs, delta) @ directions.T

    def add(self, name: str, inputs: Sequence[Tensor], delta: Tensor, total: Tensor) -> None:
        total += self._each(name, inputs, delta).sum(0)

    def entries(self, name: str, inputs: Sequence[Tensor], delta: Tensor, index: Tensor | None) -> Tensor:
        gradients = self._each(name, inputs, delta)
        return gradients if index is None else gradients[:, index]

    def summed(self, name: str, inputs: Sequence[Tensor], delta: Tensor, index: Tensor) -> Tensor:
        return self._each(name, inputs, delta).sum(0)[index]


class OtherLayer(Layer):
    """Any other module without children, such as another normalisation: torch differentiates it, and only
    it."""

    def _call(self, inputs: Sequence[Tensor]) -> Callable[[dict[str, Tensor]], Tensor]:
        fixed = {name: value.detach() for name, value in self.module.named_parameters(recurse=False)}
        return lambda changed: functional_call(self.module, {**fixed, **changed}, tuple(inputs))

    def along(self, name: str, inputs: Sequence[Tensor], delta: Tensor, directions: Tensor) -> Tensor:
        if (
            getattr(self.module, name).numel() * len(delta) <= delta.numel()
        ):  # of a normalisation each example's gradient is smaller than its output
            return self.entries(name, inputs, delta, None) @ directions.flatten(1).to(delta.dtype).T
        changes = (self._change(name, inputs, direction).to(delta.dtype) for direction in directions)
        return torch.stack(
            [torch.linalg.vecdot(delta.flatten(1), change.flatten(1)) for change in changes], 1
        )

    def by_token(self, name: str, inputs: Sequence[Tensor], delta: Tensor, direction: Tensor) -> Tensor:
        """[examples, tokens], or with the axes that the module has besides, such as heads."""
        return (self._change(name, inputs, direction).to(delta.dtype) * delta).sum(-1)

    def _change(self, name: str, inputs: Sequence[Tensor], direction: Tensor) -> Tensor:
        """How the output changes along one change of the parameter, in its shape."""
        value = getattr(self.module, name).detach()
        padding = getattr(self.module, "padding_idx", None)
        if (
            isinstance(self.module, nn.Embedding) and padding is not None
        ):  # in backward mode it has no gradient
            direction = direction.clone()
            direction[padding] = 0
        tangent: Tensor = jvp(self._call(inputs), ({name: value},), ({name: direction.to(value.dtype)},))[1]
        return tangent

    def add(self, name: str, inputs: Sequence[Tensor], delta: Tensor, total: Tensor) -> None:
        value = getattr(self.module, name).detach()
        output, pull = vjp(self._call(inputs), {name: value})  # type: ignore[misc]
        total += pull(delta.to(output.dtype))[0][name]

    def entries(self, name: str, inputs: Sequence[Tensor], delta: Tensor, index: Tensor | None) -> Tensor:
        value = getattr(self.module, name).detach()

        def one(delta: Tensor, *inputs: Tensor) -> Tensor:
            output, pull = vjp(self._call([value[None] for value in inputs]), {name: value})  # type: ignore[misc]
            gradient: Tensor = pull(delta[None].to(output.dtype))[0][name].flatten()
            return gradient if index is None else gradient[index]

        # so many examples at once that their whole gradients fit
        together = max(1, LAYER_BUDGET // value.numel())
        return vmap(one, chunk_size=together)(delta, *inputs).to(delta.dtype)

    def summed(self, name: str, inputs: Sequence[Tensor], delta: Tensor, index: Tensor) -> Tensor:
        total = torch.zeros(getattr(self.module, name).shape, dtype=delta.dtype, device=delta.device)
        self.add(name, inputs, delta, total)
        return total.flatten()[index]


def matching_layer(module: nn.Module) -> Layer | None:
    """The layer of a module, by what its forward really is; None for one with children, which its parts must
    speak for."""
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, QuantisedLinear):
        return LinearLayer(module, transposed=module.transposed)
    forward = type(module).forward
    if forward in (nn.Linear.forward, Conv1D.forward):
        return LinearLayer(module, transposed=forward is Conv1D.forward)
    if isinstance(module, nn.Embedding) and (factor := _factor_of(module)):
        return EmbeddingLayer(module, factor)
    if forward is nn.LayerNorm.forward and len(module.normalized_shape) == 1:  # type: ignore[arg-type]
        return NormLayer(module)
    return OtherLayer(module) if not any(module.children()) else None


def _factor_of(module: nn.Embedding) -> float | None:
    """The number that an embedding multiplies its rows by, as Gemma's and BART's do, measured on a few rows;
    None for one that does anything else, and where that cannot be measured."""
    if module.max_norm is not None or module.scale_grad_by_freq:
        return None
    if type(module).forward is nn.Embedding.forward:
        return 1.0
    ids = torch.arange(min(PROBED, module.num_embeddings), device=module.weight.device)
    try:
        with torch.no_grad():
            rows, output = module.weight[ids].double(), module(ids).double()
            factor = float((rows * output).sum() / rows.square().sum())
    except Exception:  # another forward than an embedding's, or weights without values
        return None
    alike = output.shape == rows.shape and torch.allclose(output, factor * rows, rtol=1e-2, atol=0)
    return factor if alike and math.isfinite(factor) else None


def _tokens(values: Tensor) -> Tensor:
    """[examples, ..., d] as [examples, tokens, d]."""
    return values.reshape(len(values), -1, values.shape[-1])
