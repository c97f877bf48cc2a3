"""Where in a text, and where in the model, an encoder reads a feature.

An encoding is tanh of a sum over the weights in scope, and the gradient of each weight is a sum over tokens.
So the sum before tanh splits into one share for each layer, component and token. The shares are exact, not
estimated, and add up to the sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from attrs import field, frozen

from gradiend_core.comparison.drawn import explanation_html
from gradiend_core.comparison.where import Location, by_layer, locations
from gradiend_core.data.marked import written
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.roles.gradients import ModelGradients
from gradiend_core.roles.source import Examples

#: stands for all tokens, where weights cannot be told by token
NOWHERE = ""
#: what word pieces inside a word begin with, and what other pieces after a space begin with
CONTINUED, SPACES = "##", ("▁", "Ġ", " ")


@frozen(eq=False)
class Explanation:
    """One text as a feature reads it: the encoding, which is tanh of `bias` plus the sum of all shares.
    `shares` has a row for each location and a column for each token, [locations, tokens]. Where the model's
    weights cannot be told apart by token, the last token is "" and stands for all tokens."""

    feature: str
    classes: tuple[str, str]
    text: str
    encoding: float
    bias: float
    tokens: tuple[str, ...]
    #: positions among the tokens from which fillers are predicted
    slots: tuple[int, ...]
    locations: tuple[Location, ...]
    shares: torch.Tensor = field(repr=False)

    @property
    def of_tokens(self) -> list[float]:
        """The share of each token through all weights."""
        return self.shares.sum(0).tolist()

    @property
    def at_slot(self) -> float | None:
        """The fraction of all absolute shares that lies at the slot; None where it is not known."""
        values = [abs(value) for value in self.of_tokens]
        return sum(values[slot] for slot in self.slots) / (sum(values) or 1.0) if self.slots else None

    @property
    def of_layers(self) -> dict[int | None, list[float]]:
        """The share of each token through each layer. The layer None stands for weights outside of all
        layers, such as embeddings."""
        layers: dict[int | None, torch.Tensor] = {}
        for location, row in zip(self.locations, self.shares, strict=True):
            layers[location.layer] = layers.get(location.layer, 0) + row
        return {layer: row.tolist() for layer, row in layers.items()}

    @property
    def of_components(self) -> dict[str, float]:
        """The share of each kind of component, over all layers and tokens."""
        components: dict[str, float] = {}
        for location, row in zip(self.locations, self.shares.sum(1).tolist(), strict=True):
            components[location.component] = components.get(location.component, 0.0) + row
        return components

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return {
            "feature": self.feature,
            "classes": list(self.classes),
            "text": self.text,
            "encoding": self.encoding,
            "bias": self.bias,
            "tokens": list(self.tokens),
            "slots": list(self.slots),
            "shares": [
                {"layer": location.layer, "component": location.component, "of_tokens": values}
                for location, values in zip(self.locations, self.shares.tolist(), strict=True)
            ],
        }

    def _repr_html_(self) -> str:
        return explanation_html(self)


def explanations(
    feature: LearnedFeature, gradients: ModelGradients, examples: Examples, tokenizer: Any
) -> list[Explanation]:
    """An explanation of each example. `gradients` are over the scope of the feature."""
    where = locations(feature.scope, gradients.model)
    numbers: dict[Location, list[int]] = {}
    for number, parameter in enumerate(feature.scope.slices):
        numbers.setdefault(where[parameter.name], []).append(number)
    order = by_layer(numbers)
    result = []
    of_examples = gradients.by_token(examples, feature.encoder, feature.source)
    for pair, products in zip(examples.pairs, of_examples, strict=True):
        values = feature.encoder_scale * products.values.double()
        tokens = [*_shown(tokenizer, products.ids), NOWHERE]
        if not values[:, -1].any():
            values, tokens = values[:, :-1], tokens[:-1]
        result.append(
            Explanation(
                feature.name,
                feature.classes,
                written(pair),
                float((values.sum() + feature.encoder_bias).tanh()),
                feature.encoder_bias,
                tuple(tokens),
                products.slots,
                tuple(order),
                torch.stack([values[numbers[location]].sum(0) for location in order]),
            )
        )
    return result


def _shown(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Tokens as a reader knows them, each with the space before it. Tokenizers mark that space in one of
    three ways, and decoding a token alone loses two of them."""
    if tokenizer is None:
        return [str(token) for token in ids]
    pieces = tokenizer.convert_ids_to_tokens(list(ids))
    word_pieces = any(token.startswith(CONTINUED) for token in tokenizer.get_vocab())
    shown: list[str] = []
    for token, piece in zip(ids, pieces, strict=True):
        text = tokenizer.decode([token]) or str(piece)
        if word_pieces:
            begins = not str(piece).startswith(CONTINUED)
            text = text.removeprefix(CONTINUED)
        else:
            begins = str(piece).startswith(SPACES)
            text = text.removeprefix(" ")
        shown.append(f" {text}" if begins and shown else text)
    return shown
