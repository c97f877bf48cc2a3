"""Forward and backward passes of one model through its taps, for the products and for the proof of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from attrs import field, frozen
from torch import Tensor, nn

from gradiend_core.errors import GradiendError, ModelError
from gradiend_core.gradients import autodiff
from gradiend_core.gradients.checkpointing import checkpointed
from gradiend_core.gradients.taps import Taps
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.scope import ParameterScope
from gradiend_core.roles.source import GradientSource


@frozen(eq=False)
class Passes:
    """One model, one gradient source and one scope. With `checkpointing` layers are computed twice instead of
    kept; with `bfloat16` matrix products are computed in bfloat16."""

    model: nn.Module
    source: GradientSource
    scope: ParameterScope
    checkpointing: bool = False
    bfloat16: bool = False
    #: the parameters of the scope, in its order
    parameters: list[nn.Parameter] = field(init=False)

    @parameters.default
    def _parameters(self) -> list[nn.Parameter]:
        return parameters_in(self.scope, self.model)

    @property
    def device(self) -> torch.device:
        return self.parameters[0].device

    @property
    def dtype(self) -> torch.dtype:
        """float32, or float64 for a float64 model: results are never coarser than float32."""
        return torch.promote_types(self.parameters[0].dtype, torch.float32)

    def losses(self, batch: Any) -> Tensor:
        """The losses of each example with its factual and its alternative filler, [examples, 2]."""
        return self.source.losses(self.model, batch).to(self.dtype)

    @contextmanager
    def backward(
        self,
        taps: Taps,
        examples: int,
        receive: Any,
        others: dict[int, nn.Parameter] | None = None,
        take: Any = None,
        rows: int = 1,
    ) -> Iterator[Callable[..., None]]:
        """Inside this context losses may be computed. The yielded function sends a loss back through the taps
        and to the other parameters."""
        others = others or {}
        if torch.is_inference_mode_enabled():
            raise ModelError(
                "torch.inference_mode is on, so no gradient can be computed; call this outside of it"
                " (torch.no_grad may stay on)"
            )
        with ExitStack() as stack:
            stack.enter_context(torch.enable_grad())
            if self.bfloat16:
                stack.enter_context(torch.autocast(self.device.type, torch.bfloat16))
            if self.checkpointing:
                stack.enter_context(checkpointed(self.model))
            stack.enter_context(autodiff.gradients_passed_on(self.model, others, take))
            anchor = stack.enter_context(taps.open(examples, receive, rows))
            inputs = [*([anchor] if taps.uses else []), *others.values()]

            def backward(loss: Tensor, keep: bool = False) -> None:
                if loss.requires_grad:  # else nothing in scope has any part in it
                    torch.autograd.backward(loss, inputs=inputs, retain_graph=keep)

            yield backward


@contextmanager
def model_errors(model: nn.Module, doing: str) -> Iterator[None]:
    """Turns what a model raises on its first texts into a ModelError with that reason."""
    try:
        yield
    except (GradiendError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise ModelError(
            f"{type(model).__name__} cannot be used, as {doing} fails in it ({type(error).__name__}:"
            f" {first:.300}); take another model, or another source.kind"
        ) from error


def expect_autograd(model: nn.Module) -> None:
    """Raises ModelError for a model that was loaded under `torch.inference_mode`."""
    if any(tensor.is_inference() for tensor in (*model.parameters(), *model.buffers())):
        raise ModelError(
            "the model was loaded under torch.inference_mode, so it has no gradients; load it outside of it"
        )


def parameters_in(scope: ParameterScope, model: nn.Module) -> list[nn.Parameter]:
    """The model's parameters in the order of the scope. Raises ModelError for the scope of another model."""
    parameters = dict(model.named_parameters())
    for parameter_slice in scope.slices:
        if parameter_slice.name not in parameters:
            raise ModelError(
                f"the scope has the parameter {parameter_slice.name!r}, which this model lacks; was it made"
                " for another?"
            )
        here = tuple(parameters[parameter_slice.name].shape)
        if parameter_slice.shape != here:
            raise ModelError(
                f"{parameter_slice.name!r} has shape {here} in this model and {parameter_slice.shape} in the"
                " scope; was it made for another?"
            )
    return [parameters[parameter_slice.name] for parameter_slice in scope.slices]


def of_role(losses: Tensor, role: GradientRole) -> Tensor:
    """The value that a role differentiates, [examples], from both losses, [examples, 2]."""
    return losses @ losses.new_tensor(role.loss_weights)
