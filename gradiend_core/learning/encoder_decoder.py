"""The encoder-decoder of arXiv 2502.01406 (section 3) and one step of its training, written out.

    h = tanh(We·source + be)        target ≈ Wdᵀ·h + bd        loss = ‖Wdᵀ·h + bd − target‖²

with source, target, bd in Rⁿ, We and Wd k vectors in Rⁿ, be and h k numbers; k is 1 in the paper. Every
derivative is a multiple of `source` or of the residual, so no gradient needs to be kept: a step takes pieces
of the vectors that fit a processor's cache, makes their derivatives, and hands both to torch's AdamW.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from attrs import frozen
from torch import Tensor
from torch.optim.adamw import adamw

#: entries of a vector that are worked on together
PIECE = 2**20


@frozen(eq=False)
class EncoderDecoder:
    """Weights: encoder We [k, n], encoder_bias be [k], decoder Wd [k, n], decoder_bias bd [n], float32."""

    encoder: Tensor
    encoder_bias: Tensor
    decoder: Tensor
    decoder_bias: Tensor

    @classmethod
    def initial(
        cls, n: int, seed: int, device: torch.device, k: int = 1, *, random_encoder: bool = False
    ) -> EncoderDecoder:
        """Weights uniform in ±1/√n, encoder and decoder alike, as the paper has it. The usual rule would draw
        the decoder, which has few inputs, from ±1/√k, far above any gradient.

        Unless `random_encoder` is set, the encoder starts from 0. A weight whose gradients do not differ by
        class keeps the value that it was drawn with. With random values the encoders of two seeds have a
        cosine of 0.1, with zeros 0.9. The first step is along the mean difference of the classes."""
        generator, bound = torch.Generator().manual_seed(seed), n**-0.5
        sizes = ((k, n), (k,), (k, n), (n,))
        encoder, *others = (
            torch.empty(size).uniform_(-bound, bound, generator=generator).to(device) for size in sizes
        )
        return cls(encoder if random_encoder else encoder.zero_(), *others)

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.encoder, self.encoder_bias, self.decoder, self.decoder_bias

    def copy(self) -> EncoderDecoder:
        return EncoderDecoder(*(weight.clone() for weight in self.weights))

    def take(self, other: EncoderDecoder) -> None:
        """Copies the values of other weights of the same sizes."""
        for mine, theirs in zip(self.weights, other.weights, strict=True):
            mine.copy_(theirs)

    def pieces(self) -> Iterator[slice]:
        n = len(self.decoder_bias)
        return (slice(start, min(start + PIECE, n)) for start in range(0, n, PIECE))

    def residual(self, columns: slice, code: Tensor, target: Tensor) -> Tensor:
        """Wdᵀ·code + bd − target on a piece."""
        residual = self.decoder_bias[columns] - target
        for wd, h in zip(self.decoder, code, strict=True):
            residual.add_(wd[columns] * h)
        return residual


@frozen(eq=False)
class Rates:
    """Learning rates of AdamW."""

    encoder: float
    encoder_bias: float
    decoder: float

    def scaled(self, share: float) -> Rates:
        return Rates(self.encoder * share, self.encoder_bias * share, self.decoder * share)


@frozen(eq=False)
class Trainer:
    """AdamW on an encoder-decoder. `first` and `second` are the moments of its weights, in their order. Where
    the loss is a mean over the n entries, as in the paper, derivatives are n times smaller. Only `eps`
    notices: with n · 1e-8 instead of 1e-8 every step is the same."""

    model: EncoderDecoder
    first: EncoderDecoder
    second: EncoderDecoder
    weight_decay: float
    eps: float = 1e-8
    betas: tuple[float, float] = (0.9, 0.999)

    @classmethod
    def of(
        cls,
        model: EncoderDecoder,
        weight_decay: float,
        eps: float = 1e-8,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> Trainer:
        first, second = (
            EncoderDecoder(*(torch.zeros_like(weight) for weight in model.weights)) for _ in range(2)
        )
        return cls(model, first, second, weight_decay, eps, betas)

    def step(
        self,
        number: int,
        rates: Rates,
        source: Tensor,
        target: Tensor,
        units: tuple[float, float],
        code: Tensor | None = None,
        *,
        learn_encoder: bool = True,
        learn_decoder: bool = True,
    ) -> float:
        """The training step with this `number`, on a source and a target gradient, [n] each, in units of the
        given sizes. Returns the relative loss ‖residual‖² / ‖target‖², which is 1 for a decoder that predicts
        0; for a target of zeros, ‖residual‖² / n. With a `code` [k] the decoder is trained on that code's
        target, and the encoder on the code itself."""
        model, (source_unit, target_unit) = self.model, units
        h = torch.tanh(source_unit * (model.encoder @ source) + model.encoder_bias)
        used = h if code is None else code
        squared = torch.zeros((), dtype=torch.float64, device=h.device)
        length, along = squared.clone(), torch.zeros(len(h), dtype=torch.float64, device=h.device)
        for columns in model.pieces():
            wanted = target[columns] * target_unit
            residual = model.residual(columns, used, wanted)
            squared += residual.dot(residual)
            length += wanted.dot(wanted)
            along += model.decoder[:, columns] @ residual
        towards = 2 * (along.float() if code is None else h - code) * (1 - h**2)
        for columns in model.pieces():
            if learn_decoder:
                residual = model.residual(columns, used, target[columns] * target_unit)
                self._update(
                    number,
                    rates.decoder,
                    [*range(len(h))],
                    "decoder",
                    columns,
                    [residual * (2 * value) for value in used],
                )
                self._update(number, rates.decoder, [], "decoder_bias", columns, [residual * 2])
            if learn_encoder:
                gradient = [source[columns] * (source_unit * value) for value in towards]
                self._update(number, rates.encoder, [*range(len(h))], "encoder", columns, gradient)
        if learn_encoder:
            self._update(number, rates.encoder_bias, [], "encoder_bias", slice(None), [towards])
        return float(squared / torch.where(length > 0, length, len(source)))

    def _update(
        self, number: int, rate: float, rows: list[int], name: str, columns: slice, gradients: list[Tensor]
    ) -> None:
        def slices(of: EncoderDecoder) -> list[Tensor]:
            whole: Tensor = getattr(of, name)
            return [whole[row, columns] for row in rows] if rows else [whole[columns]]

        steps = [torch.tensor(number - 1.0, device=gradients[0].device) for _ in gradients]
        adamw(
            slices(self.model),
            gradients,
            slices(self.first),
            slices(self.second),
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=rate,
            weight_decay=self.weight_decay,
            eps=self.eps,
            maximize=False,
        )
