"""Processes that torchrun starts share the rows of the gradient matrix, and find what one process finds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gradiend_core.gradients.examples import subset
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.storage.features import load_feature
from tests.conftest import ROOT

PRODUCTS = """
import sys, torch
from safetensors.torch import save_file
from gradiend_core.gradients import parallel
from gradiend_core.records.gradient_role import GradientRole
from tests.whole.test_parallel import examples_of, session

with parallel.processes() as first:
    assert parallel.count() == 2
    run = session()
    examples, directions, shares = examples_of(run)
    roles = [GradientRole.ALTERNATIVE, GradientRole.DIFFERENCE]
    found = {"project": run.gradients.project(examples, directions, roles[0])}
    found["accumulate"] = run.gradients.accumulate(examples, range(len(examples.pairs)), shares, roles)
    if first:
        save_file(found, sys.argv[1])
"""
QUICK = (
    "--set",
    'learner={kind="adam", max_steps=12}',
    "--set",
    "data.max_per_class=40",
    "--set",
    "data.max_neutral=20",
    "--set",
    'evaluators.kinds=["encoder"]',
    "--set",
    "visualizers.kinds=[]",
)


def session(**more: object):
    from gradiend_core import Session

    return Session("english-pronouns", data={"max_per_class": 40, "max_neutral": 20}, **more)


def examples_of(run):
    examples = subset(run.examples["train"], range(9))
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(3, run.gradients.scope.size, generator=generator)
    return examples, directions, torch.randn(9, generator=generator)


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        *arguments,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300)


@pytest.mark.slow
def test_two_processes_have_the_products_of_one(tmp_path: Path):
    script = tmp_path / "products.py"
    script.write_text(PRODUCTS)
    done = torchrun(str(script), str(tmp_path / "found.safetensors"))
    assert done.returncode == 0, done.stderr
    found, run = load_file(tmp_path / "found.safetensors"), session()
    examples, directions, shares = examples_of(run)
    roles = [GradientRole.ALTERNATIVE, GradientRole.DIFFERENCE]
    project = run.gradients.project(examples, directions, roles[0])
    accumulate = run.gradients.accumulate(examples, range(9), shares, roles)
    for name, wanted in (("project", project), ("accumulate", accumulate)):
        torch.testing.assert_close(found[name], wanted, rtol=0.0001, atol=1e-05 * float(wanted.abs().max()))


@pytest.mark.slow
def test_a_run_of_two_processes_is_that_of_one(tmp_path: Path):
    done = torchrun(
        "-m", "gradiend_core", "run", "english-pronouns", *QUICK, "--output", str(tmp_path / "two")
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("own words in unseen texts") == 1, "only the first says what was found"
    two = load_feature(tmp_path / "two" / "feature")
    one = session(learner={"kind": "adam", "max_steps": 12}).feature
    assert torch.nn.functional.cosine_similarity(one.decoder, two.decoder, dim=0) > 0.9999
    assert torch.nn.functional.cosine_similarity(one.encoder, two.encoder, dim=0) > 0.9999
