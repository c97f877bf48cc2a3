"""A suite as one TOML file: the keys of a run file, shared by all of its runs; `[[members]]`, each with what
is its own; and `[comparison]`.

A member may have a `name`, and stand for several runs:

    pairs = "all"                        one for each two of its paradigm's classes
    pairs = [["1SG", "1PL"], …]          for those that it lists
    model = ["tiny-mlm", …]              for each of several models
    seed = [0, 1, 2]                     for each of several random seeds
    [members.groups.NAME]                one that learns from all groups of words, and one without each group
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from attrs import field, frozen

from gradiend_core.config.runfile import override, read_run_file
from gradiend_core.errors import ConfigError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.plugins.registry import Registry
from gradiend_core.records.contribution import Trait
from gradiend_core.records.converter import structure
from gradiend_core.records.run import ComparisonSettings, FigureSettings
from gradiend_core.roles.kinds import EVALUATOR, LEARNER, PARADIGM

MEMBERS, COMPARISON, GROUPS = "members", "comparison", "groups"


@frozen
class Member:
    """One run of a suite, as the tables of a run file. Runs that differ only in their seed share the name
    `repeated`; it is "" where there is only one."""

    name: str
    tables: Mapping[str, Any]
    repeated: str = ""


@frozen
class Suite:
    """Runs, and how their features are compared."""

    members: tuple[Member, ...]
    comparison: ComparisonSettings
    figures: FigureSettings = field(factory=FigureSettings)


def read_suite(
    file: str | Path | Mapping[str, Any], settings: Sequence[str] = (), registry: Registry | None = None
) -> Suite:
    """The suite of a file or of its tables. `settings` such as "learner.kind=ridge" apply to all of its runs.
    Raises ConfigError."""
    registry = registry or Plugins.discover().registry
    tables = copy.deepcopy(dict(file)) if isinstance(file, Mapping) else read_run_file(Path(file))
    name = "the suite" if isinstance(file, Mapping) else f"suite {str(file)!r}"
    table = override(tables, settings)
    given = table.pop(MEMBERS, None)
    if not isinstance(given, list) or not given or not all(isinstance(member, dict) for member in given):
        raise ConfigError(f"{name} has no members; give each as a table, [[{MEMBERS}]]")
    comparison = structure(table.pop(COMPARISON, {}), ComparisonSettings, COMPARISON)
    members: list[Member] = []
    for member_tables in given:
        of_member = _merged(table, member_tables)
        for called, of_group in _without_groups(_merged(_usual(of_member, registry), of_member)):
            members += _expanded(of_group, called, registry)
    if comparison.nulls:
        null = _null_learner(registry)
        members += [_null(member, null, number) for member in members for number in range(comparison.nulls)]
    twice = [name for name, count in Counter(member.name for member in members).items() if count > 1]
    if twice:
        raise ConfigError(f"two members of the suite are named {twice[0]!r}; give one of them another name")
    figures = structure(table.get("figures", {}), FigureSettings, "figures")
    return Suite(tuple(members), comparison, figures)


def _usual(table: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """The defaults of a suite's runs. As a suite is about what features have in common, its runs draw no
    figures and use only the evaluators that are meant for suites. Where groups of words are left out, the
    evaluators that read such words are added."""
    chosen: dict[str, dict[str, Any]] = {
        name: dict(settings)
        for name in registry.names(EVALUATOR)
        if (settings := registry.get(EVALUATOR, name).in_suites) is not None
    }
    if GROUPS in table:
        chosen |= {one.name: {} for one in registry.with_trait(EVALUATOR, Trait.SHOWS_FEATURE)}
    usual: dict[str, dict[str, Any]] = {
        "evaluators": {"kinds": [*chosen], **chosen},
        "visualizers": {"kinds": []},
    }
    return {name: values for name, values in usual.items() if "kinds" not in _given(table, name, dict, {})}


def _given(table: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
    """One value of a suite or a member; a list is a list of texts. Raises ConfigError for any other kind of
    value."""
    value = table.get(key, default)
    if not isinstance(value, kind) or (
        isinstance(value, list) and not all(isinstance(item, str) for item in value)
    ):
        what = {dict: "a table", list: "a list of texts", str: "a text", int: "a whole number"}[kind]
        raise ConfigError(f"{key} of a suite or a member must be {what}, not {value!r:.200}")
    return value


def _merged(shared: Mapping[str, Any], tables: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables are merged; any other value of a member replaces the shared one."""
    merged = dict(shared)
    for key, value in tables.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _without_groups(table: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """One run, with its name. For groups of words: one run that learns from all groups, and for each group
    one run that learns from the others and is tested on this one. Raises ConfigError for invalid groups."""
    name = _given(table, "name", str, "")
    table = {key: value for key, value in table.items() if key != "name"}
    groups = table.pop(GROUPS, None)
    if groups is None:
        yield name, table
        return
    for group in groups.values() if isinstance(groups, dict) else [groups]:
        if not isinstance(group, dict) or not all(isinstance(words, list) for words in group.values()):
            raise ConfigError(f"each group of a member is a table of words by class, not {group!r:.200}")
    if len(groups) < 2 or len({tuple(sorted(group)) for group in groups.values()}) > 1:
        raise ConfigError(
            f"a member needs two groups at least, each with words of all classes, and has {groups!r:.200}"
        )

    def words_of(chosen: Iterable[str]) -> dict[str, list[str]]:
        words: dict[str, list[str]] = {}
        for group in chosen:
            for class_name, of_class in groups[group].items():
                words.setdefault(class_name, []).extend(of_class)
        return words

    paradigm = _given(table, "paradigm", dict, {})
    prefix = f"{name}." if name else ""
    yield f"{prefix}all", {**table, "paradigm": {**paradigm, "words": words_of(groups)}}
    for left_out, held_out in groups.items():
        others = words_of(group for group in groups if group != left_out)
        not_neutral = [word for words in held_out.values() for word in words]
        changed = {**paradigm, "words": others, "related": held_out, "not_neutral": not_neutral}
        yield f"{prefix}without-{left_out}", {**table, "paradigm": changed}


def _expanded(table: dict[str, Any], name: str, registry: Registry) -> Iterator[Member]:
    pairs, models, seeds = table.pop("pairs", None), table.get("model"), table.get("seed")
    if models is not None:
        _given(table, "model", list if isinstance(models, list) else str, None)
    if isinstance(seeds, list) and not (seeds and all(type(seed) is int for seed in seeds)):
        raise ConfigError(
            f"seed of a suite or a member must be a whole number or a list of such, not {seeds}"
        )
    paradigm = _given(table, "paradigm", dict, {})
    classes, kind = _given(paradigm, "classes", list, []), _given(paradigm, "kind", str, "")
    if pairs == "all":
        classes = classes or _known_classes(kind, paradigm, registry)
        if len(classes) < 2:
            raise ConfigError('a member with pairs = "all" needs the classes to pair, as paradigm.classes')
        pairs = [list(pair) for pair in combinations(classes, 2)]
    elif pairs is not None and not (isinstance(pairs, list) and all(_are_two(pair) for pair in pairs)):
        raise ConfigError(f'pairs must be "all" or a list of two classes each, not {pairs!r:.200}')
    chosen: list[list[str]] = [classes] if pairs is None else pairs
    for pair in chosen:
        tables = {**table, "paradigm": {**paradigm, **({"classes": pair} if pair else {})}}
        names = [name] if name and pairs is None else [*([name] if name else []), "-".join(pair) or kind]
        for model in models if isinstance(models, list) else [models]:
            ending = f"@{Path(str(model)).name}" if isinstance(models, list) else ""
            called = re.sub(r"[^\w+@.-]", "_", ".".join(names) + ending)
            if not called.strip("._-"):
                raise ConfigError("a member of the suite has neither a name nor classes; give it a name")
            of_model = tables if model is None else {**tables, "model": model}
            if isinstance(seeds, list):
                for seed in seeds:
                    yield Member(f"{called}.seed{seed}", {**of_model, "seed": seed}, called)
            else:
                yield Member(called, of_model)


def _known_classes(kind: str, paradigm: Mapping[str, Any], registry: Registry) -> list[str]:
    """All classes of a paradigm that is defined by rules; empty for any other paradigm."""
    if not registry.has(PARADIGM, kind):
        return []
    settings = {key: value for key, value in paradigm.items() if key != "kind"}
    config: Any = structure(settings, registry.get(PARADIGM, kind).config, "paradigm")
    rules = getattr(registry.build(PARADIGM, kind, config), "rules", None)
    return [] if rules is None else list(rules.names)


def _are_two(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)


def _null_learner(registry: Registry) -> str:
    """The learner of features of shuffled classes."""
    names = [contribution.name for contribution in registry.with_trait(LEARNER, Trait.NULL)]
    if not names:
        raise ConfigError("comparison.nulls needs a learner that shuffles classes, and no plugin has one")
    return names[0]


def _null(member: Member, null: str, number: int) -> Member:
    """The same run with shuffled classes."""
    learner = _given(member.tables, "learner", dict, {})
    shuffled = {**{key: value for key, value in learner.items() if key != "kind"}, "kind": null}
    shuffled |= {"of": learner["kind"]} if "kind" in learner else {}
    seed = _given(member.tables, "seed", int, 0) + number
    tables = {**member.tables, "learner": shuffled, "seed": seed, "poles": False}
    return Member(f"{member.name}.shuffled{number or ''}", tables)
