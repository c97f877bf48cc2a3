"""Goals of edits, by name: "3SG" makes the class more probable, "less-3SG" less probable, "balanced" both
classes equally probable."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from gradiend_core.errors import ConfigError, unknown
from gradiend_core.records.pair import OTHERS

LESS, BALANCED = "less-", "balanced"


@frozen
class Goal:
    """`of` is the class that becomes more (`sign` +1) or less (−1) probable; sign 0 makes both classes
    equally probable."""

    name: str
    of: str
    sign: int
    classes: tuple[str, str]

    @property
    def texts_of(self) -> str:
        """The class whose texts should change: for more of a class, texts where other classes stand; for
        less, its own texts."""
        return self.classes[(self.classes.index(self.of) + (self.sign > 0)) % 2]

    @property
    def texts(self) -> tuple[str, ...]:
        """The classes whose texts the goal is about."""
        return (self.texts_of,) if self.sign else self.classes


def goal_names(classes: tuple[str, str]) -> tuple[str, ...]:
    """Every goal of an axis. "All others" is not a class: it cannot be strengthened or balanced."""
    first, second = classes
    if second == OTHERS:
        return first, LESS + first
    return first, second, LESS + first, LESS + second, BALANCED


def goals_of(names: Sequence[str], classes: tuple[str, str]) -> tuple[Goal, ...]:
    """Those of these names that are goals of this axis. Without names, more of each class, but not of all
    others together."""
    known = goal_names(classes)
    return tuple(goal_of(name, classes) for name in names or classes if name in known)


def check_goals(names: Sequence[str], axes: Sequence[tuple[str, str]], where: str = "") -> None:
    """Raises ConfigError for a name that is not a goal of any of these axes."""
    known = [name for axis in axes for name in goal_names(axis)]
    for name in names:
        if name not in known:
            raise ConfigError(unknown("class", name, known) + where)


def goal_of(name: str, classes: tuple[str, str]) -> Goal:
    """The goal of this name. Raises ConfigError for a name that is not a goal of this axis."""
    check_goals([name], [classes])
    if name == BALANCED:
        return Goal(name, classes[0], 0, classes)
    if name in classes:
        return Goal(name, name, 1, classes)
    return Goal(name, name.removeprefix(LESS), -1, classes)
