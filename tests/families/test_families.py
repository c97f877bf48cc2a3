"""Every family of models goes the same way: exact products, a feature, an edit, a checkpoint for plain
transformers."""

from __future__ import annotations

import shutil

import pytest
import torch
import transformers as hf

import gradiend_core as gd
from gradiend_core import Session, export
from gradiend_core.errors import ModelError
from gradiend_core.gradients.examples import subset
from gradiend_core.learning.encodings import encodings, labels_of
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.testing.gradients import product_errors
from tests.conftest import ROOT
from tests.families.build import CAUSAL, FAMILIES, MASKED, SEQ2SEQ, build

PHRASES = [
    f"{name} saw that {subject} ran {rest}."
    for name in ("Anna", "Tom", "Emma", "Peter", "Ella")
    for subject in ("the cat", "a dog", "they", "we all")
    for rest in ("home", "to the river", "near the old house")
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Models by family, each built when it is first asked for."""
    place, made = tmp_path_factory.mktemp("families"), {}

    def folder(name: str):
        if name not in made:
            made[name] = build(name, place / name)
        return made[name]

    return folder


def session(folder, **scope: object) -> Session:
    masks = (
        {"min_masked": 100}
        if "CausalLM" not in (kind := _model_class(folder)) and "LMHead" not in kind
        else {}
    )
    return Session(
        "english-pronouns",
        model=str(folder),
        learner={"kind": "mean-difference"},
        data={"max_per_class": 60, "max_neutral": 30},
        evaluators={
            "kinds": ["encoder", "decoder"],
            "encoder": {"random_directions": 0},
            "decoder": {"evaluations": 4},
        },
        source=masks,
        selector=scope or {"kind": "backbone"},
        policy={"kind": "threshold"},  # random weights: what an edit costs ordinary text means nothing
    )


def _model_class(folder) -> str:
    return hf.AutoConfig.from_pretrained(folder).architectures[0]


def expect_shares(run: Session, *, by_token_at_all: bool) -> None:
    """The shares of tokens and layers add up to the encoding."""
    texts = subset(run.examples["test"], range(4)).pairs
    for one, encoding in zip(gd.explain(run, texts), gd.encode(run, texts).column("encoding"), strict=True):
        assert one.encoding == pytest.approx(encoding, abs=1e-5)
        assert (one.tokens[-1] != "") == by_token_at_all, one.tokens


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_learns_reads_and_is_rewritten(name, folders, tmp_path):
    run = session(folders(name))
    kind = "mlm" if name in MASKED else "clm" if name in CAUSAL else "seq2seq"
    assert run.config.source.kind == kind
    assert not any(drop.reason.startswith("the fillers change") for drop in run.examples["train"].drops)
    some = subset(run.examples["train"], range(8))
    for role in (GradientRole.DIFFERENCE, GradientRole.FACTUAL):
        errors = product_errors(run.gradients, some, role)
        assert max(errors.values()) < 1e-4, (role, errors)
    coverage = run.gradients.coverage(some)
    assert bool(coverage.others) == bool(FAMILIES[name].whole), (coverage.problem, coverage.others)
    expect_shares(run, by_token_at_all=not FAMILIES[name].whole)
    encoder, decoder = run.reports["encoder"], run.reports["decoder"]
    assert encoder["test.correlation"] > 0.2, "random weights, but words differ"
    changes = [
        decoder[toward, "rewritten_probability"] / decoder[toward, "base_probability"]
        for toward in ("3SG", "3PL")
    ]
    assert max(changes) > 1.05, changes  # within 1 % of the language modelling score, four evaluations
    toward = ("3SG", "3PL")[changes.index(max(changes))]
    export(run, toward, tmp_path / "edited", learning_rate=0.05)
    loaded = getattr(hf, FAMILIES[name].model).from_pretrained(tmp_path / "edited").eval()
    batch = some.batch([0, 1], "cpu")
    with run.rewritten(toward, 0.05) as edited, torch.no_grad():
        assert torch.equal(run.source.losses(edited, batch), run.source.losses(loaded, batch))


@pytest.mark.parametrize("name", ["RoBERTa", "DeBERTa", "Gemma3", "OPT", "T5", "BART"])
def test_a_narrowed_scope_has_the_same_gradients(name, folders):
    run = session(folders(name), kind="random", share=0.05)
    errors = product_errors(run.gradients, subset(run.examples["train"], range(6)), GradientRole.DIFFERENCE)
    assert max(errors.values()) < 1e-4, errors


#: what stands for the slot, beside the source that is chosen by itself, and the families it is for
OBJECTIVES = {
    "mlm-span": ({"kind": "mlm-span"}, MASKED),
    "clm-span": ({"kind": "clm-span"}, CAUSAL),
    "clm-span, cloze": ({"kind": "clm-span", "cloze": True}, CAUSAL),
    "clm-head": ({"kind": "clm-head", "epochs": 2}, CAUSAL),
    "clm, chat": ({"kind": "clm", "chat": "Tell me of them."}, CAUSAL),
}
CELLS = [(name, objective) for objective, (_, families) in OBJECTIVES.items() for name in families]


@pytest.mark.parametrize(("name", "objective"), CELLS)
def test_other_objectives_go_the_same_way(name, objective, folders, tmp_path):
    """Products are exact, a feature is learned and read, and the rewritten model is the one that plain
    transformers loads. With spans, fillers are phrases."""
    settings = OBJECTIVES[objective][0]
    words = (
        {"ONE": ["the cat", "a dog"], "MANY": ["they", "we all"]}
        if "span" in objective
        else {"ONE": ["cat"], "MANY": ["dog"]}
    )
    run = Session(
        "words",
        model=str(folders(name)),
        texts=PHRASES,
        source=settings,
        learner={"kind": "mean-difference"},
        paradigm={"words": words},
        evaluators={"kinds": []},
    )
    some = subset(run.examples["train"], range(6))
    errors = product_errors(run.gradients, some, GradientRole.DIFFERENCE)
    assert max(errors.values()) < 1e-4, errors
    examples = run.examples["validation"]
    values, labels = (
        encodings(run.feature, run.gradients, examples),
        labels_of(examples.pairs, run.feature.classes),
    )
    assert values[labels > 0].mean() > values[labels < 0].mean()
    export(run, "ONE", tmp_path / "edited", learning_rate=0.05)
    loaded = getattr(hf, FAMILIES[name].model).from_pretrained(tmp_path / "edited").eval()
    batch = some.batch([0, 1], "cpu")
    with torch.no_grad():
        before = run.source.losses(run.loaded.model, batch)
        with run.rewritten("ONE", 0.05) as edited:
            after = run.source.losses(edited, batch)
        assert torch.equal(after, run.source.losses(loaded, batch))
    assert not torch.equal(before, after)


@pytest.mark.parametrize("name", ["GPT-2", "Llama"])
@pytest.mark.parametrize("kind", ["clm", "clm-span"])
def test_a_chat_model_is_asked_in_its_own_form(name, kind, folders):
    """The loss is that of the assistant's next token after the template of transformers, whose opening is
    never cut; texts are scored in the same place."""
    run = Session(
        "english-pronouns",
        model=str(folders(name)),
        source={"kind": kind, "chat": "Who was it?", "max_tokens": 3},
    )
    model, tokenizer, source = run.loaded.model, run.loaded.tokenizer, run.source
    said = [{"role": "user", "content": "Who was it?"}]
    opening = tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
    examples = run.examples["train"]
    for row in (0, 7):
        pair = examples.pairs[row]
        losses = source.losses(model, examples.batch([row], "cpu"))[0]
        for filler, loss in zip((pair.factual, pair.alternative), losses.tolist(), strict=True):
            whole = (
                tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
                + pair.left
                + filler
            )
            ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
            assert ids[: len(opening)] == opening
            cut = [*opening, *ids[len(opening) :][-3 - (kind == "clm") :]]
            with torch.no_grad():
                logits = model(torch.tensor([cut])).logits[0, -2].log_softmax(-1)
            assert loss == pytest.approx(-float(logits[ids[-1]]), rel=1e-3)
    (batch,) = source.prepare_texts(["The cat ran."], tokenizer, model, 0)
    assert batch.input_ids[0, : len(opening)].tolist() == opening
    assert int(batch.positions[0]) == len(opening) - 1


def test_a_chat_without_a_template_is_refused(folders, tmp_path):
    folder = shutil.copytree(
        folders("Llama"), tmp_path / "plain", ignore=shutil.ignore_patterns("chat_template*")
    )
    with pytest.raises(ModelError, match="no chat template"):
        Session("english-pronouns", model=str(folder), source={"chat": "Hello"}).examples  # noqa: B018


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_the_loss_of_an_encoder_decoder_is_that_of_transformers(name, folders):
    """Of T5 the first token after the sentinel, of BART the token at the slot of the text that it writes
    again."""
    run = session(folders(name))
    model, tokenizer, examples = run.loaded.model, run.loaded.tokenizer, run.examples["train"]
    rows = [0, 5, 9]
    with torch.no_grad():
        found = run.source.losses(model, examples.batch(rows, "cpu"))
    for row, losses in zip(rows, found, strict=True):
        pair = examples.pairs[row]
        for filler, loss in zip((pair.factual, pair.alternative), losses.tolist(), strict=True):
            whole = tokenizer(pair.left + filler + pair.right, return_offsets_mapping=True)
            ids = whole["input_ids"]
            (slot,) = (
                i
                for i, (a, b) in enumerate(whole["offset_mapping"])
                if b == len(pair.left + filler) and a < b
            )
            if name == "BART":
                inputs = [*ids[:slot], tokenizer.mask_token_id, *ids[slot + 1 :]]
                labels, place = ids, slot
            else:
                sentinel = tokenizer.convert_tokens_to_ids("<extra_id_0>")
                inputs, labels, place = [*ids[:slot], sentinel, *ids[slot + 1 :]], [sentinel, ids[slot]], 1
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([inputs]), labels=torch.tensor([labels])).logits
            assert loss == pytest.approx(-float(logits[0, place].log_softmax(-1)[ids[slot]]), rel=1e-4)


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_texts_of_an_encoder_decoder_are_scored_at_what_was_hidden(name, folders):
    run = session(folders(name))
    model, tokenizer, source = run.loaded.model, run.loaded.tokenizer, run.source
    texts = list(run.data.neutral_texts[:6])
    for every_token in (False, True):
        prepared = source.prepare_texts(texts, tokenizer, model, 0, every_token=every_token)
        scores = source.score_texts(model, prepared)
        ordinary = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
        if every_token:
            assert scores.tokens.tolist() == ordinary
        total, right = (
            torch.zeros(len(texts), dtype=torch.float64),
            torch.zeros(len(texts), dtype=torch.float64),
        )
        for batch in prepared:
            for i in range(len(batch.input_ids)):
                seen = (
                    batch.input_ids[i]
                    if batch.attention_mask is None
                    else batch.input_ids[i][batch.attention_mask[i].bool()]
                )
                with torch.no_grad():
                    logits = model(
                        input_ids=seen[None], decoder_input_ids=batch.decoder_input_ids[i][None]
                    ).logits[0]
                own = [each[batch.rows == i] for each in (batch.positions, batch.targets, batch.texts)]
                for place, target, text in zip(*own, strict=True):
                    log_probabilities = logits[place].log_softmax(-1)
                    total[text] -= float(log_probabilities[target])
                    right[text] += int(log_probabilities.argmax() == target)
            said = batch.decoder_input_ids[batch.rows, batch.positions]
            if name == "BART":  # what the decoder has said last is the text before the target
                first = batch.positions == 0
                assert (said[first] == model.config.decoder_start_token_id).all()
                shown = batch.input_ids[batch.rows, batch.positions - 1]
                plain = ~first & (shown != tokenizer.mask_token_id)
                assert torch.equal(said[plain], shown[plain])
            else:
                assert set(tokenizer.convert_ids_to_tokens(said)) <= {f"<extra_id_{n}>" for n in range(4)}
        torch.testing.assert_close(scores.surprisals, total, rtol=0.0001, atol=1e-8)
        assert torch.equal(scores.scores, right)
    row = prepared[0]
    if name == "BART":
        assert (row.decoder_input_ids[:, 0] == model.config.decoder_start_token_id).all()
        assert int((row.input_ids == tokenizer.mask_token_id).sum()) == len(row.targets)
    else:
        sentinel = tokenizer.convert_tokens_to_ids("<extra_id_0>")
        assert (
            int((row.input_ids == sentinel).sum())
            == len(row.targets)
            == int((row.decoder_input_ids == sentinel).sum())
        )


def test_the_tables_are_of_what_is_tested():
    rows = ["| family | by itself | " + " | ".join(OBJECTIVES) + " |", "|---" * (2 + len(OBJECTIVES)) + "|"]
    for name in FAMILIES:
        cells = ["all four" if (name, objective) in CELLS else "" for objective in OBJECTIVES]
        rows.append(f"| {name} | all four | " + " | ".join(cells) + " |")
    assert "\n".join(rows) in (ROOT / "docs" / "pages" / "models.md").read_text(encoding="utf-8"), "\n".join(
        rows
    )
    rows = ["| family | class | source | all products layer by layer |", "|---|---|---|---|"]
    for name, family in FAMILIES.items():
        kind = "mlm" if name in MASKED else "clm" if name in CAUSAL else "seq2seq"
        rows.append(
            f"| {name} | `{family.model}` | `{kind}` | {f'but {family.whole}' if family.whole else 'yes'} |"
        )
    assert "\n".join(rows) in (ROOT / "docs" / "pages" / "models.md").read_text(encoding="utf-8")
