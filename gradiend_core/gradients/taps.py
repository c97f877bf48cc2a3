"""Taps on the modules of a model: they show a product the inputs of a module and the gradient that comes back
to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from attrs import field, frozen, mutable
from torch import Tensor, nn

from gradiend_core.gradients.layers import Layer, OtherLayer, matching_layer
from gradiend_core.records.scope import ParameterScope


@frozen(eq=False)
class Use:
    """A module's parameter that is part number `part` of a scope."""

    layer: Layer
    name: str
    slice_number: int


#: use, inputs of the module, δ; called during the backward pass, once for each use
Receive = Callable[[Use, Sequence[Tensor], Tensor], None]


@mutable(eq=False)
class Taps:
    """The modules of a model that hold parameters in scope, watched while data flows through them."""

    uses: dict[nn.Module, list[Use]]
    dtype: torch.dtype
    #: modules that ran, and could not be watched
    unwatched: set[nn.Module] = field(factory=set, init=False)
    #: how often each module ran while the taps were last open
    calls: Counter[nn.Module] = field(factory=Counter, init=False)
    #: those of them whose tensors have no axis of examples, so that nothing of them was shown
    unseen: set[nn.Module] = field(factory=set, init=False)
    _quiet: bool = field(default=False, init=False)

    @classmethod
    def of(cls, model: nn.Module, scope: ParameterScope, dtype: torch.dtype) -> Taps:
        """Taps for every module whose layer is known. A tied weight has a use in each module that holds
        it."""
        parameters = dict(model.named_parameters())
        slice_number_of = {
            id(parameters[slice_number.name]): number for number, slice_number in enumerate(scope.slices)
        }
        uses: dict[nn.Module, list[Use]] = {}
        for module in model.modules():
            watched = [
                (name, slice_number_of[id(p)])
                for name, p in module._parameters.items()
                if p is not None and id(p) in slice_number_of
            ]
            if watched and (layer := matching_layer(module)):
                uses[module] = [Use(layer, name, slice_number) for name, slice_number in watched]
        return cls(uses, dtype)

    def only(self, slice_numbers: set[int]) -> Taps:
        """The taps of these parts of the scope."""
        kept = {
            module: [use for use in uses if use.slice_number in slice_numbers]
            for module, uses in self.uses.items()
        }
        return Taps({module: uses for module, uses in kept.items() if uses}, self.dtype)

    @contextmanager
    def open(self, examples: int, receive: Receive, rows: int = 1) -> Iterator[Tensor]:
        """Inside this context a forward pass of this many examples, of `rows` rows each, is watched. Yields a
        tensor to differentiate with respect to: its value does not matter, but autograd reaches it exactly
        through the watched modules, and goes no deeper than the first of them."""
        self.calls.clear()
        self.unseen.clear()
        device = next(iter(self.uses)).parameters().__next__().device if self.uses else None
        anchor = torch.zeros((), requires_grad=True, device=device)
        hook = partial(self._hook, examples, rows, anchor, receive)
        handles = [module.register_forward_hook(hook, with_kwargs=True) for module in self.uses]
        try:
            yield anchor
        finally:
            for handle in handles:
                handle.remove()

    def _hook(
        self,
        examples: int,
        rows: int,
        anchor: Tensor,
        receive: Receive,
        module: nn.Module,
        args: Any,
        kwargs: Any,
        output: Any,
    ) -> Tensor | None:
        inputs = (*args, *kwargs.values())
        whole = isinstance(output, Tensor) and inputs and all(isinstance(tensor, Tensor) for tensor in inputs)
        if self._quiet or not torch.is_grad_enabled():
            return None
        if not whole:
            self.unwatched.add(module)
            return None
        self.calls[module] += 1
        tensors = [_with_examples(tensor, examples) for tensor in (output, *inputs)]
        if any(tensor is None for tensor in tensors):
            self.unseen.add(module)
            return None
        tap: Callable[..., Tensor] = _Tap.apply
        watched = tap(
            tensors[0], anchor.to(output.device), partial(self._received, module, receive), *tensors[1:]
        )
        if watched.dim() > output.dim():
            return watched.flatten(0, 1)
        return (
            watched.repeat_interleave(rows, 0) if rows > 1 and len(output) == 1 else watched
        )  # what all share, for each row

    def _received(self, module: nn.Module, receive: Receive, inputs: Sequence[Tensor], delta: Tensor) -> None:
        self._quiet = True  # a layer may run its module again to differentiate it
        try:
            layer = self.uses[module][0].layer
            if not isinstance(layer, OtherLayer):
                inputs = [
                    tensor.to(self.dtype) if tensor.is_floating_point() else tensor for tensor in inputs
                ]
            for use in self.uses[module]:
                receive(use, inputs, delta.to(self.dtype))
        finally:
            self._quiet = False


class _Tap(torch.autograd.Function):
    """Passes a module's output on, and shows its gradient together with the module's inputs when it comes
    back. Inputs are kept as autograd keeps them, so that gradient checkpointing may drop and recompute
    them."""

    @staticmethod
    def forward(
        ctx: Any, output: Tensor, anchor: Tensor, show: Callable[..., None], *inputs: Tensor
    ) -> Tensor:
        ctx.show = show
        ctx.save_for_backward(*inputs)
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> Any:
        # who keeps them must not keep the graph, which nobody would free: Python sees no cycle through it
        inputs = [tensor.detach() for tensor in ctx.saved_tensors]
        with torch.no_grad():
            ctx.show(inputs, delta)
        return delta, torch.zeros((), device=delta.device), None, *[None] * len(inputs)


def _with_examples(tensor: Tensor, examples: int) -> Tensor | None:
    """The tensor with the examples as first axis. A tensor that all examples share, such as positions, is
    repeated (as a view). Where each example has several rows, or all tokens are in one row, the first axis
    becomes two."""
    if tensor.dim() and len(tensor) == examples:
        return tensor
    if tensor.dim() < 2 or (len(tensor) % examples and len(tensor) > 1):
        return None
    return (
        tensor.expand(examples, *tensor.shape[1:])
        if len(tensor) == 1
        else tensor.unflatten(0, (examples, -1))
    )
