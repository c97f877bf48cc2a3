"""A new plugin as an installable package that passes its checks: `gradiend new-plugin KIND NAME`. Its files
are templates (`templates/`); the differences between kinds are in this module."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Template

from attrs import frozen

from gradiend_core.errors import ConfigError, unknown
from gradiend_core.roles.kinds import PLUGIN_KINDS
from gradiend_core.storage.files import write_text
from gradiend_core.storage.folders import fresh_folder

OFF = ", by_default=False"


@frozen
class Skeleton:
    """The values that fill the templates for one kind of plugin."""

    setting: str
    factory: str
    summary: str
    try_it: str
    more: str = ""


SKELETONS = {
    "paradigm": Skeleton(
        'classes: tuple[str, ...] = setting(("ONE", "MANY"), "The two classes.")',
        "paradigm",
        "one and many",
        "gradiend run $name",
    ),
    "source": Skeleton(
        'max_tokens: int = setting(128, "Tokens that a text may have; more is cut.")',
        "Source",
        "masked language models, once more",
        "gradiend run english-pronouns --set source.kind=$name",
    ),
    "selector": Skeleton(
        'name_contains: str = setting("attention", "What the names of the parameters contain.")',
        "Selector",
        "parameters by a part of their name",
        "gradiend run english-pronouns --set selector.kind=$name",
    ),
    "learner": Skeleton(
        'scale: float = setting(1.0, "A factor for the decoder.")',
        "Learner",
        "class means, scaled",
        "gradiend run english-pronouns --set learner.kind=$name",
    ),
    "policy": Skeleton(
        'growth: float = setting(0.05, "The share by which the perplexity may grow.")',
        "Policy",
        "the strongest edit that keeps the perplexity",
        "gradiend run english-pronouns --set policy.kind=$name",
    ),
    "evaluator": Skeleton(
        'split: str = setting("test", "The split that is encoded.")',
        "Evaluator",
        "how far apart the class means are",
        "gradiend evaluate RUN $name",
        OFF,
    ),
    "visualizer": Skeleton(
        'bins: int = setting(20, "The number of bins.")',
        "Histogram",
        "a histogram of test encodings",
        """gradiend run english-pronouns --set 'visualizers.kinds=["$name"]'""",
        OFF,
    ),
    "comparison-visualizer": Skeleton(
        'bins: int = setting(20, "The number of bins.")',
        "Histogram",
        "a histogram of the cosines of all features",
        "gradiend compare RUN OTHER-RUN --output compared",
        OFF,
    ),
}


def write_plugin(kind: str, name: str, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Writes a package with one contribution of a kind, completely or not at all. Raises ConfigError for an
    invalid kind or name, and StorageError for a folder that is not empty; with `overwrite`, a plugin that was
    not edited since is replaced."""
    if kind not in SKELETONS:
        raise ConfigError(unknown("kind of plugin", kind, list(SKELETONS)))
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ConfigError(
            f"{name!r} is not a name for a plugin; use small letters, digits and hyphens, such as my-{kind}"
        )
    skeleton, module = SKELETONS[kind], name.replace("-", "_")
    values = {
        "kind": kind,
        "article": "An" if kind[0] in "aeiou" else "A",
        "article_small": "an" if kind[0] in "aeiou" else "a",
        "name": name,
        "module": module,
        "hook": next(known.hook for known in PLUGIN_KINDS if known.name == kind),
        "setting": skeleton.setting,
        "factory": skeleton.factory,
        "summary": skeleton.summary,
        "more": skeleton.more,
        "try_it": Template(skeleton.try_it).substitute(name=name),
    }
    written = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{module}/__init__.py": "declaration.py",
        f"{module}/implementation.py": f"{kind}.py",
        f"tests/test_{module}.py": "test.py",
    }
    templates = files("gradiend_core.testing") / "templates"
    with fresh_folder(Path(folder), overwrite=overwrite) as fresh:
        (fresh / module).mkdir()
        (fresh / module / "py.typed").touch()
        for path, template in written.items():
            content = Template((templates / f"{template}.template").read_text(encoding="utf-8"))
            write_text(fresh / path, content.substitute(values))
    return Path(folder)
