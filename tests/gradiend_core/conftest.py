"""Here every plugin is blocked: the core's own tests need none. What needs one is in tests/whole or
tests/plugins."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_plugin_is_installed(monkeypatch):
    monkeypatch.setattr("gradiend_core.plugins.manager.entry_points", lambda group: [])
