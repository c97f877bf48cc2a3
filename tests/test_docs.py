"""The documentation does what it says: every block of code and every command is run, page by page, as a
reader would."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gradiend_core import api, cli, read_suite
from gradiend_core.roles.kinds import MODEL, PARADIGM, TEXT
from gradiend_core.run.session import Session
from tests.conftest import ROOT
from tests.plugins.test_side_effects import CROWS, WINOGENDER

DOCS = ROOT / "docs" / "pages"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
#: a short `transfer`; what its nulls say is tried elsewhere
FEW_NULLS = ("evaluators.transfer.untrained=0", "evaluators.transfer.random_directions=20")
#: commands that are run elsewhere
ELSEWHERE = {
    "python3 -m venv": ".ci/run does the same",
    ".venv/bin/": ".ci/run does the same",
    ".ci/": "these run the tests",
    'pip install "gradiend-core[explore]"': "it is installed",
    "gradiend explore": "tests/whole/test_playground.py has a browser",
    "gradiend push": "tests/whole/test_hub.py has a hub",
    "gradiend explain hub:": "the same",
    "gradiend report hub:": "the same",
    "gradiend run hub:": "the same",
    "gradiend suite docs/examples/many-features.toml": "tests/benchmarks/suite.py, by hand: it has 45 runs",
    "python docs/results.py": "by hand: real models take minutes for each run",
}


def blocks() -> list[tuple[Path, list[tuple[str, str]]]]:
    found = [(page, BLOCK.findall(page.read_text(encoding="utf-8"))) for page in PAGES]
    return [(page, own) for page, own in found if any(kind for kind, _ in own)]


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder with what the pages speak of: sentences.txt, novels, reviews.csv, masked.csv, a model,
    sentence pairs."""
    from gradiend_core.plugins.manager import Plugins

    registry = Plugins.discover().registry
    texts = Path(registry.get(TEXT, "tiny-english").build()).read_text(encoding="utf-8").splitlines()
    (tmp_path / "sentences.txt").write_text("\n".join(texts[:3000]), encoding="utf-8")
    (tmp_path / "novels").mkdir()
    apart, seen = [], set[str]()
    for text in texts:  # a sentence in two novels would tie them together
        keys = {
            re.sub(r"\b(s?he|it|they)\b", "_", each, flags=re.I) for each in re.split(r"(?<=[.!?]) ", text)
        }
        apart += [text] if not keys & seen else []
        seen |= keys
    for number in range(12):
        (tmp_path / "novels" / f"{number}.txt").write_text(" ".join(apart[number::12]), encoding="utf-8")
    social = Path(registry.get(TEXT, registry.get(PARADIGM, "english-sentiment").suited["texts"]).build())
    reviews = ['"' + text.replace('"', "'") + '"' for text in social.read_text(encoding="utf-8").splitlines()]
    (tmp_path / "reviews.csv").write_text("\n".join(["review", *reviews]), encoding="utf-8")
    (tmp_path / "neutral.txt").write_text(
        "\n".join(text for text in texts if not re.search(r"\b(s?he|it|they)\b", text, re.I))
    )
    masked = [
        (re.sub(r"\bhe\b", "[MASK]", text), "he", "3SG")
        for text in texts
        if len(re.findall(r"\bhe\b", text)) == 1
    ]
    masked += [
        (re.sub(r"\bthey\b", "[MASK]", text), "they", "3PL")
        for text in texts
        if len(re.findall(r"\bthey\b", text)) == 1
    ]
    rows = [
        f'"{text}",{label},{pronoun}'
        for text, label, pronoun in [*masked[:150], *masked[-150:]]
        if '"' not in text
    ]
    (tmp_path / "masked.csv").write_text("\n".join(["masked,label,pronoun", *rows]), encoding="utf-8")
    shutil.copytree(registry.get(MODEL, "tiny-mlm").build(), tmp_path / "my-model")
    (tmp_path / "crows_pairs_anonymized.csv").write_text(CROWS)
    (tmp_path / "all_sentences.tsv").write_text(WINOGENDER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "found"), blocks(), ids=[page.relative_to(ROOT).as_posix() for page, _ in blocks()]
)
def test_every_block_does_what_it_says(page, found, desk, monkeypatch):
    names: dict[str, object] = {}
    for kind, text in found:
        if kind == "bash":
            for line in commands(text):
                run(line, desk, monkeypatch)
        elif kind == "toml":
            save(text, desk)
        elif kind == "python":
            exec(compile(text, f"{page.name}: {text[:40]!r}", "exec"), names)
            if page.name == "README.md":
                assert names["encoder"]["test.correlation"] > 0.95
                assert (
                    names["decoder"]["3PL.rewritten_probability"]
                    > 2 * names["decoder"]["3PL.base_probability"]
                )
        else:
            assert kind in ("", "text"), f"{page.name} has a block of {kind!r}, and nothing runs it"


