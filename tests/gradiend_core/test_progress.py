"""Where no terminal is, a plain line says every 30 seconds what is done and how long it will take."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gradiend_core.progress import Task, duration

CODE = """
import time
from gradiend_core import progress
progress.EVERY = 0.3
with progress.progress("learning"), progress.progress("steps", 4) as steps:
    for _ in range(4):
        time.sleep(0.25)
        steps.advance()
    time.sleep(0.5)
"""


def test_lines_come_while_a_task_runs_and_none_without_one():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert len(lines) >= 3
    assert all("learning; steps " in line for line in lines)
    assert any(" of 4, about " in line and line.endswith(" left") for line in lines)
    assert "\r" not in done.stderr


def test_a_task_says_how_long_it_will_take(monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    task = Task("steps", 200, started=0.0)
    assert str(task) == "steps 0 of 200"
    task.advance(50)
    assert str(task) == "steps 50 of 200, about 5 min left"
    assert str(Task("texts", None)) == "texts"


@pytest.mark.parametrize(("seconds", "text"), [(4, "4 s"), (89, "89 s"), (95, "2 min"), (7300, "2 h 2 min")])
def test_durations(seconds, text):
    assert duration(seconds) == text
