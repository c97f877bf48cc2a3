"""Checks of visualizers, of one feature or of many."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import evolve

from gradiend_core.comparison.report import Reading, compare_features
from gradiend_core.comparison.tables import Compared
from gradiend_core.errors import GradiendError
from gradiend_core.records.report import Report
from gradiend_core.records.run import ComparisonSettings
from gradiend_core.roles.kinds import COMPARISON_VISUALIZER, VISUALIZER
from gradiend_core.testing.checks.register import check
from gradiend_core.testing.subject import Subject


@check(VISUALIZER)
def a_figure_touches_nothing_global(subject: Subject) -> None:
    """A Figure, or None where its reports are missing; without pyplot's figures, and without a changed
    rcParam."""
    run, visualizer = subject.session, subject.build()
    reports = run.reports
    _drawn(lambda: visualizer.draw(run.feature, reports), lambda: visualizer.draw(run.feature, {}))


@check(COMPARISON_VISUALIZER)
def a_comparison_figure_touches_nothing_global(subject: Subject) -> None:
    """A Figure for 2 and for 9 features, None where its tables are missing; no figure in pyplot, no changed
    rcParam."""
    visualizer = subject.build()
    for count in (2, 9):
        report = a_comparison(subject, count)
        _drawn(partial(visualizer.draw, report), partial(visualizer.draw, Report("comparison", {})))


def a_comparison(subject: Subject, count: int) -> Report:
    """One feature, and others that each have some of its weights."""
    run = subject.session
    test, size = run.examples["test"], run.feature.scope.size
    features = [Compared("feature", (run.feature,), "model")]
    for number in range(1, count):
        decoder = run.feature.decoder.clone()
        decoder[: size * number // count] = 0
        features.append(Compared(f"feature {number}", (evolve(run.feature, decoder=decoder),), "model"))
    reading = Reading(run.gradients, test, {feature.name: range(len(test.pairs)) for feature in features})
    return compare_features(features, ComparisonSettings(), {"model": reading})


def _drawn(draw: Callable[[], Any], without: Callable[[], Any]) -> None:
    """The figure with everything that it needs, and without."""
    matplotlib_before = sys.modules.get("matplotlib")
    before, opened = dict(matplotlib_before.rcParams) if matplotlib_before else None, _open_figures()
    figure = draw()
    matplotlib, kind = (
        sys.modules["matplotlib"],
        sys.modules["matplotlib.figure"].Figure,
    )  # the plugin's; the core has none
    assert figure is None or isinstance(figure, kind), (
        f"draw gives {type(figure).__name__}, not a matplotlib Figure or None"
    )
    changed = before is not None and dict(matplotlib.rcParams) != before
    assert not changed, "it changes matplotlib.rcParams; use rc_context or set artists"
    assert _open_figures() == opened, (
        "it opens a figure in pyplot, which keeps it forever; make a matplotlib.figure.Figure"
    )
    try:
        figure = without()
    except GradiendError:
        raise
    except Exception as error:
        raise AssertionError(f"without reports draw raises {type(error).__name__}; give None") from error
    assert figure is None or isinstance(figure, kind), "without reports draw gives neither a Figure nor None"


def _open_figures() -> list[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return list(pyplot.get_fignums()) if pyplot else []
