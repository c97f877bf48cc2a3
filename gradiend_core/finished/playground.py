"""A web page to try finished runs: type a text, see its encoding explained, and change the strength of edits.
It uses gradio (`pip install "gradiend-core[explore]"`) and runs in a browser on this machine, in a notebook,
or as a Space on the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from gradiend_core.errors import ConfigError, GradiendError
from gradiend_core.finished.exploring import Explorer, prompt_of
from gradiend_core.records.report import Table
from gradiend_core.run.finished import load_run
from gradiend_core.run.run import Run

#: the ends of a slider are grey on white in gradio, and so is its footer, of an API and a link to share
READABLE = (
    "<style>.min_value, .max_value { color: inherit !important } footer { display: none !important }</style>"
)
#: the strongest edit that a slider gives, in either direction
STRONGEST = 2.0


def playground(runs: Run | str | Path | Sequence[Run | str | Path]) -> Any:
    """A `gradio.Blocks` of one or two runs side by side, each a folder, "hub:OWNER/NAME" or a run in memory.
    `playground(run).launch()` shows it. Raises ConfigError for more than two runs, or without gradio."""
    given = [runs] if isinstance(runs, (Run, str, Path)) else list(runs)
    if not 1 <= len(given) <= 2:
        raise ConfigError(f"a playground has one run or two side by side, and here are {len(given)}")
    gradio = _gradio()
    explorers = [Explorer(run if isinstance(run, Run) else load_run(run)) for run in given]
    names = [feature.name for one in explorers for feature in one.run.features]
    title = " and ".join(dict.fromkeys(names))
    with gradio.Blocks(title=f"{title} · gradiend", analytics_enabled=False) as page:
        gradio.HTML(READABLE)
        gradio.Markdown(
            f"# {title}\n"
            "Type a text and mark its slot with two words: `So [he|they] left.` The first word is what stands"
            " there, the second one of another class."
        )
        samples = explorers[0].samples()
        text = gradio.Textbox(
            samples[-1] if samples else "", label="Text with a marked slot", elem_id="text", autofocus=True
        )
        gradio.Examples([[sample] for sample in samples], [text], label="Texts of the run")
        with gradio.Row():
            for number, explorer in enumerate(explorers):
                with gradio.Column(min_width=320):
                    _column(gradio, page, explorer, text, number)
    return page


def _gradio() -> Any:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio
    except ImportError as error:
        raise ConfigError('the playground needs gradio: pip install "gradiend-core[explore]"') from error
    return gradio


def _column(gradio: Any, page: Any, explorer: Explorer, text: Any, number: int) -> None:
    """The column of the page for one run."""
    gradio.Markdown(f"## {explorer.run.model_name}")
    with gradio.Accordion("What the run found", open=False):
        for title, sentences in explorer.run.findings.items():
            gradio.Markdown("\n".join([f"**{title}**", "", *(f"- {sentence}" for sentence in sentences)]))
    gradio.Markdown("### What the encoder reads")
    reading = gradio.HTML(elem_id=f"reading-{number}")
    goals = explorer.goals
    gradio.Markdown("### What edits do" if goals else "### What the model expects (the run has no edit)")
    sliders = [
        gradio.Slider(
            -STRONGEST,
            STRONGEST,
            value=1.0 if goal == goals[0] else 0.0,
            step=0.1,
            label=f"Strength of the edit toward {goal} (1 is the chosen one, 0 none)",
            elem_id=f"strength-{number}-{goal}",
        )
        for goal in goals
    ]
    words = gradio.HTML(elem_id=f"words-{number}")

    def strengths_of(values: Sequence[float]) -> dict[str, float]:
        return dict(zip(goals, values, strict=True))

    def read(typed: str) -> str:
        with _told(gradio):
            return explorer.read(typed)._repr_html_()

    def expect(typed: str, *values: float) -> str:
        with _told(gradio):
            return _as_table(explorer.words(typed, strengths_of(values)))

    one_at_a_time: dict[str, Any] = {"concurrency_id": f"model-{number}", "concurrency_limit": 1}
    gradio.on([page.load, text.submit], read, [text], [reading], **one_at_a_time)
    moved = [slider.release for slider in sliders] + [slider.change for slider in sliders]
    shown = {"show_progress": "minimal", "trigger_mode": "always_last"}
    gradio.on([page.load, text.submit, *moved], expect, [text, *sliders], [words], **shown, **one_at_a_time)
    if explorer.writes:
        _writing(gradio, explorer, text, sliders, strengths_of, number, one_at_a_time)


def _writing(
    gradio: Any,
    explorer: Explorer,
    text: Any,
    sliders: Sequence[Any],
    strengths_of: Callable[[Sequence[float]], dict[str, float]],
    number: int,
    options: dict[str, Any],
) -> None:
    """The part of the page that shows how the model continues the text before the slot."""
    button = gradio.Button("Continue the text from the slot on", elem_id=f"write-{number}")
    unedited = gradio.Textbox(label="Unedited", elem_id=f"unedited-{number}", interactive=False)
    edited = gradio.Textbox(label="Edited", elem_id=f"edited-{number}", interactive=False)

    def write(typed: str, *values: float) -> tuple[str, str]:
        with _told(gradio):
            made = explorer.write(prompt_of(typed), strengths_of(values))
        return made.unedited, made.edited

    button.click(write, [text, *sliders], [unedited, edited], **options)


@contextmanager
def _told(gradio: Any) -> Iterator[None]:
    """Shows an error about a text on the page, as a sentence."""
    try:
        yield
    except GradiendError as error:
        raise gradio.Error(str(error), title="This text cannot be read") from error


def _as_table(table: Table) -> str:
    """Probabilities as a table with bars."""
    rows = "".join(
        f"<tr><th scope=row style='text-align:left;font-weight:normal'>{escape(str(word))}</th>"
        f"{_bar(unedited, '#888888')}{_bar(edited, '#2166ac')}</tr>"
        for word, unedited, edited in table.rows
    )
    return (
        "<table style='width:100%'><thead><tr><th scope=col style='text-align:left'>at the slot</th>"
        f"<th scope=col>unedited</th><th scope=col>edited</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _bar(probability: float, colour: str) -> str:
    width = f"{100 * probability:.1f}%"
    background = f"linear-gradient(to right, {colour}55 {width}, transparent {width})"
    return f"<td style='width:30%;background:{background};padding:0 .4em'>{probability:.1%}</td>"
