"""How many pairs of each word a class keeps."""

from __future__ import annotations

from collections.abc import Mapping

from gradiend_core.errors import DataError


def word_quotas(
    name: str, counts: Mapping[str, int], words: tuple[str, ...], balance: str, limit: int
) -> dict[str, int]:
    """How many pairs of each word of a class are kept; `limit` is the limit of the class, 0 for none. "try"
    keeps all of the rare words and cuts the frequent ones to one level, so that the class is as large as
    possible. "strict" keeps every word as often as the rarest one, and raises DataError for a word that never
    occurs."""
    if balance == "strict":
        missing = [word for word in words if not counts.get(word)]
        if missing:
            raise DataError(
                f'data.balance = "strict" takes each word equally often, but of class {name} no pair has'
                f' {", ".join(missing)}; leave the word out, give more text, or use "try"'
            )
        rarest = min(counts.values())
        return dict.fromkeys(counts, min(rarest, limit // len(counts)) if limit else rarest)
    quotas, left, waiting = (
        {},
        limit or sum(counts.values()),
        sorted(counts, key=lambda word: (counts[word], word)),
    )
    for position, word in enumerate(waiting):
        quotas[word] = min(counts[word], -(-left // (len(waiting) - position)))
        left -= quotas[word]
    return quotas
