"""Models, texts and plugins that many tests need. Nothing here reaches a network."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # two processes share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent.parent
ASSETS = ROOT.parent / "shared" / "assets"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
STORIES = ASSETS / "text" / "tinystories" / "tiny_stories_cased.txt"


def asset(path: str) -> str:
    """A file or folder of the shared assets; the test is skipped, and says so, where they are absent."""
    if not (ASSETS / path).exists():
        pytest.skip(f"../shared/assets/{path} is not there")
    return str(ASSETS / path)


def settings(**more: object) -> dict[str, dict[str, object]]:
    """Tables of a quick run."""
    tables = {
        "learner": {"kind": "adam", "max_steps": 40, "validate_every": 20},
        "data": {"max_per_class": 150, "max_neutral": 60},
        "evaluators": {
            "transfer": {"untrained": 0, "random_directions": 20, "controls": 5},
            "decoder": {"evaluations": 4},
        },
        "rewrite": {"dampings": [0.1]},
    }
    return {**tables, **more}


@pytest.fixture(scope="session")
def quick():
    """A quick run on tiny-mlm, with everything computed on demand and shared by the tests that only read
    it."""
    from gradiend_core import Session

    return Session("english-pronouns", **settings())


@pytest.fixture
def gradiend(monkeypatch, capsys):
    """The command line in this process: exit status, output and errors of a command."""
    from gradiend_core import cli

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gradiend", *map(str, arguments)])
        monkeypatch.setattr("warnings.showwarning", None)
        code: object = 0
        try:
            cli.main()
        except SystemExit as leave:
            code = leave.code
        out, err = capsys.readouterr()
        return (code, out, err) if isinstance(code, int) else (1, out, err + str(code))

    return call


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Installs a third-party distribution with one plugin, as a folder on the path, and returns its
    folder."""

    def install(name: str, code: str, *, plugin: str | None = None, version: str = "1.0") -> Path:
        folder = tmp_path / name
        module = name.replace("-", "_")
        monkeypatch.delitem(sys.modules, module, raising=False)  # of another test's distribution
        info = folder / f"{module}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[gradiend]\n{plugin or name} = {module}\n")
        (folder / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return install


def pytest_collection_modifyitems(items):
    """The longest file first, so that one process does not wait for the other at the end."""
    first = ("test_docs", "test_main_job", "test_reliability")
    items.sort(
        key=lambda item: next((place for place, name in enumerate(first) if name in item.nodeid), len(first))
    )


def accessibility_faults(browser) -> list[tuple[str, str]]:
    """The serious faults that axe-core finds in the page that a browser shows, with the elements."""
    import axe_selenium_python

    (script,) = Path(axe_selenium_python.__file__).parent.rglob("axe.min.js")
    browser.execute_script(script.read_text(encoding="utf-8"))
    result = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    return [
        (fault["help"], ", ".join(node["html"][:80] for node in fault["nodes"]))
        for fault in result["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.fixture(scope="module")
def browser():
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium here; apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()
