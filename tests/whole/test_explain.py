"""The shares of tokens and layers in an encoding add up to it, and say where it comes from."""

from __future__ import annotations

import csv
import json
import math

import pytest
import torch

import gradiend_core as gd
from gradiend_core.errors import DataError
from gradiend_core.gradients.examples import subset
from gradiend_core.records.gradient_role import GradientRole
from tests.conftest import STORIES, asset, settings

TEXTS = ["The chef tasted the soup, then [he|they] added pepper.", "Anna was tired, so [she|they] slept."]


@pytest.mark.parametrize("model", ["tiny-mlm", "tiny-clm", "models/stories260k"])
def test_a_token_s_share_is_what_autograd_gives_for_a_change_at_it_alone(model):
    """Each linear layer and embedding gets V added to its weights with a factor of its own for each token,
    and the derivative by these factors is asked for."""
    known = {"texts": str(STORIES)} if model.startswith("models") else {}
    run = gd.Session("english-pronouns", model=asset(model) if known else model, **known, **settings())
    examples, scope = subset(run.examples["train"], [0]), run.gradients.scope
    direction = torch.randn(scope.size, generator=torch.Generator().manual_seed(0))
    (products,) = run.gradients.by_token(examples, direction, GradientRole.DIFFERENCE)
    changes = {
        parameter.name: direction[columns].view(parameter.shape)
        for parameter, columns in scope.with_columns()
    }
    names = [parameter.name for parameter in scope.slices]
    weights = dict(run.loaded.model.named_parameters())
    factors = {name: torch.zeros(len(products.ids), requires_grad=True) for name in names}
    slot, handles = int(examples.batch([0], "cpu").slot), []
    output = run.loaded.model.get_output_embeddings()

    def watch(module: torch.nn.Module, name: str) -> None:
        def hook(_, inputs, result):
            given, change = inputs[0], changes[name]
            of_tokens = factors[name][[slot]] if module is output else factors[name]
            if isinstance(module, torch.nn.Embedding):
                return result + of_tokens[:, None] * change[given]
            change = change if isinstance(module, torch.nn.Linear) else change.T
            return result + of_tokens[:, None] * (given @ change.T)

        handles.append(module.register_forward_hook(hook))

    checked = set()
    for module in run.loaded.model.modules():
        for name in names:
            if getattr(module, "weight", None) is weights[name] and weights[name].dim() == 2:
                watch(module, name)
                checked.add(name)
    losses = run.source.losses(run.loaded.model, examples.batch([0], "cpu"))
    (losses[0, 0] - losses[0, 1]).backward()
    for handle in handles:
        handle.remove()
    run.loaded.model.zero_grad()
    assert len(checked) > 10
    largest = float(products.values.abs().max())
    sign = GradientRole.DIFFERENCE.loss_weights[0]
    for name in checked:
        right = sign * factors[name].grad
        torch.testing.assert_close(
            products.values[names.index(name), :-1], right, rtol=1e-4, atol=1e-5 * largest
        )


def test_the_shares_add_up_to_what_is_read(quick):
    explanations = gd.explain(quick, TEXTS)
    read = gd.encode(quick, TEXTS).column("encoding")
    for one, encoding in zip(explanations, read, strict=True):
        assert one.encoding == pytest.approx(encoding, abs=1e-5)
        for parts in (one.of_tokens, one.of_components.values(), map(sum, one.of_layers.values())):
            assert math.tanh(sum(parts) + one.bias) == pytest.approx(encoding, abs=1e-5)
    table = explanations.table()
    assert sum(table.column("share")) + 2 * explanations[0].bias == pytest.approx(
        sum(math.atanh(one.encoding) for one in explanations), abs=1e-4
    )


def test_most_is_read_at_the_slot_and_at_the_word_that_decides(quick):
    """In a text whose subject alone tells the class."""
    (one,) = gd.explain(quick, [TEXTS[1]])
    strongest = sorted(zip(one.of_tokens, one.tokens, strict=True), key=lambda pair: -abs(pair[0]))
    assert {token.strip() for _, token in strongest[:2]} == {"[MASK]", "Anna"}
    assert sum(value for value, _ in strongest[:2]) > 0.5 * sum(one.of_tokens)


def test_the_command_shows_the_same(quick, gradiend, tmp_path):
    gd.save_run(quick, tmp_path / "run")
    code, out, err = gradiend("explain", tmp_path / "run", *TEXTS, "--output", tmp_path / "shares.csv")
    assert code == 0, err
    assert "Anna +" in out
    (one, two) = gd.explain(gd.load_run(tmp_path / "run"), TEXTS)
    assert f"{one.encoding:+.3f}" in out
    assert f"{two.encoding:+.3f}" in out
    with (tmp_path / "shares.csv").open() as file:
        rows = list(csv.DictReader(file))
    total = sum(float(row["share"]) for row in rows if row["text"] == "1")
    assert math.tanh(total + two.bias) == pytest.approx(two.encoding, abs=1e-4)
    code, out, _ = gradiend("explain", tmp_path / "run", TEXTS[1], "--json")
    assert code == 0
    (read,) = json.loads(out)
    assert read["encoding"] == two.encoding
    assert len(read["tokens"]) == len(read["shares"][0]["of_tokens"])
    code, _, err = gradiend("explain", tmp_path / "run", "A text without a slot.")
    assert code == 1
    assert "no slot with its fillers" in err
    code, _, err = gradiend("explain", tmp_path / "run", TEXTS[0], "--output", tmp_path / "shares.csv")
    assert code == 1
    assert "exists; give a new file" in err


def test_what_the_model_cannot_take_is_refused_by_name(quick):
    with pytest.raises(DataError, match="'Then him left.': 'him' is 3 tokens"):
        gd.explain(quick, ["Then [him|they] left."])


def test_a_page_shows_tokens_by_their_shares_and_text_as_text(quick):
    html = gd.explain(quick, ["Anna <b>was</b> tired, so [she|they] slept."])._repr_html_()
    assert "&lt;" in html
    assert "<b>was" not in html
    assert html.count("<tr>") > 2
