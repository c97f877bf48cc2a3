"""Whether a model knows the language of some texts, as a control for every number measured on them."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import nn

from gradiend_core.roles.abilities import ScoresTexts

#: texts that are scored, and how many there must be to say anything
MOST, LEAST = 100, 20


def language_problem(source: Any, model: nn.Module, tokenizer: Any, texts: Sequence[str], seed: int) -> str:
    """A warning if the model predicts the tokens of texts no better than their frequencies do, as a model
    with random weights would; empty if it does better, or cannot score texts. The frequencies are counted on
    one half of the texts, with 1 added for each possible token, and both predict the other half."""
    if not isinstance(source, ScoresTexts) or len(texts) < LEAST:
        return ""
    chosen = random.Random(f"{seed}:language").sample(list(texts), min(MOST, len(texts)))
    known, scored = chosen[::2], chosen[1::2]
    scores = source.score_texts(model, source.prepare_texts(scored, tokenizer, model, seed))
    tokens = float(scores.tokens.sum())
    if not tokens:
        return ""
    perplexity = _perplexity(float(scores.surprisals.sum()) / tokens)
    counts = Counter(token for ids in _ids(tokenizer, known) for token in ids)
    total = sum(counts.values()) + len(tokenizer)
    surprisals = [math.log(total / (counts[token] + 1)) for ids in _ids(tokenizer, scored) for token in ids]
    by_frequency = _perplexity(sum(surprisals) / max(1, len(surprisals)))
    if perplexity < by_frequency:
        return ""
    return (
        f"the model does not know the language of these texts: its perplexity is {perplexity:,.0f}, and that"
        f" of the tokens' frequencies alone {by_frequency:,.0f}; what is learned from it says nothing about"
        " language"
    )


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    return list(tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"])


def _perplexity(surprisal: float) -> float:
    return math.exp(min(surprisal, 700.0))
