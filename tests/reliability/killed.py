"""kill -9, at every moment at which a job touches a file, and at moments drawn from all of its time.

A job is done by a forked process, which kills itself at the k-th such moment. The job is then given again,
and must end with the same files as one that nobody disturbed. `python -m tests.reliability killed` tries
every such moment.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from attrs import frozen

from gradiend_core.config.runfile import gather, general_settings, resolve_data, suit
from gradiend_core.plugins.manager import Plugins
from gradiend_core.run.data import DataMaker
from gradiend_core.run.data_folder import save_data
from gradiend_core.run.finished import evaluate_run, load_run
from gradiend_core.run.folder import save_run
from gradiend_core.run.session import Session
from gradiend_core.storage.manifest import MANIFEST, damage

EVENTS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree")
RUN = {
    "model": "tiny-mlm",
    "texts": "tiny-english",
    "seed": 3,
    "paradigm": {"kind": "english-pronouns", "classes": ["3SG", "3PL"]},
    "data": {"max_texts": 1500, "max_per_class": 20, "max_neutral": 20},
    "selector": {"kind": "random", "share": 0.002},
    "learner": {
        "kind": "adam",
        "max_steps": 12,
        "batch_size": 4,
        "validate_every": 4,
        "checkpoint_seconds": 0.0,
    },
    "evaluators": {
        "kinds": ["encoder", "decoder"],
        "encoder": {"random_directions": 0, "splits": ["test"]},
        "decoder": {"evaluations": 3},
    },
    "visualizers": {"kinds": ["where"]},
}


@frozen
class Job:
    """What is done in a folder, new or that of a finished run."""

    name: str
    do: Callable[[Path], None]
    on_a_run: bool = False


_plugins = Plugins.discover()
_memo: dict[str, Any] = {}


def do_run(folder: Path) -> None:
    save_run(Session(run_file=RUN, plugins=_plugins, memo=_memo), folder)


def do_evaluate(folder: Path) -> None:
    evaluate_run(folder, ["strengths"])


def do_data(folder: Path) -> None:
    table = suit(gather(None, RUN, None, (), {}, {}), _plugins.registry)
    save_data(
        DataMaker(_plugins.registry, general_settings(table), *resolve_data(table, _plugins.registry)), folder
    )


def is_whole(folder: Path) -> None:
    """A finished run stays one, whatever is done with it."""
    assert damage(folder) == []
    load_run(folder, plugins=_plugins).reports["encoder"]["test.correlation"]


JOBS = {
    job.name: job
    for job in (
        Job("run", do_run),
        Job("evaluate a finished run", do_evaluate, on_a_run=True),
        Job("data", do_data),
    )
}


def done(job: Job, folder: Path, at: int = 0, after: float = 0.0) -> int:
    """Does the job in a process of its own, which is killed at the `at`-th touch of a file in the folder or
    after so many seconds. Gives back how many touches there were, or −1 where it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            warnings.simplefilter("ignore")
            touches = 0

            def touch(event: str, arguments: tuple[Any, ...]) -> None:
                nonlocal touches
                written = (
                    event == "open"
                    and isinstance(arguments[1], str)
                    and bool(set(arguments[1]) & set("wxa+"))
                )
                if (written or event in EVENTS) and str(folder) in str(arguments[0]):
                    touches += 1
                    if touches == at:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(touch)
            job.do(folder)
            os.write(writing, str(touches).encode())
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode()[:2000])
        os._exit(0)
    os.close(writing)
    if after:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    if os.WIFSIGNALED(status):
        return -1
    assert said.isdigit(), said
    return int(said)


def content(folder: Path) -> dict[str, Any]:
    """What a job leaves: every file by its name, but for the time that things took."""
    found: dict[str, Any] = {}
    for path in sorted(
        each for each in folder.rglob("*") if each.is_file() and each.name not in (MANIFEST, ".gradiend.lock")
    ):
        name = path.relative_to(folder).as_posix()
        found[name] = path.read_bytes().replace(str(folder).encode(), b"OUT")
        if name in ("results.json", "record.json"):
            results = json.loads(path.read_bytes())
            results.pop("timing")
            found[name] = json.dumps(results)
        elif path.suffix in (".pdf", ".svg"):  # these have the date in them
            found[name] = path.suffix
    return found


def tried(job: Job, wanted: dict[str, Any], at: int = 0, after: float = 0.0) -> bool:
    """Whether it was killed in time. Raises AssertionError where it did not go on to the same files."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "out"
        if job.on_a_run:
            shutil.copytree(finished_run(), folder)
        killed = done(job, folder, at, after) == -1
        if killed:
            if job.on_a_run:
                is_whole(folder)
            assert done(job, folder) >= 0
        found = content(folder)
        assert damage(folder) == []
        assert found.keys() == wanted.keys(), found.keys() ^ wanted.keys()
        different = [name for name in wanted if found[name] != wanted[name]]
        assert not different, different
        return killed


@cache
def finished_run() -> Path:
    folder = Path(tempfile.mkdtemp()) / "out"
    assert done(JOBS["run"], folder) > 0
    return folder


def undisturbed(job: Job) -> tuple[dict[str, Any], int, float]:
    """What the job leaves when nobody disturbs it, its touches, and its seconds."""
    torch.set_num_threads(1)  # a process that has started threads cannot be forked
    import matplotlib.pyplot  # noqa: F401

    Session(run_file=RUN, plugins=_plugins, memo=_memo).loaded  # what all children would load again  # noqa: B018
    folder = Path(tempfile.mkdtemp()) / "out"
    if job.on_a_run:
        shutil.copytree(finished_run(), folder)
    start = time.perf_counter()
    touches = done(job, folder)
    return content(folder), touches, time.perf_counter() - start
