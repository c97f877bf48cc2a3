"""Figures of a run, and of a comparison. The only plugin that imports matplotlib."""

from __future__ import annotations

from gradiend_core.api import Contribution, NoSettings, hookimpl


def figure(name: str, attribute: str, summary: str, section: str = "") -> Contribution:
    return Contribution(name, NoSettings, f"gradiend_visualizers.{attribute}", summary, section=section)


@hookimpl
def gradiend_visualizers() -> list[Contribution]:
    return [
        figure(
            "convergence",
            "convergence:Convergence",
            "loss and validation correlation over the training steps",
            "learning",
        ),
        figure(
            "transfer",
            "transfer:Transfer",
            "what the encoder reads at words that it was not learned from",
            "encoder",
        ),
        figure(
            "encodings", "encodings:Encodings", "what test examples and neutral text encode to", "encoder"
        ),
        figure(
            "rewriting",
            "rewriting:Rewriting",
            "what each edit that was tried does, over what it costs",
            "decoder",
        ),
        figure(
            "trade-off",
            "trade_off:TradeOff",
            "what the feature's edit and simpler ones do, over what they cost",
            "decoder",
        ),
        figure("by-word", "words:Words", "what the examples of each target word encode to", "encoder"),
        figure(
            "where",
            "where:Where",
            "layers and components where the gradients of the feature are large",
            "where",
        ),
        figure("seeds", "seeds:Seeds", "how far the features of several seeds agree", "learning"),
    ]


@hookimpl
def gradiend_comparison_visualizers() -> list[Contribution]:
    return [
        figure("similarity", "many:Similarity", "cosines of decoders"),
        figure("overlap", "many:Overlap", "shares of the largest weights that features have in common"),
        figure("cross-encoding", "many:CrossEncoding", "what each encoder reads of each feature's texts"),
        figure("places", "many:Places", "layers and components that features are in"),
        figure(
            "shared-weights",
            "sets:SharedWeights",
            "which of the largest weights several features share (Venn, UpSet)",
        ),
    ]
