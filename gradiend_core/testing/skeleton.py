"""A new plugin as a distribution of its own, that passes its kit as it is written: `gradiend new-plugin ROLE
NAME`."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from gradiend_core.errors import ConfigError, unknown
from gradiend_core.plugins.registry import ROLES
from gradiend_core.storage.files import fresh_folder, write_text

PYPROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "$name"
version = "0.1.0"
description = "A $role for gradiend-core"
requires-python = ">=3.11"
dependencies = ["gradiend-core"]

[project.entry-points.gradiend]
$name = "$module"

[tool.setuptools]
packages = ["$module"]
"""
DECLARATION = '''"""Declares the $role $name. Light: no torch here; the implementation is named by string."""

from attrs import frozen
from gradiend_core.api import Contribution, hookimpl


@frozen
class Settings:
    """Settings of `$name`: $about."""

    $field


@hookimpl
def $hook():
    return [Contribution("$name", Settings, "$module.implementation:$factory", "$summary"$more)]
'''
TEST = '''"""The promises of a $role, kept: see `gradiend check $name`."""

from gradiend_core.testing import contract

Test$factory = contract("$name")
'''
README = """# $name

A $role for [gradiend-core](https://pypi.org/project/gradiend-core).

```bash
pip install -e . pytest
gradiend check $name
pytest
$try_it
```
"""
OFF = ", by_default=False"

