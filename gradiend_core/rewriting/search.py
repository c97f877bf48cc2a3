"""Which learning rate to use: candidates from a grid or a search, and the best of them by a policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import evolve

from gradiend_core.progress import progress
from gradiend_core.records.candidate import Candidate
from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.apply import Rewriter

#: the share of the language modelling score below which a model is taken as broken
BROKEN = 0.5
#: the relative lengths of the first edits of a search, and the factor by which it goes on beyond them; the
#: best edits of the embedded models and of stories260k add 0.0007 to 0.03 of the weights' own length
LADDER, STRIDE = (0.004, 0.016, 0.064, 0.001), 4.0
#: a search for the largest edit within a budget aims at this share of it, and ends at one from `ENOUGH` on,
#: or after so many tries; a step changes the rate by `FARTHEST` at most
AIM, ENOUGH, TRIES, FARTHEST = 0.95, 0.88, 8, 32.0

Score = Callable[[Candidate], float | None]


class Edit(Protocol):
    """A change along one direction that can be made at any learning rate."""

    feature_factor: float

    @property
    def relative_length(self) -> float:
        """The length of the change at learning rate 1, relative to what it changes."""

    def apply(self, learning_rate: float) -> None:
        """Applies the change at this learning rate to the original, whatever was applied before."""

    def restore(self) -> None:
        """Restores the original to the bit."""


class WeightEdit:
    """A weight update, applied to the model in place."""

    def __init__(self, rewriter: Rewriter, update: WeightUpdate) -> None:
        self.rewriter, self.update, self.feature_factor = rewriter, update, update.feature_factor

    @property
    def relative_length(self) -> float:
        weights = self.rewriter.norm()
        return self.update.norm_at(1.0) / weights if weights else 0.0

    def apply(self, learning_rate: float) -> None:
        self.rewriter.apply(evolve(self.update, learning_rate=learning_rate))

    def restore(self) -> None:
        self.rewriter.restore()


class Trials:
    """One edit at several learning rates, each measured once; `measure(feature factor, learning rate)` gives
    a candidate. The unedited model, `base`, is the first; the last edit stays in place."""

    def __init__(
        self, edit: Edit, base: Candidate, measure: Callable[[float, float], Candidate], score: Score
    ) -> None:
        self.edit, self.base, self._measure, self.score = edit, base, measure, score
        self.candidates = [base]

    def measure(self, rate: float) -> Candidate:
        self.edit.apply(rate)
        self.candidates.append(self._measure(self.edit.feature_factor, rate))
        return self.candidates[-1]

    def sorted(self) -> list[Candidate]:
        """By learning rate, the unedited model first."""
        return sorted(self.candidates, key=lambda candidate: candidate.learning_rate)

    def broken(self, candidate: Candidate) -> bool:
        return candidate.lms < BROKEN * self.base.lms

    def allowed(self, candidate: Candidate) -> bool:
        return self.score(candidate) is not None and not self.broken(candidate)


def grid(trials: Trials, rates: Sequence[float]) -> list[Candidate]:
    """A candidate for each learning rate, smallest first. The search ends after two in a row that leave less
    than half of the language modelling score: larger ones would damage the model further."""
    with progress("edits tried", len(rates)) as tried:
        for rate in sorted(rates):
            trials.measure(rate)
            tried.advance()
            if all(trials.broken(candidate) for candidate in trials.candidates[-2:]):
                break
    return trials.sorted()


def bracket(trials: Trials, evaluations: int) -> list[Candidate]:
    """At most `evaluations` candidates around the best allowed one, the unedited model included. The effect
    of an edit grows with the rate, and the language modelling score falls, so the best edit is usually the
    largest allowed one. Four rates, each four times the last, that make edits of small relative length locate
    it; scores are noisy, so one rate alone does not end the search. Then the intervals between the best rate
    and its neighbours are halved, on a log scale."""
    unit = trials.edit.relative_length
    if not unit:
        return trials.sorted()
    ladder = [step / unit for step in LADDER]
    with progress("edits tried", evaluations - 1) as edits:
        for _ in range(evaluations - 1):
            if ladder:
                tried = trials.measure(ladder.pop(0))
                if trials.broken(tried):
                    ladder = [rate for rate in ladder if rate < tried.learning_rate]
            else:
                best = choose(trials.candidates, trials.score)
                trials.measure(_next_rate(trials.sorted(), best, trials.allowed))
            edits.advance()
    return trials.sorted()


def within_budget(trials: Trials, spent: Callable[[float], float], start: float = 0.0) -> float:
    """Measures the largest learning rate within a budget and returns it, 0 if there is none; the search
    starts at `start`, if given. `spent` returns the fraction of the budget that a rate uses."""
    unit = trials.edit.relative_length
    rate = largest_within(spent, start or LADDER[0] / unit) if unit else 0.0
    if rate:
        trials.measure(rate)
    return rate


def smaller(trials: Trials, evaluations: int) -> None:
    """Measures half of the largest rate tried and, if that is better, rates around the best, up to so many
    candidates, the unedited model included."""
    largest = trials.sorted()[-1].learning_rate
    if largest:
        trials.measure(largest / 2)
    for _ in range(evaluations - len(trials.candidates)):
        best = choose(trials.candidates, trials.score).learning_rate
        if best == largest:
            break
        trials.measure(_halfway([candidate.learning_rate for candidate in trials.sorted()], best))


def largest_within(spent: Callable[[float], float], rate: float) -> float:
    """The largest learning rate that uses no more than the budget, approximately; 0 where no rate tried does.
    The fraction used grows about as the square of a small rate, and is followed on a log scale."""
    low, high, slope = 0.0, math.inf, 2.0
    last: tuple[float, float] | None = None
    with progress("budget", TRIES) as tries:
        for _ in range(TRIES):
            value = spent(rate)
            tries.advance()
            if ENOUGH <= value <= 1:
                return rate
            low, high = (rate, high) if value <= 1 else (low, min(rate, high))
            if not math.isfinite(value):
                rate, last = rate / FARTHEST, None
                continue
            point = math.log(rate), math.log(max(value, 1e-9))
            if last and point[0] != last[0]:
                slope = min(4.0, max(0.5, (point[1] - last[1]) / (point[0] - last[0])))
            last = point
            step = math.exp((math.log(AIM) - point[1]) / slope)
            rate *= min(FARTHEST, max(1 / FARTHEST, step))
            if not low < rate < high:
                rate = math.sqrt(low * high) if low else high / 2
    return low


def _halfway(rates: Sequence[float], best: float) -> float:
    """A rate between the best one and its farther neighbour, on a log scale."""
    if not best:
        return rates[1] / STRIDE
    position = rates.index(best)
    above = rates[position + 1] / best
    below = best / rates[position - 1] if position > 1 else STRIDE
    return best * math.sqrt(above) if above > below else best / math.sqrt(below)


def _next_rate(
    candidates: Sequence[Candidate], best: Candidate, allowed: Callable[[Candidate], bool]
) -> float:
    """The next rate to try: between the best and the next larger one, or beyond the ends of what was
    tried."""
    larger = [candidate for candidate in candidates if candidate.learning_rate > best.learning_rate]
    if (
        not best.learning_rate
    ):  # nothing is better than the unedited model yet: a larger edit may be, if it is allowed
        broken = next((candidate.learning_rate for candidate in larger if not allowed(candidate)), None)
        fine = [
            candidate.learning_rate
            for candidate in larger
            if broken is None or candidate.learning_rate < broken
        ]
        if broken is None:
            return fine[-1] * STRIDE
        return (
            (fine[-1] * broken) ** 0.5 if fine and broken > 2 * fine[-1] else larger[0].learning_rate / STRIDE
        )
    if not larger:
        return best.learning_rate * STRIDE
    smaller = [
        candidate.learning_rate
        for candidate in candidates
        if 0 < candidate.learning_rate < best.learning_rate
    ]
    above = larger[0].learning_rate / best.learning_rate
    below = best.learning_rate / smaller[-1] if smaller else 1.0
    if allowed(larger[0]) and below > above:  # the peak is passed: its other side may be higher
        return math.sqrt(best.learning_rate * smaller[-1])
    return math.sqrt(best.learning_rate * larger[0].learning_rate)


def choose(candidates: Sequence[Candidate], score: Score) -> Candidate:
    """The best candidate by a score; of equal ones the smallest edit. The unedited model, learning rate 0, is
    a candidate, so a harmful edit never wins; neither does one whose score is None or NaN."""
    scores = {
        position: value
        for position, candidate in enumerate(candidates)
        if (value := score(candidate)) is not None and value == value
    }
    unedited = next(candidate for candidate in candidates if not candidate.learning_rate)
    best = max(
        scores, key=lambda position: (scores[position], -candidates[position].learning_rate), default=None
    )
    return unedited if best is None else candidates[best]
