"""The main job from the command line, on the embedded models and on real ones, and what it must reach."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import torch

from gradiend_core import Session, cli, compare, load_feature, load_run
from tests.conftest import STORIES, asset, settings

#: a short `transfer`; what its nulls say is tried elsewhere
FEW_NULLS = ("--set", "evaluators.transfer.untrained=0", "--set", "evaluators.transfer.random_directions=20")


def run(output: Path, *arguments: object) -> dict:
    """The command in this process, which has everything imported already."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        cli.app(["run", *map(str, arguments), "--output", str(output)], standalone_mode=False)
    return json.loads((output / "results.json").read_text()) | {
        "summary": out.getvalue(),
        "stderr": err.getvalue(),
    }


def run_alone(output: Path, *arguments: object) -> dict:
    """The command as a user gives it."""
    command = [sys.executable, "-m", "gradiend_core", "run", *map(str, arguments), "--output", str(output)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "Traceback" not in found.stderr
    return json.loads((output / "results.json").read_text()) | {
        "summary": found.stdout,
        "stderr": found.stderr,
    }


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tiny-mlm", "tiny-clm"])
def test_defaults_reach_the_goal(model, tmp_path):
    results = run_alone(tmp_path / "out", "english-pronouns", "--model", model)
    encoder, decoder = results["encoder"], results["decoder"]
    assert encoder["test"]["correlation"] >= 0.95
    assert encoder["test"]["mean_by_class"]["3SG"] > 0.8
    assert encoder["test"]["mean_by_class"]["3PL"] < -0.8
    assert encoder["neutral"]["mean"] is None, "the same word twice has no difference, whatever was learned"
    transfer = results["transfer"]
    assert transfer["p_value"] <= 0.05 < transfer["untrained_p_value"]
    assert transfer["correlation"] > 0.6
    for toward, factor in (("3SG", -1.0), ("3PL", 1.0)):
        found = decoder[toward]
        assert found["rewritten_probability"] >= min(2 * found["base_probability"], 0.8)
        assert found["unwanted_kl"] <= 0.01, "on ordinary text that the choice has not seen"
        assert found["kl"] == pytest.approx(found["inside_kl"] + found["unwanted_kl"])
        assert found["rewritten_perplexity"] < 1.1 * found["base_perplexity"]
        assert found["top1_agreement"] > 0.8
        assert found["related_log_odds"] > 0.2
        assert (found["feature_factor"], found["learning_rate"] > 0) == (factor, True)
    assert results["timing"]["total"] < 120
    assert {
        "data",
        "model",
        "learning",
        "evaluator_encoder",
        "evaluator_decoder",
        "rewriting",
        "visualizers",
    } <= set(results["timing"])
    said = [line for line in results["stderr"].splitlines() if not line.startswith("[")]
    assert not said, "nothing but the summary, and progress where it takes long, is printed"
    lines = results["summary"].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("feature "))
    assert lines[start].startswith("feature   the model has the feature")
    assert lines[start - 1].startswith("3SG (+1) against 3PL"), "it is the first that is said"


