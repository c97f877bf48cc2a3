"""Checks of feature paradigms."""

from __future__ import annotations

from gradiend_core.records.pair import SPLITS
from gradiend_core.roles.kinds import PARADIGM
from gradiend_core.testing.checks.guards import random_states
from gradiend_core.testing.checks.register import check
from gradiend_core.testing.subject import Subject


@check(PARADIGM)
def texts_stay_to_the_letter(subject: Subject) -> None:
    """For every pair, left + factual + right is one of the texts, or a part of one."""
    read = list(subject.session.setup.data.texts())
    whole = "\n".join(read)
    for pair in (*subject.session.data.pairs, *subject.session.data.neutral_pairs):
        assert pair.text in whole, f"left + factual + right is no longer the text: {pair.text[:80]!r}"


@check(PARADIGM)
def every_class_has_pairs_in_every_split(subject: Subject) -> None:
    """Pairs have a class of the data, another class as alternative, a split, and another word."""
    data = subject.session.data
    counts = data.counts()
    for name in data.classes:
        assert data.words.get(name), f"class {name} has no words in PairData.words"
        for split in SPLITS:
            assert counts[split, name], f"class {name} has no {split} pair; raise DataError instead"
    for pair in data.pairs:
        assert pair.split in SPLITS, f"{pair.split!r} is not a split; use one of {', '.join(SPLITS)}"
        assert pair.factual_class != pair.alternative_class, (
            f"a pair has {pair.factual_class} on both sides: {pair.text[:80]!r}"
        )
        assert pair.factual != pair.alternative, (
            f"a pair has {pair.factual!r} as both fillers: {pair.text[:80]!r}"
        )
    for pair in data.neutral_pairs:
        assert pair.factual == pair.alternative, (
            f"a neutral pair has two words, {pair.factual!r} and {pair.alternative!r}"
        )


@check(PARADIGM)
def a_text_is_in_one_split(subject: Subject) -> None:
    """No text is in two splits."""
    seen: dict[str, str] = {}
    for pair in subject.session.data.pairs:
        other = seen.setdefault(pair.text, pair.split)
        assert other == pair.split, (
            f"a text is in {other} and in {pair.split}: {pair.text[:80]!r}; split texts, not pairs"
        )


@check(PARADIGM)
def equal_seeds_give_equal_pairs(subject: Subject) -> None:
    """Texts, settings and seed alone decide, and no global random state is touched."""
    before = random_states()
    one, two = subject.fresh().data, subject.fresh().data
    assert random_states() == before, "it draws from or seeds a global random state; use random.Random(seed)"
    assert one.fingerprint() == two.fingerprint(), (
        "two equal runs have different pairs; draw from random.Random(task.seed) alone"
    )


@check(PARADIGM)
def the_funnel_adds_up(subject: Subject) -> None:
    """What was read, matched and kept is counted."""
    data = subject.session.data
    funnel, kept = data.funnel, dict(data.funnel.kept)
    assert funnel.read >= len(data.neutral_texts), f"the funnel says that {funnel.read} texts were read"
    for name in data.classes:
        pairs = sum(pair.factual_class == name for pair in data.pairs)
        assert kept.get(name) == pairs, (
            f"the funnel says {kept.get(name)} pairs of {name} were kept, and there are {pairs}"
        )
