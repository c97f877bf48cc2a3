"""The default run of real models, through the command line: `.ci/real` fetches the models and runs this.

They are in the folder that GRADIEND_REAL names, as ../shared/assets/real_models.py writes them: `smollm2`,
`gemma3` and, in `gguf`, the GGUF file of the first. minilm-l6-mlm is in ../shared/assets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import gradiend_core as gd
from gradiend_core.gradients.examples import subset
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.testing.gradients import product_errors
from tests.conftest import asset

pytestmark = pytest.mark.real
NOVELS = "text/english_novels"
MODELS = ("minilm-l6-mlm", "smollm2", "gemma3")


def model_folder(name: str) -> str:
    if name == "minilm-l6-mlm":
        return asset(f"models/{name}")
    folder = Path(os.environ.get("GRADIEND_REAL", "")) / name
    if "GRADIEND_REAL" not in os.environ or not folder.exists():
        pytest.skip(f"GRADIEND_REAL names no folder with {name}; .ci/real fetches it")
    return str(folder)


def gradiend(*arguments: object) -> str:
    command = [sys.executable, "-m", "gradiend_core", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_of(model: str, output: Path, settings: Sequence[str] = ()) -> Path:
    call = ["run", "english-pronouns", "--model", model, "--texts", asset(NOVELS), "--output", output]
    for setting in ("data.sentences=en", *settings):
        call += ["--set", setting]
    gradiend(*call)
    return output


@pytest.fixture(scope="module", params=MODELS)
def finished(request, tmp_path_factory) -> Path:
    """A default run."""
    return run_of(model_folder(request.param), tmp_path_factory.mktemp(request.param) / "run")


def test_the_model_has_the_feature_and_an_untrained_copy_has_not(finished):
    transfer = json.loads((finished / "results.json").read_text())["transfer"]
    assert transfer["p_value"] <= 0.05 < transfer["untrained_p_value"]
    assert transfer["correlation"] > max(0.5, transfer["untrained_correlation"])


def test_edits_within_the_budget_are_followed_by_related_words(finished):
    decoder = json.loads((finished / "results.json").read_text())["decoder"]
    for toward in ("3SG", "3PL"):
        edit = decoder[toward]
        assert edit["rewritten_probability"] > 1.4 * edit["base_probability"], toward
        assert edit["related_low"] is None or edit["related_low"] > 0, toward
        assert edit["unwanted_kl"] <= 0.01, toward
        assert edit["rewritten_perplexity"] <= 1.1 * edit["base_perplexity"], toward


def test_the_rewritten_model_is_what_plain_transformers_loads(finished):
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    run = gd.load_run(finished)
    update, masked = run.update("3PL"), "Masked" in type(run.loaded.model).__name__
    rewritten = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    loaded = rewritten.from_pretrained(finished / "rewritten" / "3PL").eval()
    ids = torch.tensor([run.loaded.tokenizer("The children were tired.")["input_ids"]])
    with torch.inference_mode(), gd.applied(run.loaded.model, update):
        right = run.loaded.model(input_ids=ids).logits
        torch.testing.assert_close(loaded(input_ids=ids).logits, right, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_products_are_those_of_plain_backward_passes(model):
    run = gd.Session(
        "english-pronouns",
        model=model_folder(model),
        texts=asset(NOVELS),
        settings=["data.sentences=en", "data.max_per_class=20", "gradients.precision=float32"],
    )
    examples = subset(run.examples["train"], range(3))
    for product, error in product_errors(run.gradients, examples, GradientRole.DIFFERENCE).items():
        assert error < 1e-3, product


def test_an_edit_goes_back_into_the_gguf_file(tmp_path):
    """The file with the edit predicts what the edited model does, up to what its types of numbers keep."""
    folder = Path(model_folder("gguf"))
    (file,) = folder.glob("*.gguf")
    few = ("data.max_per_class=200", "evaluators.transfer.untrained=0", 'evaluators.kinds=["decoder"]')
    run = run_of(str(file), tmp_path / "run", few)
    gradiend("rewrite", run, "--toward", "3SG", "--format", "gguf", "--output", tmp_path / "edited")
    original = gd.load_run(run)
    ids = torch.tensor([original.loaded.tokenizer("The children were tired because")["input_ids"]])
    words = [original.loaded.tokenizer(f" {word}")["input_ids"][0] for word in ("he", "she", "they")]
    with torch.inference_mode(), gd.applied(original.loaded.model, original.update("3SG")):
        right = original.loaded.model(input_ids=ids).logits[0, -1].softmax(-1)[words]
    edited = gd.Session("english-pronouns", model=str(tmp_path / "edited"), texts=asset(NOVELS)).loaded
    with torch.inference_mode():
        probabilities = edited.model(input_ids=ids).logits[0, -1].softmax(-1)[words]
    torch.testing.assert_close(probabilities, right, rtol=0.05, atol=0.005)
