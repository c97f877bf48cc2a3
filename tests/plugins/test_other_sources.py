"""Sources that fill no slot: a classifier's labels, and functions that are imported by name."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

from gradiend_core import Session, save_run
from gradiend_core.errors import ConfigError
from gradiend_core.testing import outcomes
from tests.families.build import word_pieces

WORDS = {"positive": ("warm", "ready", "kind"), "negative": ("cold", "late", "lost")}


def labelled() -> list[str]:
    """Texts that say a label of a sentence; the label is a filler, and the sentence is what is classified."""
    names = ("Anna", "Tom", "Emma", "Peter", "Ella", "Lily", "Helen", "Simon")
    return [
        f"{label}: {name} was {word} near the {place}."
        for label, own in WORDS.items()
        for word in own
        for name in names
        for place in ("house", "river", "street")
    ]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A small classifier that was taught what the words mean."""
    torch.manual_seed(0)
    tokenizer = word_pieces()
    config = hf.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=40,
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
        label2id={"NEGATIVE": 0, "POSITIVE": 1},
    )
    model = hf.BertForSequenceClassification(config)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    texts = labelled()
    inputs = tokenizer([text.partition(": ")[2] for text in texts], return_tensors="pt", padding=True)
    labels = torch.tensor([text.startswith("positive") for text in texts]).long()
    for _ in range(40):
        optimizer.zero_grad()
        model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels=labels
        ).loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("classifier")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


TABLES = {
    "paradigm": {"kind": "words", "words": {"GOOD": ["positive"], "BAD": ["negative"]}},
    "learner": {"kind": "mean-difference", "source": "alternative"},
}


def test_a_classifier_has_a_feature_for_its_labels(classifier, tmp_path):
    run = Session(model=classifier, texts=labelled(), **TABLES)
    assert run.config.source.kind == "classification"
    examples, model, tokenizer = run.examples["test"], run.loaded.model, run.loaded.tokenizer
    with torch.no_grad():
        found = run.source.losses(model, examples.batch(range(len(examples.pairs)), "cpu"))
    for pair, losses in zip(examples.pairs[:5], found.tolist(), strict=False):
        inputs = tokenizer((pair.left + pair.right).strip(), return_tensors="pt")
        for label, loss in zip((pair.factual, pair.alternative), losses, strict=True):
            with torch.no_grad():
                right = model(
                    input_ids=inputs["input_ids"], labels=torch.tensor([model.config.label2id[label.upper()]])
                ).loss
            assert loss == pytest.approx(float(right), rel=1e-4)
    assert run.reports["encoder"]["test.correlation"] > 0.7
    (warning,) = run.reports["decoder"].warnings
    assert (
        warning
        == "ClassificationSource has no language modelling score to judge edits by, so none was looked for"
    )
    save_run(run, tmp_path / "run")
    update = run.update("BAD", 0.05 / float(run.feature.decode(1.0).norm()))
    with run.rewritten("BAD", update.learning_rate) as edited, torch.no_grad():
        after = run.source.losses(edited, examples.batch(range(len(examples.pairs)), "cpu"))
    good = torch.tensor([pair.factual == "positive" for pair in examples.pairs])
    assert after[good, 1].mean() < found[good, 1].mean(), "good texts are taken as bad more often"


def test_words_that_are_no_labels_are_dropped_by_name(classifier):
    run = Session(model=classifier, texts=labelled(), **TABLES)
    pairs = run.data.split("train")
    import attrs

    odd = attrs.evolve(pairs[0], alternative="neutral")
    examples = run.source.prepare([odd, *pairs[1:4]], run.loaded.tokenizer, run.loaded.model)
    assert len(examples.pairs) == 3
    assert examples.drops[0].reason == "'neutral' is not a label of the model (negative, positive)"


def test_a_classifier_keeps_the_promises_of_a_source(classifier, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(labelled()))
    problems = [
        each
        for each in outcomes("classification", model=classifier, texts=str(texts), **TABLES)
        if each.problem
    ]
    assert not problems, problems


# --- functions
# -------------------------------------------------------------------------------------------------------
def network(name: str) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return net


def numbers(pairs) -> torch.Tensor:
    """A regression: each text gives three numbers."""
    rows = [
        torch.randn(3, generator=torch.Generator().manual_seed(int(pair.left.split()[1]))) for pair in pairs
    ]
    return torch.stack(rows)


def values(pairs, fillers) -> torch.Tensor:
    return torch.tensor([{"high": 2.0, "low": -2.0}[filler] for filler in fillers])


def squared(model, batch) -> torch.Tensor:
    return (model(batch.inputs)[:, 0] - batch.targets).square()


def averaged(model, batch) -> torch.Tensor:
    return squared(model, batch).mean()


HERE = "tests.plugins.test_other_sources:"
FUNCTIONS = {
    "kind": "callable",
    "model": HERE + "network",
    "inputs": HERE + "numbers",
    "targets": HERE + "values",
    "loss": HERE + "squared",
}
REGRESSION = {
    "paradigm": {"kind": "words", "words": {"HIGH": ["high"], "LOW": ["low"]}},
    "learner": {"kind": "mean-difference", "source": "alternative"},
    "evaluators": {"kinds": ["encoder"]},
}
MEASURED = [f"sample {number} is {'high' if number % 2 else 'low'} today" for number in range(200)]


def test_functions_by_name_are_a_source(tmp_path):
    run = Session(model="any", texts=MEASURED, source=FUNCTIONS, **REGRESSION)
    assert run.reports["encoder"]["test.correlation"] > 0.5
    examples, model = run.examples["test"], run.loaded.model
    with torch.no_grad():
        losses = run.source.losses(model, examples.batch([0, 1], "cpu"))
        right = (
            model(numbers(examples.pairs[:2]))[:, 0]
            - values(None, [pair.alternative for pair in examples.pairs[:2]])
        ).square()
    torch.testing.assert_close(losses[:, 1], right, rtol=1e-5, atol=1e-8)
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(MEASURED))
    problems = [
        each
        for each in outcomes("callable", model="any", texts=str(texts), source=FUNCTIONS, **REGRESSION)
        if each.problem
    ]
    assert not problems, problems


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"loss": HERE + "nothing"},
            "source.loss is .*nothing', which cannot be imported: module .* has no attribute 'nothing'",
        ),
        (
            {"model": "no.such:thing"},
            "source.model is 'no.such:thing', which cannot be imported: No module named 'no'",
        ),
        (
            {"loss": HERE + "averaged"},
            r"source.loss must give a loss for each of \d+ examples, and gave \(\)",
        ),
        (
            {"model": "not a name"},
            r"^'model' must match regex .* \('not a name' doesn't\) at source \(`model\(name\)` gives",
        ),
    ],
)
def test_functions_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        _ = Session(model="any", texts=MEASURED, source={**FUNCTIONS, **change}, **REGRESSION).feature
