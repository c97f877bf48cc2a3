"""Where in new texts, and where in the model, a run's encoder reads the feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from gradiend_core.comparison.explanation import NOWHERE, Explanation, explanations
from gradiend_core.finished.encoding import ready
from gradiend_core.records.pair import MinimalPair
from gradiend_core.records.report import Table

if TYPE_CHECKING:
    from gradiend_core.run.run import Run


@frozen
class Share:
    """What one token adds to the encoding, before tanh, through the weights of one layer and component."""

    feature: str
    text: int
    position: int | None
    token: str
    layer: int | None
    component: str
    share: float


@frozen(eq=False)
class Explanations(Sequence[Explanation]):
    """An explanation of each text by each feature of a run."""

    explanations: tuple[Explanation, ...]

    def __len__(self) -> int:
        return len(self.explanations)

    def __getitem__(self, position: Any) -> Any:
        return self.explanations[position]

    def table(self) -> Table:
        """All shares: a row for each feature, text, token, layer and component."""
        rows = []
        texts = list(dict.fromkeys(one.text for one in self))
        for one in self:
            text, known = texts.index(one.text), len(one.tokens) - (one.tokens[-1] == NOWHERE)
            for location, values in zip(one.locations, one.shares.tolist(), strict=True):
                for position, (token, value) in enumerate(zip(one.tokens, values, strict=True)):
                    at = position if position < known else None
                    rows.append(
                        Share(one.feature, text, at, token, location.layer, location.component, value)
                    )
        return Table.of(Share, rows)

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self)


def explain(run: Run, texts: Sequence[str | MinimalPair]) -> Explanations:
    """Which tokens, layers and components of texts with a marked slot ("The chef was tired, so [he|they]
    left.") the encodings of `encode` come from. Raises DataError for a text without a slot, and for one that
    the model cannot take."""
    if isinstance(texts, str):
        texts = [texts]
    examples = ready(run, texts)
    return Explanations(
        tuple(
            one
            for feature in run.features
            for one in explanations(
                feature, run.gradients_over(feature.scope), examples, run.loaded.tokenizer
            )
        )
    )
