"""Edits: exact, undone to the bit, chosen with the unedited model in the race, and loadable by plain
transformers."""

from __future__ import annotations

import attrs
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from gradiend_core import Session, load_run, save_run
from gradiend_core.errors import ConfigError, ModelError
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.apply import Rewriter, applied, apply_update
from tests.conftest import settings


def bits(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    "scope", [{"kind": "backbone"}, {"kind": "random", "share": 0.05}], ids=lambda scope: scope["kind"]
)
def test_an_edit_adds_exactly_the_update_and_is_undone_to_the_bit(scope):
    run = Session("english-pronouns", **settings(selector=scope))
    model, before = run.loaded.model, bits(run.loaded.model)
    update = run.feature.update("3SG", 0.37)
    with run.rewritten("3SG", learning_rate=0.37) as edited:
        assert edited is model
        change = {name: edited.state_dict()[name] - before[name] for name in before}
        parameters = dict(model.named_parameters())
        for part, place in update.scope.with_columns():
            wanted = torch.zeros(part.shape).flatten()
            wanted[slice(None) if part.index is None else part.index] = 0.37 * update.direction[place]
            torch.testing.assert_close(change[part.name].flatten(), wanted, rtol=1e-5, atol=1e-06)
            assert part.name in parameters
        changed = sum(
            int((value != 0).sum()) for name, value in change.items() if "decoder.weight" not in name
        )
        assert changed <= update.scope.size
        assert changed > 0.5 * update.scope.size
    assert same(before, bits(model))
    with pytest.raises(RuntimeError), run.rewritten("3PL", learning_rate=100.0):
        raise RuntimeError
    assert same(before, bits(model)), "an error inside the block undoes the edit too"


def test_many_candidates_do_not_drift():
    run = Session("english-pronouns", **settings())
    model, before = run.loaded.model, bits(run.loaded.model)
    with Rewriter(model, run.feature.scope) as rewriter:
        for rate in (1e3, 1e-3, 50.0, 0.1):
            rewriter.apply(run.feature.update("3SG", rate))
        last = bits(model)
    fresh = Session("english-pronouns", **settings()).loaded.model
    apply_update(fresh, run.feature.update("3SG", 0.1))
    assert same(last, bits(fresh))
    assert same(before, bits(model))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_some_entries_are_edited_like_all_of_them_and_inside_another_edit(dtype):
    run = Session("english-pronouns", **settings(gradients={"dtype": dtype}))
    model, whole, before = run.loaded.model, run.gradients.scope, bits(run.loaded.model)
    generator = torch.Generator().manual_seed(0)
    columns = torch.randperm(whole.size, generator=generator)[:5000].sort().values
    values = torch.randn(5000, generator=generator)
    few = WeightUpdate(values, whole.narrowed(columns), 1.0, 0.01)
    same_few = WeightUpdate(torch.zeros(whole.size).index_put((columns,), values), whole, 1.0, 0.01)
    other = WeightUpdate(torch.randn(whole.size, generator=generator), whole, 1.0, 0.01)
    with applied(model, few):
        first = bits(model)
    with applied(model, same_few):
        assert same(first, bits(model))
    with applied(model, other):
        outer = bits(model)
        with applied(model, few) as strengthen:
            assert not same(outer, bits(model))
            strengthen(2.0)
        assert same(outer, bits(model))
    assert same(before, bits(model))


def test_updates_that_do_not_fit_are_refused_before_anything_changes(quick):
    model, before = quick.loaded.model, bits(quick.loaded.model)
    good = quick.feature.update("3SG", 1.0)
    elsewhere = ParameterScope((ParameterSlice("elsewhere", (3,)),))
    wrong = [
        (attrs.evolve(good, direction=good.direction * float("nan")), "not finite"),
        (attrs.evolve(good, direction=good.direction[1:]), "values, the scope"),
        (WeightUpdate(torch.ones(3), elsewhere, 1.0, 1.0), "'elsewhere'.*was it made for another"),
    ]
    for update, words in wrong:
        with pytest.raises(ModelError, match=words):
            apply_update(model, update)
    assert same(before, bits(model))
    with pytest.raises(ConfigError, match=r"unknown class '1SG'.*3PL, 3SG"):
        quick.rewrite("1SG")


def test_a_rewritten_model_is_a_plain_transformers_model(quick, tmp_path):
    rewritten = quick.rewrite("3PL")
    folder = rewritten.save_pretrained(tmp_path / "more-plural")
    model, tokenizer = (
        AutoModelForMaskedLM.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    assert same(bits(rewritten.model), bits(model))
    inputs = tokenizer("Anna opened the box because [MASK] was late.", return_tensors="pt")
    he_they = [tokenizer.convert_tokens_to_ids(word) for word in ("she", "they")]
    slot = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
    with torch.no_grad():
        after, before = (
            each(**inputs).logits[0, slot].softmax(-1)[he_they] for each in (model, quick.loaded.model)
        )
    assert before[0] > 0.9
    assert after[1] > 2 * before[1]


def test_a_saved_run_is_enough_to_rewrite(quick, tmp_path):
    run = Session("english-pronouns", **settings(visualizers={"kinds": []}))
    save_run(run, tmp_path / "run")
    again = load_run(tmp_path / "run")
    assert same(bits(again.rewrite("3SG").model), bits(run.rewrite("3SG").model))
    assert again.reports["encoder"]["test.correlation"] == run.reports["encoder"]["test.correlation"]
    assert again.runner.state.data is None, "no text is read for that"
    stored = AutoModelForMaskedLM.from_pretrained(tmp_path / "run" / "rewritten" / "3SG")
    assert same(bits(stored), bits(run.rewrite("3SG").model))
