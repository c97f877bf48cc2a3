"""The number of threads that torch uses: all, unless other work on the machine makes one thread faster."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

#: how much faster one thread must be before it is taken: on a free machine it never is
FASTER = 1.5
#: times that each number of threads is tried
TRIES = 3


def choose_threads(asked: int, trial: Callable[[], object], device: torch.device) -> str:
    """Sets the number of threads of this process: the given number, or for 0 the one that a trial of the
    run's work suggests. Returns a note for the reader, or ""."""
    if asked:
        torch.set_num_threads(asked)
        return ""
    usual = torch.get_num_threads()
    if usual == 1 or device.type != "cpu":
        return ""
    seconds = {usual: float("inf"), 1: float("inf")}
    trial()  # the first time is slower than all others
    for _ in range(TRIES):
        for threads in seconds:
            torch.set_num_threads(threads)
            start = time.perf_counter()
            trial()
            seconds[threads] = min(seconds[threads], time.perf_counter() - start)
    chosen = 1 if seconds[1] * FASTER < seconds[usual] else usual
    torch.set_num_threads(chosen)
    if chosen == usual:
        return ""
    return (
        f"one thread was {seconds[usual] / seconds[1]:.1f} times as fast as {usual} here, as on a machine"
        " with other work, so one is used; gradients.threads sets their number"
    )
