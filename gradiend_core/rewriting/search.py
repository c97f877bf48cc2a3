"""Which learning rate: the strongest edit that leaves the language modelling intact, from a grid or by search."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.apply import Rewriter

#: the share of the language modelling score below which a model is taken as broken
BROKEN = 0.5
#: the shares of the weights' own length that the first edits of a search add, and the factor by which it goes on beyond them; the
#: best edits of the embedded models and of stories260k add 0.0007 to 0.03
LADDER, STRIDE = (0.004, 0.016, 0.064, 0.001), 4.0


@frozen
class Candidate:
    """One edit and what it does; the model as it is has learning rate 0."""

    feature_factor: float
    learning_rate: float
    probability: float
    lms: float


class Trials:
    """One update at several learning rates, each put into the model in place and measured once; the unedited model first."""

    def __init__(
        self, rewriter: Rewriter, update: WeightUpdate, probability: Callable[[], float], lms: Callable[[], float]
    ) -> None:
        self.rewriter, self.update = rewriter, update
        self._measures = probability, lms
        rewriter.restore()
        self.found = [Candidate(self.update.feature_factor, 0.0, probability(), lms())]

    @property
    def base(self) -> Candidate:
        return self.found[0]

    def measure(self, rate: float) -> Candidate:
        self.rewriter.apply(evolve(self.update, learning_rate=rate))
        probability, lms = self._measures
        self.found.append(Candidate(self.update.feature_factor, rate, probability(), lms()))
        self.rewriter.restore()
        return self.found[-1]

    def sorted(self) -> list[Candidate]:
        """By learning rate, the unedited model first."""
        return sorted(self.found, key=lambda each: each.learning_rate)


def grid(trials: Trials, rates: Sequence[float]) -> list[Candidate]:
    """A candidate for each learning rate, from the smallest. Two in a row that leave less than half of the language modelling
    score end the search: larger ones break the model further."""
    for rate in sorted(rates):
        trials.measure(rate)
        if all(each.lms < BROKEN * trials.base.lms for each in trials.found[-2:]):
            break
    return trials.sorted()


def bracket(trials: Trials, lms_floor: float, evaluations: int) -> list[Candidate]:
    """At most so many candidates, the unedited model among them, around the strongest edit that keeps the floor.

    The probability grows with the rate, and the language modelling score falls, so the best edit is most often the largest
    that is allowed. Four rates, each four times the last, that move the weights by a small share of their length say where
    that is; scores are noisy, so one alone does not end it. What is between the best and its neighbour is then halved, on the
    scale of logarithms."""
    unit, weights = trials.update.norm_at(1.0), trials.rewriter.norm()
    if not unit or not weights:
        return trials.sorted()
    ladder = [step * weights / unit for step in LADDER]
    for _ in range(evaluations - 1):
        if ladder:
            tried = trials.measure(ladder.pop(0))
            if tried.lms < BROKEN * trials.base.lms:
                ladder = [rate for rate in ladder if rate < tried.learning_rate]
        else:
            trials.measure(_next_rate(trials.sorted(), choose(trials.found, lms_floor), lms_floor))
    return trials.sorted()


def _next_rate(found: Sequence[Candidate], best: Candidate, lms_floor: float) -> float:
    """Where to look next: between the best and the next larger, or beyond the ends of what was tried."""
    floor = lms_floor * found[0].lms
    larger = [each.learning_rate for each in found if each.learning_rate > best.learning_rate]
    if not best.learning_rate:  # nothing is better than the unedited model yet: a larger edit may be, if it is allowed
        broken = next((each.learning_rate for each in found if each.lms < floor), None)
        fine = [each.learning_rate for each in found if each.learning_rate and (broken is None or each.learning_rate < broken)]
        if broken is None:
            return fine[-1] * STRIDE
        return (fine[-1] * broken) ** 0.5 if fine and broken > 2 * fine[-1] else larger[0] / STRIDE
    if not larger:
        return best.learning_rate * STRIDE
    smaller = [each.learning_rate for each in found if 0 < each.learning_rate < best.learning_rate]
    above, below = larger[0] / best.learning_rate, best.learning_rate / smaller[-1] if smaller else 1.0
    allowed = any(each.learning_rate == larger[0] and each.lms >= floor for each in found)
    if allowed and below > above:  # the peak is passed: its other side may be higher
        return (best.learning_rate * smaller[-1]) ** 0.5
    return (best.learning_rate * larger[0]) ** 0.5


def choose(found: Sequence[Candidate], lms_floor: float) -> Candidate:
    """The highest target probability among those with at least `lms_floor` of the unedited model's score.

    The unedited model is one of them, so a harmful edit never wins. Candidates whose numbers are not finite never do.
    """
    floor = lms_floor * found[0].lms
    fine = [each for each in found if each.lms >= floor and each.probability == each.probability]
    return max(fine, key=lambda each: (each.probability, -each.learning_rate), default=found[0])
