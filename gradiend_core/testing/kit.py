"""The kit: runs the checks of a kind of plugin on installed contributions, from the command line or as
tests."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from gradiend_core.errors import GradiendError, PluginError, unknown
from gradiend_core.plugins.manager import Plugins
from gradiend_core.testing.checks import Check, checks_of
from gradiend_core.testing.subject import Subject


@frozen
class Outcome:
    """The result of a check on a contribution; empty where the promise holds."""

    plugin_kind: str
    name: str
    promise: str
    problem: str = ""


def subjects(name: str, plugins: Plugins | None = None, **tables: Any) -> list[Subject]:
    """The contributions of this name or, if there are none, those of the plugin of this name."""
    discovered = plugins or Plugins.discover()
    entries = discovered.registry.entries
    entries_of_name = [entry for entry in entries if name == entry.contribution.name] or [
        entry for entry in entries if name == entry.plugin
    ]
    if not entries_of_name and (state := discovered.states.get(name)):
        if state.state == "active":
            raise PluginError(
                f"plugin {name!r} contributes nothing that could be checked; it only observes runs"
            )
        raise PluginError(
            f"plugin {name!r} of {state.distribution} {state.version} is {state.state}"
            + (f": {state.cause}" if state.cause else "")
        )
    if not entries_of_name:
        known = sorted({entry.plugin for entry in entries})
        raise PluginError(unknown("plugin or contribution", name, known))
    return [Subject(entry, discovered, tables) for entry in entries_of_name]


def outcomes(name: str, plugins: Plugins | None = None, **tables: Any) -> Iterator[Outcome]:
    """The results of all checks of all contributions of this name, as they finish."""
    for subject in subjects(name, plugins, **tables):
        for check in checks_of(subject.plugin_kind):
            yield Outcome(
                subject.plugin_kind.name, subject.name, promise_of(check), problem_of(check, subject)
            )


def promise_of(check: Check) -> str:
    return (check.__doc__ or "").strip()


def problem_of(check: Check, subject: Subject) -> str:
    """The reason why the promise does not hold, as a sentence; "" if it holds."""
    try:
        check(subject)
    except AssertionError as error:
        return str(error).splitlines()[0] if str(error) else "the check failed"
    except GradiendError as error:
        return f"its run is refused: {error}"
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else ""
        return f"{type(error).__name__}: {first} ({where_raised(error)})"
    return ""


def where_raised(error: BaseException) -> str:
    """File and line of the innermost frame outside of installed libraries: usually the plugin's."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if "site-packages" not in frame.filename]
    last = (outside or frames)[-1]
    return f"{last.filename}:{last.lineno}"


def contract(
    name: str,
    expected_failures: Mapping[str, str] | None = None,
    plugins: Plugins | None = None,
    **tables: Any,
) -> type:
    """A class of pytest tests, one for each check of each contribution of this name: `TestMine =
    contract("mine")`. `expected_failures` gives, by the name of a check, the reason why it may fail; if it
    passes nevertheless, that is an error too."""
    expected, body = dict(expected_failures or {}), {}
    for subject in subjects(name, plugins, **tables):
        for check in checks_of(subject.plugin_kind):
            body[f"test_{subject.plugin_kind.name}_{subject.name.replace('-', '_')}_{check.__name__}"] = (
                _test(check, subject, expected)
            )
    if unused := set(expected) - {
        check.__name__ for subject in subjects(name, plugins) for check in checks_of(subject.plugin_kind)
    }:
        raise PluginError(f"expected_failures names {sorted(unused)[0]!r}, which is not a check of {name!r}")
    return type(f"Test_{name}", (), body)


def _test(check: Check, subject: Subject, expected: Mapping[str, str]) -> Callable[[Any], None]:
    def test(self: Any) -> None:
        problem, reason = problem_of(check, subject), expected.get(check.__name__)
        if reason and not problem:
            raise AssertionError(
                f"{check.__name__} holds, though it is expected to fail ({reason}); take it out"
            )
        if problem and not reason:
            raise AssertionError(f"{subject.plugin_kind} {subject.name}: {problem}")

    test.__doc__ = promise_of(check)
    return test
