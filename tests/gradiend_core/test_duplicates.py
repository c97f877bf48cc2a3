"""Texts that are nearly the same are told from others."""

from __future__ import annotations

import random

from gradiend_core.data.duplicates import near_duplicates


def test_small_changes_are_seen_and_other_texts_are_not():
    base = ("Lily went to the park with her mom and", "saw a big red ball.")
    other = ("Tom ran home and", "was happy to see the dog.")
    near = [(base[0].replace("mom", "mum"), base[1]), (base[0].upper(), base[1]), (base[0], base[1] + "!!")]
    numbers = near_duplicates([base, *near, other])
    assert {numbers[context] for context in near} == {numbers[base]}
    assert numbers[other] != numbers[base]


def test_texts_of_one_template_are_not_all_one():
    rng = random.Random(0)
    words = [f"{a}{b}{c}" for a in "bdfgkl" for b in "aeiou" for c in "mnprst"]
    contexts = [(f"The {rng.choice(words)} saw the {rng.choice(words)} when", "left.") for _ in range(300)]
    numbers = list(near_duplicates(contexts).values())
    assert max(numbers.count(number) for number in set(numbers)) < 30
