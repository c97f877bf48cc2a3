"""Some of what `python -m tests.reliability` tries in full, and that the table in the docs is of it."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.reliability import faults, hostile, killed

PAGE = (ROOT / "docs" / "pages" / "reliability.md").read_text(encoding="utf-8")
#: changed files of each loader, in the tests; those that read through `datasets` or load a model take longer
FEW, SLOW = 60, 6


@pytest.mark.parametrize("name", hostile.LOADERS)
def test_hostile_files_are_loaded_or_refused(name):
    loader = hostile.LOADERS[name]

    @settings(
        max_examples=SLOW if name in hostile.SLOW else FEW,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(10**6, 2 * 10**6))
    def one(seed):
        hostile.attempt(loader, random.Random(seed))

    one()


@pytest.mark.slow
@pytest.mark.parametrize("name", killed.JOBS)
def test_a_killed_job_goes_on_to_the_same_files(name):
    job = killed.JOBS[name]
    wanted, touches, seconds = killed.undisturbed(job)
    assert touches > 20
    for at in (touches // 6, touches // 2, touches - 1):
        assert killed.tried(job, wanted, at)
    killed.tried(job, wanted, after=seconds / 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", faults.FAULTS)
def test_what_goes_wrong_is_survived_or_said(name):
    try:
        faults.tried(name)
    except faults.NotHere as reason:
        pytest.skip(str(reason))


def test_the_table_in_the_docs_is_of_all_that_is_tried():
    """And of enough; `python -m tests.reliability` writes it."""
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([\d,]+) \|", PAGE, re.M))
    counts = {name: int(count.replace(",", "")) for name, count in rows.items()}
    assert counts.keys() == {*hostile.LOADERS, *killed.JOBS, *faults.FAULTS}
    assert sum(counts[name] for name in hostile.LOADERS) >= 10_000
    assert counts["run"] >= 200
    failed = re.findall(r"^\| [^|]+ \| [\d,]+ \|.*\| ([\d,]+) \|$", PAGE, re.M)
    assert set(failed) == {"0"}
