"""The report: whole in one file, and usable in a browser, with the keyboard and on a phone."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from markupsafe import escape

from gradiend_core import Session, cli, save_run, write_report
from gradiend_core.errors import ConfigError, StorageError
from gradiend_core.run.finished import evaluate_run, load_run
from gradiend_core.storage.manifest import damage, seal
from tests.conftest import accessibility_faults


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with an edit, a causal model, and a text that would break a page that does not
    escape."""
    session = Session(
        "english-pronouns",
        model="tiny-clm",
        learner={"kind": "mean-difference"},
        data={"max_per_class": 100, "max_neutral": 50},
        evaluators={
            "kinds": ["encoder", "decoder", "where", "explanation"],
            "encoder": {"random_directions": 2},
            "decoder": {"evaluations": 4},
        },
    )
    return save_run(session, tmp_path_factory.mktemp("reports") / "run")


@pytest.fixture(scope="module")
def report(run):
    return write_report([run], run.parent / "report.html")


@pytest.fixture(scope="module")
def page(report):
    return report.read_text(encoding="utf-8")


def test_it_holds_all_that_was_found(page, run):
    reports = load_run(run).reports
    decoder = reports["decoder"]
    for value in (
        reports["encoder"]["test.correlation"],
        decoder["3PL", "rewritten_probability"],
        decoder["3SG", "base_lms"],
        decoder["3SG", "rewritten_probability"],
    ):
        assert f"{value:.3f}".replace("-", "−") in page
    rows = [row for row in reports["encoder"].tables["encodings"].records() if row["split"] == "test"]
    assert max(rows, key=lambda row: row["encoding"])["text"] in page
    assert 'kind = "mean-difference"' in page.replace("&#34;", '"')
    assert load_run(run).config.general.model in page


def test_it_begins_with_what_was_found_and_shows_what_was_read(page, run):
    finished = load_run(run)
    for sentence in next(iter(finished.findings.values())):
        assert page.index(escape(sentence)) < page.index('class="cards"')
    tokens = finished.reports["explanation"].tables["by_token"].records()
    assert "Which tokens it is read from" in page
    assert page.count('class="explained"') == len({row["text"] for row in tokens}) > 3
    strongest = max(tokens, key=lambda row: abs(row["share"]))
    assert f"{strongest['token'].strip()}: {strongest['share']:+.4f}" in page
    layers = finished.reports["explanation"].tables["by_layer"].records()
    of_first = [sum(row["share"] for row in rows if row["text"] == 0) for rows in (tokens, layers)]
    assert of_first[0] == pytest.approx(of_first[1])


def test_a_report_leaves_the_run_as_it_is(run, report):
    assert damage(run) == []
    assert "strengths" not in load_run(run).reports
    assert "Strength of the edit toward 3SG" in report.read_text(encoding="utf-8")


def test_strengths_go_from_the_model_to_the_edit_and_beyond(run, tmp_path):
    reports = evaluate_run(shutil.copytree(run, tmp_path / "run"), ["strengths"]).reports
    for goal in ("3SG", "3PL"):
        points = {
            row["strength"]: row
            for row in reports["strengths"].tables["points"].records()
            if row["toward"] == goal
        }
        assert sorted(points) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0]
        decoder, chosen = reports["decoder"], points[1.0]
        assert points[0.0]["value"] == pytest.approx(decoder[goal, "base_probability"], rel=1e-4)
        assert chosen["value"] == pytest.approx(decoder[goal, "rewritten_probability"], rel=1e-4)
        assert chosen["learning_rate"] == decoder[goal, "learning_rate"]
        assert points[0.0]["value"] < points[0.25]["value"] < chosen["value"], goal


def test_it_asks_no_network(page):
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert addresses
    assert all(each.startswith(("data:", "#")) for each in addresses)
    assert not re.search(r"@import|url\(\s*['\"]?http|fetch\(|XMLHttpRequest", page)


def test_texts_cannot_break_the_page(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    evaluate_run(folder, ["strengths"])
    for kind in ("encoder", "strengths"):
        path = folder / "reports" / f"{kind}.json"
        content = json.loads(path.read_text())
        for table in content["tables"].values():
            hostile = [
                [f"{cell}</script><b>x" if len(str(cell)) > 12 else cell for cell in row]
                for row in table["rows"]
            ]
            table["rows"] = [
                [new if isinstance(old, str) else old for old, new in zip(*pair, strict=True)]
                for pair in zip(table["rows"], hostile, strict=True)
            ]
        path.write_text(json.dumps(content))
        assert "</script>" in path.read_text()
    seal(folder)
    broken = write_report([folder], tmp_path / "x.html").read_text()
    assert broken.count("</script>") == broken.count("<script")


def test_several_runs_are_compared(run, tmp_path, capsys):
    other = shutil.copytree(run, tmp_path / "other")
    cli.app(
        ["report", str(run), str(other), "--output", str(tmp_path / "two.html"), "--no-strengths"],
        standalone_mode=False,
    )
    page = (tmp_path / "two.html").read_text()
    assert "2 features" in page
    assert page.count('alt="similarity of the features"') == 1
    assert "MB)" in capsys.readouterr().out


def test_wrong_input_is_said(run, tmp_path):
    with pytest.raises(ConfigError, match="html"):
        write_report([run], tmp_path / "report.pdf")
    with pytest.raises(StorageError, match="holds no finished run"):
        write_report([tmp_path], tmp_path / "report.html")


@pytest.mark.parametrize("width", [1200, 390])
def test_it_works_in_a_browser(browser, report, width):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.get(report.as_uri())
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.execute_script(
        "return [...document.images].every(image => image.complete && image.naturalWidth > 0)"
    )
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), (
        "the page is wider than the screen"
    )
    for scheme in ("dark", "light"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        assert accessibility_faults(browser) == [], scheme
    box = browser.find_element(By.CSS_SELECTOR, ".strength")
    slider, said = box.find_element(By.TAG_NAME, "input"), box.find_element(By.TAG_NAME, "output")
    for _ in range(80):  # with the keyboard alone
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.switch_to.active_element == slider:
            break
    assert browser.switch_to.active_element == slider
    marker = box.find_element(By.CSS_SELECTOR, ".marker")

    def made() -> list[str]:
        return [cell.text for cell in box.find_elements(By.CSS_SELECTOR, "[data-made]")]

    assert said.text.startswith("strength 1:"), "the edit that was chosen is shown first"
    slider.send_keys(Keys.HOME)
    before = said.text, marker.get_attribute("transform"), made()
    assert before[0].startswith("strength 0:")
    slider.send_keys(Keys.END)
    after = said.text, marker.get_attribute("transform"), made()
    assert after[0].startswith("strength 2:")
    assert all(one != two for one, two in zip(before, after, strict=True))
    point = browser.find_element(By.CSS_SELECTOR, "circle[data-tip]")
    browser.execute_script("arguments[0].dispatchEvent(new PointerEvent('pointerenter'))", point)
    assert browser.find_element(By.ID, "tip").text == point.get_attribute("data-tip")
