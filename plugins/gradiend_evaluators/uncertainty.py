"""How sure a number is: its interval, and what chance gives."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: what an interval covers, and how often data are drawn again for it and for a null
LEVEL, DRAWS = 0.95, 999


def correlation_interval(
    values: Tensor, labels: Tensor, groups: Sequence[str], seed: int
) -> tuple[float, float] | None:
    """The bootstrap interval (BCa, Efron 1987) of Pearson's correlation, drawn by group: examples of one
    document are not independent. Empty groups are examples by themselves. None where it does not exist, as
    for a constant or a single group."""
    sums = _sums(values.double().numpy(), labels.double().numpy(), groups)
    return _bootstrap(sums, _drawn, seed) if np.isfinite(_pearson(*sums)) else None


def _bootstrap(sums: Any, statistic: Any, seed: int) -> tuple[float, float] | None:
    """The BCa interval of a statistic of sums by group, [sums, groups]."""
    from scipy.stats import bootstrap

    if sums.shape[1] < 3:
        return None
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where all draws are alike there is no interval, and none is given
        result = bootstrap(
            tuple(sums),
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=DRAWS,
            confidence_level=LEVEL,
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    low, high = float(result.low), float(result.high)
    return (low, high) if np.isfinite(low) and np.isfinite(high) else None


def _sums(x: Any, y: Any, groups: Sequence[str]) -> Any:
    """For each group n, Σx, Σy, Σx², Σy², Σxy, [6, groups]: all that a correlation needs."""
    group_of = _places(groups)
    return np.stack(
        [np.bincount(group_of, weights=values) for values in (np.ones_like(x), x, y, x * x, y * y, x * y)]
    )


def _places(groups: Sequence[str]) -> Any:
    """The number of each example's group; an empty name is a group by itself."""
    return np.unique(
        [group or f"\0{position}" for position, group in enumerate(groups)], return_inverse=True
    )[1]


def _pearson(n: Any, x: Any, y: Any, xx: Any, yy: Any, xy: Any, axis: int = -1) -> Any:
    n, x, y, xx, yy, xy = (np.sum(values, axis=axis) for values in (n, x, y, xx, yy, xy))
    spread = (xx - x * x / n) * (yy - y * y / n)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip((xy - x * y / n) / np.sqrt(np.where(spread > 1e-12, spread, np.nan)), -1, 1)


def _drawn(*sums: Any, axis: int = -1) -> Any:
    """The correlation of a draw; one with a single class says nothing, and has none."""
    n, x, y, xx, yy, xy = sums
    return np.nan_to_num(_pearson(n, x, y, xx, yy, xy, axis=axis))


def difference_interval(
    before: Tensor, after: Tensor, seed: int, *, counts: Tensor | None = None, groups: Sequence[str] = ()
) -> tuple[float, float] | None:
    """The bootstrap interval (BCa) of the mean of after − before over paired examples, drawn by group; of
    sums over `counts` tokens, the mean is over tokens. None where it does not exist, as for two examples or
    where all changed alike."""
    if torch.equal(before, after):
        return 0.0, 0.0
    if len(before) < 3:
        return None
    change = (after - before).double().cpu().numpy()
    n = np.ones_like(change) if counts is None else counts.double().cpu().numpy()
    group_of = _places(groups or [""] * len(change))
    sums = np.stack([np.bincount(group_of, weights=values) for values in (n, change)])
    return _bootstrap(sums, _ratio, seed)


def _ratio(n: Any, total: Any, axis: int = -1) -> Any:
    return total.sum(axis=axis) / n.sum(axis=axis)


def shuffled_p_value(values: Tensor, labels: Tensor, seed: int) -> float | None:
    """How often shuffled labels correlate at least as strongly (two-sided, the observed order counted among
    them)."""
    from scipy.stats import permutation_test

    x, y = values.double().numpy(), labels.double().numpy()
    if len(x) < 3 or x.std() == 0 or y.std() == 0:
        return None
    centred = (x - x.mean()) / x.std()

    def strength(shuffled: Any, axis: int = -1) -> Any:
        return np.abs(((shuffled - y.mean()) * centred).mean(axis=axis))

    result = permutation_test(
        (y,),
        strength,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=DRAWS,
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def area_under_curve(values: Tensor, labels: Tensor) -> float | None:
    """The chance that an example of the first class encodes above one of the second (AUC, from Mann and
    Whitney's U)."""
    from scipy.stats import mannwhitneyu

    first, second = (values[labels == sign].numpy() for sign in (1.0, -1.0))
    if not len(first) or not len(second):
        return None
    return float(mannwhitneyu(first, second).statistic / (len(first) * len(second)))


def effect_size(values: Tensor, labels: Tensor) -> float | None:
    """Cohen's d: the difference of the class means in units of their pooled standard deviation."""
    first, second = (values[labels == sign].double() for sign in (1.0, -1.0))
    if len(first) < 2 or len(second) < 2:
        return None
    freedom = len(first) + len(second) - 2
    pooled = (first.var() * (len(first) - 1) + second.var() * (len(second) - 1)) / freedom
    return float((first.mean() - second.mean()) / pooled.sqrt()) if pooled > 0 else None
