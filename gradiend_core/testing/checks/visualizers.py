"""Of visualizers."""

from __future__ import annotations

import sys

from gradiend_core.errors import GradiendError
from gradiend_core.testing.checks.register import check
from gradiend_core.testing.subject import Subject


@check("figures")
def a_figure_touches_nothing_global(subject: Subject) -> None:
    """A Figure, or None where its reports are missing; without pyplot's figures, and without a changed rcParam."""
    run, visualizer = subject.session, subject.build()
    reports = run.reports
    matplotlib, kind = sys.modules["matplotlib"], sys.modules["matplotlib.figure"].Figure  # the plugin's; the core has none
    before, opened = dict(matplotlib.rcParams), _open_figures()
    figure = visualizer.draw(run.feature, reports)
    assert figure is None or isinstance(figure, kind), f"draw gives {type(figure).__name__}, not a matplotlib Figure or None"
    assert dict(matplotlib.rcParams) == before, "it changes matplotlib.rcParams; use rc_context or set artists"
    assert _open_figures() == opened, "it opens a figure in pyplot, which keeps it forever; make a matplotlib.figure.Figure"
    try:
        without = visualizer.draw(run.feature, {})
    except GradiendError:
        raise
    except Exception as error:
        raise AssertionError(f"without reports draw raises {type(error).__name__}; give None") from error
    assert without is None or isinstance(without, kind), "without reports draw gives neither a Figure nor None"


def _open_figures() -> list[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return list(pyplot.get_fignums()) if pyplot else []
