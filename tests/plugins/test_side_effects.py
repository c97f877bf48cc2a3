"""What else an edit changes: each number is that of transformers, paired, and the model is left as it was."""

from __future__ import annotations

import csv
import json

import pytest
import torch
from gradiend_evaluators import SideEffectSettings
from gradiend_evaluators.sentence_files import crows_pairs, winogender
from gradiend_evaluators.side_effects import EffectRow, SideEffectEvaluator, verdict

from gradiend_core import Session, evaluate_run, load_run, save_run
from gradiend_core.cli import app
from gradiend_core.errors import ConfigError, DataError, StorageError
from gradiend_core.records.goal import goal_of
from gradiend_core.roles.kinds import TEXT
from tests.conftest import settings

CROWS = """,sent_more,sent_less,stereo_antistereo,bias_type
0,Tom opened the box because he was late.,Tom opened the box because they were late.,stereo,number
1,The dogs were tired when they slept.,The dogs were tired when it slept.,stereo,number
2,"Anna, who was late, ran.","Tom, who was late, ran.",antistereo,names
3,The cat waited near the station.,The chef waited near the station.,stereo,names
"""
WINOGENDER = "sentid\tsentence\n" + "".join(
    f"{role}.guest.{number}.{gender}.txt\tThe {role} opened the box because {word} was late.\n"
    for role, number in (("chef", 0), ("chef", 1), ("friend", 0))
    for gender, word in (("male", "he"), ("female", "she"), ("neutral", "they"))
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sentences")
    (folder / "crows.csv").write_text(CROWS)
    (folder / "all_sentences.tsv").write_text(WINOGENDER)
    return {"crows_pairs": str(folder / "crows.csv"), "winogender": str(folder / "all_sentences.tsv")}


@pytest.fixture(scope="module", params=["tiny-mlm", "tiny-clm"])
def run(request):
    return Session(
        "english-pronouns",
        model=request.param,
        **settings(evaluators={"kinds": ["decoder"]}, rewrite={"toward": ["3PL"]}),
    )


def log_likelihood(run: Session, model: torch.nn.Module, text: str) -> float:
    """By hand: of a causal model every token after the first, of a masked one each token alone."""
    tokenizer = run.loaded.tokenizer
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        if run.config.source.kind == "clm":
            return -float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
        total = 0.0
        for place, token in enumerate(ids[0].tolist()):
            if token not in tokenizer.all_special_ids:
                masked = ids.clone()
                masked[0, place] = tokenizer.mask_token_id
                total += float(model(input_ids=masked).logits[0, place].log_softmax(-1)[token])
    return total


def test_every_number_is_that_of_the_two_models(run, files):
    before = {name: value.clone() for name, value in run.loaded.model.state_dict().items()}
    config = SideEffectSettings(**files, prompts=("Anna opened the box because",), new_tokens=5, samples=2)
    report = SideEffectEvaluator(config).evaluate(run.evaluation_task())
    assert all(torch.equal(before[name], value) for name, value in run.loaded.model.state_dict().items())
    rows = {
        row[1:3]: dict(zip(report.tables["effects"].columns, row, strict=True))
        for row in report.tables["effects"].rows
    }
    pairs, schemas = crows_pairs(files["crows_pairs"]), winogender(files["winogender"])
    controls = run.controls.pairs
    assert {pair.factual_class for pair in controls} == {"1SG", "1PL", "2"}
    with run.rewritten("3PL") as edited:
        after = _by_hand(run, edited, pairs, schemas)
        scores = run.source.score_texts(
            edited, run.source.prepare_texts(run.data.neutral_texts, run.loaded.tokenizer, edited, 0)
        )
    base = _by_hand(run, run.loaded.model, pairs, schemas)
    for key, value in base.items():
        assert rows[key]["base"] == pytest.approx(value, rel=1e-3), key
        assert rows[key]["rewritten"] == pytest.approx(after[key], rel=1e-3), key
    decoder = run.reports["decoder"]
    assert rows["neutral text", "language modelling score"]["rewritten"] == pytest.approx(
        decoder["3PL.rewritten_lms"], rel=1e-5
    )
    assert rows["neutral text", "−log P of a token"]["rewritten"] == pytest.approx(
        float(scores.surprisals.sum() / scores.tokens.sum()), rel=1e-4
    )
    own = rows["texts of 3SG", "P(3PL)"]
    assert (own["base"], own["rewritten"]) == pytest.approx(
        (decoder["3PL.base_probability"], decoder["3PL.rewritten_probability"])
    )
    assert own["low"] <= own["change"] <= own["high"]
    assert rows["CrowS-Pairs, number", "prefers the stereotype"]["n"] == 2
    samples = [row for row in report.tables["samples"].rows if not row[1].startswith("Anna opened")]
    assert len(samples) == 4
    assert all("[" in row[1] and row[2] != row[3] for row in samples)
    generated = [row for row in report.tables["samples"].rows if row not in samples]
    assert len(generated) == (run.config.source.kind == "clm")
    assert report.lines[0].startswith("toward 3PL: P(3PL) on texts of 3SG 0.0")


def _by_hand(run, model, pairs, schemas):
    found = {}
    for what, measure, own in (
        ("CrowS-Pairs", "prefers the stereotype", pairs),
        ("Winogender", "prefers female to male", schemas),
    ):
        gaps = [log_likelihood(run, model, pair.one) - log_likelihood(run, model, pair.two) for pair in own]
        found[what, measure] = sum(gap > 0 for gap in gaps) / len(gaps)
        found[what, "|log P − log P'|"] = sum(map(abs, gaps)) / len(gaps)
    examples = run.controls
    with torch.no_grad():
        losses = run.source.losses(model, examples.batch(range(len(examples.pairs)), "cpu"))[:, 0]
    for name in ("1SG", "1PL", "2"):
        own = torch.tensor([pair.factual_class == name for pair in examples.pairs])
        found[f"texts of {name}", "P(its own word)"] = float((-losses[own]).exp().mean())
    return found


def test_files_in_another_form_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("sent_more,sent_lesser\na,b\n")
    (tmp_path / "b.csv").write_text("sent_more,sent_less\na,\n")
    (tmp_path / "c.tsv").write_text("sentid\tsentence\nchef.guest.0.male.txt\tHe ran.\n")
    for read, name, words in (
        (crows_pairs, "a.csv", "no column 'sent_less'; its columns are sent_more, sent_lesser"),
        (crows_pairs, "b.csv", "row 2, has an empty"),
        (winogender, "c.tsv", "no schema with a female and a male sentence"),
        (winogender, "nowhere.tsv", "cannot be read"),
    ):
        with pytest.raises(DataError, match=words):
            read(str(tmp_path / name))


def test_the_verdict_counts_what_left_its_interval():
    goal = goal_of("two", ("one", "two"))
    rows = [
        EffectRow("two", "texts of one", "P(two)", 0.1, 0.9, 0.8, 0.7, 0.9, 50),
        EffectRow("two", "texts of one", "P(one)", 0.9, 0.1, -0.8, -0.9, -0.7, 50),
        EffectRow("two", "neutral text", "language modelling score", 0.5, 0.49, -0.01, -0.02, 0.01, 50),
        EffectRow("two", "texts of other", "P(its own word)", 0.9, 0.5, -0.4, -0.5, -0.3, 50),
        EffectRow("two", "Winogender", "prefers female to male", 0.5, 0.4, -0.1, -0.3, 0.1, 50),
        EffectRow("two", "CrowS-Pairs", "prefers the stereotype", 0.0, 1.0, 1.0, None, None, 4),
    ]
    assert (
        verdict(goal, rows)
        == "toward two: P(two) on texts of one 0.100 → 0.900; language modelling score 0.500 → 0.490 (change"
        " -0.020 to +0.010); 2 of 3 other probabilities and shares changed beyond chance (95 %); prefers"
        " the stereotype on CrowS-Pairs 0.000 → 1.000 (no interval); P(its own word) on texts of other"
        " 0.900 → 0.500 (change -0.500 to -0.300)"
    )


def test_a_finished_run_is_evaluated_further_without_learning_again(tmp_path, files, capsys, monkeypatch):
    texts = tmp_path / "texts.txt"
    texts.write_text(
        "\n".join(
            Session("english-pronouns")
            .registry.get(TEXT, "tiny-english")
            .build()
            .read_text()
            .splitlines()[:1500]
        )
    )
    run = Session(
        "english-pronouns",
        texts=str(texts),
        **settings(evaluators={"kinds": ["decoder"]}, visualizers={"kinds": []}),
    )
    save_run(run, tmp_path / "run")
    before = json.loads((tmp_path / "run" / "results.json").read_text())
    monkeypatch.setattr("gradiend_learners.adam.AdamLearner.learn", None)
    app(
        [
            "evaluate",
            str(tmp_path / "run"),
            "side-effects",
            "--set",
            f"evaluators.side-effects.crows_pairs={files['crows_pairs']}",
        ],
        standalone_mode=False,
    )
    out = capsys.readouterr().out
    assert "toward 3SG: P(3SG)" in out
    assert "toward 3PL: P(3PL)" in out
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["decoder"] == before["decoder"]
    with (tmp_path / "run" / "tables" / "side-effects_effects.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["what"] for row in rows} >= {
        "neutral text",
        "texts of 3SG",
        "texts of 1PL",
        "CrowS-Pairs, names",
    }
    own = results["side-effects"]["3PL"]["texts of 3SG"]["P(3PL)"]
    assert own["rewritten"] == pytest.approx(before["decoder"]["3PL"]["rewritten_probability"])
    again = load_run(tmp_path / "run")
    assert again.reports["side-effects"]["3PL", "texts of 3SG", "P(3PL)", "base"] == own["base"]
    with pytest.raises(ConfigError, match="no edit toward less-3PL was looked for"):
        evaluate_run(tmp_path / "run", ["side-effects"], ['rewrite.toward=["less-3PL"]'])
    texts.write_text(texts.read_text().replace("because", "since"))
    with pytest.raises(
        StorageError, match=r"the pairs from .*texts.txt.* are not those that the run was made from"
    ):
        evaluate_run(tmp_path / "run", ["side-effects"])
    assert json.loads((tmp_path / "run" / "results.json").read_text()) == results


def test_lm_eval_is_asked_for_where_it_is_missing(run, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(ConfigError, match="needs lm-eval, which is not installed; pip install lm-eval"):
        SideEffectEvaluator(SideEffectSettings(lm_eval=("boolq",))).evaluate(run.evaluation_task())


TASK = """task: mini_choice
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/mini.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{text}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{label}}}}"
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


@pytest.mark.filterwarnings("ignore")
def test_tasks_of_lm_eval_are_probes(tmp_path):
    """Needs lm-eval, which no extra of ours installs; run by hand with 0.4.13."""
    pytest.importorskip("lm_eval")
    rows = [
        ("Anna opened the box because", ["she was late.", "they were late."]),
        ("Emma opened the box because", ["she was late.", "they were late."]),
    ]
    (tmp_path / "mini.yaml").write_text(TASK.format(folder=tmp_path))
    (tmp_path / "mini.jsonl").write_text(
        "".join(json.dumps({"text": a, "choices": b, "label": 0}) + "\n" for a, b in rows * 3)
    )
    tables = settings(evaluators={"kinds": ["decoder"]}, rewrite={"toward": ["3PL"]})
    run = Session("english-pronouns", model="tiny-clm", **tables)
    states = torch.get_rng_state()
    config = SideEffectSettings(lm_eval=("mini_choice",), lm_eval_tasks=str(tmp_path), samples=0)
    report = SideEffectEvaluator(config).evaluate(run.evaluation_task())
    assert torch.equal(torch.get_rng_state(), states)
    (row,) = (row for row in report.tables["effects"].rows if row[1] == "lm-eval mini_choice")
    assert row[2:6] == ("acc", 1.0, 0.0, -1.0)
    with pytest.raises(ConfigError, match="knows no task 'maxi_choice'"):
        SideEffectEvaluator(
            SideEffectSettings(lm_eval=("maxi_choice",), lm_eval_tasks=str(tmp_path))
        ).evaluate(run.evaluation_task())
