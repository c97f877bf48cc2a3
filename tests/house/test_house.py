"""The rules of the house: what may import what, what is light, and that the core stands without its
plugins."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from gradiend_core.config.described import described
from gradiend_core.config.runfile import CORE, suit
from gradiend_core.errors import ConfigError, PluginError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.contribution import SECTIONS
from gradiend_core.roles.kinds import EVALUATOR, LEARNER, PARADIGM, SELECTOR, VISUALIZER
from tests.conftest import ROOT

HEAVY = {"torch", "transformers", "datasets", "matplotlib", "numpy", "scipy", "pandas"}
HELP = (
    "import sys; sys.argv = ['gradiend', '--help']\nfrom gradiend_core.cli import main\ntry: main()\nexcept"
    " SystemExit: pass"
)
PLUGINS = sorted(path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").exists())


def modules_after(code: str) -> set[str]:
    found = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(found.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import gradiend_core",
        "import gradiend_core.api",
        *(f"import {name}" for name in PLUGINS),
        "from gradiend_core.plugins.manager import Plugins; Plugins.discover().registry",
    ],
)
def test_declarations_are_light(code):
    assert not modules_after(code) & HEAVY


def test_help_is_light():
    assert not modules_after(HELP) & HEAVY


@pytest.mark.parametrize(
    ("code", "most"), [("import gradiend_core", 25), ("import gradiend_core.api", 170), (HELP, 420)]
)
def test_importing_stays_within_its_budget(code, most):
    """Modules that are loaded beyond a bare Python: a count, as seconds are another machine's."""
    bare = modules_after("import sys")
    loaded = (
        modules_after(
            f"import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()):\n    exec({code!r})"
        )
        - bare
    )
    assert len(loaded) <= most, f"{len(loaded)} modules"


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugins_import_the_api_and_themselves(plugin):
    for path in (ROOT / "plugins" / plugin).rglob("*.py"):
        own = {name for name in imports_of(path) if name.startswith("gradiend_")}
        assert all(name == "gradiend_core.api" or name.split(".")[0] == plugin for name in own), path


def test_the_core_knows_no_plugin_and_no_figure():
    for path in (ROOT / "gradiend_core").rglob("*.py"):
        tops = {name.split(".")[0] for name in imports_of(path)}
        # figures of any plugin get their style and their words in one place
        drawing = {"matplotlib"} if path.name != "drawing.py" else set()
        assert not tops & {*drawing, *PLUGINS}, path


def test_import_contracts_hold():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--config", "pyproject.toml"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_the_core_stands_with_every_built_in_blocked():
    names = list(Plugins.discover().states)
    blocked = Plugins.discover(names)
    assert blocked.registry.entries == ()
    with pytest.raises(
        PluginError, match="unknown paradigm 'english-pronouns'.*plugin 'pronouns' is blocked"
    ):
        blocked.registry.get(PARADIGM, "english-pronouns")
    with pytest.raises(ConfigError, match="no paradigm is named, and none is the default .*is blocked"):
        suit({}, blocked.registry)
    code = (
        "import gradiend_core.run.session, gradiend_core.run.folder, gradiend_core.cli,"
        " gradiend_core.finished.suite"
    )
    assert not modules_after(code) & {*PLUGINS, "matplotlib", "transformers"}


def test_tests_of_the_core_import_no_plugin():
    for path in (ROOT / "tests" / "gradiend_core").glob("*.py"):
        assert not {name.split(".")[0] for name in imports_of(path)} & set(PLUGINS), path


def test_every_setting_says_what_it_means():
    for table in described(Plugins.discover().registry):
        for setting in table.settings:
            assert setting.about.endswith("."), f"{setting.path} of {table.contribution or table.table}"


def test_the_core_names_no_evaluator_learner_or_figure():
    """By a `Trait` it knows what one is; the kit alone runs some of them."""
    registry = Plugins.discover().registry
    kinds = (EVALUATOR, LEARNER, VISUALIZER, SELECTOR)
    # what is also a section of the report, a table of the run file or of a report, or a stage
    names = {name for kind in kinds for name in registry.names(kind)} - {
        *SECTIONS,
        *CORE,
        "encodings",
        "rewriting",
    }
    for path in (ROOT / "gradiend_core").rglob("*.py"):
        if "testing" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        quoted = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        named = {value for value in quoted if isinstance(value, str)} & names
        assert not named, path


def test_variables_have_names_that_say_what_they_hold():
    riddles = {"own", "found", "each", "place", "places", "part", "parts"}
    for path in [*(ROOT / "gradiend_core").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        fields = {node.target for node in nodes if isinstance(node, ast.AnnAssign)}
        names = {node.id for node in nodes if isinstance(node, ast.Name) and node not in fields}
        names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        assert not names & riddles, path


def test_every_built_in_is_installed():
    installed = {
        state.entry_point
        for state in Plugins.discover().states.values()
        if state.distribution == "gradiend-core"
    }
    assert installed == set(PLUGINS)


def test_every_name_of_the_api_is_there():
    from gradiend_core import api

    for name in api.__all__:
        assert getattr(api, name) is not None
    assert dir(api) == api.__all__
    with pytest.raises(AttributeError):
        _ = api.nothing
