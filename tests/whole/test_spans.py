"""Fillers of several tokens: the loss is the sum over them, by hand; products stay exact; and a run goes
through."""

from __future__ import annotations

import pytest
import torch
from gradiend_clm import CausalSpanSettings
from gradiend_clm.span import CausalSpanSource
from gradiend_mlm import MaskedSpanSettings
from gradiend_mlm.span import MaskedSpanSource

from gradiend_core import Session
from gradiend_core.gradients.operator import GradientOperator
from gradiend_core.language.spans import prepare_spans
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.pair import MinimalPair
from gradiend_core.testing.gradients import product_errors
from tests.conftest import settings


def pair(left: str, right: str, factual: str, alternative: str) -> MinimalPair:
    return MinimalPair(left, right, factual, alternative, "A", "B", "train")


PAIRS = (
    pair("Anna opened the box because ", " late.", "she was", "the old dogs were"),
    pair("After lunch, ", " slept in the garden near the river.", "Tom", "Tom and Anna"),
    pair("The children ran. ", ".", "They slept", "He slept"),
    pair("", " ran home.", "They", "The dogs"),
)


def loaded(kind: str):
    run = Session("english-pronouns", model=kind)
    return run.loaded.model, run.loaded.tokenizer, run


def tokens_of(tokenizer, left: str, filler: str, right: str) -> tuple[list[int], list[int]]:
    """Ids, and which of them are the filler's."""
    encoded = tokenizer(left + filler + right, return_offsets_mapping=True)
    start, end = len(left), len(left + filler)
    return encoded["input_ids"], [
        i for i, (a, b) in enumerate(encoded["offset_mapping"]) if a < end and b > start and a < b
    ]


@pytest.mark.parametrize(("cloze", "per_token"), [(False, False), (True, False), (False, True)])
def test_a_causal_loss_is_that_of_all_its_tokens(cloze, per_token):
    model, tokenizer, _ = loaded("tiny-clm")
    source = CausalSpanSource(CausalSpanSettings(cloze=cloze, per_token=per_token))
    examples = source.prepare(PAIRS, tokenizer, model)
    assert examples.pairs == PAIRS[:3]
    assert [drop.reason for drop in examples.drops] == [
        "no text before the slot, so a causal model cannot know"
    ]
    with torch.no_grad():
        found = source.losses(model, examples.batch([2, 0, 1], "cpu"))[[1, 2, 0]]
    for each, losses in zip(examples.pairs, found.tolist(), strict=True):
        for filler, loss in zip((each.factual, each.alternative), losses, strict=True):
            ids, places = tokens_of(tokenizer, each.left, filler, each.right if cloze else "")
            judged = range(places[0], len(ids)) if cloze else places
            with torch.no_grad():
                log_probabilities = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
            right = -sum(float(log_probabilities[place - 1, ids[place]]) for place in judged)
            assert loss == pytest.approx(right / (len(judged) if per_token else 1), rel=1e-4)


def test_a_masked_loss_has_a_mask_for_each_token():
    model, tokenizer, _ = loaded("tiny-mlm")
    source = MaskedSpanSource(MaskedSpanSettings())
    examples = source.prepare(PAIRS, tokenizer, model)
    with torch.no_grad():
        found = source.losses(model, examples.batch(range(len(examples.pairs)), "cpu"))
    assert {each.factual for each in examples.pairs} >= {"she was", "Tom"}
    for each, losses in zip(examples.pairs, found.tolist(), strict=True):
        for filler, loss in zip((each.factual, each.alternative), losses, strict=True):
            ids, places = tokens_of(tokenizer, each.left, filler, each.right)
            masked = torch.tensor([ids])
            masked[0, places] = tokenizer.mask_token_id
            with torch.no_grad():
                log_probabilities = model(input_ids=masked).logits[0].log_softmax(-1)
            assert loss == pytest.approx(
                -sum(float(log_probabilities[place, ids[place]]) for place in places), rel=1e-4
            )


