"""The kit: the built-ins pass it, and each of its checks finds a contribution that is wrong in just that."""

from __future__ import annotations

import re

import pytest

from gradiend_core import cli
from gradiend_core.errors import PluginError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.testing import contract, outcomes
from gradiend_core.testing.checks.register import CHECKS
from gradiend_core.testing.kit import problem_of
from tests.whole.breakers import Plugin

#: contribution: the checks that must not hold
BROKEN = {
    "source": (),
    "detached": ("losses_are_two_for_each_example",),
    "sees-the-batch": ("an_example_does_not_depend_on_its_batch",),
    "crossed": ("swapping_the_fillers_swaps_the_losses",),
    "wrong-slope": ("gradients_are_slopes",),
    "draws-globally": ("reading_gradients_changes_nothing",),
    "drops-silently": ("what_cannot_be_used_is_counted",),
    "pronouns": (),
    "retouched": ("texts_stay_to_the_letter",),
    "same-word": ("every_class_has_pairs_in_every_split",),
    "leaking": ("a_text_is_in_one_split",),
    "unseeded": ("equal_seeds_give_equal_pairs",),
    "global-draw": ("equal_seeds_give_equal_pairs",),
    "uncounted": ("the_funnel_adds_up",),
    "twice": ("a_scope_is_of_the_model",),
    "fickle": ("selecting_twice_selects_the_same",),
    "upside": ("the_first_class_encodes_to_plus_one",),
    "weakening": ("strengthening_strengthens",),
    "drawing": ("equal_seeds_give_equal_bits",),
    "merciless": ("the_unedited_model_is_in_the_race",),
    "reckless": ("the_unedited_model_is_in_the_race",),
    "not-a-number": ("a_report_has_numbers_with_their_n",),
    "ragged": ("a_report_has_numbers_with_their_n",),
    "touching": ("evaluating_changes_nothing",),
    "hooked": ("evaluating_changes_nothing",),
    "restless": ("evaluating_changes_nothing",),
    "changeable": ("settings_are_a_documented_table",),
    "undocumented": ("settings_are_a_documented_table",),
    "lossy": ("settings_are_a_documented_table",),
    "colourful": ("a_figure_touches_nothing_global",),
    "demanding": ("a_figure_touches_nothing_global",),
    "colourful-places": ("a_comparison_figure_touches_nothing_global",),
    "demanding-places": ("a_comparison_figure_touches_nothing_global",),
    "nowhere": ("what_it_names_is_there",),
}
#: what follows from the first fault, and is found too
ALSO = {
    "drops-silently": {"swapping_the_fillers_swaps_the_losses"},
    "detached": {"the_products_are_exact", "gradients_are_slopes"},
    "changeable": {"a_report_has_numbers_with_their_n"},
    "undocumented": {"a_report_has_numbers_with_their_n"},
    "lossy": {"a_report_has_numbers_with_their_n"},
    "not-a-number": {"evaluating_changes_nothing"},
}


HEAD = "from gradiend_core.api import Contribution, NoSettings, hookimpl\n"
DECLARED = """
@hookimpl
def gradiend_texts():
    return [Contribution("acme", NoSettings, "{module}:texts", "a text")]
"""


@pytest.fixture(scope="module")
def plugins():
    found = Plugins.discover()
    found.register(Plugin, "breakers")
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_a_check_finds_what_it_is_for(name, plugins):
    found = {each.promise: each.problem for each in outcomes(name, plugins)}
    promises = {
        check.__name__: (check.__doc__ or "").strip() for checks in CHECKS.values() for check in checks
    }
    broken = {check for check, promise in promises.items() if found.get(promise)}
    assert set(BROKEN[name]) <= broken <= {*BROKEN[name], *ALSO.get(name, ())}, {
        p: q for p, q in found.items() if q
    }
    for problem in filter(None, found.values()):
        assert not re.match(r"\w+Error:", problem) or name == "detached", "it is said in words"


def test_every_check_is_proved():
    proved = {check for checks in BROKEN.values() for check in checks}
    every = {check.__name__ for checks in CHECKS.values() for check in checks}
    # the two that no plugin of one process can break: an import is light or not, and products come from torch
    # alone
    assert every - proved == {"declaring_is_light", "the_products_are_exact"}


