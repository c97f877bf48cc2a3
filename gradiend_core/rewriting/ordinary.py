"""The effect of an edit on ordinary text, from documents that neither learning nor the choice of an edit has
seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradiend_core.data.rules import capital
from gradiend_core.language.fillers import tokenize
from gradiend_core.language.texts import text_predictions, vocabulary_of
from gradiend_core.progress import progress
from gradiend_core.records.candidate import OrdinaryScores, TextPredictions
from gradiend_core.records.pair import word_pairs
from gradiend_core.records.text import Text
from gradiend_core.roles.abilities import PreparedTexts, ScoresTexts
from gradiend_core.roles.evaluator import EvaluationTask

#: documents from which on these are the units, and no longer texts
DOCUMENTS = 20
#: log probabilities of the unedited model that are kept, and those that are compared at once
BUDGET, PIECE = 2**26, 2**23
#: of the texts, one in so many is in the first part
SOME = 3
#: the least probability of all other tokens together; float32 does not tell a smaller one from 0
TINY = 1e-7


class OrdinaryText:
    """Texts with the unedited model's predictions, to compare those of any edit with. The model must be
    unedited when this is created."""

    def __init__(self, task: EvaluationTask, source: ScoresTexts, texts: Sequence[Text]) -> None:
        model = task.gradients.model
        words = torch.tensor(sorted(feature_tokens(task)), dtype=torch.long, device=task.gradients.device)
        self.words = words

        def prepared(chosen: Sequence[Text]) -> Sequence[PreparedTexts]:
            return source.prepare_texts([text.text for text in chosen], task.tokenizer, model, task.seed)

        first, rest = in_parts(texts)
        texts = [*first, *rest]
        texts = texts[: _fitting(prepared(texts), len(texts), model)]
        documents = {text.document for text in texts}
        by_document = "" not in documents and len(documents) >= DOCUMENTS
        names = [text.document if by_document else str(number) for number, text in enumerate(texts)]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        units = torch.tensor([numbers[name] for name in names])
        count = len(first)
        batches = [prepared(of_part) if of_part else [] for of_part in (texts[:count], texts[count:])]
        #: the batches of the first part of the text, so many, then the others; and the units of their texts
        self.prepared, self.some = [*batches[0], *batches[1]], len(batches[0])
        self.units = [units[:count]] * len(batches[0]) + [units[count:]] * len(batches[1])
        #: what the unedited model predicts, and the likeliest tokens
        self.base = list(text_predictions(model, self.prepared))
        self.likeliest = [predicted.log_probabilities.argmax(1) for predicted in self.base]

    def __call__(self, model: nn.Module, *, some: bool = False) -> OrdinaryScores:
        """The scores of the model in its present state; with `some`, on the first part of the text."""
        batches = self.prepared[: self.some] if some else self.prepared
        return self._scores(text_predictions(model, batches), len(batches))

    def unedited(self) -> OrdinaryScores:
        """The scores of the unedited model."""
        return self._scores(self.base, len(self.base))

    def _scores(self, predictions: Iterable[TextPredictions], batches: int) -> OrdinaryScores:
        sums = torch.zeros(9, 1 + max(int(units.max()) for units in self.units), dtype=torch.float64)
        known = zip(self.units[:batches], self.base[:batches], self.likeliest[:batches], strict=True)
        for (units, unedited, likeliest), predicted in zip(known, predictions, strict=True):
            base, edited = unedited.log_probabilities, predicted.log_probabilities
            values = units[predicted.texts.cpu()], base, likeliest, edited, predicted.targets
            pieces = (of_tokens.split(max(1, PIECE // base.shape[1])) for of_tokens in values)
            for units_of_piece, *piece in zip(*pieces, strict=True):
                for total, value in zip(sums, self._compared(*piece), strict=True):
                    total.index_add_(0, units_of_piece, value.double().cpu())
        return OrdinaryScores(*sums[:, sums[0] > 0])

    def _compared(self, base: Tensor, likeliest: Tensor, edited: Tensor, targets: Tensor) -> Iterator[Tensor]:
        """The columns of `OrdinaryScores` at some tokens, [tokens] each."""
        yield torch.ones_like(targets)
        yield from divergence(base, edited, self.words)
        surprisals, before = (-values.gather(1, targets[:, None])[:, 0] for values in (edited, base))
        other = ~torch.isin(targets, self.words)
        yield from (surprisals, before, other, (surprisals - before) * other)
        yield edited.argmax(1) == likeliest


def in_parts(texts: Sequence[Text]) -> tuple[list[Text], list[Text]]:
    """Every third text, and the others; for few texts, all and none."""
    if len(texts) < 2 * SOME:
        return list(texts), []
    return list(texts[::SOME]), [text for number, text in enumerate(texts) if number % SOME]


def _fitting(prepared: Sequence[PreparedTexts], texts: int, model: nn.Module) -> int:
    """How many of the texts, counted from the first, have predictions that fit in memory; at least two."""
    tokens = torch.zeros(texts, dtype=torch.long)
    for batch in prepared:
        tokens += batch.texts.cpu().bincount(minlength=texts)
    return max(2, int((tokens.cumsum(0) * vocabulary_of(model) <= BUDGET).sum()))


def divergence(base: Tensor, edited: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """KL(base ‖ edited) at each token by the chain rule: inside the words (token ids), in the split between
    them and all others, and among the others, [tokens] each, from log probabilities [tokens, vocabulary]."""
    everything = torch.linalg.vecdot(base.exp(), base - edited).double()
    if not len(words):
        return torch.zeros_like(everything), torch.zeros_like(everything), everything
    of_words, masses = [values[:, words].double() for values in (base, edited)], []
    for values in of_words:
        words_together = values.logsumexp(1)
        others = (1 - words_together.exp()).clamp(min=TINY).log()
        masses.append((words_together, others))
    inside, outside = (there.exp() * (there - then) for there, then in zip(*masses, strict=True))
    along_words = (of_words[0].exp() * (of_words[0] - of_words[1])).sum(1)
    return along_words - inside, inside + outside, everything - along_words - outside


def feature_tokens(task: EvaluationTask) -> set[int]:
    """The tokens of the words of the axis and of their related words."""
    words = [word for pair in word_pairs(task.data.related, task.feature.classes) for word in pair]
    words += [word for forms in axis_words(task.data.words, task.feature.classes) for word in forms]
    return word_tokens(task.tokenizer, words)


def word_tokens(tokenizer: Any, words: Sequence[str]) -> set[int]:
    """The tokens of words, with and without a space and a capital; words of several tokens have none."""
    forms = [form for word in words for form in dict.fromkeys((word, capital(word)))]
    texts = [(left, form, "") for form in forms for left in ("so ", "")]
    tokenized = tokenize(tokenizer, texts) if texts else []
    return {tokens.ids[tokens.slot] for tokens in tokenized if not tokens.problem}


def axis_words(words: Mapping[str, Sequence[str]], classes: tuple[str, str]) -> list[list[str]]:
    """The words of the two ends of an axis. "All others" has the words that the first class does not have."""
    named = [[name] if name in words else [name for name in words if name not in classes] for name in classes]
    return [[word for name in names for word in words[name]] for names in named]


def halves(
    task: EvaluationTask, source: ScoresTexts, count: int
) -> tuple[OrdinaryText | None, OrdinaryText | None]:
    """Ordinary text for choosing edits, and ordinary text for reporting, at most `count` texts together; no
    document is in both if there are enough. None where there is none, or none is wanted."""
    if not count:
        return None, None
    sides = [side[: count // 2] for side in choosing_and_reporting(list(task.ordinary()))]
    with progress("ordinary text"):
        made = [OrdinaryText(task, source, side) if len(side) > 1 else None for side in sides]
    return made[0], made[1]


def choosing_and_reporting(texts: Sequence[Text]) -> tuple[Sequence[Text], Sequence[Text]]:
    """Ordinary texts for choosing edits, and those for reporting; no document is in both if there are
    enough."""
    documents = list(dict.fromkeys(text.document for text in texts))
    if "" in documents or len(documents) < 2 * DOCUMENTS:
        return texts[::2], texts[1::2]
    first = set(documents[::2])
    return [text for text in texts if text.document in first], [
        text for text in texts if text.document not in first
    ]
