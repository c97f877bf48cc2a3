"""Which learning rate: the strongest edit that leaves the language modelling intact."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from gradiend_core.records.feature import LearnedFeature
from gradiend_core.rewriting.apply import Rewriter

#: the share of the language modelling score below which a model is taken as broken
BROKEN = 0.5


@frozen
class Candidate:
    """One edit and what it does; the model as it is has learning rate 0."""

    feature_factor: float
    learning_rate: float
    probability: float
    lms: float


def candidates(
    rewriter: Rewriter, feature: LearnedFeature, toward: str, rates: Sequence[float],
    probability: Callable[[], float], lms: Callable[[], float],
) -> list[Candidate]:  # fmt: skip
    """The unedited model first, then one candidate for each learning rate, each measured once, all in place.

    Rates are tried from the smallest. Two in a row that leave less than half of the language modelling score end the search:
    larger ones break the model further.
    """
    update = feature.update(toward, 0.0)
    factor = update.feature_factor
    rewriter.restore()
    found = [Candidate(factor, 0.0, probability(), lms())]
    for rate in sorted(rates):
        rewriter.apply(evolve(update, learning_rate=rate))
        found.append(Candidate(factor, rate, probability(), lms()))
        if all(each.lms < BROKEN * found[0].lms for each in found[-2:]):
            break
    rewriter.restore()
    return found


def choose(found: Sequence[Candidate], lms_floor: float) -> Candidate:
    """The highest target probability among those with at least `lms_floor` of the unedited model's score.

    The unedited model is one of them, so a harmful edit never wins. Candidates whose numbers are not finite never do.
    """
    floor = lms_floor * found[0].lms
    fine = [each for each in found if each.lms >= floor and each.probability == each.probability]
    return max(fine, key=lambda each: (each.probability, -each.learning_rate), default=found[0])
