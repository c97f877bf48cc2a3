"""What an edit is for, by name: "3SG" makes the class more probable, "less-3SG" less, "balanced" both classes
alike."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from gradiend_core.errors import ConfigError, unknown
from gradiend_core.records.pair import OTHERS

LESS, BALANCED = "less-", "balanced"


@frozen
class Goal:
    """`of` is the class that is to become more (`sign` +1) or less (−1) probable; with sign 0 both classes
    alike."""

    name: str
    of: str
    sign: int
    classes: tuple[str, str]

    @property
    def texts_of(self) -> str:
        """The class on whose texts the words of `of` should change: more of them where others stand, less
        where they stand."""
        return self.classes[(self.classes.index(self.of) + (self.sign > 0)) % 2]

    @property
    def texts(self) -> tuple[str, ...]:
        """The classes whose texts it is about."""
        return (self.texts_of,) if self.sign else self.classes


def goal_names(classes: tuple[str, str]) -> tuple[str, ...]:
    """Every goal of an axis. All others are no class that could be strengthened, or be balanced."""
    first, second = classes
    if second == OTHERS:
        return first, LESS + first
    return first, second, LESS + first, LESS + second, BALANCED


def goals_of(names: Sequence[str], classes: tuple[str, str]) -> tuple[Goal, ...]:
    """Those of these names that are goals of this axis; of no names more of each class, but not of all others
    together."""
    known = goal_names(classes)
    return tuple(goal_of(name, classes) for name in names or classes if name in known)


def check_goals(names: Sequence[str], axes: Sequence[tuple[str, str]], where: str = "") -> None:
    """Raises ConfigError for what is no goal of any of these axes."""
    known = [name for axis in axes for name in goal_names(axis)]
    for name in names:
        if name not in known:
            raise ConfigError(unknown("class", name, known) + where)


def goal_of(name: str, classes: tuple[str, str]) -> Goal:
    """Raises ConfigError for what is no goal of this axis."""
    check_goals([name], [classes])
    if name == BALANCED:
        return Goal(name, classes[0], 0, classes)
    if name in classes:
        return Goal(name, name, 1, classes)
    return Goal(name, name.removeprefix(LESS), -1, classes)
