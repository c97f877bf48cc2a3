"""he and she after a first name (arXiv 2502.01406: there the data set GENTER, made in this way from a book
corpus).

A text of the user becomes a template if it has one first name, after it one *he* or *she* that agrees with
the name, and no other word with a gender. Text that is a template already, with [NAME] and [PRONOUN], is
filled too. Name and pronoun of a filled text agree: the pronoun is the factual, and the pronoun of the other
gender the alternative.

Known limits: two genders only; a name that is also a word ("Mark", "Rose") counts wherever it is capitalised;
who the pronoun stands for is not checked; names carry more than gender (age, origin), and the built-in ones
are those of English stories."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import regex
from attrs import field, frozen

from gradiend_core.api import (
    Finding,
    PairData,
    PairingTask,
    Rules,
    RulesFinder,
    Slot,
    Text,
    choose_classes,
    make_pairs,
    starts_sentence,
)
from gradiend_gender import EnglishGender
from gradiend_gender.names import load_names

PRONOUNS = {"male": "he", "female": "she"}
#: other words with a gender: a text that has one is neither a template nor neutral
GENDERED = tuple(
    "his him himself her hers herself mr mrs ms miss sir madam lady gentleman man men woman women boy boys"
    " girl girls male female father mother dad mom daddy mommy son daughter brother sister husband wife uncle"
    " aunt grandfather grandmother grandpa grandma king queen prince princess actor actress waiter waitress"
    " nephew niece boyfriend girlfriend".split()
)
#: words that tell male from female and are not learned from
RELATED = {
    "male": tuple(
        "his himself boy man dad daddy father brother king prince uncle grandpa grandfather son husband"
        " nephew gentleman Mr boys men".split()
    ),
    "female": tuple(
        "her herself girl woman mom mommy mother sister queen princess aunt grandma grandmother daughter wife"
        " niece lady Mrs girls women".split()
    ),
}
NAME, PRONOUN = "[NAME]", "[PRONOUN]"
CAPITALISED = regex.compile(r"\b\p{Lu}\p{Ll}+\b")


class GenderParadigm:
    """The classes male (he) and female (she)."""

    def __init__(self, config: EnglishGender) -> None:
        self.config, self.names = config, load_names(config)
        self.rules = Rules(
            {of: (word,) for of, word in PRONOUNS.items()}, not_neutral=GENDERED, related=RELATED
        )
        self.classes = choose_classes(config.classes, (), tuple(PRONOUNS), "english-gender")

    def pairs(self, task: PairingTask) -> PairData:
        """`fills` pairs of each class from each text that is a template, or can become one."""
        finder = TemplateFinder(
            self.rules, self.classes, names=self.names, fills=self.config.fills, seed=task.seed
        )
        return make_pairs(task, finder)


@frozen
class TemplateFinder(RulesFinder):
    """Finds templates and fills them with `names` (name: class), drawn by the seed and the position of the
    text."""

    names: Mapping[str, str] = field(kw_only=True)
    fills: int = field(kw_only=True)
    seed: int = field(kw_only=True)
    _by_class: Mapping[str, list[str]] = field(init=False)

    @_by_class.default
    def _names_by_class(self) -> Mapping[str, list[str]]:
        return {of: sorted(name for name, sex in self.names.items() if sex == of) for of in PRONOUNS}

    def find(self, text: Text) -> Finding:
        if NAME in text.text or PRONOUN in text.text:
            if NAME not in text.text or text.text.count(PRONOUN) != 1:
                return Finding(problem=f"a template needs {NAME} and one {PRONOUN}")
            return self._filled(text, text.text)
        finding = super().find(text)
        names = [match for match in CAPITALISED.finditer(text.text) if match.group() in self.names]
        if not finding.candidates:
            return Finding(problem="a first name, so not neutral") if finding.neutral and names else finding
        slot = finding.candidates[0]
        if not names:
            return Finding(problem="no first name")
        if problem := self._unfit(text, finding, names):
            return Finding(
                problem=problem, rule_classes=tuple({slot.rule_class for slot in finding.candidates})
            )
        template = CAPITALISED.sub(
            lambda match: NAME if match.group() in self.names else match.group(), slot.left
        )
        pronoun = PRONOUN.lower() if slot.surface.islower() else PRONOUN
        right = CAPITALISED.sub(
            lambda match: NAME if match.group() in self.names else match.group(), slot.right
        )
        return self._filled(text, template + pronoun + right)

    def _unfit(self, text: Text, finding: Finding, names: list[Any]) -> str:
        """Why a text with a pronoun is not a template; empty if it is one."""
        slot = finding.candidates[0]
        gendered = [match.group() for match in self._pattern.finditer(text.text)]
        if len({match.group() for match in names}) > 1:
            return "several first names"
        if len(gendered) > 1:
            return "another word with a gender"
        if names[0].start() > len(slot.left):
            return "the name comes after the pronoun"
        return "" if self.names[names[0].group()] == slot.rule_class else "name and pronoun do not agree"

    def _filled(self, text: Text, template: str) -> Finding:
        rng = random.Random(f"{self.seed}:{text.unit}:{template}")
        left, right = regex.split(regex.escape(PRONOUN), template, flags=regex.IGNORECASE)
        capital = PRONOUN in template and starts_sentence(left)
        slots = []
        for of, pronoun in PRONOUNS.items():
            names = rng.sample(self._by_class[of], min(self.fills, len(self._by_class[of])))
            surface = pronoun.capitalize() if capital else pronoun
            slots += [
                Slot(
                    left.replace(NAME, name),
                    surface,
                    right.replace(NAME, name),
                    pronoun,
                    of,
                    text.unit,
                    text.document,
                    text.split,
                )
                for name in names
            ]
        return Finding(tuple(slots), take_all=True)
