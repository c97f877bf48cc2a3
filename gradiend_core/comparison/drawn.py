"""Explanations for web pages and terminals: tokens, and a map of layers × tokens, coloured by their
shares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gradiend_core.comparison.explanation import Explanation

#: the colours of what pulls toward the first and the second class
FIRST, SECOND = (33, 102, 172), (230, 97, 1)
#: how much of a colour the largest share has; with more, letters on it are hard to read (WCAG 2, 4.5 : 1)
STRONGEST = 0.6
#: locations that are listed, and tokens that a terminal has room for
LISTED, ROOM = 6, 24


@frozen
class Cell:
    """One share: its token, its colour, and the text that a pointer shows."""

    text: str
    colour: str
    title: str


def layer_name(layer: int | None) -> str:
    return "outside" if layer is None else str(layer)


def reading(one: Explanation) -> str:
    """The encoding as a sentence."""
    first, second = one.classes
    side = first if one.encoding > 0 else second
    return f"{one.feature}: nearer to {side}, in “{one.text}”"


def explanation_html(one: Explanation) -> str:
    """An explanation as HTML that needs no script and no style sheet."""
    from jinja2 import Environment, PackageLoader

    tokens, layers = coloured_by_layer(one.tokens, one.of_tokens, one.of_layers)
    template = Environment(loader=PackageLoader("gradiend_core.comparison"), autoescape=True).get_template(
        "explanation.html"
    )
    return template.render(
        encoding=one.encoding,
        reading=reading(one),
        tokens=tokens,
        layers=layers,
        first=one.classes[0],
        second=one.classes[1],
        total=float(one.shares.sum()) + one.bias,
    )


def explanation_shown(one: Explanation, *, coloured: bool) -> Iterator[RenderableType]:
    """An explanation for a terminal, in colours, or in numbers where the terminal has no colours."""
    from rich.text import Text

    first, second = one.classes
    yield Text(f"{one.encoding:+.3f}  {reading(one)}")
    values = one.of_tokens
    if coloured:
        yield _coloured(one.tokens, values)
        yield _map(one)
        yield Text(
            f"blue pulls toward {first}, orange toward {second}; strength is the square root of a share"
        )
    strongest = sorted(range(len(values)), key=lambda number: -abs(values[number]))[: 2 * LISTED]
    tokens = [f"{one.tokens[number].strip() or '(all tokens)'} {values[number]:+.3f}" for number in strongest]
    yield Text(f"tokens    {', '.join(tokens)}")
    sums = one.shares.sum(1).tolist()
    where = sorted(range(len(sums)), key=lambda number: -abs(sums[number]))[:LISTED]
    named = [
        f"{one.locations[number].component} {layer_name(one.locations[number].layer)} {sums[number]:+.3f}"
        for number in where
    ]
    yield Text(f"layers    {', '.join(named)}")
    components = ", ".join(f"{name} {value:+.3f}" for name, value in one.of_components.items())
    bias = f", bias {one.bias:+.3f}" if one.bias else ""
    total = sum(sums) + one.bias
    yield Text(
        f"sum       {components}{bias}: together {total:+.3f}, and tanh of that is {one.encoding:+.3f}"
    )


def coloured_by_layer(
    tokens: Sequence[str], of_tokens: Sequence[float], of_layers: Mapping[int | None, Sequence[float]]
) -> tuple[list[Cell], list[tuple[str, list[Cell]]]]:
    """Tokens coloured by their shares, then the same for each layer with its name."""
    largest = max((abs(value) for row in of_layers.values() for value in row), default=0.0)
    layers = [(layer_name(layer), list(_cells(tokens, row, largest))) for layer, row in of_layers.items()]
    return list(_cells(tokens, of_tokens, max(map(abs, of_tokens), default=0.0))), layers


def _cells(tokens: Sequence[str], values: Sequence[float], largest: float) -> Iterator[Cell]:
    """Tokens with the colours of their shares."""
    for token, value in zip(tokens, values, strict=True):
        red, green, blue = FIRST if value > 0 else SECOND
        strength = _strength(value, largest)
        colour = f"rgba({red}, {green}, {blue}, {STRONGEST * strength:.3f})"
        yield Cell(token or "(all tokens)", colour, f"{token.strip() or 'all tokens'}: {value:+.4f}")


def _strength(value: float, largest: float) -> float:
    """How strong a colour is: the square root of the share relative to the largest one. The slot's share is
    often ten times that of any other token, which a linear scale would leave pale."""
    return math.sqrt(abs(value) / largest) if largest else 0.0


def _coloured(tokens: Sequence[str], values: Sequence[float]) -> RenderableType:
    from rich.text import Text

    largest = max(map(abs, values), default=0.0)
    text = Text()
    for token, value in zip(tokens, values, strict=True):
        text.append(token.replace("\n", " "), style=_style(value, largest))
    return text


def _map(one: Explanation) -> RenderableType:
    """Layers × tokens in blocks of three columns; of a long text, the tokens with the largest shares."""
    from rich.text import Text

    totals = one.of_tokens
    strongest = sorted(range(len(totals)), key=lambda number: -abs(totals[number]))[:ROOM]
    shown, of_layers = sorted(strongest), one.of_layers
    largest = max((abs(row[number]) for row in of_layers.values() for number in shown), default=0.0)
    text = Text()
    for layer, row in of_layers.items():
        text.append(f"{layer_name(layer):>8} ")
        for number in shown:
            text.append("   ", style=_style(row[number], largest))
        text.append("\n")
    initials = "".join(f"{one.tokens[number].strip()[:2]:<3}" for number in shown)
    text.append(f"{'':>8} {initials}")
    return text


def _style(value: float, largest: float) -> str:
    """A background between white and the colour of a class, with black or white letters on it."""
    strength = _strength(value, largest)
    if strength < 0.1:
        return ""
    mixed = [round(255 + strength * (tone - 255)) for tone in (FIRST if value > 0 else SECOND)]
    return f"{'white' if sum(mixed) < 380 else 'black'} on rgb({mixed[0]},{mixed[1]},{mixed[2]})"