#: role: what fills the templates, and the implementation
PARTS: dict[str, tuple[dict[str, str], str]] = {
    "paradigm": (
        {
            "about": "the two classes",
            "field": 'classes: tuple[str, ...] = ("ONE", "MANY")',
            "factory": "paradigm",
            "summary": "one and many",
            "try_it": "gradiend run $name",
        },
        '''"""Which words mean which class."""

from gradiend_core.api import Rules, RulesParadigm

WORDS = {"ONE": ("he", "she", "it"), "MANY": ("they",)}


def paradigm(config):
    return RulesParadigm("$name", Rules(WORDS), config.classes)
''',
    ),
    "source": (
        {
            "about": "the most tokens that a row may have",
            "field": "max_tokens: int = 128",
            "factory": "Source",
            "summary": "masked language models, once more",
            "try_it": "gradiend run english-pronouns --set source.kind=$name",
        },
        '''"""How a model turns a pair into a loss: the slot holds the mask, the loss is that of each filler there."""

from gradiend_core.api import ModelError, SlotSource, load_model, prepare_slots, token_limit


class Source(SlotSource):
    def __init__(self, config):
        self.config = config

    @staticmethod
    def accepts(model):
        return False  # only where the run file names it

    def load(self, model, settings):
        from transformers import AutoModelForMaskedLM

        loaded, tokenizer = load_model(model, AutoModelForMaskedLM, settings)
        if tokenizer.mask_token_id is None:
            raise ModelError(f"the tokenizer of {model!r} has no mask token")
        return loaded, tokenizer

    def prepare(self, pairs, tokenizer, model):
        limit = token_limit(tokenizer, model, self.config.max_tokens)
        return prepare_slots(pairs, tokenizer, limit=limit, see_right=True, mask_id=tokenizer.mask_token_id)
''',
    ),
    "scope": (
        {
            "about": "what the names of the parameters contain",
            "field": 'part: str = "attention"',
            "factory": "Selector",
            "summary": "parameters by a part of their name",
            "try_it": "gradiend run english-pronouns --set scope.kind=$name",
        },
        '''"""Which weights take part."""

from gradiend_core.api import ConfigError, ParameterScope, ParameterSlice


class Selector:
    def __init__(self, config):
        self.config = config

    def select(self, task):
        named = [(name, tuple(each.shape)) for name, each in task.model.named_parameters() if self.config.part in name]
        if not named:
            raise ConfigError(f"no parameter has {self.config.part!r} in its name (scope.part)")
        return ParameterScope(tuple(ParameterSlice(name, shape) for name, shape in named))
''',
    ),
    "learner": (
        {
            "about": "a factor for the decoder",
            "field": "scale: float = 1.0",
            "factory": "Learner",
            "summary": "class means, scaled",
            "try_it": "gradiend run english-pronouns --set learner.kind=$name",
        },
        '''"""Gradients in, a feature out: the difference of the classes' mean gradients."""

from gradiend_core.api import GradientRole, assembled, class_means


class Learner:
    def __init__(self, config):
        self.config = config

    def learn(self, task):
        roles = (GradientRole.FACTUAL, GradientRole.DIFFERENCE)
        features = []
        for axis in task.axes:
            source, target = class_means(task, axis, roles)
            features.append(assembled(task, axis, source[0] - source[1], self.config.scale * target, roles))
        return tuple(features)
''',
    ),
    "policy": (
        {
            "about": "the largest share by which the perplexity may grow",
            "field": "growth: float = 0.05",
            "factory": "Policy",
            "summary": "the strongest edit that keeps the perplexity",
            "try_it": "gradiend run english-pronouns --set policy.kind=$name",
        },
        '''"""Which edit is best."""

from gradiend_core.api import goal_values


class Policy:
    def __init__(self, config):
        self.config = config

    def texts_of(self, goal):
        return goal.texts

    def score(self, goal, candidate, base):
        most = (1 + self.config.growth) * base.language.perplexity
        if candidate.language.perplexity > most or candidate.lms < 0.9 * base.lms:
            return None
        value = float(goal_values(goal, candidate.probabilities).mean())
        return 1 - value if goal.sign < 0 else value
''',
    ),
    "evaluation": (
        {
            "about": "the split that is encoded",
            "field": 'split: str = "test"',
            "factory": "Evaluator",
            "more": OFF,
            "summary": "how far apart the class means are",
            "try_it": "gradiend evaluate RUN $name",
        },
        '''"""What a feature is worth, as numbers."""

from gradiend_core.api import Metric, Report, encodings, labels_of


class Evaluator:
    def __init__(self, config):
        self.config = config

    def evaluate(self, task):
        examples = task.examples[self.config.split]
        values, labels = encodings(task.feature, task.gradients, examples), labels_of(examples.pairs, task.feature.classes)
        gap = float(values[labels > 0].mean() - values[labels < 0].mean())
        metrics = {(self.config.split, "gap"): Metric(gap, len(values))}
        return Report("$name", metrics, lines=(f"gap       {gap:.3f} between the class means (n = {len(values)})",))
''',
    ),
    "figures": (
        {
            "about": "the number of bins",
            "field": "bins: int = 20",
            "factory": "Histogram",
            "more": OFF,
            "summary": "a histogram of test encodings",
            "try_it": """gradiend run english-pronouns --set 'figures.kinds=["$name"]'""",
        },
        '''"""A feature and its reports as a figure."""

from matplotlib.figure import Figure


class Histogram:
    def __init__(self, config):
        self.config = config

    def draw(self, feature, reports):
        if "encoder" not in reports or "encodings" not in reports["encoder"].tables:
            return None
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        axes.hist(reports["encoder"].tables["encodings"].column("encoding"), bins=self.config.bins)
        axes.set(xlabel="encoding", ylabel="examples", title=f"{feature.classes[0]} (+1), {feature.classes[1]} (−1)")
        return figure
''',
    ),
    "comparison-figures": (
        {
            "about": "the number of bins",
            "field": "bins: int = 20",
            "factory": "Histogram",
            "more": OFF,
            "summary": "a histogram of the cosines of all features",
            "try_it": "gradiend compare RUN OTHER-RUN --output compared",
        },
        '''"""Many features as a figure."""

from matplotlib.figure import Figure


class Histogram:
    def __init__(self, config):
        self.config = config

    def draw(self, report):
        if "pairs" not in report.tables:
            return None
        rows = [dict(zip(report.tables["pairs"].columns, row)) for row in report.tables["pairs"].rows]
        cosines = [row["value"] for row in rows if row["measure"] == "cosine" and row["one"] != row["two"]]
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        axes.hist(cosines, bins=self.config.bins)
        axes.set(xlabel="cosine of two features", ylabel="pairs")
        return figure
''',
    ),
}


def write_plugin(role: str, name: str, folder: str | Path) -> Path:
    """Writes a distribution with one contribution of this role; whole or not at all. Raises ConfigError for a
    role or a name that cannot be."""
    if role not in PARTS:
        raise ConfigError(unknown("role", role, list(PARTS)))
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ConfigError(
            f"{name!r} is no name for a plugin; use small letters, digits and hyphens, such as my-{role}"
        )
    filled, implementation = PARTS[role]
    values = {
        "role": role,
        "name": name,
        "module": name.replace("-", "_"),
        "hook": ROLES[role],
        "more": "",
        **filled,
    }
    values["try_it"] = Template(values["try_it"]).substitute(values)
    files = {
        "pyproject.toml": PYPROJECT,
        "README.md": README,
        f"{values['module']}/__init__.py": DECLARATION,
        f"{values['module']}/implementation.py": implementation,
        f"tests/test_{values['module']}.py": TEST,
    }
    with fresh_folder(Path(folder)) as place:
        for path, content in files.items():
            (place / path).parent.mkdir(exist_ok=True)
            write_text(place / path, Template(content).substitute(values))
    return Path(folder)
