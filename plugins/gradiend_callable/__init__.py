"""Any loss of any model as a gradient source, by functions."""

from __future__ import annotations

from attrs import field, frozen, validators

from gradiend_core.api import Contribution, hookimpl

IMPORTED = validators.matches_re(r"[\w.]+:\w+")


@frozen
class CallableSettings:
    """Settings of `callable`, each a function as "module:name". `model(name)` gives a torch module;
    `inputs(pairs)` and `targets(pairs, fillers)` give tensors whose first axis is the pair; `loss(model,
    batch)` gives the loss of each example of a batch with the tensors `inputs` and `targets`."""

    model: str = field(validator=IMPORTED)
    inputs: str = field(validator=IMPORTED)
    targets: str = field(validator=IMPORTED)
    loss: str = field(validator=IMPORTED)


@hookimpl
def gradiend_gradient_sources() -> list[Contribution]:
    return [
        Contribution(
            "callable",
            CallableSettings,
            "gradiend_callable.source:CallableSource",
            "any model and loss, by functions that are imported by name",
        )
    ]
