"""In which precision gradients are computed."""

from __future__ import annotations

import torch
from torch import nn

#: weights of a model from which on bfloat16 saves more than its conversions cost
LARGE = 2**25


def takes_bfloat16(precision: str, model: nn.Module) -> bool:
    """Whether matrix products are to be taken in bfloat16, by `gradients.precision`. "auto" does so for a
    large model of float32 where the hardware multiplies bfloat16 faster."""
    if precision != "auto":
        return precision == "bfloat16"
    parameters = list(model.parameters())
    if sum(parameter.numel() for parameter in parameters) < LARGE:
        return False
    plain = all(parameter.dtype == torch.float32 for parameter in parameters)
    return plain and _multiplies_bfloat16(parameters[0].device)


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
