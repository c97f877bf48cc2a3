"""Several processes that share the rows of the gradient matrix, started by `torchrun`. Each takes every n-th
row, and sums are exchanged. Everything else is done by all processes alike, with the same numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor


def number() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def count() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def share(rows: int) -> list[int]:
    """The rows, of this many, that this process takes."""
    return list(range(number(), rows, count()))


def summed(values: Tensor) -> Tensor:
    """The same tensor, now holding the sum over all processes."""
    if count() > 1:
        dist.all_reduce(values)
    return values


@contextmanager
def processes() -> Iterator[bool]:
    """Joins the processes of `torchrun`, if there are any, while the context is open. Yields whether this is
    the first process."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield number() == 0
        # gloo's threads may still hold the tensors of the last sum, and must drop them before Python ends
        dist.barrier()
    finally:
        dist.destroy_process_group()
