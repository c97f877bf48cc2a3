"""`gradiend data`: pairs with their audit as a folder, a paradigm without Python, and a run on what was
made."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from gradiend_core import Session
from gradiend_core.run.data_folder import read_pairs, save_data

PARADIGM = """
texts = "moods.txt"
[paradigm]
kind = "words"
classes = ["good", "bad"]
aligned = true
[paradigm.words]
good = ["good", "nice", "fine"]
bad = ["bad", "nasty", "zebrafish"]
[data]
max_per_class = 50
"""

PAIRS_AGAIN = {
    "paradigm": {
        "kind": "masked",
        "classes": ["1SG+3SG", "1PL+3PL"],
        "alternative": "alternative",
        "alternative_class": "alternative_class",
    },
    "data": {"split_column": "split", "split_by": "given", "max_per_class": 0, "max_neutral": 0},
}


@pytest.fixture
def gradiend(tmp_path):
    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        code = "from gradiend_core.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )

    return call


@pytest.fixture
def moods(tmp_path):
    words = ["good", "nice", "fine", "bad", "nasty", "zebrafish"]
    lines = [f"It was a {word} day number {n}." for n in range(20) for word in words] + [
        f"Map {n} lay there." for n in range(30)
    ]
    (tmp_path / "moods.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "moods.toml").write_text(PARADIGM, encoding="utf-8")
    return tmp_path


def table(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_paradigm_in_toml_becomes_data_with_an_audit(gradiend, moods):
    done = gradiend("data", "moods.toml", "--output", "out", "--tokenizer", "tiny-mlm")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "kept good 50, bad 50, neutral 30" in done.stdout
    assert "dropped 10: more than 50 pairs of class good" in done.stdout
    assert "words of several tokens: " in done.stdout
    assert "zebrafish (z" in done.stdout
    out = moods / "out"
    rows = [json.loads(line) for line in (out / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    assert set(rows[0]) == {
        "text",
        "factual",
        "alternative",
        "factual_class",
        "alternative_class",
        "split",
        "document",
    }
    assert all(row["text"].count("[MASK]") == 1 for row in rows)
    counts = Counter((row["factual_class"], row["alternative_class"]) for row in rows)
    assert counts == {("good", "bad"): 50, ("bad", "good"): 50, ("neutral", "neutral"): 30}
    classes = {
        (row["factual_class"], row["alternative_class"]): row for row in table(out / "audit" / "classes.csv")
    }
    by_split = {split: int(classes["good", "bad"][split]) for split in ("train", "validation", "test")}
    assert sum(by_split.values()) == 50
    assert 27 <= by_split["train"] <= 33, (
        "days that several words share stay together, so shares are met nearly"
    )
    words = {row["word"]: row for row in table(out / "audit" / "words.csv")}
    assert (
        sum(
            int(words[word][split])
            for word in ("good", "nice", "fine")
            for split in ("train", "validation", "test")
        )
        == 50
    )
    tokens = {row["word"]: row for row in table(out / "audit" / "tokens.csv")}
    assert int(tokens["zebrafish"]["tokens"]) > 1
    assert tokens["good"]["tokens"] == str(len(tokens["good"]["pieces"].split()))
    lengths = {(row["class"], row["words_of"]): row for row in table(out / "audit" / "lengths.csv")}
    assert lengths["good", "before the slot"]["median"] in ("3", "3.0")
    funnel = {row["reason"]: row for row in table(out / "audit" / "funnel.csv")}
    assert funnel["read"]["count"] == "150"
    assert "## lengths" in (out / "audit.md").read_text(encoding="utf-8")
    again = gradiend("data", "out/data.toml", "--output", "again")
    assert again.returncode == 0, again.stderr
    assert (moods / "again" / "pairs.jsonl").read_bytes() == (out / "pairs.jsonl").read_bytes()


def test_a_preview_writes_nothing(gradiend, moods):
    before = sorted(moods.iterdir())
    done = gradiend("data", "moods.toml", "--preview")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("good → bad: It was a [") == 4
    assert sorted(moods.iterdir()) == before


def test_a_run_takes_the_pairs_as_they_are(tmp_path):
    made = Session(
        "english-pronouns",
        data={"max_per_class": 60, "max_neutral": 20, "neutral_slots": 5, "identity": True},
    )
    save_data(made.setup.data, tmp_path / "out")
    taken = Session(run_file=tmp_path / "out" / "run.toml")

    def content(data):
        return Counter(data.pairs + data.neutral_pairs), Counter(data.neutral_texts)

    assert content(taken.data) == content(made.data)
    assert taken.data.classes == made.data.classes
    assert taken.data.words["3PL"] == ("they",)


def test_bad_input(gradiend, moods):
    (moods / "german.toml").write_text(
        '[paradigm]\nkind = "words"\n[paradigm.words]\nA = ["der"]\nB = ["der"]\n'
    )
    (moods / "none.toml").write_text('[paradigm]\nkind = "words"\n')
    (moods / "one.toml").write_text('[paradigm]\nkind = "words"\n[paradigm.words]\nA = ["a"]\nB = ["moon"]\n')
    (moods / "bad.txt").write_bytes(b"\xff\xfe\xfa")
    (moods / "long.txt").write_text("so " * 400_000 + "he ran\n")
    (moods / "full").mkdir()
    (moods / "full" / "mine.txt").write_text("mine")
    for arguments, words in [
        (("moods.toml",), "give either --output FOLDER, or --preview"),
        (("moods.toml", "--output", "o", "--preview"), "give either --output FOLDER, or --preview"),
        (("german.toml", "--preview"), "'der' is a word of both A and B, and no tags tell which"),
        (("none.toml", "--preview"), 'paradigm "words" needs words: a table [paradigm.words]'),
        (("one.toml", "--texts", "moods.txt", "--preview"), "class B (moon) has 0 pairs in 150 texts"),
        (("german-articles", "--texts", "moods.txt", "--output", "o"), "class MascNom (der) has 0 pairs"),
        (("english-pronouns", "--texts", "bad.txt", "--preview"), "is not UTF-8 text"),
        (
            ("english-pronouns", "--texts", "long.txt", "--preview"),
            "dropped 1: longer than 100,000 characters",
        ),
        (("moods.toml", "--output", "full"), "is not empty and holds no run (it was not begun by gradiend)"),
        (
            ("moods.toml", "--output", "o", "--tokenizer", "nowhere/nothing"),
            "no tokenizer can be loaded from 'nowhere/nothing'",
        ),
        (
            ("moods.toml", "--preview", "--set", "data.balance=maybe"),
            "'balance' must be in ('off', 'try', 'strict')",
        ),
        (
            ("moods.toml", "--preview", "--set", "data.split_by=document"),
            "has no document; set data.document_column",
        ),
        (
            ("moods.toml", "--preview", "--set", "data.max_texst=3"),
            "unknown key 'max_texst'; did you mean 'max_texts'",
        ),
        (("moods.toml", "--preview", "--classes", "good,worse"), "unknown class of words 'worse'"),
    ]:
        done = gradiend("data", *arguments)
        assert done.returncode != 0, arguments
        assert words in done.stderr, (arguments, done.stderr)
        assert done.stderr.count("\n") == 1, done.stderr
    assert not (moods / "o" / "pairs.jsonl").exists(), "nothing is half-written"


@pytest.mark.slow
def test_a_toml_paradigm_runs_from_text_to_rewritten_model(gradiend, moods):
    (moods / "run.toml").write_text(
        '[paradigm]\nkind = "words"\nclasses = ["one", "many"]\n[paradigm.words]\none = ["he", "she"]\nmany ='
        ' ["they"]\n[data]\nmax_per_class = 100\nmax_neutral = 40\n[learner]\nkind = "adam"\nmax_steps ='
        ' 30\n[evaluators]\nkinds = ["decoder"]\n'
    )
    done = gradiend("run", "run.toml", "--output", "out")
    assert done.returncode == 0, done.stderr
    assert "one (+1) against many (−1) in tiny-mlm" in done.stdout
    assert (moods / "out" / "rewritten" / "many" / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_pairs_as_a_table_with_probabilities_are_pairs_again(gradiend, moods, form):
    import datasets

    settings = [f"--set=data.{name}" for name in ("max_per_class=20", "max_neutral=20")]
    arguments = ["english-pronouns", "--classes", "1SG+3SG,1PL+3PL", "--output", "out", *settings]
    made = gradiend("data", *arguments, "--table", form, "--annotate", "tiny-mlm")
    assert made.returncode == 0, made.stderr
    frame = datasets.load_dataset(form, data_files=str(moods / "out" / f"pairs.{form}"))["train"].to_pandas()
    pairs = read_pairs(moods / "out")
    assert len(pairs) == len(frame) == 60
    assert (frame["text"] == [f"{pair.left}[MASK]{pair.right}" for pair in pairs]).all()
    feature = frame[frame["factual_class"] != "neutral"]
    assert {*feature["factual_subclass"]} == {"1SG", "3SG", "1PL", "3PL"}
    assert (feature["factual_probability"] > feature["alternative_probability"]).mean() > 0.9
    run = Session(run_file={"texts": str(moods / "out" / f"pairs.{form}"), **PAIRS_AGAIN})
    assert {pair.text for pair in run.data.pairs} == {
        pair.text for pair in pairs if "+" in pair.factual_class
    }
    again = gradiend("data", *arguments[:-2], "--table", "xlsx", "--overwrite")
    assert "unknown table 'xlsx' (known: csv, parquet)" in again.stderr
    source = gradiend(
        "data", *arguments, "--overwrite", "--annotate", "tiny-clm", "--set", "source.kind=clm-head"
    )
    assert "has no probabilities of words before a run" in source.stderr
    assert read_pairs(moods / "out") == pairs, "nothing is lost"


def test_probabilities_are_those_of_the_model_itself(tmp_path):
    import torch

    run = Session("english-pronouns", model="tiny-mlm", settings=["data.max_per_class=20"])
    pairs = run.data.pairs[:8]
    probabilities = run.setup.model.filler_probabilities(pairs)
    model, tokenizer = run.loaded.model, run.loaded.tokenizer
    for pair in pairs:
        inputs = tokenizer(f"{pair.left}{tokenizer.mask_token}{pair.right}", return_tensors="pt")
        slot = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0]
        with torch.no_grad():
            at_slot = model(**inputs).logits[0, slot].softmax(-1)
        words = [tokenizer.convert_tokens_to_ids(word.lower()) for word in (pair.factual, pair.alternative)]
        assert probabilities[pair] == pytest.approx(at_slot[words].tolist(), rel=1e-4)