def test_a_heavy_declaration_is_found(distribution):
    code = (
        "import torch\n" + HEAD + "def texts(_):\n    return ['one']\n" + DECLARED.format(module="acme_heavy")
    )
    distribution("acme-heavy", code)
    (problem,) = (each.problem for each in outcomes("acme") if each.problem)
    assert problem == "importing acme_heavy imports torch; move that into the module that the factory names"


BUILT_IN = [
    "clm",
    "clm-span",
    "mlm",
    "mlm-span",
    "backbone",
    "random",
    "mean-difference",
    "threshold",
    "product",
    "prediction-index",
    "encoder",
    "baselines",
    "side-effects",
    "convergence",
    "rewriting",
    "where",
    "similarity",
    "shared-weights",
    "english-pronouns",
    "english-gender",
    "words",
    "tiny-english",
]


#: what a contribution needs, or what makes it quick
TABLES = {
    "words": {"paradigm": {"words": {"A": ["he"], "B": ["they"]}}},
    "baselines": {
        "evaluators": {
            "baselines": {
                "methods": ["plain", "fine-tuning", "logit-bias", "activation"],
                "evaluations": 3,
                "strengths": [],
                "max_texts": 40,
                "ordinary_texts": 40,
            }
        }
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
def test_built_ins_pass(name):
    tables = TABLES.get(name, {})
    broken = {each.promise: each.problem for each in outcomes(name, **tables) if each.problem}
    if name == "english-gender":  # by design: it puts names into the texts
        assert "no longer the text" in broken.pop(
            "For every pair, left + factual + right is one of the texts, or a part of one."
        )
    assert not broken


def test_a_contract_is_a_class_of_tests(plugins):
    own = contract("unseeded", plugins=plugins)
    tests = {name: getattr(own(), name) for name in dir(own) if name.startswith("test_")}
    assert "test_paradigm_unseeded_equal_seeds_give_equal_pairs" in tests
    tests["test_paradigm_unseeded_the_funnel_adds_up"]()
    with pytest.raises(
        AssertionError, match="paradigm unseeded: two equal runs have different pairs; draw from"
    ):
        tests["test_paradigm_unseeded_equal_seeds_give_equal_pairs"]()
    expected = contract("unseeded", {"equal_seeds_give_equal_pairs": "it learns as it goes"}, plugins)
    expected().test_paradigm_unseeded_equal_seeds_give_equal_pairs()
    wrong = contract("unseeded", {"the_funnel_adds_up": "it cannot count"}, plugins)
    with pytest.raises(AssertionError, match="holds, though it is expected to fail"):
        wrong().test_paradigm_unseeded_the_funnel_adds_up()
    with pytest.raises(PluginError, match="'nothing', which is not a check of 'unseeded'"):
        contract("unseeded", {"nothing": "no reason"}, plugins)


def test_the_command_line_says_what_to_mend(distribution, capsys):
    code = (
        HEAD
        + "def texts(_):\n    from pathlib import Path\n    return Path('not-shipped.txt')\n"
        + DECLARED.format(module="acme_texts")
    )
    distribution("acme-texts", code)
    status = cli.app(["check", "acme"], standalone_mode=False)
    assert status == 1
    out = capsys.readouterr().out
    assert "mend  text acme: not-shipped.txt does not exist; ship it with the plugin (package-data)" in out
    assert "ok    text acme: Importing the plugin brings in no torch" in out
    with pytest.raises(
        PluginError, match="unknown plugin or contribution 'acme-text'; did you mean 'acme-texts'"
    ):
        cli.app(["check", "acme-text"], standalone_mode=False)


def test_a_plugin_that_was_refused_is_told_why(distribution):
    distribution("acme-broken", "import no_such_module\n")
    with pytest.raises(
        PluginError, match=r"plugin 'acme-broken' of acme-broken 1.0 is failed: .*no_such_module"
    ):
        cli.app(["check", "acme-broken"], standalone_mode=False)
    observing = (
        "from gradiend_core.api import hookimpl\n\n@hookimpl\ndef gradiend_run_finished(output):\n    pass\n"
    )
    distribution("acme-watcher", observing)
    with pytest.raises(PluginError, match="contributes nothing that could be checked; it only observes runs"):
        cli.app(["check", "acme-watcher"], standalone_mode=False)


def test_a_bug_in_a_plugin_is_said_with_its_file_and_line(plugins):
    def bug(subject):
        raise ZeroDivisionError("division by zero")

    assert (
        problem_of(bug, None)
        == f"ZeroDivisionError: division by zero ({__file__}:{bug.__code__.co_firstlineno + 1})"
    )
