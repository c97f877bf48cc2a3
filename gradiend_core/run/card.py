"""The README of a model with an edit: what the edit is, where it comes from, and what was measured of it."""

from __future__ import annotations

from gradiend_core.records.contribution import Trait
from gradiend_core.records.goal import goal_of
from gradiend_core.records.metric import shown
from gradiend_core.records.report import chosen_edits
from gradiend_core.records.update import WeightUpdate
from gradiend_core.run.run import Run


def model_card(run: Run, toward: str, update: WeightUpdate, strength: float = 1.0, keep: float = 1.0) -> str:
    """The card of an update of a run for a goal, as Markdown."""
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
    if chosen := chosen_edits(run.axis_reports[axis]).get(toward):
        texts = (
            f"P({goal.of}) on test texts of {goal.texts_of}"
            if goal.sign
            else "balance of both classes on all test texts"
        )
        measures = {"probability": texts, "lms": "language modelling score", "perplexity": "perplexity"}
        for name, what in measures.items():
            before, after = (getattr(scores, name).shown() for scores in (chosen.before, chosen.after))
            facts[f"{what}, before and after"] = (
                f"{before}, {after} at learning rate {chosen.learning_rate:g}"
            )
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
        "How probable these words are is all that was measured. Other effects were not.",
        "",
    ]
    return "\n".join(lines)
