"""Many runs from one file, one after the other or at once, and the comparison of their features.

OUTPUT/runs/NAME/     each run, as `gradiend run` writes it
OUTPUT/comparison/    what `gradiend compare` writes
OUTPUT/suite.json     what became of each run
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from gradiend_core.config.suitefile import Member, Suite
from gradiend_core.errors import GradiendError
from gradiend_core.finished.comparing import compare_runs, save_comparison
from gradiend_core.finished.spread import (
    MetricRow,
    SpreadRow,
    first_findings,
    lines_of,
    metrics_of,
    over_seeds,
)
from gradiend_core.plugins.manager import Plugins
from gradiend_core.progress import progress
from gradiend_core.records.report import Report, Table
from gradiend_core.run.folder import has_run, save_run
from gradiend_core.run.session import Session
from gradiend_core.storage.files import write_json
from gradiend_core.storage.folders import claimed

STATE = "suite.json"
#: models and texts of the runs that this process has done
_memo: dict[str, Any] = {}


@frozen(eq=False)
class SuiteResult:
    """The folders of the finished runs, the reasons why others failed, the comparison if at least two
    finished, and the first sentence of each run's findings."""

    finished: dict[str, Path]
    failed: dict[str, str]
    report: Report | None
    findings: dict[str, str] = field(factory=dict)


def run_suite(
    suite: Suite,
    output: str | Path,
    executor: Executor | None = None,
    tell: Callable[[str], None] = lambda _: None,
    *,
    overwrite: bool = False,
) -> SuiteResult:
    """Runs every member of a suite that is not finished, then compares the features. A run that fails is left
    out, and the others go on. Runs in this process share models and texts.

    An `executor` of `concurrent.futures`, or a compatible one such as Dask's `client.get_executor()`, starts
    the runs in parallel, in processes that share the folder; each process shares models and texts among its
    runs. A finished run with other settings is an error, unless `overwrite` is set, which repeats it."""
    output = Path(output)
    with claimed(output, STATE):
        return _run(suite, output, executor, tell, overwrite)


def _run(
    suite: Suite, output: Path, executor: Executor | None, tell: Callable[[str], None], overwrite: bool
) -> SuiteResult:
    folders = {member.name: output / "runs" / member.name for member in suite.members}
    failed: dict[str, str] = {}
    write_json(output / STATE, {"finished": [], "failed": failed})

    with progress("runs", len(folders)) as runs:

        def done(name: str, problem: str | None) -> None:
            runs.advance()
            if problem:
                failed[name] = problem
            tell(f"{runs.done} of {len(folders)}  {name}: {problem or 'done'}")

        if executor is None:
            _memo.clear()
            for member in suite.members:
                done(member.name, run_member(member, folders[member.name], overwrite))
        else:
            jobs = {
                executor.submit(run_member, member, folders[member.name], overwrite): member.name
                for member in suite.members
            }
            for job in as_completed(jobs):
                done(jobs[job], job.result())
    finished = {name: folder for name, folder in folders.items() if name not in failed}
    write_json(output / STATE, {"finished": list(finished), "failed": failed})
    report = None
    if len(finished) > 1:
        report = compare_runs(finished, suite.comparison, memo=_memo)
        metrics = metrics_of(finished)
        repeated = {member.name: member.repeated for member in suite.members if member.repeated}
        tables = {"metrics": Table.of(MetricRow, metrics)}
        if spread := over_seeds(metrics, repeated):
            tables["spread"] = Table.of(SpreadRow, spread)
        report = evolve(report, tables={**report.tables, **tables}, lines=(*report.lines, *lines_of(spread)))
        save_comparison(report, output / "comparison", figures=suite.figures, overwrite=True)
    return SuiteResult(finished, failed, report, first_findings(finished))


def run_member(member: Member, folder: Path, overwrite: bool = False) -> str | None:
    """Starts a run, unless its folder has exactly this run already. Returns the reason if it failed."""
    try:
        session = Session(run_file=member.tables, plugins=_plugins(member), memo=_memo)
        if not has_run(folder, session):
            save_run(session, folder, overwrite=overwrite)
    except GradiendError as error:
        return str(error)
    except Exception as error:  # a defect in one run is no reason to lose the others
        return f"{type(error).__name__}: {error}"
    return None


@contextmanager
def workers(count: int) -> Iterator[Executor | None]:
    """An executor of that many processes, which share the cores; None for one process."""
    if count == 1:
        yield None
        return
    threads = max(1, (os.cpu_count() or 1) // count)
    with ProcessPoolExecutor(count, get_context("spawn"), _use_threads, (threads,)) as executor:
        yield executor


def _use_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def _plugins(member: Member) -> Plugins:
    blocked = tuple(member.tables.get("disable_plugins", ()))
    key = repr(("plugins", blocked))
    if key not in _memo:
        _memo[key] = Plugins.discover(blocked)
    plugins: Plugins = _memo[key]
    return plugins
