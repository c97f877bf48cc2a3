"""Figures of a run. The only plugin that imports matplotlib."""

from __future__ import annotations

from gradiend_core.api import Contribution, NoSettings, hookimpl


@hookimpl
def gradiend_visualizers() -> list[Contribution]:
    def figure(name: str, attribute: str, summary: str) -> Contribution:
        return Contribution(name, NoSettings, f"gradiend_figures.{attribute}", summary)

    return [
        figure("convergence", "convergence:Convergence", "loss and validation correlation over the training steps"),
        figure("encodings", "encodings:Encodings", "what test examples and neutral text encode to"),
        figure("rewriting", "rewriting:Rewriting", "probability shift and language modelling score by learning rate"),
    ]
