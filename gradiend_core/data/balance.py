"""How many pairs of each word a class keeps."""

from __future__ import annotations

from collections.abc import Mapping

from gradiend_core.errors import DataError


def word_quotas(
    name: str, counts: Mapping[str, int], words: tuple[str, ...], balance: str, limit: int
) -> dict[str, int]:
    """How many pairs of each word of a class to keep; `limit` is of the class, 0 for none.

    "try" takes rare words whole and cuts frequent ones to one level, so that the class is as large as it may
    be. "strict" takes each word as often as the rarest; it raises DataError for a word that was not found."""
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
