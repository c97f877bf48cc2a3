"""Which learning rate: candidates from a grid or by search, and the best of them by a policy."""

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

Score = Callable[[Candidate], float | None]


class Edit(Protocol):
    """A change of one direction that can be made at any learning rate."""

    feature_factor: float

    @property
    def relative_length(self) -> float:
        """How long the change is at learning rate 1, relative to what it changes."""

    def apply(self, learning_rate: float) -> None:
        """The original changed at this learning rate, whatever was applied before."""

    def restore(self) -> None:
        """The original, to the bit."""


class WeightEdit:
    """A weight update in the model in place."""

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
    """A candidate for each learning rate, from the smallest. Two in a row that leave less than half of the
    language modelling score end the search: larger ones break the model further."""
    with progress("edits tried", len(rates)) as tried:
        for rate in sorted(rates):
            trials.measure(rate)
            tried.advance()
            if all(trials.broken(candidate) for candidate in trials.candidates[-2:]):
                break
    return trials.sorted()


def bracket(trials: Trials, evaluations: int) -> list[Candidate]:
    """At most so many candidates, the unedited model among them, around the best that is allowed.

    What an edit is for grows with the rate, and the language modelling score falls, so the best edit is most
    often the largest that is allowed. Four rates, each four times the last, that make edits of a small
    relative length say where that is; scores are noisy, so one alone does not end it. What is between the
    best and its neighbour is then halved, on the scale of logarithms."""
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


def _next_rate(
    candidates: Sequence[Candidate], best: Candidate, allowed: Callable[[Candidate], bool]
) -> float:
    """Where to look next: between the best and the next larger, or beyond the ends of what was tried."""
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
    """The best by a score; of equal ones the smallest edit. The unedited model, learning rate 0, is one of
    them, so a harmful edit never wins; nor does one whose score is None or no number."""
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
