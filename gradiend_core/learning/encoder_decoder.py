"""The encoder-decoder of arXiv 2502.01406 (section 3) and its gradient, written out.

    h = tanh(We·source + be)        target ≈ Wd·h + bd        loss = ‖Wd·h + bd − target‖²

with source, target, We, Wd, bd in Rⁿ and be, h numbers. There are two vectors to differentiate and every derivative is a
multiple of `source` or of the residual, so autograd would only add copies of n numbers.
"""

from __future__ import annotations

import torch
from attrs import field, frozen
from torch import Tensor


@frozen(eq=False)
class EncoderDecoder:
    """Trainable weights: encoder We [n], encoder_bias be [1], decoder Wd [n], decoder_bias bd [n], float32."""

    encoder: Tensor
    encoder_bias: Tensor
    decoder: Tensor
    decoder_bias: Tensor
    _residual: Tensor = field(init=False)

    @_residual.default
    def _buffer(self) -> Tensor:
        return torch.empty_like(self.decoder)

    @classmethod
    def initial(cls, n: int, seed: int, device: torch.device) -> EncoderDecoder:
        """All weights uniform in ±1/√n, encoder and decoder alike, as the paper has it: the usual rule would draw the
        decoder, which has one input, from ±1, far above any gradient."""
        generator = torch.Generator().manual_seed(seed)
        draw = [(torch.rand(size, generator=generator) * 2 - 1).div_(n**0.5).to(device) for size in (n, 1, n, n)]
        model = cls(*draw)
        for weight in model.weights:
            weight.grad = torch.zeros_like(weight)
        return model

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.encoder, self.encoder_bias, self.decoder, self.decoder_bias

    def copy(self) -> tuple[Tensor, ...]:
        return tuple(weight.clone() for weight in self.weights)

    def backward(self, source: Tensor, target: Tensor) -> Tensor:
        """Sets `.grad` of the weights for one source and one target gradient, [n] each; gives the relative loss
        ‖residual‖² / ‖target‖², which is 1 for a decoder that says nothing."""
        h = torch.tanh(self.encoder @ source + self.encoder_bias)  # [1]
        residual = torch.addcmul(self.decoder_bias, self.decoder, h, out=self._residual).sub_(target)
        towards_code = 2 * (self.decoder @ residual) * (1 - h**2)
        torch.mul(source, towards_code, out=self.encoder.grad)
        self.encoder_bias.grad = towards_code
        torch.mul(residual, 2 * h, out=self.decoder.grad)
        torch.mul(residual, 2, out=self.decoder_bias.grad)
        return residual.square().sum() / target.square().sum().clamp_min(torch.finfo(target.dtype).tiny)
