"""Plugins are found with their origin, registered strictly, blocked, isolated and observed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gradiend_core import Session, save_run
from gradiend_core.api import Contribution, NoSettings, hookimpl
from gradiend_core.errors import PluginError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.plugins.table import rows
from gradiend_core.roles.kinds import LEARNER, PARADIGM
from tests.conftest import settings

HEAD = "from gradiend_core.api import Contribution, NoSettings, hookimpl\n"


NOUNS = (
    HEAD
    + """
@hookimpl
def gradiend_feature_paradigms():
    return [Contribution("{name}", NoSettings, "{module}:nothing_yet", "a stranger's paradigm")]
"""
)


def refused(**hooks: object) -> str:
    """Why a plugin with these functions is refused."""
    with pytest.raises(PluginError) as caught:
        Plugins().register(
            type("Plugin", (), {name: staticmethod(hook) for name, hook in hooks.items()}), "mine"
        )
    return str(caught.value)


def test_built_ins_are_found_like_any_other():
    table = rows(Plugins.discover())
    kinds = {(row["kind"], row["name"]) for row in table}
    assert {
        ("paradigm", "english-pronouns"),
        ("source", "mlm"),
        ("source", "clm"),
        ("learner", "adam"),
        ("model", "tiny-clm"),
    } <= kinds
    assert {row["state"] for row in table} == {"active"}
    assert all(row["distribution"].startswith("gradiend-core ") for row in table)


def test_a_third_party_plugin_is_found_with_its_origin_and_can_be_blocked(distribution):
    distribution("acme-nouns", NOUNS.format(name="nouns", module="acme_nouns"), version="2.3")
    (row,) = [row for row in rows(Plugins.discover()) if row["plugin"] == "acme-nouns"]
    assert (row["name"], row["kind"], row["distribution"], row["state"]) == (
        "nouns",
        "paradigm",
        "acme-nouns 2.3",
        "active",
    )
    blocked = Plugins.discover(["acme-nouns"])
    (row,) = [row for row in rows(blocked) if row["plugin"] == "acme-nouns"]
    assert (row["name"], row["state"]) == ("", "blocked")
    with pytest.raises(PluginError, match="plugin 'acme-nouns' is blocked"):
        blocked.registry.get(PARADIGM, "nouns")
    with pytest.raises(PluginError, match="unknown plugin to disable 'acme-noun'; did you mean 'acme-nouns'"):
        Plugins.discover(["acme-noun"])


def test_a_blocked_plugin_is_not_even_imported(distribution):
    distribution("acme-loud", "raise RuntimeError('imported')")
    assert Plugins.discover(["acme-loud"]).states["acme-loud"].state == "blocked"
    assert Plugins.discover().states["acme-loud"].cause == "RuntimeError: imported"


def test_a_broken_plugin_is_reported_and_the_others_go_on(distribution):
    distribution("acme-broken", "import a_module_that_is_not_there")
    distribution("acme-refused", HEAD + "@hookimpl\ndef gradiend_learnerz():\n    return []\n")
    distribution("acme-late", HEAD + "@hookimpl\ndef gradiend_learners():\n    return [1]\n")
    plugins = Plugins.discover()
    causes = {state.name: state.cause for state in plugins.failed}
    assert causes["acme-broken"] == "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"
    assert "unknown hook 'gradiend_learnerz'; did you mean 'gradiend_learners'?" in causes["acme-refused"]
    assert "yielded 1, which is no Contribution" in causes["acme-late"]
    assert plugins.registry.get(LEARNER, "adam")
    with pytest.raises(
        PluginError,
        match=r"unknown learner 'acme'.*plugin 'acme-broken' of acme-broken 1.0 failed: ModuleNotFoundError",
    ):
        plugins.registry.get(LEARNER, "acme")


def test_two_plugins_with_one_name_are_an_error_that_names_both(distribution):
    distribution("acme-one", NOUNS.format(name="nouns", module="acme_one"))
    distribution("acme-two", NOUNS.format(name="nouns", module="acme_two"))
    with pytest.raises(
        PluginError,
        match=r"plugins 'acme-one' and 'acme-two' both contribute the paradigm 'nouns'; block one",
    ):
        _ = Plugins.discover().registry
    assert Plugins.discover(["acme-two"]).registry.get(PARADIGM, "nouns")
    distribution("acme-three", NOUNS.format(name="verbs", module="acme_three"), plugin="acme-one")
    with pytest.raises(
        PluginError,
        match=r"two plugins are named 'acme-one': .* of acme-(one|three) and .* of acme-(one|three)",
    ):
        Plugins.discover(["acme-two"])


def test_a_factory_is_imported_only_when_needed(distribution):
    distribution("acme-lazy", NOUNS.format(name="nouns", module="no_such_module"))
    contribution = Plugins.discover().registry.get(PARADIGM, "nouns")
    with pytest.raises(
        PluginError,
        match="'nouns' names the factory 'no_such_module:nothing_yet', which cannot be imported: No module",
    ):
        contribution.build()
    with pytest.raises(ValueError):
        Contribution("Wrong Name", NoSettings, "a:b", "")


def test_a_run_tells_its_observers_what_happens_in_order(tmp_path):
    heard = []

    def observer(name: str, argument: str):
        namespace: dict[str, object] = {"heard": heard}
        exec(f"def {name}({argument}): heard.append(({name!r}, {argument}))", namespace)
        return staticmethod(hookimpl(namespace[name]))

    hooks = {
        "gradiend_run_started": "provenance",
        "gradiend_step_finished": "row",
        "gradiend_feature_learned": "feature",
        "gradiend_evaluated": "report",
        "gradiend_model_rewritten": "update",
        "gradiend_run_finished": "output",
    }
    plugins = Plugins.discover()
    plugins.register(
        type("Observer", (), {name: observer(name, argument) for name, argument in hooks.items()}), "observer"
    )
    run = Session("english-pronouns", plugins=plugins, **settings(learner={"kind": "adam", "max_steps": 3}))
    save_run(run, tmp_path / "out")
    steps, evaluated, rewritten = (
        ["gradiend_" + name] * n
        for name, n in (("step_finished", 3), ("evaluated", 7), ("model_rewritten", 2))
    )
    names = [name for name, _ in heard]
    assert names == [
        "gradiend_run_started",
        *steps,
        "gradiend_feature_learned",
        *evaluated,
        *rewritten,
        "gradiend_run_finished",
    ]
    assert [value.step for name, value in heard if name == "gradiend_step_finished"] == [1, 2, 3]
    assert heard[-1][1] == tmp_path / "out"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_prints_the_table(options):
    found = subprocess.run(
        [sys.executable, "-m", "gradiend_core", "plugins", "--disable-plugin", "visualizers", *options],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert "english-pronouns" in found.stdout
    assert "blocked" in found.stdout
    if options:
        assert {"name", "kind", "summary", "plugin", "distribution", "state"} == set(
            json.loads(found.stdout)[0]
        )
