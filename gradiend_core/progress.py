"""Progress: the current task, how far it is and how long it will take. A bar in a terminal, elsewhere a line
every 30 seconds."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field
from tqdm import tqdm

#: seconds between two lines where there is no terminal, and after which a bar is shown where there is one
EVERY, DELAY = 30.0, 2.0


@define(eq=False)
class Task:
    """A task that takes time; `total` is None where its size is not known."""

    name: str
    total: int | None
    done: int = 0
    started: float = field(factory=time.monotonic)
    bar: tqdm[None] | None = None

    def advance(self, count: int = 1) -> None:
        """Adds to what is done."""
        self.done += count
        if self.bar is not None:
            self.bar.update(count)

    def __str__(self) -> str:
        if self.total is None:
            return self.name
        left = ""
        if self.done:
            seconds = (time.monotonic() - self.started) * (self.total - self.done) / self.done
            left = f", about {duration(seconds)} left"
        return f"{self.name} {self.done:,} of {self.total:,}{left}"


_tasks: list[Task] = []
_reporter: tuple[int, threading.Thread] | None = None
_begun = time.monotonic()
_ending = threading.Event()


@atexit.register
def _end() -> None:
    """Ends the thread before the interpreter ends, which would stop it at any point."""
    _ending.set()
    if _reporter is not None and _reporter[0] == os.getpid():
        _reporter[1].join(5)


@contextmanager
def progress(name: str, total: int | None = None) -> Iterator[Task]:
    """Shows the task while the block runs; report its progress with `advance`."""
    current = Task(name, total)
    if sys.stderr.isatty():
        layout = None if total is not None else "{desc} {elapsed}"
        current.bar = tqdm(total=total, desc=name, leave=False, delay=DELAY, bar_format=layout)
    _report()
    _tasks.append(current)
    try:
        yield current
    finally:
        _tasks.remove(current)
        if current.bar is not None:
            current.bar.close()


def duration(seconds: float) -> str:
    """A time as people write it: 45 s, 3 min, 1 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _report() -> None:
    """Starts the reporting thread, once per process."""
    global _reporter
    if _reporter is None or _reporter[0] != os.getpid() or not _reporter[1].is_alive():
        thread = threading.Thread(target=_report_for_ever, name="gradiend-progress", daemon=True)
        _reporter = os.getpid(), thread
        thread.start()


def _report_for_ever() -> None:
    last = time.monotonic()
    while not _ending.wait(min(1.0, EVERY)):
        now, current = time.monotonic(), list(_tasks)
        for running in current:
            if running.bar is not None and now - running.started > DELAY:
                running.bar.refresh()
        if now - last >= EVERY:
            last = now
            if current and current[0].bar is None:
                print(
                    f"[{duration(now - _begun)}] {'; '.join(map(str, current))}", file=sys.stderr, flush=True
                )
