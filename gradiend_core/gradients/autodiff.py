"""Products for parameters whose use no layer accounts for, by torch's differentiation of the whole model.
Slower than layer by layer, but correct whatever a model does with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from gradiend_core.gradients.padding import WITH_CAPACITY, model_type


def transformable(model: nn.Module) -> bool:
    """Whether torch's transforms may be tried on a model: with experts of limited capacity they crash the
    process (segmentation fault, torch 2.13)."""
    return model_type(model) not in WITH_CAPACITY


class Losses(nn.Module):
    """The losses as a module, so that `functional_call` can put other weights into the model, tied ones
    too."""

    def __init__(self, model: nn.Module, losses: Callable[[nn.Module, Any], Tensor]) -> None:
        super().__init__()
        self.model, self.losses = model, losses

    def forward(self, batch: Any) -> Tensor:
        return self.losses(self.model, batch)

    def values(self) -> dict[str, Tensor]:
        return {f"model.{name}": value.detach() for name, value in self.model.named_parameters()}


def along(losses: Losses, batch: Any, changes: Mapping[str, Tensor]) -> Tensor | None:
    """The derivative of the losses along a change of some parameters, [examples, 2]: one forward pass carries
    the derivatives of the whole batch along (forward mode). None where nothing depends on them."""
    with ExitStack() as stack:
        for context in (torch.no_grad(), sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level()):
            stack.enter_context(context)
        stack.enter_context(_padding_rows_fixed(losses.model))
        values = losses.values()
        dual = {}
        for name, change in changes.items():
            value = values[
                f"model.{name}"
            ].contiguous()  # what stands for a packed weight has one number for all entries
            dual[f"model.{name}"] = forward_ad.make_dual(value, change.to(value.dtype))
        tangent: Tensor | None = forward_ad.unpack_dual(
            functional_call(losses, values | dual, (batch,))
        ).tangent
    return tangent


@contextmanager
def _padding_rows_fixed(model: nn.Module) -> Iterator[None]:
    """Forward mode treats the padding row of an embedding like any other row, whereas in backward mode it has
    no gradient. Inside this context it has none in forward mode either."""

    def fixed(module: Any, args: tuple[Tensor, ...], given: Mapping[str, Tensor], output: Tensor) -> Tensor:
        padding = (*args, *given.values())[0].eq(module.padding_idx).unsqueeze(-1)
        return torch.where(padding, forward_ad.unpack_dual(output).primal, output)

    handles = [
        module.register_forward_hook(fixed, with_kwargs=True)
        for module in model.modules()
        if isinstance(module, nn.Embedding) and module.padding_idx is not None
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def rows(losses: Losses, batch: Any, names: Sequence[str], loss_weights: Tensor) -> dict[str, Tensor]:
    """Each example's gradient of the weighted losses for whole parameters, [examples, *shape]. The batch must
    have no padding, so that the loss of one example can be mapped over it."""
    values = losses.values()
    chosen = {name: values.pop(f"model.{name}") for name in names}
    fields, make = _mappable(batch)

    def loss(parameters: dict[str, Tensor], fields: tuple[Tensor, ...]) -> Tensor:
        changed = {f"model.{name}": value for name, value in parameters.items()}
        loss_values: Tensor = functional_call(losses, values | changed, (make(fields),))[0]
        return loss_values.to(loss_weights.dtype) @ loss_weights

    with sdpa_kernel(SDPBackend.MATH):
        try:
            gradients: dict[str, Tensor] = vmap(grad(loss), in_dims=(None, 0))(chosen, fields)
        except (
            RuntimeError
        ):  # a model that looks at its data (DeBERTa does) cannot be mapped; a true error comes again
            alone = [grad(loss)(chosen, example) for example in zip(*fields, strict=True)]
            gradients = {name: torch.stack([example[name] for example in alone]) for name in names}
    return gradients


@contextmanager
def gradients_passed_on(
    model: nn.Module, parameters: Mapping[int, nn.Parameter], take: Callable[[int, Tensor], None]
) -> Iterator[None]:
    """While open, only these parameters of the model are differentiated; each gradient that reaches one is
    handed to `take` with the parameter's number and then forgotten. Afterwards the model is as it was."""

    def hook(number: int, parameter: nn.Parameter) -> None:
        assert parameter.grad is not None  # this hook runs right after it was set
        take(number, parameter.grad)
        parameter.grad = None

    needed = {id(parameter) for parameter in parameters.values()}
    before = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    handles = []
    try:
        for parameter, _, _ in before:
            parameter.requires_grad_(id(parameter) in needed)
            parameter.grad = None
        for number, parameter in parameters.items():
            handles.append(parameter.register_post_accumulate_grad_hook(partial(hook, number)))
        yield
    finally:
        for handle in handles:
            handle.remove()
        for parameter, required, gradient in before:
            parameter.requires_grad_(required)
            parameter.grad = gradient


def _mappable(batch: Any) -> tuple[tuple[Tensor, ...], Callable[[tuple[Tensor, ...]], Any]]:
    """The tensor fields of a batch record, and a function that makes a record of one example from them."""
    names = [
        field.name for field in attrs.fields(type(batch)) if isinstance(getattr(batch, field.name), Tensor)
    ]

    def make(fields: tuple[Tensor, ...]) -> Any:
        return attrs.evolve(batch, **{name: value[None] for name, value in zip(names, fields, strict=True)})

    return tuple(getattr(batch, name) for name in names), make
