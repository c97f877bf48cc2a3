"""The precision in which gradients are computed."""

from __future__ import annotations

import time
from functools import cache

import torch
from torch import nn

#: weights of a model from which on bfloat16 saves more than its conversions cost
LARGE = 2**25
#: how much faster a product of two such square matrices must be in bfloat16, and how often both are tried
FASTER, SIZE, TRIES = 1.5, 512, 5


def takes_bfloat16(precision: str, model: nn.Module) -> bool:
    """Whether matrix products are computed in bfloat16, by `gradients.precision`. "auto" does so for a large
    float32 model where the hardware multiplies faster in bfloat16."""
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
    return bool(able.get("avx512_bf16") or able.get("amx_bf16")) and gained_by_bfloat16() >= FASTER


@cache
def gained_by_bfloat16() -> float:
    """How many times faster this processor multiplies matrices in bfloat16 than in float32, measured once.
    Having the instructions says little: with AMX it is several times, with AVX-512 alone it was half."""
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    matrices = {dtype: torch.ones(SIZE, SIZE, dtype=dtype) for dtype in seconds}
    for attempt in range(1 + TRIES):
        for dtype, matrix in matrices.items():
            start = time.perf_counter()
            matrix @ matrix
            taken = time.perf_counter() - start
            if attempt:  # the first time is slower than all others
                seconds[dtype] = min(seconds[dtype], taken)
    return seconds[torch.float32] / seconds[torch.bfloat16]
