"""The run file: nothing is guessed, nothing is ignored, and what is written back is the same run."""

from __future__ import annotations

import pytest

from gradiend_core import SeedSettings, Session, StoreSettings
from gradiend_core.errors import ConfigError, GradiendError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sead = 1", "unknown key 'sead'; did you mean 'seed'"),
        ("[learner]\nkind = 'adam'\nstep = 10", "unknown key 'step'; did you mean 'max_steps'.* at learner"),
        (
            '[learner]\nkind = "adam"\nmax_steps = "7"',
            "'7' is a text, but a whole number is needed at learner.max_steps",
        ),
        (
            "[learner]\nkind = 'adam'\nmax_steps = 7.9",
            "7.9 is a number, but a whole number is needed at learner.max_steps",
        ),
        (
            "[learner]\nkind = 'adam'\nmax_steps = true",
            "True is true or false, but a whole number is needed at learner.max_steps",
        ),
        (
            "[learner]\nkind = 'adam'\nearly_stop = 1",
            "1 is a whole number, but true or false is needed at learner.early_stop",
        ),
        (
            '[learner]\nsource = "altern"',
            "'altern' is none of factual, alternative, difference at learner.source",
        ),
        ("[learner]\nkind = 'adam'\nmax_steps = 0", "'max_steps' must be >= 1: 0"),
        ('[learner]\nkind = "adan"', r"unknown learner 'adan'; did you mean 'adam'"),
        (
            '[paradigm]\nkind = "english-pronoun"',
            "unknown paradigm 'english-pronoun'; did you mean 'english-pronouns'",
        ),
        ('[paradigm]\nclasses = ["3SG"]', "Length of 'classes' must be >= 2: 1 at paradigm"),
        (
            '[paradigm]\nclasses = ["3SG", "9PL"]',
            "unknown class of english-pronouns '9PL'.*known: 1PL, 1SG, 2, 3PL, 3SG",
        ),
        ("learner = 3", "learner must be a table"),
        ('[evaluators]\nkinds = ["encoderr"]', "unknown evaluator 'encoderr'; did you mean 'encoder'"),
        (
            "[evaluators.decoderr]\nlms_floor = 1.0",
            "unknown key 'decoderr'; did you mean 'decoder'.* at evaluators",
        ),
        ("[policy]\nmax_lk = 1.0", "unknown key 'max_lk'; did you mean 'max_kl'.* at policy"),
        ('[rewrite]\ntoward = ["1SG"]', "unknown class '1SG'.* at rewrite.toward"),
        ('disable_plugins = ["pronoun"]', "unknown plugin to disable 'pronoun'; did you mean 'pronouns'"),
        ("seed = ", "is not valid TOML: Invalid value"),
        ('[source]\nkind = "clm"\nmax_tokens = 1', "'max_tokens' must be >= 2"),
    ],
)
def test_a_wrong_run_file_is_refused_with_path_reason_and_fix(tmp_path, text, words):
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(GradiendError, match=f"(?s){words}"):
        Session(run_file=tmp_path / "run.toml")


def test_names_and_values_override_the_file(tmp_path):
    (tmp_path / "run.toml").write_text(
        'model = "tiny-clm"\nseed = 4\n[learner]\nkind = "adam"\nmax_steps = 9\nbatch_size = 3\n'
    )
    run = Session(
        run_file=tmp_path / "run.toml",
        model="tiny-mlm",
        learner={"kind": "adam", "max_steps": 5},
        settings=["learner.batch_size=2"],
    )
    assert (run.config.general.model, run.seed) == ("tiny-mlm", 4)
    assert (run.config.learner.config.max_steps, run.config.learner.config.batch_size) == (5, 2)
    assert run.config.source.kind == "mlm", "auto is resolved by the model"
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        Session(run_file=tmp_path / "nowhere.toml")


def test_tables_of_the_core_may_be_settings():
    run = Session("english-pronouns", seeds=SeedSettings(at_most=3), store={"limit_gib": 2})
    assert run.config.seeds == SeedSettings(at_most=3)
    assert run.config.store == StoreSettings(limit_gib=2)
    with pytest.raises(ConfigError, match=r"seeds must be a table, such as .*, not StoreSettings"):
        Session("english-pronouns", seeds=StoreSettings())