def test_the_output_folder_is_whole_and_repeats_itself(tmp_path):
    small = (
        "--set",
        'learner={kind="adam", max_steps=30}',
        "--set",
        "data.max_per_class=100",
        "--set",
        "data.max_neutral=40",
        *FEW_NULLS,
        "--seed",
        "3",
    )
    first = run_alone(tmp_path / "a", "english-pronouns", *small)
    files = {str(path.relative_to(tmp_path / "a")) for path in (tmp_path / "a").rglob("*") if path.is_file()}
    figures = {
        f"figures/{name}.{suffix}"
        for name in ("convergence", "encodings", "rewriting")
        for suffix in ("png", "pdf", "svg")
    }
    assert figures <= files
    assert {
        "run.toml",
        "results.json",
        "pairs.jsonl",
        "training.csv",
        "feature/feature.safetensors",
        "feature/feature.json",
    } <= files
    for toward in ("3SG", "3PL"):
        assert {
            f"rewritten/{toward}/{name}" for name in ("model.safetensors", "config.json", "tokenizer.json")
        } <= files
    assert [name for name in files if Path(name).name.startswith(".")] == [".gradiend.lock"], (
        "no temporary file is left"
    )
    assert all((tmp_path / "a" / name).stat().st_size > 2000 for name in figures)

    resolved = tomllib.loads((tmp_path / "a" / "run.toml").read_text())
    assert resolved["learner"]["max_steps"] == 30
    assert resolved["learner"]["batch_size"] == 16, "defaults are written out"
    assert resolved["source"]["kind"] == "mlm"
    assert torch.__version__.startswith(
        resolved["provenance"]["versions"]["torch"]
    )  # which build it is, only torch says
    second = run(tmp_path / "b", tmp_path / "a" / "run.toml")
    for results in (first, second):
        for key in ("timing", "summary", "stderr"):
            results.pop(key)
    assert first == second, "the resolved file gives the same numbers, to the bit"
    for name in (
        "pairs.jsonl",
        "training.csv",
        "feature/feature.safetensors",
        "tables/decoder_candidates.csv",
    ):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with (tmp_path / "a" / "training.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 30
    one, two = load_feature(tmp_path / "a" / "feature"), load_feature(tmp_path / "b" / "feature")
    assert compare(one, two).overlap == 1.0
    other = run(tmp_path / "c", tmp_path / "a" / "run.toml", "--seed", "4")
    assert other["data"] != first["data"] or other["encoder"] != first["encoder"]
    assert compare(one, load_feature(tmp_path / "c" / "feature")).overlap < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("model", ["stories260k", "stories260k-mlm"])
def test_a_really_pretrained_model_on_text_nobody_here_wrote(model, tmp_path):
    results = run(
        tmp_path / "out",
        "english-pronouns",
        "--model",
        asset(f"models/{model}"),
        "--texts",
        STORIES,
        "--set",
        'learner={kind="adam", max_steps=60}',
        "--set",
        "data.max_per_class=600",
        "--set",
        "data.max_neutral=100",
        "--set",
        "data.max_words=40",
        "--set",
        'evaluators.kinds=["encoder", "decoder"]',
    )
    assert results["encoder"]["test"]["correlation"] >= 0.95
    assert (
        results["decoder"]["3PL"]["rewritten_probability"]
        > 1.5 * results["decoder"]["3PL"]["base_probability"]
    )
    assert results["decoder"]["3PL"]["unwanted_kl"] <= 0.012


def test_other_classes_and_texts_given_in_memory():
    texts = [
        f"{name} said that I {verb}."
        for name in ("Tom", "Anna", "Max", "Rose")
        for verb in ("ran", "fell", "slept", "sat", "left")
    ]
    texts += [text.replace(" I ", " we ") for text in texts] + [
        "The bridge was old.",
        "The map lay near the barn.",
    ]
    session = Session("english-pronouns", model="tiny-clm", texts=texts, classes=("1SG", "1PL"), **settings())
    assert session.data.classes == ("1SG", "1PL")
    assert session.reports["encoder"]["test.correlation"] > 0.95
    assert session.config.general.texts == "in memory"


QUICK = (
    "--set",
    'learner={kind="adam", max_steps=40}',
    "--set",
    "data.max_per_class=100",
    "--set",
    "data.max_neutral=40",
    *FEW_NULLS,
)


@pytest.mark.slow
def test_several_classes_and_seeds_from_the_command_line(tmp_path):
    output = tmp_path / "out"
    results = run(
        output,
        "english-pronouns",
        *QUICK,
        "--classes",
        "1SG,3SG,3PL",
        "--set",
        "seeds.at_most=2",
        "--set",
        "seeds.convergent=2",
        "--set",
        f"store.folder={tmp_path}/store",
        "--set",
        "selector.kind=random",
        "--set",
        "selector.share=0.05",
    )
    assert set(results["axes"]) == {"1SG", "3SG", "3PL"}
    assert all(axis["encoder"]["test"]["correlation"] > 0.9 for axis in results["axes"].values())
    for name in ("1SG", "3SG", "3PL"):
        for path in (
            f"{name}_feature/feature.json",
            f"{name}_training.csv",
            f"figures/{name}_encodings.png",
            f"tables/{name}_stability_seeds.csv",
            f"seeds/1/{name}_feature/feature.json",
            f"rewritten/{name}/model.safetensors",
        ):
            assert (output / path).exists(), path
    assert "3PL (+1) against others (−1)" in results["summary"]
    assert "2 seeds   mean test correlation" in results["summary"]
    again = load_run(output)
    assert [feature.classes[0] for feature in again.features] == ["1SG", "3SG", "3PL"]
    decoder, feature = again.axis_reports[2]["decoder"], again.features[2]
    direction = feature.natural(feature.decode(-1.0), decoder["3PL.damping"])
    assert again.rewrite("3PL").update.norm == pytest.approx(
        decoder["3PL.learning_rate"] * float(direction.norm())
    )


@pytest.mark.slow
def test_a_run_with_16_bits_and_checkpointing(tmp_path):
    results = run(
        tmp_path / "out",
        "english-pronouns",
        "--model",
        "tiny-clm",
        *QUICK,
        "--set",
        "gradients.dtype=bfloat16",
        "--set",
        "gradients.checkpointing=true",
        "--set",
        "gradients.memory_gib=0.01",
    )
    assert results["encoder"]["test"]["correlation"] > 0.9
    assert (
        results["decoder"]["3SG"]["rewritten_probability"] > 2 * results["decoder"]["3SG"]["base_probability"]
    )
