"""Any loss of any model as a gradient source, by functions."""

from __future__ import annotations

from attrs import NOTHING, frozen, validators

from gradiend_core.api import Contribution, hookimpl, setting

IMPORTED = validators.matches_re(r"[\w.]+:\w+")


@frozen
class CallableSettings:
    """Settings of `callable`: functions that are imported by name, as "module:name"."""

    model: str = setting(NOTHING, "`model(name)` gives a torch module.", validator=IMPORTED)
    inputs: str = setting(
        NOTHING, "`inputs(pairs)` gives a tensor whose first axis is the pair.", validator=IMPORTED
    )
    targets: str = setting(
        NOTHING, "`targets(pairs, fillers)` gives a tensor whose first axis is the pair.", validator=IMPORTED
    )
    loss: str = setting(
        NOTHING,
        "`loss(model, batch)` gives the loss of each example of a batch with the tensors `inputs` and"
        " `targets`.",
        validator=IMPORTED,
    )


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
