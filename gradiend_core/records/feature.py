"""A learned feature: the encoder-decoder of arXiv 2502.01406, section 3."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from gradiend_core.errors import ConfigError, unknown
from gradiend_core.records.card import card
from gradiend_core.records.goal import goal_of
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.metric import shown
from gradiend_core.records.update import WeightUpdate

if TYPE_CHECKING:
    from torch import Tensor

    from gradiend_core.records.scope import ParameterScope


#: a mean curvature is not divided by less, and so many of its numbers are looked at together
TINY, PIECE = 1e-30, 2**22
#: the least mean curvature of a parameter, relative to that of all weights. What the model ignores, as the
#: bias of attention keys, has a mean of rounding errors, and dividing by that would make an edit of noise.
LEAST = 1e-3


@frozen
class TrainingRow:
    """One row of the training record. Validation values are None at steps without validation. For learners
    that take class means, a step is a doubling of the pairs, and the loss is 1 − the cosine between the
    directions of the old and the new pairs."""

    step: int
    loss: float
    validation_correlation: float | None = None
    validation_first: float | None = None
    validation_second: float | None = None
    kept: bool = False
    #: pairs that were read until then, 0 where the learner does not count them
    pairs: int = 0


@frozen(eq=False, repr=False)
class LearnedFeature:
    """Encoder `h = tanh(encoder_scale · encoder · ∇source + encoder_bias)` and decoder `∇target ≈ decoder · h
    + decoder_bias`.

    `encoder`, `decoder` and `decoder_bias` are float32 vectors over `scope`, [n]; `encoder_scale`, above 0,
    and `encoder_bias` are numbers. Encoder and decoder may be one tensor, which then takes memory and disk
    space once. `curvature`, if measured, divides edits. Pairs whose factual class is `classes[0]` encode to
    +1, those of `classes[1]` to −1."""

    encoder: Tensor
    encoder_bias: float
    decoder: Tensor
    decoder_bias: Tensor
    scope: ParameterScope
    classes: tuple[str, str]
    source: GradientRole
    target: GradientRole
    training: tuple[TrainingRow, ...] = ()
    best_step: int = 0
    seed: int = 0
    encoder_scale: float = 1.0
    #: what a change of each weight costs ordinary text: the diagonal of the Fisher information, [n], in
    #: bfloat16, as an estimate from some hundred texts is not known to more than its three digits
    curvature: Tensor | None = None
    #: orthogonal bases of the rows and columns of some parameters, by name, in which `curvature` is given
    bases: Mapping[str, tuple[Tensor, Tensor]] = field(factory=dict)

    @property
    def name(self) -> str:
        """Its classes, such as "3SG against 3PL"."""
        return " against ".join(self.classes)

    @property
    def validation_correlation(self) -> float | None:
        """The validation correlation at the step that was kept."""
        return next((row.validation_correlation for row in self.training if row.step == self.best_step), None)

    def __repr__(self) -> str:
        correlation = shown(self.validation_correlation, ".3f")
        return (
            f"<LearnedFeature {self.name}, {self.scope.size:,} weights, validation correlation {correlation}>"
        )

    def _repr_html_(self) -> str:
        first, second = self.classes
        where = f"{self.scope.size:,} weights of {len(self.scope.slices)} parameters"
        return card(
            f"Feature: {first} (+1) against {second} (−1)",
            [
                where,
                f"correlation of encodings with classes in validation pairs:"
                f" {shown(self.validation_correlation, '.3f')}",
                f"learned in {len(self.training)} steps, random seed {self.seed}",
            ],
        )

    def encode(self, projections: Tensor) -> Tensor:
        """Encodings in [−1, 1] of examples, from the projections of their source gradients on the encoder,
        [examples]."""
        return (self.encoder_scale * projections + self.encoder_bias).tanh()

    def decode(self, feature_factor: float, direction: str = "decoder") -> Tensor:
        """decoder(feature_factor), the predicted target gradient, [n]; "decoder-weight" and "decoder-bias"
        give one of its two terms; "encoder" gives the encoder's weights times the factor."""
        if direction == "decoder":
            return self.decoder_bias.add(self.decoder, alpha=feature_factor)
        if direction == "decoder-bias":
            return self.decoder_bias.clone()
        return feature_factor * (self.encoder if direction == "encoder" else self.decoder)

    def flipped(self) -> LearnedFeature:
        """The same map with the sign of the code flipped: the classes decode to the same vectors as
        before."""
        decoder = -self.decoder
        encoder = decoder if self.encoder is self.decoder else -self.encoder
        return evolve(self, encoder=encoder, encoder_bias=-self.encoder_bias, decoder=decoder)

    def narrowed(self, columns: Tensor) -> LearnedFeature:
        """The feature with only these columns of its scope (positions, int64, ascending). Encodings shrink:
        calibrate it again."""
        names = ["encoder", "decoder", "decoder_bias"]
        if self.curvature is not None and not self.bases:
            names.append("curvature")
        vectors = {name: getattr(self, name)[columns.to(self.encoder.device)] for name in names}
        if self.encoder is self.decoder:
            vectors["encoder"] = vectors["decoder"]
        # a basis of whole rows means nothing for some of their entries
        vectors.setdefault("curvature", None)
        return evolve(self, scope=self.scope.narrowed(columns), bases={}, **vectors)

    def strengthen(self, name: str, direction: str = "decoder") -> float:
        """The feature factor that, added with a positive learning rate, makes the class more probable.

        The code of a class decodes to a gradient of its pairs, and adding a gradient increases that loss. A
        decoder of the factual or the difference gradient therefore takes the code of the *other* class; a
        decoder of the alternative gradient takes the code of the class itself. The encoder, where it is the
        `direction` to add, has the sign of the gradient that it reads. No other function changes a sign."""
        if name not in self.classes:
            raise ConfigError(unknown("class", name, self.classes))
        code = 1.0 if name == self.classes[0] else -1.0
        role = self.source if direction == "encoder" else self.target
        return code if role is GradientRole.ALTERNATIVE else -code

    def factors(self, toward: str, direction: str = "decoder") -> tuple[float, ...]:
        """The feature factors that serve a goal: that of the class for more of it, its opposite for less; to
        balance both classes, 0 (the decoder's output without a code) and either code."""
        goal = goal_of(toward, self.classes)
        return (goal.sign * self.strengthen(goal.of, direction),) if goal.sign else (0.0, 1.0, -1.0)

    def update(
        self,
        toward: str,
        learning_rate: float,
        *,
        feature_factor: float | None = None,
        direction: str = "decoder",
        damping: float | None = None,
        damping_mean: str = "all",
    ) -> WeightUpdate:
        """The change of weights for a goal: "3SG" for more of the class, "less-3SG" for less of it,
        "balanced". With a damping, along the natural gradient (`natural`)."""
        factor = self.factors(toward, direction)[0] if feature_factor is None else feature_factor
        decoded = self.decode(factor, direction)
        if damping is not None:
            decoded = self.natural(decoded, damping, damping_mean, overwrite=True)
        return WeightUpdate(decoded, self.scope, factor, learning_rate)

    def natural(
        self, direction: Tensor, damping: float, damping_mean: str = "all", *, overwrite: bool = False
    ) -> Tensor:
        """direction / (F + damping · mean F), [n], up to a factor, with F the curvature: the change with the
        same effect as the direction at the least cost to ordinary text (the natural gradient, arXiv
        1412.1193). The mean is that of "all" weights, where much damping leaves the direction itself, or that
        of each "parameter". With `overwrite` the given vector may be reused. Raises ConfigError where the
        curvature is not known."""
        if self.curvature is None:
            raise ConfigError(
                "the curvature of the model was not measured, so there is no damping; set rewrite.metric ="
                ' "fisher" and run again, or leave the damping out'
            )
        result = self.turned(direction)
        if result is direction and not overwrite:
            result = result.clone()
        # piece by piece, as each of these is as large as the model
        start = 0
        for metric in self.metric(damping, damping_mean, result):
            result[start : start + len(metric)].div_(metric)
            start += len(metric)
        return self.turned(result, back=True)

    def metric(self, damping: float, damping_mean: str, like: Tensor) -> Iterator[Tensor]:
        """(F + damping · mean F) / mean F of all weights, in pieces of at most `PIECE`, with the type and the
        device of another tensor."""
        assert self.curvature is not None
        by_parameter = damping_mean == "parameter"
        sizes = [parameter.size for parameter in self.scope.slices] if by_parameter else [self.scope.size]
        mean = max(TINY, _mean(self.curvature, like))
        for values in self.curvature.split(sizes):
            share = max(LEAST, _mean(values, like) / mean) if by_parameter else 1.0
            for piece in values.split(PIECE):
                yield piece.to(like).div(mean).add_(damping * share)

    def cost(self, change: Tensor) -> float:
        """√(Σ F Δ²) of a change Δ of the weights, [n]. If weights acted alone, its square would be twice the
        KL divergence in ordinary text, in nats per token, to second order. 0 where the curvature is not
        known."""
        if self.curvature is None:
            return 0.0
        total = 0.0
        for curvature, entries in zip(
            self.curvature.split(PIECE), self.turned(change).split(PIECE), strict=True
        ):
            total += float((curvature.to(entries) * entries).dot(entries))
        return math.sqrt(total)

    def turned(self, vector: Tensor, *, back: bool = False) -> Tensor:
        """A vector over the scope, [n], in the bases of the curvature, or `back` from them; unchanged if
        there are no bases."""
        if not self.bases:
            return vector
        result = vector.clone()
        for parameter, columns in self.scope.with_columns():
            if parameter.name in self.bases:
                rows, across = (basis.to(vector) for basis in self.bases[parameter.name])
                matrix = vector[columns].view(parameter.shape)
                changed = rows @ matrix @ across.T if back else rows.T @ matrix @ across
                result[columns] = changed.flatten()
        return result


def _mean(values: Tensor, like: Tensor) -> float:
    """The mean of [n] numbers, with the type and the device of another tensor."""
    return sum(float(piece.to(like).sum()) for piece in values.split(PIECE)) / len(values)
