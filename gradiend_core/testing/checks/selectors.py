"""Checks of parameter selectors."""

from __future__ import annotations

from typing import Any

from gradiend_core.roles.kinds import SELECTOR
from gradiend_core.roles.selector import SelectionTask
from gradiend_core.testing.checks.guards import nothing_else_changes
from gradiend_core.testing.checks.register import check
from gradiend_core.testing.subject import Subject


def _selected(subject: Subject) -> Any:
    run = subject.session
    task = SelectionTask(run.loaded.model, run.gradients_over, run.examples["train"], run.data.axes, run.seed)
    return subject.build().select(task)


@check(SELECTOR)
def a_scope_is_of_the_model(subject: Subject) -> None:
    """Every parameter by its name and shape, once, with ascending entries, and at least one."""
    scope = _selected(subject)
    named = dict(subject.session.loaded.model.named_parameters())
    assert scope.size, "nothing is selected; raise ConfigError instead"
    names = [parameter_slice.name for parameter_slice in scope.slices]
    assert len(set(names)) == len(names), "a parameter is in the scope twice"
    for parameter_slice in scope.slices:
        assert parameter_slice.name in named, (
            f"{parameter_slice.name!r} is not a name of model.named_parameters(), which has tied weights once"
        )
        assert tuple(named[parameter_slice.name].shape) == parameter_slice.shape, (
            f"{parameter_slice.name} has another shape than the model's"
        )
        if parameter_slice.index is not None:
            ascending = (
                bool((parameter_slice.index.diff() > 0).all())
                and int(parameter_slice.index[0]) >= 0
                and int(parameter_slice.index[-1]) < named[parameter_slice.name].numel()
            )
            assert ascending, (
                f"the index of {parameter_slice.name} is not ascending, unique and within the parameter"
            )


@check(SELECTOR)
def selecting_twice_selects_the_same(subject: Subject) -> None:
    """Equal seeds select equal weights, and nothing else changes."""
    with nothing_else_changes(subject):
        one, two = _selected(subject), _selected(subject)
    assert one.fingerprint() == two.fingerprint(), (
        "two selections differ; draw from a generator with task.seed"
    )
