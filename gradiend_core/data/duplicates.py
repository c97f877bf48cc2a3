"""Texts that are nearly the same, such as two copies with another comma."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Sequence

#: letters of a shingle; the share of common shingles from which texts are alike (Jaccard); and the numbers of
#: a text's signature, by which this is estimated
SHINGLE, ALIKE, NUMBERS = 4, 0.75, 128
#: the threshold of the look-up, which misses some that are near it; what it gives is compared once more
LOOKED_UP = 0.5


def near_duplicates(contexts: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """A number for each context (left, right); a near-duplicate of an earlier context has the earlier one's
    number. Case, spaces, digits and punctuation are ignored. Uses MinHash and locality-sensitive hashing
    (Broder 1997). Later texts are compared only with the first text of a number: otherwise texts of one
    template, each similar to the next, would all become one."""
    from datasketch import MinHash, MinHashLSH

    state = random.getstate()  # it draws a name for itself
    index = MinHashLSH(threshold=LOOKED_UP, num_perm=NUMBERS)
    random.setstate(state)
    firsts: dict[str, MinHash] = {}
    number_of: dict[str, int] = {}
    for text in dict.fromkeys(map(_normal, contexts)):
        shingles = {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}
        signature = MinHash(num_perm=NUMBERS, hashfunc=zlib.crc32)
        signature.update_batch([shingle.encode() for shingle in sorted(shingles)])
        alike = {other: signature.jaccard(firsts[other]) for other in index.query(signature)}
        nearest = max(alike, key=lambda other: (alike[other], -number_of[other]), default=None)
        if nearest is not None and alike[nearest] >= ALIKE:
            number_of[text] = number_of[nearest]
        else:
            number_of[text] = len(firsts)
            firsts[text] = signature
            index.insert(text, signature)
    return {context: number_of[_normal(context)] for context in contexts}


def _normal(context: tuple[str, str]) -> str:
    left, right = (" ".join(re.findall(r"[^\W\d_]+", side.casefold())) for side in context)
    return f"{left} ___ {right}"
