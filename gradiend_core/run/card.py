"""READMEs of rewritten models, runs, features and updates: what they are, where they come from, what was
measured, and how to use them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradiend_core.records.contribution import Trait
from gradiend_core.records.edit import EditScores
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.goal import goal_of
from gradiend_core.records.metric import shown
from gradiend_core.records.pair import SPLITS
from gradiend_core.records.provenance import Provenance
from gradiend_core.records.report import chosen_edits
from gradiend_core.records.update import WeightUpdate
from gradiend_core.roles.abilities import KnowsWords
from gradiend_core.roles.kinds import TEXT
from gradiend_core.run.run import Run
from gradiend_core.storage.hub import is_on_hub

#: test texts that the hub offers to try
TRIED = 3

#: what is measured of an edit, and how it is shown; what a goal is about is named by the goal
MEASURES = {
    "probability": "",
    "share": "share of the class in the probability of both",
    "lms": "language modelling score",
    "perplexity": "perplexity of ordinary text",
    "kl": "KL divergence of ordinary text from the unedited model, in nats a token",
    "unwanted_kl": "of it outside the feature's words",
    "agreement": "tokens with the same likeliest prediction",
}


def model_card(
    run: Run,
    toward: str,
    update: WeightUpdate,
    strength: float = 1.0,
    keep: float = 1.0,
    scores: tuple[EditScores, EditScores] | None = None,
) -> str:
    """The card of a run's update for a goal, as Markdown. `scores`, before and after, belong to an update
    that is not the chosen one; without them the card has the scores of the chosen edit."""
    axis = run.axis_of(toward)
    feature = run.features[axis]
    first, second = feature.classes
    model, goal = run.config.general.model, goal_of(toward, feature.classes)
    purpose = (
        f"{'more' if goal.sign > 0 else 'less'} of {goal.of}" if goal.sign else f"{first} and {second} alike"
    )
    facts = {
        "paradigm": run.config.paradigm.kind,
        "classes": f"{first} (+1), {second} (−1)",
        "feature factor, learning rate": (
            f"{update.feature_factor:+g}, {update.learning_rate:g} (strength {strength:g})"
        ),
        "weights in scope, length of the change": f"{update.scope.size:,}, {update.norm:.4g}",
        "scope, model": f"`{update.scope.fingerprint()}`, `{run.model_fingerprint}`",
    }
    if keep < 1:
        facts["of these kept"] = f"the largest {keep:.3%}"
    if encodings := run.report_with(Trait.READS_ENCODINGS, axis):
        facts["encoder, test correlation"] = shown(encodings.get("test.correlation"))
    if scores is None and (chosen := chosen_edits(run.axis_reports[axis]).get(toward)):
        scores = chosen.before, chosen.after
    of_goal = (
        f"P({goal.of}) on test texts of {goal.texts_of}"
        if goal.sign
        else "balance of both classes on all test texts"
    )
    for name, what in MEASURES.items():
        if scores is None:
            break
        before, after = (shown(getattr(side, name).value) for side in scores)
        facts[f"{what or of_goal}, before and after"] = f"{before}, {after}"
    lines = [
        *_front_matter({**_based_on(model), "library_name": "transformers", **_widget(run)}),
        f"# {purpose}",
        "",
        (
            f"The weights of `{model}` with an edit for {purpose}, learned from gradients of minimal pairs of"
            f" {first} and {second} (GRADIEND, arXiv 2502.01406) by gradiend-core."
        ),
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in facts.items()),
        "",
        *_measured(run, axis, scores),
        "",
    ]
    return "\n".join(lines)


def _measured(run: Run, axis: int, scores: object) -> list[str]:
    """The measured numbers, and what was not measured."""
    measured = (
        "How probable these words are, and how well neutral text is predicted, was measured of this very"
        " edit."
    )
    lines = [measured if scores else "Nothing was measured of this edit."]
    if report := run.report_with(Trait.MEASURES_SIDE_EFFECTS, axis):
        effects = [f"- {line}" for line in report.lines]
        return [*lines, "", "Side effects of the chosen edits of the run:", "", *effects]
    return [*lines, "Other effects were not measured."]


def run_card(run: Run, repository: str) -> str:
    """The card of a whole run, as Markdown."""
    general = run.config.general
    lines = [
        *_front_matter(_based_on(general.model)),
        f"# {', '.join(feature.name for feature in run.features)} in {general.model}",
        "",
        (
            f"A feature of `{general.model}`, learned from gradients of minimal pairs (GRADIEND, arXiv"
            f" 2502.01406) by gradiend-core, with all that was measured of it."
        ),
        "",
    ]
    for title, sentences in run.findings.items():
        lines += [f"## {title}", "", *(f"- {sentence}" for sentence in sentences), ""]
    lines += [
        "```bash",
        f'gradiend explain hub:{repository} "So [he|they] left."   # read a text',
        f"gradiend report hub:{repository}                        # everything on one page",
        f"gradiend run hub:{repository} --output again            # do it again",
        "```",
        "",
        "```python",
        "import gradiend_core as gd",
        "",
        f'run = gd.load_run("hub:{repository}")',
        "run.feature, run.reports",
        "```",
        "",
        *(f"- {warning}" for warning in run.warnings),
        "",
        f"Pairs `{run.provenance.data_fingerprint}`, model `{run.provenance.model_fingerprint}`, seed"
        f" {run.provenance.seed}; {_versions(run.provenance)}.",
        "",
    ]
    return "\n".join(lines)


def feature_card(feature: LearnedFeature, repository: str) -> str:
    """The card of a feature alone."""
    return "\n".join(
        [
            *_front_matter(_based_on("")),
            f"# {feature.name}",
            "",
            (
                f"A feature over {feature.scope.size:,} weights (scope `{feature.scope.fingerprint()}`),"
                " learned from gradients of minimal pairs (GRADIEND, arXiv 2502.01406) by gradiend-core: its"
                f" encoder reads {feature.source.value} gradients, and its decoder gives"
                f" {feature.target.value} ones."
            ),
            "",
            "```python",
            "import gradiend_core as gd",
            "",
            f'feature = gd.load_feature("hub:{repository}")',
            "```",
            "",
        ]
    )


def update_card(update: WeightUpdate, repository: str) -> str:
    """The card of an update alone."""
    return "\n".join(
        [
            *_front_matter(_based_on("")),
            "# An edit of a language model",
            "",
            (
                f"A change of {update.scope.size:,} weights (scope `{update.scope.fingerprint()}`) of length"
                f" {update.norm:.4g}, made by gradiend-core (GRADIEND, arXiv 2502.01406)."
            ),
            "",
            "```python",
            "import gradiend_core as gd",
            "",
            f'gd.apply_update(model, gd.load_update("hub:{repository}", model))',
            "```",
            "",
        ]
    )


def _front_matter(about: Mapping[str, Any]) -> list[str]:
    """The metadata that the hub reads from a card: YAML, written as JSON, which is valid YAML."""
    return [
        "---",
        *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in about.items()),
        "---",
    ]


def _based_on(model: str) -> dict[str, Any]:
    """The base model, if the hub can know it: not a local folder, and not an embedded model."""
    on_hub = model.count("/") == 1 and not model.startswith((".", "/", "~")) and not Path(model).exists()
    return {**({"base_model": model} if on_hub else {}), "tags": ["gradiend", "model-editing"]}


def _widget(run: Run) -> dict[str, Any]:
    """Examples for the hub's widget: test texts with the slot masked, or up to the slot. Only texts that are
    public; those of a user are never put into a card."""
    tokenizer, source, texts = run.loaded.tokenizer, run.source, run.config.general.texts
    if not isinstance(source, KnowsWords) or getattr(run.loaded.model.config, "is_encoder_decoder", False):
        return {}
    masked = tokenizer.mask_token is not None
    about = {"pipeline_tag": "fill-mask" if masked else "text-generation"}
    if not run.registry.has(TEXT, texts) and not is_on_hub(texts):
        return about
    tried = [
        f"{pair.left}{tokenizer.mask_token}{pair.right}" if masked else pair.left.rstrip()
        for pair in run.pairs
        if pair.split == SPLITS[-1] and pair.left
    ]
    return {**about, "widget": [{"text": text} for text in tried[:TRIED]]}


def _versions(provenance: Provenance) -> str:
    return ", ".join(f"{name} {version}" for name, version in provenance.versions.items())
