"""The units in which gradients are learned from, and the learning rates that fit them."""

from __future__ import annotations

import math

from attrs import frozen

from gradiend_core.api import LearningError, Rates

#: the most that one step may move an encoding before tanh, and the share of a typical target entry that one
#: step may move the decoder; see tests/benchmarks/learning_rate.py for how wide the range is in which these
#: work
ENCODER_STEP, DECODER_STEP = 0.2, 0.05
#: the size to which typical gradient entries are brought; there the paper's initial weights hardly move an
#: encoding
SIZE = 0.1


@frozen
class Units:
    """Factors that scale the entries of source and target gradients to one size, and the learning rates that
    fit them."""

    source: float
    target: float
    rates: Rates

    @classmethod
    def of(cls, probes: list[tuple[float, float, float]], n: int, learning_rate: float) -> Units:
        """A given learning rate applies to the plain gradients; without one, rates follow from the lengths of
        a few gradients: Euclidean and absolute for the source, Euclidean for the target. A step of Adam moves
        each weight by about its rate, hence an encoding by at most rate · ‖source‖₁. The encoder's bias moves
        every encoding equally, neutral ones too, so it is held back in a small scope, where rates are
        high."""
        if learning_rate:
            return cls(1.0, 1.0, Rates(learning_rate, learning_rate, learning_rate))
        source, absolute, target = (sum(side) / len(side) for side in zip(*probes, strict=True))
        if not all(0 < length < math.inf for length in (source, target)):
            raise LearningError(
                f"gradients have the lengths {source}, {target} (source, target): nothing can be learned from"
                " them"
            )
        unit = SIZE * n**0.5 / source
        rate, decoder_rate = ENCODER_STEP / (absolute * unit), DECODER_STEP * SIZE
        return cls(unit, SIZE * n**0.5 / target, Rates(rate, min(rate, decoder_rate), decoder_rate))
