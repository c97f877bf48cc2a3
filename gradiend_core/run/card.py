"""The README of a model with an edit: what the edit is, where it comes from, and what was measured of it."""

from __future__ import annotations

from gradiend_core.records.contribution import Trait
from gradiend_core.records.edit import EditScores
from gradiend_core.records.goal import goal_of
from gradiend_core.records.metric import shown
from gradiend_core.records.report import chosen_edits
from gradiend_core.records.update import WeightUpdate
from gradiend_core.run.run import Run

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
    """The card of an update of a run for a goal, as Markdown. `scores`, before and after, are those of an
    update that is not the chosen one; without them the card has those of the chosen one."""
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
        "---",
        f"base_model: {model}",
        "tags: [gradiend]",
        "---",
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
    """What was measured, and what was not."""
    measured = (
        "How probable these words are, and how well neutral text is predicted, was measured of this very"
        " edit."
    )
    lines = [measured if scores else "Nothing was measured of this edit."]
    if report := run.report_with(Trait.MEASURES_SIDE_EFFECTS, axis):
        effects = [f"- {line}" for line in report.lines]
        return [*lines, "", "Side effects of the chosen edits of the run:", "", *effects]
    return [*lines, "Other effects were not measured."]
