"""Two features over one scope: do they point in the same direction, and do they use the same weights?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from gradiend_core.errors import ConfigError
from gradiend_core.records.feature import LearnedFeature

if TYPE_CHECKING:
    from torch import Tensor


@frozen
class Similarity:
    """Cosines of the encoders and of the decoders, and the fraction of the top k decoder weights that the two
    have in common, with the fraction expected of two random choices."""

    encoder_cosine: float
    decoder_cosine: float
    top_k: int
    overlap: float
    chance: float


def compare(one: LearnedFeature, two: LearnedFeature, top_k: int = 1000) -> Similarity:
    """How alike two features over the same weights are. Raises ConfigError for features over different
    weights, and for a k that the scope does not have."""
    if one.scope.fingerprint() != two.scope.fingerprint():
        raise ConfigError(
            "the features are over different weights (scope); compare features of one model and scope"
        )
    n = one.scope.size
    if not 1 <= top_k <= n:
        raise ConfigError(f"top_k is {top_k}, but the scope has {n} weights; take 1 to {n}")
    top = [feature.decoder.abs().topk(top_k, sorted=False).indices for feature in (one, two)]

    def cosine(name: str) -> float:
        a, b = getattr(one, name).double(), getattr(two, name).double()
        return float(a @ b / (a.norm() * b.norm()).clamp_min(1e-300))

    return Similarity(
        cosine("encoder"), cosine("decoder"), top_k, shared(top[0], top[1], n) / top_k, top_k / n
    )


def shared(one: Tensor, two: Tensor, n: int) -> int:
    """How many of n positions two lists of positions have in common."""
    import torch

    chosen = torch.zeros(n, dtype=torch.bool, device=one.device)
    chosen[one] = True
    return int(chosen[two].sum())
