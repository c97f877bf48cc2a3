"""Features of models whose linear layers bitsandbytes has quantised (arXiv 2305.14314, 2208.07339).

A quantised weight is packed bytes: it has no gradient, and cannot take a small change. But the gradient of a
linear layer's weight needs only what flows through the layer, not the weight. So each such layer becomes a
sum: the packed weight, which stays as it is, and a separate change, for edits. A stand-in for the weight has
the name and the shape of the unquantised weight, and takes no memory."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn
from torch.nn.functional import linear

from gradiend_core.errors import ModelError
from gradiend_core.records.scope import ParameterSlice

#: bytes of a weight: in 4 bits with a number of float32 for 64 of them, in 8 with one for a row
BYTES = {"4bit": 0.5 + 4 / 64, "8bit": 1.0}


@frozen(eq=False)
class Change:
    """The change that is added to a packed weight: values of a slice of it."""

    parameter_slice: ParameterSlice
    values: Tensor

    def dense(self) -> Tensor:
        return self.parameter_slice.spread(self.values)


class QuantisedLinear(nn.Module):
    """y = (W + change) x + b, with W packed, [out, in]. `weight` stands for W in the shape that it has in the
    unquantised model, [in, out] where that is `transposed`. Its values are never read: they are NaN, in the
    memory of one number, so that a model that uses the weight outside of the layer is noticed. `length` is
    the Euclidean length of W."""

    packed: Tensor
    scales: Tensor
    change: Change | None = None

    def __init__(
        self, module: Any, unpacked: Callable[[], Tensor], packed: Tensor, scales: Tensor, dtype: torch.dtype
    ) -> None:
        super().__init__()
        from transformers.pytorch_utils import Conv1D

        self.transposed = getattr(module, "source_cls", nn.Linear) is Conv1D
        shape = (module.out_features, module.in_features)
        unread = torch.full((), torch.nan, dtype=dtype, device=packed.device)
        self.weight = nn.Parameter(
            unread.expand(shape[::-1] if self.transposed else shape), requires_grad=False
        )
        self.bias = (
            None if module.bias is None else nn.Parameter(module.bias.detach().to(dtype), requires_grad=False)
        )
        self._unpacked, self._own = unpacked, (self.weight,)  # in a tuple, which makes it no second parameter
        self.length = float(unpacked().detach().float().norm())
        self.register_buffer("packed", packed)
        self.register_buffer("scales", scales)

    def forward(self, x: Tensor) -> Tensor:
        product: Callable[..., Tensor] = _Product.apply
        y = product(x, self._unpacked)
        if self.change is not None:
            y = y + _applied(x, self.change.dense(), self.transposed)
        if (
            self.weight is not self._own[0] or self.weight.requires_grad
        ):  # torch differentiates it, or has put another there
            nothing: Callable[..., Tensor] = _Nothing.apply
            y = y + nothing(x, self.weight, self.transposed)
        return y if self.bias is None else y + self.bias


def _applied(x: Tensor, weight: Tensor, transposed: bool) -> Tensor:
    return x @ weight if transposed else linear(x, weight)


class _Product(torch.autograd.Function):
    """W x, with W unpacked only while the product is computed, forwards and backwards."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, unpacked: Callable[[], Tensor]) -> Tensor:
        return linear(x, unpacked().to(x.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.unpacked = inputs[1]

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> Any:
        return delta @ ctx.unpacked().to(delta.dtype), None

    @staticmethod
    def jvp(ctx: Any, moved: Tensor, _: None) -> Tensor:
        return linear(moved, ctx.unpacked().to(moved.dtype))


class _Nothing(torch.autograd.Function):
    """Zeros, differentiated with respect to a weight as if they were weight · x."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, transposed: bool) -> Tensor:
        return x.new_zeros(*x.shape[:-1], weight.shape[1 if transposed else 0])

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        ctx.transposed = inputs[2]

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> Any:
        a, delta = ctx.saved_tensors[0].flatten(0, -2), delta.flatten(0, -2)
        return None, a.T @ delta if ctx.transposed else delta.T @ a, None

    @staticmethod
    def jvp(ctx: Any, _: Tensor, moved: Tensor, __: None) -> Tensor:
        return _applied(ctx.saved_tensors[0], moved, ctx.transposed)


def loading_options(quantisation: str, dtype: str) -> dict[str, Any]:
    """The arguments for `from_pretrained` that quantise weights as they are read. Raises ModelError without
    bitsandbytes."""
    import logging

    from transformers import BitsAndBytesConfig
    from transformers.utils.import_utils import is_accelerate_available, is_bitsandbytes_available

    if not (is_bitsandbytes_available() and is_accelerate_available()):
        raise ModelError(
            f"gradients.quantisation={quantisation} needs bitsandbytes, which is not installed; "
            'pip install "gradiend-core[quantised]"'
        )
    if dtype == "float64":
        raise ModelError(
            "gradients.dtype is float64, but quantised weights cannot be; use float32, bfloat16 or float16"
        )
    logging.getLogger("bitsandbytes.backends").setLevel(
        logging.ERROR
    )  # it would warn of kernels that are not used here
    if quantisation == "8bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    return {"quantization_config": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")}


def make_differentiable(model: nn.Module) -> int:
    """Replaces each layer of bitsandbytes by a `QuantisedLinear`, and returns how many. Raises ModelError for
    weights that are quantised in any other way."""
    theirs = ("Linear4bit", "Linear8bitLt")
    theirs_in_model = {
        name: module for name, module in model.named_modules() if type(module).__name__ in theirs
    }
    dtype = next(
        (parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()), torch.float32
    )
    for name, module in theirs_in_model.items():
        model.set_submodule(name, _of(module, dtype))
    if theirs_in_model:
        with suppress(
            OSError, AttributeError
        ):  # where there is glibc, which keeps what was freed while weights were packed
            ctypes.CDLL(None).malloc_trim(0)
    for name, parameter in model.named_parameters():
        if not parameter.is_floating_point():
            raise ModelError(
                f"{name} has weights of type {parameter.dtype}, which have no gradient; give the model that"
                " is not quantised, and gradients.quantisation=4bit to have it in 4 bits"
            )
    return len(theirs_in_model)


def bytes_in(model: nn.Module, quantisation: str) -> int:
    """The memory that the weights of a model take once they are quantised, in bytes. The model may have no
    weights yet."""
    from transformers.pytorch_utils import Conv1D

    head = getattr(model, "get_output_embeddings", lambda: None)()  # stays as it is
    layers = [
        tensor for tensor in model.modules() if type(tensor) in (nn.Linear, Conv1D) and tensor is not head
    ]
    packed = {id(tensor.weight) for tensor in layers} if quantisation != "none" else set()
    return round(
        sum(
            tensor.numel() * (BYTES[quantisation] if id(tensor) in packed else tensor.element_size())
            for tensor in (*model.parameters(), *model.buffers())
        )
    )


def _of(module: Any, dtype: torch.dtype) -> QuantisedLinear:
    from bitsandbytes import functional

    weight = module.weight
    if type(module).__name__ == "Linear8bitLt":
        packed, scales = weight.data, weight.SCB
        return QuantisedLinear(
            module, lambda: functional.int8_vectorwise_dequant(packed, scales), packed, scales, dtype
        )
    packed, state = weight.data, weight.quant_state
    return QuantisedLinear(
        module, lambda: functional.dequantize_4bit(packed, state), packed, state.absmax, dtype
    )