@pytest.mark.slow
def test_the_notebook_runs(desk):
    cells = json.loads((ROOT / "docs" / "examples" / "quick-start.ipynb").read_text(encoding="utf-8"))[
        "cells"
    ]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(line for line in cell["source"] if not line.startswith("%")), names)
    assert names["best"](names["run"].loaded.model) != "they"
    assert (desk / "more-plural" / "config.json").exists()


def commands(text: str) -> list[str]:
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [part.strip() for line in lines if line.strip() for part in line.split(" && ")]


def run(line: str, desk: Path, monkeypatch) -> None:
    if any(line.startswith(start) for start in ELSEWHERE):
        return
    program, *arguments = shlex.split(line, comments=True)
    if program == "gradiend":
        if arguments[0] == "run":  # all that is not as it stands there
            few = [
                'learner={kind="adam", max_steps=30}',
                *([] if "evaluators.kinds" in line else ["evaluators.decoder.evaluations=4", *FEW_NULLS]),
            ]
            few += (
                [] if arguments[1].endswith(".toml") else ["data.max_per_class=150", "data.max_neutral=100"]
            )
            for setting in few:
                arguments += [] if setting.split("=")[0] in line else ["--set", setting]
        monkeypatch.setattr(sys, "argv", ["gradiend", *arguments])
        cli.app(arguments, standalone_mode=False)
    elif (program, *arguments[:2]) == ("pip", "install", "-e"):
        installed(desk / arguments[2], monkeypatch)
    else:
        raise AssertionError(f"nothing runs {line!r}")


def installed(folder: Path, monkeypatch) -> None:
    """As pip would, without it: the distribution's name and entry points are on the path."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
    points = [f"{name} = {module}\n" for name, module in project["entry-points"]["gradiend"].items()]
    (info / "entry_points.txt").write_text("[gradiend]\n" + "".join(points))
    monkeypatch.syspath_prepend(str(folder))


def save(text: str, desk: Path) -> None:
    """A file that is shown is a file that can be read; its first line says how it is called."""
    name = re.match(r"# (\S+\.toml)", text)
    assert name, f"{text[:60]!r} does not say how the file is called"
    path = desk / name[1]
    path.write_text(text, encoding="utf-8")
    if "[[members]]" in text:
        read_suite(path)
    else:
        Session(run_file=path)


# --- the site
# -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_its_reference_is_whole(tmp_path):
    """Links and anchors are checked by mkdocs, which stops at any warning."""
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--config-file",
        str(ROOT / "docs" / "mkdocs.yml"),
    ]
    found = subprocess.run([*command, "--site-dir", str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stderr
    site = {
        path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8")
        for path in tmp_path.rglob("*.html")
    }
    for key in (
        "learner.checkpoint_seconds",
        "data.split_by",
        "gradients.trust_remote_code",
        "comparison.nulls",
        "policy.lms_floor",
    ):
        assert key in site["reference/run-file.html"]
    for name in ("gradiend_feature_paradigms", "gradiend_run_finished"):
        assert name in site["reference/hooks.html"]
    for command_name in ("gradiend plan", "gradiend new-plugin"):
        assert command_name in site["reference/command-line.html"]
    assert "checkpoint" in site["reference/roles.html"]
    assert "encoder_bias" in site["reference/records.html"]
    assert "apply_update" in site["reference/library.html"]


def test_every_name_of_the_api_and_every_field_of_a_task_has_a_sentence():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    rows = [line for line in reference.api_of_plugins() if line.startswith("| `")]
    names = {row.split("`")[1] for row in rows}
    assert names > {*api.__all__, "ordinary", "checkpoint", "divided"}
    assert [row for row in rows if not re.search(r"\w{2}[^|]*[.…] \|$", row)] == []


def test_readme_links_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (ROOT / target).exists(), f"{page.name}: {target}"
