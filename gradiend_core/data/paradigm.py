"""A paradigm that is defined by rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gradiend_core.data.finding import Doubt, RulesFinder
from gradiend_core.data.pairing import make_pairs
from gradiend_core.data.rules import Rules, choose_classes
from gradiend_core.records.pair import PairData
from gradiend_core.roles.paradigm import PairingTask


class RulesParadigm:
    """The classes of `rules`, some of them, or merged ones such as "1SG+3SG". `transitions` restricts which
    class of the rules may replace which, both ways unless `one_way`. In text without tags, a `doubt` says why
    a word may belong to none of the classes. `grades` make the classes degrees of one feature. Raises
    ConfigError for classes that `rules` does not have."""

    def __init__(
        self,
        kind: str,
        rules: Rules,
        classes: Sequence[str] = (),
        transitions: Iterable[tuple[str, str]] = (),
        *,
        one_way: bool = False,
        doubt: Doubt | None = None,
        grades: Mapping[str, float] | None = None,
    ) -> None:
        self.rules, self.doubt = rules, doubt
        self.classes = choose_classes(classes, transitions, rules.names, kind, one_way=one_way, grades=grades)

    def pairs(self, task: PairingTask) -> PairData:
        return make_pairs(task, RulesFinder(self.rules, self.classes, self.doubt))
