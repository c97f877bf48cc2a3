"""The page docs/pages/results.md: features of real models, what was measured of each, and what it cost.

    python docs/results.py OUTPUT NAME=MODEL … [--only number gender]

Each of docs/examples/real/*.toml is run for each model, in a process whose time and memory are kept.
What is in OUTPUT already is not run again. Then the page is written from all runs in OUTPUT.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from jinja2 import Template

import gradiend_core as gd
from gradiend_core.api import UnitRow, standing_out

HERE = Path(__file__).parent
FILES = {file.stem: file for file in sorted((HERE / "examples" / "real").glob("*.toml"))}
TEMPLATE, PAGE = HERE / "results.md.jinja", HERE / "pages" / "results.md"
COST, PROBLEM = "cost.json", "problem.txt"
#: features in the order of the page
FEATURES = ("number", "person", "gender", "sentiment", "religion", "race")
#: words of a generated text that are shown, and units of a model
WORDS, UNITS = 18, 4

KNOWN = (
    "model",
    "feature",
    "unseen words",
    "random directions",
    "unrelated words",
    "untrained (p)",
    "p",
    "own words (random)",
    "has it?",
)
EDITS = "model", "edit", "P", "share", "related words", "unwanted KL", "perplexity", "same likeliest token"
SIMPLER = "model", "edit", "method", "P", "share", "related words", "unwanted KL", "specificity"
WINOGENDER = "model", "edit", "prefers female", "change", "sentences"
GENERATED = "model", "edit", "prompt", "unedited", "edited"
WHERE = "model", "feature", "components", "units (share of the decoder, times that of ordinary text)"
COSTS = "model", "feature", "pairs", "seconds", "GiB"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("models", nargs="*", metavar="NAME=MODEL")
    parser.add_argument("--only", nargs="*", choices=FILES, default=list(FILES))
    given = parser.parse_args()
    for named in given.models:
        name, _, model = named.partition("=")
        for feature in given.only:
            run(FILES[feature], model, given.output / name / feature)
    PAGE.write_text(page(given.output))


def run(file: Path, model: str, folder: Path) -> None:
    """One run with its seconds and its largest memory, or why there is none."""
    if (folder / COST).exists() or (folder / PROBLEM).exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    call = [sys.executable, "-m", "gradiend_core", "run", str(file), "--model", model]
    log = folder.with_suffix(".log")
    begun = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen([*call, "--output", str(folder)], stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    folder.mkdir(exist_ok=True)
    if status:
        errors = [line for line in log.read_text().splitlines() if line.startswith("error: ")]
        without = f"its process ended with status {os.waitstatus_to_exitcode(status)} and no error message"
        (folder / PROBLEM).write_text(errors[-1].removeprefix("error: ") if errors else without)
        return
    cost = {"seconds": time.perf_counter() - begun, "gib": usage.ru_maxrss / 2**20}
    (folder / COST).write_text(json.dumps(cost))
    print(f"{folder}: {cost['seconds']:.0f} s, {cost['gib']:.1f} GiB", flush=True)


def page(output: Path) -> str:
    """The whole page from all runs in a folder."""
    folders = sorted((path for path in output.glob("*/*") if path.is_dir()), key=_order)
    runs, costs, problems = [], [], []
    for folder in folders:
        model, feature = folder.parent.name, folder.name
        if (folder / PROBLEM).exists():
            problems.append(f"- {model}, {feature}: {(folder / PROBLEM).read_text()}")
        elif (folder / COST).exists():
            runs.append((model, feature, gd.load_run(folder)))
            costs.append(spent(*runs[-1], json.loads((folder / COST).read_text())))
    template = Template(TEMPLATE.read_text(), keep_trailing_newline=True, trim_blocks=True)
    return template.render(
        known=table(KNOWN, [known(*run) for run in runs]),
        edits=table(EDITS, [row for run in runs for row in edits(*run)]),
        simpler=table(SIMPLER, [row for run in runs for row in simpler(*run)]),
        winogender=table(WINOGENDER, [row for run in runs for row in winogender(*run)]),
        generated=table(GENERATED, [row for run in runs for row in generated(*run)]),
        where=table(WHERE, [where(*run) for run in runs]),
        costs=table(COSTS, costs),
        problems="\n".join(problems),
    )


def _order(folder: Path) -> tuple[bool, str, int]:
    """Masked models first, then causal ones, and the features in the order of the page."""
    return "mlm" not in folder.parent.name, folder.parent.name, FEATURES.index(folder.name)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form).replace("-", "−")


def known(model: str, feature: str, run: gd.FinishedRun) -> list[str]:
    """Whether the model has the feature, beside what chance gives."""
    report, read = run.reports["transfer"], run.reports["encoder"]
    own, random = (read.get(f"test.{name}") for name in ("correlation", "random_directions.largest"))
    own_words = f"{shown(own, '.2f')} ({shown(random, '.2f')})"
    if report.get("correlation") is None:
        return [model, feature, *["–"] * 5, own_words, "not measured"]
    p, untrained = report["p_value"], report.get("untrained_p_value")
    low, high = (shown(report.get(f"correlation_{end}"), ".2f") for end in ("low", "high"))
    interval = "" if report.get("correlation_low") is None else f" [{low}, {high}]"
    has = p is not None and p <= 0.05 and (untrained is None or untrained > 0.05)
    return [
        model,
        feature,
        f"{shown(report['correlation'], '.2f')}{interval} ({report['pairs']} pairs)",
        f"{shown(report.get('random_mean'), '.2f')}, {shown(report.get('random_largest'), '.2f')}",
        shown(report.get("control_strength"), ".2f"),
        f"{shown(report.get('untrained_correlation'), '.2f')} ({shown(untrained, '.2f')})",
        shown(p, ".3f"),
        own_words,
        "yes" if has else "not shown",
    ]


def edits(model: str, feature: str, run: gd.FinishedRun) -> Iterator[list[str]]:
    """What the run's edits do to the class, to related words and to ordinary text."""
    report = run.reports["decoder"]
    for edit in report.edits:
        before, after, toward = edit.before, edit.after, edit.goal
        growth = after.perplexity.value / before.perplexity.value - 1  # type: ignore[operator]
        yield [
            model,
            f"{feature}, {toward}",
            f"{before.probability.shown()} → {after.probability.shown()} (n = {before.probability.n})",
            shown(after.share.value, ".2f"),
            shown(report.get(f"{toward}.related_log_odds"), "+.2f"),
            after.unwanted_kl.shown(".4f"),
            shown(growth, "+.1%"),
            after.agreement.shown(".1%"),
        ]


