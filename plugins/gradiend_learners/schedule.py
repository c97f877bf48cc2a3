"""The schedule of the learning rate."""

from __future__ import annotations

import math

from attrs import define

from gradiend_learners import Adam


@define
class Schedule:
    """The learning rate as a fraction of its initial value: `lr_scale_at_decay` until the step `decay_start`,
    then falling linearly to 0 at the step `last`. For a constant learning rate the decay comes after the last
    step."""

    last: int
    decay_start: int
    lr_scale_at_decay: float = 1.0
    stopping: bool = False

    @classmethod
    def of(cls, config: Adam) -> Schedule:
        start = round(config.max_steps * config.decay_start)
        return cls(config.max_steps, start if config.lr_scheduler == "linear" else config.max_steps)

    def lr_scale(self, step: int) -> float:
        """The factor of the learning rate at a step."""
        decayed = max(0, step - 1 - self.decay_start) / max(1, self.last - self.decay_start)
        return self.lr_scale_at_decay * (1 - decayed)

    def delay_decay(self, step: int) -> None:
        """Starts the decay no earlier than this step. Some seeds begin far off, and would have no learning
        rate left once they are near: without this, one of 120 runs ended at a correlation of 0.947 instead of
        0.970."""
        if self.decay_start < step < self.last:
            self.decay_start = step

    def stop_soon(self, step: int, config: Adam) -> None:
        """Ends training after a few more steps, over which a linear learning rate decays; a constant one ends
        here."""
        self.stopping = True
        share = 1 - config.decay_start if config.lr_scheduler == "linear" else 0.0
        soon = step + math.ceil(step * share / 2)
        if soon < self.last:
            self.lr_scale_at_decay, self.decay_start, self.last = self.lr_scale(step), step, soon
