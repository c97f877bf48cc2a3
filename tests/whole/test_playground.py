"""The playground: what it shows is what the library gives, the model stays as it was, and a browser can use
it."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from gradiend_core import Session, encode, load_run, save_run
from gradiend_core.errors import ConfigError, DataError
from gradiend_core.finished.exploring import Explorer, prompt_of
from gradiend_core.finished.playground import playground
from tests.conftest import accessibility_faults, settings

TEXT = "The dogs were tired because [they|it] ran."


@pytest.fixture(scope="module", params=["tiny-mlm", "tiny-clm"])
def explorer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explored") / request.param
    save_run(Session("english-pronouns", model=request.param, classes=["3SG", "3PL"], **settings()), folder)
    return Explorer(load_run(folder))


def probabilities(explorer, **strengths):
    return {
        word: (unedited, edited)
        for word, unedited, edited in explorer.words(
            TEXT, {name[1:]: value for name, value in strengths.items()}
        ).rows
    }


def test_words_are_those_of_the_model_and_of_the_rewritten_one(explorer):
    run = explorer.run
    shown = probabilities(explorer, _3SG=1.0)
    tokenizer = run.loaded.tokenizer
    for number, model in enumerate((run.loaded.model, run.rewrite("3SG").model)):
        if tokenizer.mask_token:
            inputs = tokenizer(TEXT.replace("[they|it]", tokenizer.mask_token), return_tensors="pt")
            slot = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
            words = {word: tokenizer.convert_tokens_to_ids(word) for word in ("he", "she", "it", "they")}
        else:
            inputs, slot = tokenizer(prompt_of(TEXT), return_tensors="pt"), -1
            words = {word: tokenizer(f" {word}")["input_ids"][-1] for word in ("he", "she", "it", "they")}
        with torch.no_grad():
            at_slot = model(**inputs).logits[0, slot].softmax(-1)
        assert shown["3PL (they)"][number] == pytest.approx(float(at_slot[words["they"]]), abs=1e-5)
        singular = next(values for name, values in shown.items() if name.startswith("3SG ("))
        assert singular[number] == pytest.approx(
            float(at_slot[[words[word] for word in ("he", "she", "it")]].sum()), abs=1e-5
        )
    assert shown["3PL (they)"][1] < shown["3PL (they)"][0], "that is what the edit is for"


def test_edits_add_up_and_nothing_of_them_stays(explorer):
    model = explorer.run.loaded.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert all(one == other for one, other in probabilities(explorer).values())
    with ThreadPoolExecutor(4) as pool:  # several readers at once, each with its strengths
        strengths = [0.0, 0.5, 1.0, -1.0] * 3
        results = list(pool.map(lambda value: probabilities(explorer, _3SG=value, _3PL=0.2), strengths))
    assert results[:4] == results[4:8] == results[8:]
    assert len({str(result) for result in results}) == 4
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_reading_is_what_encode_gives(explorer):
    (explained,) = explorer.read(TEXT)
    (row,) = encode(explorer.run, [TEXT]).records()
    assert explained.encoding == pytest.approx(row["encoding"], abs=1e-5)
    assert len(explorer.samples()) == 2
    for sample in explorer.samples():
        explorer.read(sample)


def test_a_causal_model_goes_on_with_the_text(explorer):
    if not explorer.writes:
        with pytest.raises(ConfigError, match="does not go on with texts"):
            explorer.write(prompt_of(TEXT), {})
        return
    plain = explorer.write(prompt_of(TEXT), {}, new_tokens=8)
    assert plain.unedited == plain.edited != ""
    changed = explorer.write(prompt_of(TEXT), {"3SG": 2.0}, new_tokens=8)
    assert changed.unedited == plain.unedited != changed.edited
    with pytest.raises(ConfigError, match="the prompt is empty"):
        explorer.write(" ", {})


def test_wrong_texts_and_runs_are_said(explorer):
    for text in ("", "no slot", "[a|b] and [c|d]"):
        with pytest.raises(DataError, match="mark one"):
            explorer.words(text, {})
    with pytest.raises(ConfigError, match="one run or two side by side, and here are 3"):
        playground([explorer.run] * 3)


@pytest.mark.slow
def test_it_works_in_a_browser(explorer, browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    width = 1200 if explorer.writes else 390
    folder = str(explorer.run.folder)
    command = [sys.executable, "-m", "gradiend_core", "explore", folder, folder, "--port=0", "--no-browser"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    wait = WebDriverWait(browser, 60)
    try:
        wait.until(lambda _: "http://" in (tmp_path / "log").read_text())
        address = re.search(r"http://127\.0\.0\.1:\d+", (tmp_path / "log").read_text())[0]
        assert urllib.request.urlopen(address).status == 200
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        browser.get(address)

        def shown(element):
            return browser.find_element(By.ID, element).text

        wait.until(lambda _: "toward" in shown("reading-1") and "3PL (they)" in shown("words-1"))
        box = browser.find_element(By.CSS_SELECTOR, "#text textarea")
        first = [shown("words-0"), shown("words-1")]
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(TEXT, Keys.ENTER)
        wait.until(lambda _: "they" in shown("reading-0"))
        wait.until(lambda _: shown("words-0") == shown("words-1") != first[0])
        slider = browser.find_element(By.CSS_SELECTOR, "[id='strength-0-3SG'] input[type=range]")
        before, beside = shown("words-0"), shown("words-1")
        slider.send_keys(Keys.HOME)  # with the keyboard alone
        wait.until(lambda _: shown("words-0") != before)
        assert shown("words-1") == beside, "each run has its own strengths"
        box.send_keys(" [he|she]", Keys.ENTER)
        wait.until(lambda _: "several slots" in browser.find_element(By.TAG_NAME, "body").text)
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert accessibility_faults(browser) == []
        severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert [entry for entry in severe if address in entry["message"]] == []
    finally:
        server.kill()
        server.wait()
