"""Contributions that are right but for one thing, each to be found by the check that is for it."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import attrs
import torch
from attrs import evolve, field, frozen
from gradiend_evaluators import ThresholdSettings
from gradiend_evaluators.policies import Threshold
from gradiend_learners import MeanDifference
from gradiend_learners.closed import MeanDifferenceLearner
from gradiend_mlm import MaskedSettings
from gradiend_mlm.source import MaskedSource
from gradiend_selectors.selectors import Backbone
from gradiend_visualizers.encodings import Encodings
from gradiend_visualizers.many import Places

from gradiend_core.api import (
    Contribution,
    Metric,
    NoSettings,
    ParameterScope,
    Report,
    Rules,
    RulesParadigm,
    Table,
    hookimpl,
)


@attrs.define
class Changeable:
    """Settings that can be changed."""

    size: int = 1


@frozen
class Undocumented:
    size: int = 1


@frozen
class Lossy:
    """Settings that a run file cannot hold."""

    size: int = field(default=1, converter=lambda value: value + 1)


# --- sources
# ---------------------------------------------------------------------------------------------------------
class Source(MaskedSource):
    @staticmethod
    def accepts(model: str) -> bool:
        return False


class Detached(Source):
    def losses(self, model, batch):
        return super().losses(model, batch).detach()


class SeesTheBatch(Source):
    def losses(self, model, batch):
        losses = super().losses(model, batch)
        return losses + 0.1 * len(losses)


class Crossed(Source):
    """Of pairs whose filler is longer than the alternative, the columns are exchanged."""

    def prepare(self, pairs, tokenizer, model):
        examples = super().prepare(pairs, tokenizer, model)
        rows = [
            evolve(row, fillers=row.fillers[::-1]) if len(pair.factual) > len(pair.alternative) else row
            for pair, row in zip(examples.pairs, examples.rows, strict=True)
        ]
        return evolve(examples, rows=tuple(rows))


class WrongSlope(Source):
    """A backward pass that autograd believes, and that is not the slope."""

    def losses(self, model, batch):
        losses = super().losses(model, batch)
        return losses.detach() + 2 * (losses - losses.detach())


class DrawsGlobally(Source):
    def losses(self, model, batch):
        return super().losses(model, batch) + 0 * torch.rand(1)


class DropsSilently(Source):
    def prepare(self, pairs, tokenizer, model):
        examples = super().prepare(pairs, tokenizer, model)
        return evolve(examples, pairs=examples.pairs[1:], rows=examples.rows[1:])


# --- paradigms
# -------------------------------------------------------------------------------------------------------
WORDS = {"SG": ("he", "she", "it"), "PL": ("they",)}


class Pronouns:
    def __init__(self, config: Any) -> None:
        self.config = config

    def pairs(self, task):
        return self.changed(RulesParadigm("pronouns", Rules(WORDS), ("SG", "PL")).pairs(task))

    def changed(self, data):
        return data


@frozen
class TwoClasses:
    """The two classes."""

    classes: tuple[str, ...] = ("SG", "PL")


class Retouched(Pronouns):
    def changed(self, data):
        return evolve(
            data, pairs=(evolve(data.pairs[0], left=data.pairs[0].left + "really "), *data.pairs[1:])
        )


class SameWord(Pronouns):
    def changed(self, data):
        return evolve(data, pairs=(evolve(data.pairs[0], alternative=data.pairs[0].factual), *data.pairs[1:]))


class Leaking(Pronouns):
    def changed(self, data):
        one = next(pair for pair in data.pairs if pair.split == "train")
        copy = evolve(one, split="test")
        funnel = evolve(
            data.funnel, kept=tuple((name, n + (name == one.factual_class)) for name, n in data.funnel.kept)
        )
        return evolve(data, pairs=(*data.pairs, copy), funnel=funnel)


class Unseeded(Pronouns):
    turn = 0

    def changed(self, data):
        Unseeded.turn += 1
        return evolve(data, pairs=data.pairs if Unseeded.turn % 2 else data.pairs[::-1])


class GlobalDraw(Pronouns):
    def changed(self, data):
        random.random()
        return data


class Uncounted(Pronouns):
    def changed(self, data):
        return evolve(data, funnel=evolve(data.funnel, kept=()))


# --- selectors, learners, policies
# -----------------------------------------------------------------------------------
class Twice:
    def __init__(self, config: Any) -> None:
        self.config = config

    def select(self, task):
        scope = Backbone(NoSettings()).select(task)
        return ParameterScope((*scope.slices, scope.slices[0]))


class Fickle(Twice):
    turn = 0

    def select(self, task):
        Fickle.turn += 1
        scope = Backbone(NoSettings()).select(task)
        return ParameterScope(scope.slices[Fickle.turn % 2 :])


class Upside(MeanDifferenceLearner):
    """Encodes the second class to +1."""

    def learn(self, task):
        return tuple(
            evolve(each, encoder=-each.encoder, encoder_bias=-each.encoder_bias)
            for each in super().learn(task)
        )


class Weakening(MeanDifferenceLearner):
    """Its decoder goes the wrong way."""

    def learn(self, task):
        return tuple(
            evolve(each, decoder=-each.decoder, decoder_bias=-each.decoder_bias)
            for each in super().learn(task)
        )


class Drawing(MeanDifferenceLearner):
    def learn(self, task):
        return tuple(
            evolve(each, decoder=each.decoder + 1e-12 * torch.rand(1)) for each in super().learn(task)
        )


class Merciless(Threshold):
    """Never takes the unedited model."""

    def score(self, goal, candidate, base):
        return super().score(goal, candidate, base) if candidate.learning_rate else None


class Reckless(Threshold):
    """Forgets the language modelling."""

    def score(self, goal, candidate, base):
        return candidate.learning_rate


# --- evaluators, visualizers, texts
# ----------------------------------------------------------------------------------
class NotANumber:
    def __init__(self, config: Any) -> None:
        self.config = config

    def evaluate(self, task):
        return Report("not-a-number", {("test", "value"): Metric(float("nan"), 3)})


class Ragged(NotANumber):
    def evaluate(self, task):
        return Report("ragged", {}, {"rows": Table(("one", "two"), ((1,),))})


class Touching(NotANumber):
    def evaluate(self, task):
        next(task.gradients.model.parameters()).data[0] += 1e-3
        return Report("touching", {})


class Hooked(NotANumber):
    def evaluate(self, task):
        task.gradients.model.register_forward_hook(lambda *_: None)
        return Report("hooked", {})


class Restless(NotANumber):
    turn = 0

    def evaluate(self, task):
        Restless.turn += 1
        return Report("restless", {("turn",): Metric(Restless.turn, 1)})


class Colourful(Encodings):
    def draw(self, feature, reports):
        import matplotlib

        matplotlib.rcParams["lines.linewidth"] += 1.0
        return super().draw(feature, reports)


class ColourfulPlaces(Places):
    def draw(self, report):
        import matplotlib

        matplotlib.rcParams["lines.linewidth"] += 1.0
        return super().draw(report)


class DemandingPlaces(Places):
    def draw(self, report):
        assert report.tables["where"]
        return super().draw(report)


class Demanding(Encodings):
    def draw(self, feature, reports):
        assert reports["encoder"]
        return super().draw(feature, reports)


def nowhere(_: NoSettings) -> Path:
    return Path("nowhere.txt")


def _of(config: type, *names: str) -> list[Contribution]:
    """ "SeesTheBatch" as "sees-the-batch"."""
    plain = {name: re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in names}
    return [Contribution(own, config, f"tests.whole.breakers:{name}", name) for name, own in plain.items()]


class Plugin:
    @staticmethod
    @hookimpl
    def gradiend_gradient_sources():
        names = (
            "Source",
            "Detached",
            "SeesTheBatch",
            "Crossed",
            "WrongSlope",
            "DrawsGlobally",
            "DropsSilently",
        )
        return _of(MaskedSettings, *names)

    @staticmethod
    @hookimpl
    def gradiend_feature_paradigms():
        return _of(
            TwoClasses, "Pronouns", "Retouched", "SameWord", "Leaking", "Unseeded", "GlobalDraw", "Uncounted"
        )

    @staticmethod
    @hookimpl
    def gradiend_parameter_selectors():
        return _of(NoSettings, "Twice", "Fickle")

    @staticmethod
    @hookimpl
    def gradiend_learners():
        return _of(MeanDifference, "Upside", "Weakening", "Drawing")

    @staticmethod
    @hookimpl
    def gradiend_policies():
        return _of(ThresholdSettings, "Merciless", "Reckless")

    @staticmethod
    @hookimpl
    def gradiend_evaluators():
        made = _of(NoSettings, "NotANumber", "Ragged", "Touching", "Hooked", "Restless")
        made += [
            evolve(made[1], name="changeable", config=Changeable),
            evolve(made[1], name="undocumented", config=Undocumented),
        ]
        made += [evolve(made[1], name="lossy", config=Lossy)]
        return [evolve(each, by_default=False) for each in made]

    @staticmethod
    @hookimpl
    def gradiend_visualizers():
        return [evolve(each, by_default=False) for each in _of(NoSettings, "Colourful", "Demanding")]

    @staticmethod
    @hookimpl
    def gradiend_texts():
        return [
            Contribution("nowhere", NoSettings, "tests.whole.breakers:nowhere", "a file that was not shipped")
        ]

    @staticmethod
    @hookimpl
    def gradiend_comparison_visualizers():
        return _of(NoSettings, "ColourfulPlaces", "DemandingPlaces")