def simpler(model: str, feature: str, run: gd.FinishedRun) -> Iterator[list[str]]:
    """The feature's edit beside simpler ones under the same budget."""
    if "baselines" not in run.reports:
        return
    for row in run.reports["baselines"].tables["edits"].records():
        yield [
            model,
            f"{feature}, {row['toward']}",
            row["method"],
            f"{row['base_probability']:.3f} → {row['probability']:.3f}",
            shown(row["share"], ".2f"),
            shown(row["related_log_odds"], "+.2f"),
            shown(row["unwanted_kl"], ".4f"),
            f"{shown(row['base_specificity'], '.2f')} → {shown(row['specificity'], '.2f')}",
        ]


def winogender(model: str, feature: str, run: gd.FinishedRun) -> Iterator[list[str]]:
    """How often the model finds the sentence with her likelier than that with him."""
    for row in run.reports["side-effects"].tables["effects"].records():
        if row["what"] == "Winogender" and row["measure"].startswith("prefers"):
            yield [
                model,
                f"{feature}, {row['toward']}",
                f"{row['base']:.2f} → {row['rewritten']:.2f}",
                f"{shown(row['low'], '+.2f')} to {shown(row['high'], '+.2f')}",
                str(row["n"]),
            ]


def generated(model: str, feature: str, run: gd.FinishedRun) -> Iterator[list[str]]:
    """How a generating model goes on, word for word and greedily."""
    report = run.reports["side-effects"]
    settings = next(choice for choice in run.config.evaluators if choice.kind == "side-effects")
    prompts = settings.config.prompts
    for row in report.tables["samples"].records():
        if row["text"] in prompts:
            yield [
                model,
                f"{feature}, {row['toward']}",
                row["text"],
                first(row["base"]),
                first(row["rewritten"]),
            ]


def first(text: str) -> str:
    """Some words of a text, in one cell of a table."""
    words = text.replace("|", "/").split()
    return " ".join(words[:WORDS]) + (" …" if len(words) > WORDS else "")


def where(model: str, feature: str, run: gd.FinishedRun) -> list[str]:
    """The components that hold the feature's gradient, and the units that stand out against ordinary
    text."""
    report, shares = run.reports["where"], dict[str, float]()
    for row in report.tables["places"].records():
        shares[row["component"]] = shares.get(row["component"], 0.0) + row["share_of_decoder"]
    largest = sorted(shares.items(), key=lambda item: -item[1])
    units = standing_out(report.tables["units"].read(UnitRow), UNITS)
    return [
        model,
        feature,
        ", ".join(f"{name} {share:.0%}" for name, share in largest),
        ", ".join(
            f"{unit.kind} {unit.layer}.{unit.number} ({unit.share_of_decoder:.1%},"
            f" {unit.times_ordinary:.1f}×)"
            for unit in units
        ),
    ]


def spent(model: str, feature: str, run: gd.FinishedRun, cost: dict[str, float]) -> list[str]:
    """Time, memory, and how many pairs learning took."""
    training = run.feature.training
    pairs = str(training[-1].pairs) if training and training[-1].pairs else "–"
    return [model, feature, pairs, f"{cost['seconds']:.0f}", f"{cost['gib']:.1f}"]


if __name__ == "__main__":
    main()
