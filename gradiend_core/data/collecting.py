"""A fair sample of the slots in a stream of texts, and a count of everything else."""

from __future__ import annotations

import random
from collections.abc import Mapping

from attrs import field, mutable

from gradiend_core.data.balance import word_quotas
from gradiend_core.data.filtering import WORD, Unwanted
from gradiend_core.data.finding import Finder, Finding, Slot
from gradiend_core.data.reservoir import Reservoir
from gradiend_core.data.rules import Classes
from gradiend_core.records.funnel import DropCounter
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text

STAGE = "matching"
#: what a slot is written as where pairs are texts; a text that has it already cannot be a pair
MASK = "[MASK]"
MAX_CHARACTERS = 100_000


@mutable
class Collector:
    """Keeps a fair sample of the slots, and counts the rest."""

    settings: DataSettings
    rng: random.Random
    drops: DropCounter = field(factory=lambda: DropCounter(STAGE), init=False)
    slots: dict[tuple[str, str], Reservoir[Slot]] = field(factory=dict, init=False)
    identity: Reservoir[Slot] = field(init=False)
    neutral: Reservoir[Text] = field(init=False)
    seen: set[int] = field(factory=set, init=False)
    read: int = field(default=0, init=False)
    matched: int = field(default=0, init=False)
    slots_given: bool = field(default=False, init=False)
    unwanted: Unwanted = field(init=False)

    @unwanted.default
    def _unwanted(self) -> Unwanted:
        return Unwanted(self.settings)

    @identity.default
    def _identity(self) -> Reservoir[Slot]:
        return Reservoir(self.settings.max_neutral, self.rng)

    @neutral.default
    def _neutral(self) -> Reservoir[Text]:
        return Reservoir(self.settings.max_neutral, self.rng)

    def fresh(self, text: Text) -> bool:
        """Whether a text is new in its split; each text is read once."""
        self.read += 1
        if not text.text or text.text.isspace():
            self.drops.add("empty")
            return False
        if len(text.text) > MAX_CHARACTERS:
            self.drops.add(
                f"longer than {MAX_CHARACTERS:,} characters; data.sentences splits it", text.text[:80]
            )
            return False
        key = hash((text.text, text.split, text.span))
        if key in self.seen:
            self.drops.add("the same text again", text.text)
            return False
        self.seen.add(key)
        return True

    def take(self, text: Text, finding: Finding) -> None:
        """Adds what a text holds. If it has several slots, one is drawn."""
        settings, rng = self.settings, self.rng
        if finding.candidates or finding.rule_classes:
            self.matched += 1
        if not finding.problem and (reason := self.unwanted(text.text)):
            self.drops.add(reason, text.text, classes=[slot.rule_class for slot in finding.candidates])
        elif finding.candidates:
            candidates = finding.candidates
            if any(MASK in slot.left or MASK in slot.right for slot in candidates):
                self.drops.add(
                    f"the text has {MASK} in it", text.text, classes=[slot.rule_class for slot in candidates]
                )
                return
            if settings.min_left_words:
                candidates = tuple(
                    c for c in candidates if len(WORD.findall(c.left)) >= settings.min_left_words
                )
            if not candidates:
                reason = f"fewer than {settings.min_left_words} words before the target word"
                self.drops.add(reason, text.text, classes=[slot.rule_class for slot in finding.candidates])
            else:
                one = not finding.take_all and len(candidates) > 1
                for chosen in (rng.choice(candidates),) if one else candidates:
                    by_word = chosen.word if settings.balance != "off" else ""
                    self.slots.setdefault(
                        (chosen.rule_class, by_word), Reservoir(settings.max_per_class, rng)
                    ).offer(chosen)
        elif finding.neutral_slot:
            self.slots_given = True
            self.identity.offer(finding.neutral_slot)
        elif finding.others and settings.identity:
            self.identity.offer(rng.choice(finding.others))
        elif finding.neutral:
            self.neutral.offer(text)
        else:
            self.drops.add(finding.problem, text.text, classes=finding.rule_classes)


def balanced(collector: Collector, classes: Classes, finder: Finder) -> dict[str, list[Slot]]:
    """The candidates of each class within its limit, in random order."""
    settings = collector.settings
    kept: dict[str, list[Slot]] = {}
    limit = settings.max_per_class
    for name in classes.names:
        reservoirs = {
            key: reservoir for key, reservoir in collector.slots.items() if classes.of.get(key[0]) == name
        }
        offered = {key: reservoir.offered for key, reservoir in reservoirs.items()}
        if settings.balance == "off":
            quotas = _proportional(offered, limit)
        else:
            by_word: dict[str, int] = {}
            for (_, word), count in offered.items():
                by_word[word] = by_word.get(word, 0) + count
            listed = tuple(
                dict.fromkeys(
                    word
                    for rule_class, of in classes.of.items()
                    if of == name
                    for word in finder.listed(rule_class)
                )
            )
            of_word = word_quotas(name, by_word, listed, settings.balance, limit)
            quotas = {key: of_word[key[1]] for key in reservoirs}
        kept[name] = []
        for key, reservoir in reservoirs.items():
            collector.rng.shuffle(reservoir.items)
            kept[name] += reservoir.items[: quotas[key]]
        collector.rng.shuffle(kept[name])
        if (left := sum(offered.values()) - len(kept[name])) > 0:
            why = (
                f"more than {limit} pairs of class {name}"
                if settings.balance == "off"
                else f"to balance the words of class {name}"
            )
            collector.drops.add(why, count=left)
    return kept


def _proportional(offered: Mapping[tuple[str, str], int], limit: int) -> dict[tuple[str, str], int]:
    """Shares out the limit of a merged class in proportion to how often its classes occur."""
    total = sum(offered.values())
    if not limit or total <= limit:
        return dict(offered)
    exact = {key: limit * count / total for key, count in offered.items()}
    quotas = {key: int(share) for key, share in exact.items()}
    for key in sorted(exact, key=lambda key: quotas[key] - exact[key])[: limit - sum(quotas.values())]:
        quotas[key] += 1
    return quotas
