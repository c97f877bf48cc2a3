"""The table that `gradiend plugins` prints."""

from __future__ import annotations

from gradiend_core.plugins.manager import Plugins

COLUMNS = ("name", "kind", "summary", "plugin", "distribution", "state")


def rows(plugins: Plugins) -> list[dict[str, str]]:
    """A row for each contribution, and one for each plugin that contributes nothing."""
    entries = plugins.registry.entries
    table = []
    for state in sorted(plugins.states.values(), key=lambda state: state.name):
        origin = {
            "plugin": state.name,
            "distribution": f"{state.distribution} {state.version}",
            "state": state.state,
        }
        declared = [entry for entry in entries if entry.plugin == state.name]
        for entry in declared:
            contribution = entry.contribution
            table.append(
                {
                    "name": contribution.name,
                    "kind": entry.plugin_kind.name,
                    "summary": contribution.summary,
                    **origin,
                }
            )
        if not declared:
            summary = state.cause or ("observer" if state.state == "active" else "")
            table.append({"name": "", "kind": "", "summary": summary, **origin})
    return table
