"""Circles and squares: declares a paradigm, a gradient source, a model and texts. Light: no torch here."""

from attrs import frozen

from gradiend_core.api import Contribution, NoSettings, hookimpl

WHERE = "gradiend_shapes.implementation:"


@frozen
class Shapes:
    """Settings of `shapes`: the two classes."""

    classes: tuple[str, ...] = ("CIRCLE", "SQUARE")


@hookimpl
def gradiend_feature_paradigms():
    suited = {"model": "shapes-net", "texts": "shapes-images"}
    return [Contribution("shapes", Shapes, WHERE + "paradigm", "circles and squares", suited=suited)]


@hookimpl
def gradiend_gradient_sources():
    return [
        Contribution("image-label", NoSettings, WHERE + "LabelSource", "cross-entropy of an image's label")
    ]


@hookimpl
def gradiend_models():
    return [
        Contribution(
            "shapes-net", NoSettings, WHERE + "folder", "a network of two layers, trained as it is loaded"
        )
    ]


@hookimpl
def gradiend_texts():
    return [
        Contribution("shapes-images", NoSettings, WHERE + "texts", "600 images by number, with their shapes")
    ]
