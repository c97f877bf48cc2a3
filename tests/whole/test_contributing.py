"""A stranger's way: a skeleton that passes its kit at once, and a whole distribution: built, installed, run
and blocked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gradiend_core import Session, cli
from gradiend_core.errors import ConfigError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.testing import outcomes
from gradiend_core.testing.skeleton import SKELETONS, write_plugin
from tests.conftest import ROOT, settings

#: shared by all packages that are checked, as most of what is read is the same
MYPY = Path(tempfile.gettempdir()) / "gradiend-mypy"

EXAMPLE = ROOT / "docs" / "examples" / "gradiend-shapes"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Puts a distribution's folder on the path as an installer would."""

    def install(folder: Path, name: str, module: str) -> None:
        info = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[gradiend]\n{name} = {module}\n")
        # another test may have imported a package of this name
        for loaded in [imported for imported in sys.modules if imported.split(".")[0] == module]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.syspath_prepend(str(folder))

    return install


@pytest.mark.parametrize("kind", SKELETONS)
def test_a_new_plugin_passes_its_kit_at_once(kind, tmp_path, installed, capsys):
    name = f"acme-{kind}"
    cli.app(["new-plugin", kind, name, "--output", str(tmp_path / name)], standalone_mode=False)
    assert f"gradiend check {name}" in capsys.readouterr().out
    code = [
        line
        for path in (tmp_path / name).rglob("*.py")
        for line in path.read_text().splitlines()
        if line.strip()
    ]
    assert len(code) <= 60
    for path in (tmp_path / name).rglob("*"):
        assert path.is_dir() or "$" not in path.read_text(), f"{path} has a gap"
    installed(tmp_path / name, name, name.replace("-", "_"))
    found = list(outcomes(name))
    assert len(found) >= 3
    assert not [each for each in found if each.problem]


def problems_of_types(folder: Path, package: str) -> str:
    """What mypy --strict finds in a package, and where it is used as what it is."""
    environment = {**os.environ, "MYPYPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    options = ["--strict", "--follow-imports=silent", "--cache-dir", str(MYPY)]
    command = [sys.executable, "-m", "mypy", *options, package]
    checked = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return checked.stdout if checked.returncode else ""


@pytest.mark.parametrize("kind", SKELETONS)
def test_a_new_plugin_is_typed(kind, tmp_path):
    folder = write_plugin(kind, f"acme-{kind}", tmp_path / "acme")
    assert not problems_of_types(folder, f"acme_{kind.replace('-', '_')}")


def test_the_how_to_leads_to_an_evaluator(tmp_path, installed):
    """docs/pages/how-to/own-plugin.md, word for word."""
    page = (ROOT / "docs" / "pages" / "how-to" / "own-plugin.md").read_text(encoding="utf-8")
    declaring, working = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    folder = write_plugin("evaluator", "layer-auc", tmp_path / "layer-auc")
    (folder / "layer_auc" / "__init__.py").write_text(declaring, encoding="utf-8")
    (folder / "layer_auc" / "implementation.py").write_text(working, encoding="utf-8")
    assert not problems_of_types(folder, "layer_auc")
    installed(folder, "layer-auc", "layer_auc")
    assert not [outcome.problem for outcome in outcomes("layer-auc") if outcome.problem]
    run = Session("english-pronouns", **settings(evaluators={"kinds": ["layer-auc"]}))
    by_layer = {name[-1]: metric for name, metric in run.reports["layer-auc"].metrics.items()}
    assert list(by_layer) == ["0", "1", "2"]
    pairs = len(run.examples["test"].pairs)
    assert all(0.5 < metric.value <= 1 and metric.n == pairs for metric in by_layer.values())


def test_what_cannot_be_a_plugin_is_refused(tmp_path):
    for arguments, words in [
        (["paradise", "mine"], "unknown kind of plugin 'paradise'; did you mean 'paradigm'"),
        (
            ["paradigm", "My Plugin"],
            "'My Plugin' is not a name for a plugin; use small letters, digits and hyphens",
        ),
    ]:
        with pytest.raises(ConfigError, match=words):
            cli.app(["new-plugin", *arguments, "--output", str(tmp_path / "x")], standalone_mode=False)
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_plugin_whose_model_reads_no_text(tmp_path):
    """Built by pip and installed into a folder of its own; its kit, its run, and a run without it."""
    place = tmp_path / "site"
    copied = shutil.copytree(EXAMPLE, tmp_path / "source")  # a build leaves files beside what it builds
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(place),
        str(copied),
    ]
    built = subprocess.run(pip, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    environment = {**os.environ, "PYTHONPATH": str(place)}

    def gradiend(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "gradiend"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)

    rows = json.loads(gradiend("plugins", "--json").stdout)
    assert {row["kind"] for row in rows if row["plugin"] == "shapes"} == {
        "paradigm",
        "source",
        "model",
        "text",
    }
    for arguments in (["shapes"], ["image-label", "--set", "paradigm.kind=shapes"]):
        checked = gradiend("check", *arguments)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    ran = gradiend("run", "shapes", "--output", "out", "--set", "learner.kind=mean-difference")
    assert ran.returncode == 0, ran.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["encoder"]["test"]["correlation"] > 0.7
    assert results["provenance"]["plugins"][:1] != ["mlm"]
    blocked = gradiend("run", "shapes", "--output", "out2", "--disable-plugin", "shapes")
    assert blocked.returncode == 1
    assert "plugin 'shapes' is blocked" in blocked.stderr
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "tests")],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert tested.returncode == 0, tested.stdout
    assert "shapes" not in Plugins.discover().states