def test_a_filler_of_one_token_costs_what_it_costs_elsewhere(quick):
    pairs = quick.examples["test"].pairs[:20]
    source, model, tokenizer = (
        MaskedSpanSource(MaskedSpanSettings()),
        quick.loaded.model,
        quick.loaded.tokenizer,
    )
    examples = source.prepare(pairs, tokenizer, model)
    plain = quick.source.prepare(pairs, tokenizer, model)
    with torch.no_grad():
        torch.testing.assert_close(
            source.losses(model, examples.batch(range(20), "cpu")),
            quick.source.losses(model, plain.batch(range(20), "cpu")),
            rtol=1e-5,
            atol=0.0001,
        )


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("tiny-clm", CausalSpanSource(CausalSpanSettings())),
        ("tiny-clm", CausalSpanSource(CausalSpanSettings(cloze=True))),
        ("tiny-mlm", MaskedSpanSource(MaskedSpanSettings(per_token=True))),
    ],
)
def test_products_are_exact(model, source):
    weights, tokenizer, run = loaded(model)
    gradients = GradientOperator(weights, source, run.gradients.scope)
    examples = source.prepare(PAIRS, tokenizer, weights)
    for role in (GradientRole.DIFFERENCE, GradientRole.ALTERNATIVE):
        assert max(product_errors(gradients, examples, role).values()) < 1e-4
    assert not gradients.coverage(examples).others, "both rows of an example go through the layers at once"


def test_long_texts_are_cut_and_the_filler_is_kept():
    _, tokenizer, _ = loaded("tiny-clm")
    long = pair(
        "Anna and Tom ran to the old house near the river because ",
        " late and cold and tired.",
        "she was",
        "they were",
    )
    for cloze in (False, True):
        (both,) = prepare_spans([long], tokenizer, limit=8, cloze=cloze).rows
        for row, filler in zip(both, ("she was", "they were"), strict=True):
            assert len(row.ids) <= 8
            assert tokenizer.decode(row.targets).strip().startswith(filler)
            assert [row.ids[place] for place in row.positions[1:]] == list(row.targets[:-1]), (
                "each is seen by the next"
            )
    found = prepare_spans([long], tokenizer, limit=2)
    assert not found.pairs
    assert found.drops[0].reason == "a filler does not fit into 2 tokens"
    _, tokenizer, _ = loaded("tiny-mlm")
    (both,) = prepare_spans([long], tokenizer, limit=9, mask_id=tokenizer.mask_token_id).rows
    for row in both:
        assert len(row.ids) == 9
        assert [row.ids[place] for place in row.positions] == [tokenizer.mask_token_id] * len(row.targets)
        assert row.ids[0] == tokenizer.cls_token_id
        assert row.ids[-1] == tokenizer.sep_token_id


@pytest.mark.parametrize(
    ("model", "source"), [("tiny-clm", {"kind": "clm-span"}), ("tiny-mlm", {"kind": "mlm-span"})]
)
def test_a_run_with_words_of_several_tokens(model, source):
    """The words are phrases, of which no tokenizer here holds one as a token."""
    words = {"ONE": ["the cat", "the dog"], "MANY": ["the cats", "the dogs"]}
    texts = [
        f"{name} saw that {animal} {verb} {rest}."
        for name in ("Anna", "Tom", "Emma", "Peter", "Ella", "Lily")
        for animals, verb in (("the cat|the dog", "was"), ("the cats|the dogs", "were"))
        for animal in animals.split("|")
        for rest in ("late", "tired", "hungry", "cold", "ready")
    ]
    neutral = [f"It was {word} near the old house." for word in ("cold", "late", "warm", "dark") * 5]
    tables = settings(
        source=source,
        paradigm={"words": words},
        learner={"kind": "mean-difference"},
        evaluators={"kinds": ["encoder", "decoder"]},
    )
    run = Session("words", model=model, texts=texts + neutral, **tables)
    assert run.reports["encoder"]["test.correlation"] > 0.9
    decoder = run.reports["decoder"]
    assert decoder["MANY", "rewritten_probability"] > decoder["MANY", "base_probability"]
