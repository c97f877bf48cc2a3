"""Plugins are found with their origin, registered strictly, blocked, isolated and observed."""

from __future__ import annotations

import pytest

from gradiend_core import hookspecs
from gradiend_core.api import hookimpl
from gradiend_core.errors import PluginError
from gradiend_core.plugins import manager
from gradiend_core.plugins.manager import Plugins


def refused(**hooks: object) -> str:
    """Why a plugin with these functions is refused."""
    with pytest.raises(PluginError) as caught:
        Plugins().register(
            type("Plugin", (), {name: staticmethod(hook) for name, hook in hooks.items()}), "mine"
        )
    return str(caught.value)


def test_what_pluggy_would_misread_is_refused():
    @hookimpl
    def misspelt(provenence=None): ...

    @hookimpl
    def greedy(**everything): ...

    @hookimpl
    def listed(*everything): ...

    def unmarked(): ...

    @hookimpl
    def unknown_hook(): ...

    @hookimpl(wrapper=True)
    def wrapper():
        yield

    @hookimpl(tryfirst=True)
    def first(): ...

    @hookimpl(specname="gradiend_run_start")
    def renamed(): ...

    assert "unknown argument of gradiend_run_started 'provenence'; did you mean 'provenance'?" in refused(
        gradiend_run_started=misspelt
    )
    assert "takes **everything; name the arguments" in refused(gradiend_run_started=greedy)
    assert "takes *everything; name the arguments" in refused(gradiend_run_started=listed)
    assert "is not marked, so it would never be called; put @hookimpl above it" in refused(
        gradiend_learners=unmarked
    )
    assert "unknown hook 'gradiend_learner'; did you mean 'gradiend_learners'?" in refused(
        gradiend_learner=unknown_hook
    )
    assert "unknown hook 'helper'" in refused(helper=unknown_hook)
    assert "asks for wrapper" in refused(gradiend_learners=wrapper)
    assert "asks for tryfirst" in refused(gradiend_learners=first)
    assert "unknown hook 'gradiend_run_start'; did you mean 'gradiend_run_started'?" in refused(
        anything=renamed
    )
    assert "it has no hooks" in refused(helper=unmarked)


def test_an_observer_that_raises_is_named_muted_and_the_others_hear_on():
    heard = []

    class Bad:
        @staticmethod
        @hookimpl
        def gradiend_step_finished(row):
            heard.append(("bad", row))
            raise ValueError("cannot listen")

    class Good:
        @staticmethod
        @hookimpl
        def gradiend_step_finished(row):
            heard.append(("good", row))

    plugins = Plugins()
    plugins.register(Bad, "bad")
    plugins.register(Good, "good")
    with pytest.warns(
        UserWarning, match="observer of plugin 'bad' failed in gradiend_step_finished and is muted"
    ):
        plugins.tell(hookspecs.gradiend_step_finished, row=1)
    plugins.tell(hookspecs.gradiend_step_finished, row=2)
    assert sorted(heard) == [("bad", 1), ("good", 1), ("good", 2)]


def test_no_plugins_at_all_says_how_to_mend_it(monkeypatch):
    monkeypatch.setattr(manager, "entry_points", lambda group: [])
    with pytest.raises(PluginError, match=r"no plugins found, not even the built-in ones.*pip install"):
        Plugins.discover()
