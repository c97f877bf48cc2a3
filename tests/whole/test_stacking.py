"""Several edits in one model: the sum is the sum, and each number is that of the rewritten model."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForMaskedLM

from gradiend_core import Session, StackedEdit, cli, load_update, save_run, stack
from gradiend_core.errors import ConfigError
from gradiend_core.rewriting.apply import applied, apply_update
from gradiend_core.rewriting.measuring import measure_of
from tests.conftest import settings


def some(**scope: object) -> Session:
    tables = settings(
        evaluators={"kinds": ["decoder"], "decoder": {"evaluations": 6}}, visualizers={"kinds": []}
    )
    return Session("english-pronouns", selector=scope or {"kind": "backbone"}, **tables)


@pytest.fixture(scope="module")
def runs():
    return some(), some(kind="random", share=0.2)


@pytest.mark.slow
def test_the_sum_and_what_each_edit_does_in_it(runs):
    one, two = runs
    found = stack([StackedEdit(one, "3PL"), StackedEdit(two, "3SG", 0.5)])
    whole = one.update("3PL") + 0.5 * two.update("3SG")
    assert torch.equal(found.update.direction, whole.direction)
    assert found.update.scope.size == one.update("3PL").scope.size
    ((first, second, cosine, share, chance),) = found.report.tables["conflicts"].rows
    assert (first, second, chance) == ("3PL", "3SG", pytest.approx(0.01, abs=1e-5))
    a, b = (update.over(whole.scope).direction for update in (one.update("3PL"), two.update("3SG")))
    assert cosine == pytest.approx(float(torch.nn.functional.cosine_similarity(a, b, 0)), abs=1e-4)
    count = round(0.01 * len(a))
    tops = [set(values.abs().topk(count).indices.tolist()) for values in (a, b)]
    assert share == pytest.approx(len(tops[0] & tops[1]) / count)
    rows = {row[0]: row[1:] for row in found.report.tables["effects"].rows}
    for run, toward, texts_of, alone, column in (
        (one, "3PL", "3SG", one.update("3PL"), 1),
        (two, "3SG", "3PL", 0.5 * two.update("3SG"), 0),
    ):
        measure, model = measure_of(run.evaluation_task(), 500), run.loaded.model
        expected = [float(measure.slots("test", texts_of)(model)[:, column].mean())]
        scores = [measure.language().mean]
        for update in (alone, whole):
            with applied(model, update):
                expected.append(float(measure.slots("test", texts_of)(model)[:, column].mean()))
                scores.append(measure.language().mean)
        assert rows[toward][:6] == pytest.approx((*expected, *scores), abs=1e-6)
        assert len(set(expected)) == 3
    assert found.report["3PL", "together"] == rows["3PL"][2]
    assert two.with_model(one.loaded).loaded.model is one.loaded.model, "one model in memory"


def test_a_stack_from_the_command_line_is_a_plain_model(runs, tmp_path, capsys):
    for name, run in zip("ab", runs, strict=True):
        save_run(run, tmp_path / name)
    edits = [f"{tmp_path / 'a'}:3PL", f"{tmp_path / 'b'}:3SG*0.5"]
    cli.app(["stack", *edits, "--output", str(tmp_path / "full")], standalone_mode=False)
    out = capsys.readouterr().out
    assert "3PL and 3SG: cosine -0." in out
    assert "of the largest weights in common (by chance 1.0%)" in out
    whole = runs[0].update("3PL") + 0.5 * runs[1].update("3SG")
    fresh = AutoModelForMaskedLM.from_pretrained(runs[0].model_folder).eval()
    apply_update(fresh, whole)
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "full").eval()
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert "# 3PL and 3SG" in (tmp_path / "full" / "README.md").read_text()
    cli.app(
        ["stack", *edits, "--output", str(tmp_path / "sparse"), "--format", "sparse"], standalone_mode=False
    )
    assert torch.equal(load_update(tmp_path / "sparse", runs[0].loaded.model).direction, whole.direction)


def test_what_cannot_be_stacked_is_refused(runs, tmp_path):
    with pytest.raises(ConfigError, match="two edits at least, and this has 1"):
        stack([StackedEdit(runs[0], "3PL")])
    other = Session("english-pronouns", model="tiny-clm", **settings())
    with pytest.raises(ConfigError, match=r"different models, 'tiny-mlm' \(.*\) and 'tiny-clm'"):
        stack([StackedEdit(runs[0], "3PL"), StackedEdit(other, "3PL")])
    with pytest.raises(ConfigError, match="edit toward 3SG is nothing"):
        stack([StackedEdit(runs[0], "3PL"), StackedEdit(runs[0], "3SG", 0.0)])
    with pytest.raises(ConfigError, match=r"'nowhere' is not an edit; write it as FOLDER:CLASS"):
        cli.app(["stack", "nowhere"], standalone_mode=False)
    with pytest.raises(ConfigError, match="is not an edit"):
        cli.app(["stack", f"{tmp_path}:3PL*much"], standalone_mode=False)


def test_a_strength_is_set_while_the_edit_is_in_place(runs):
    run = runs[0]
    model, update = run.loaded.model, run.update("3PL", 0.1)
    name = update.scope.slices[0].name
    before = dict(model.named_parameters())[name].detach().clone()
    change = update.direction[: before.numel()].view_as(before)
    with applied(model, update, 0.5) as set_strength:
        now = dict(model.named_parameters())[name]
        torch.testing.assert_close(now - before, 0.05 * change, rtol=1e-5, atol=1e-06)
        set_strength(-2.0)
        torch.testing.assert_close(now - before, -0.2 * change, rtol=1e-5, atol=1e-06)
    assert torch.equal(dict(model.named_parameters())[name], before)
