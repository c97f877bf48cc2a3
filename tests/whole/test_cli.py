"""The command line: bad input gets one line that names the value, the reason and the fix."""

from __future__ import annotations

import pytest

from tests.conftest import asset


def sets(*settings: str) -> list[str]:
    return [each for setting in settings for each in ("--set", setting)]


def wrong(gradiend, *arguments: object) -> str:
    code, out, err = gradiend("run", *arguments)
    assert code != 0
    assert all(line.startswith(("memory ", "time ")) for line in out.splitlines()), (
        "the plan may be there, no result"
    )
    err = "\n".join(
        line for line in err.splitlines() if not line.startswith("[")
    )  # progress of a slow machine
    assert err.startswith("error: ")
    assert len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in err
    return err


def test_bad_input(gradiend, tmp_path):
    run = ("english-pronouns", "--output", tmp_path / "out")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "none.txt").write_text("The bridge was old.\nThe road was long.\n")
    (tmp_path / "few.txt").write_text("He ran.\nThe dogs and they ran.\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "bad.toml").write_text('[learner]\nkind = "adam"\nstep = 3\n')
    for arguments, words in [
        (
            (*run, "--model", "./no/such/folder"),
            "model folder './no/such/folder' does not exist; give a folder",
        ),
        ((*run, "--model", tmp_path / "folder"), "has no config.json"),
        ((*run, "--model", "nobody/has-this-model"), "model 'nobody/has-this-model' cannot be loaded"),
        (
            (*run, "--classes", "3SG,4PL"),
            "unknown class of english-pronouns '4PL'; did you mean '3PL'? (known: 1PL, 1SG, 2, 3PL, 3SG)",
        ),
        ((*run, "--classes", "3SG"), "Length of 'classes' must be >= 2: 1 at paradigm"),
        ((*run, "--texts", tmp_path / "empty.txt"), "there is no text"),
        ((*run, "--texts", tmp_path / "none.txt"), "class 3SG (he, she, it) has 0 pairs in 2 texts"),
        ((*run, "--texts", tmp_path / "few.txt"), "has 1 pairs in 2 texts, but at least 6 are needed"),
        ((*run, "--texts", tmp_path / "nowhere.txt"), "no such file, folder or named text"),
        (("english-pronouns", "--output", "/proc/nowhere/out"), "/proc/nowhere/out cannot be written"),
        (
            ("english-pronouns", "--output", tmp_path / "empty.txt" / "out"),
            "cannot be written: Not a directory",
        ),
        ((tmp_path / "bad.toml",), "unknown key 'step'; did you mean 'max_steps'"),
        ((tmp_path / "nowhere.toml",), "cannot be read: No such file"),
        ((*run, "--set", "learner.sorce=factual"), "unknown key 'sorce'; did you mean 'source'"),
        (
            (*run, "--set", "paradigm.words.3SG=['he', 'him it']"),
            "'him it' of class 3SG is not one token for this tokenizer",
        ),
        ((*run, "--seed", "-1"), "'seed' must be >= 0"),
        (("english-pronoun",), "unknown paradigm 'english-pronoun'; did you mean 'english-pronouns'?"),
        ((*run, "--disable-plugin", "pronouns"), "plugin 'pronouns' is blocked"),
        ((*run, "--disable-plugin", "mlm"), "no gradient source can be chosen"),
        (
            (*run, "--classes", "1SG+3SG,3SG"),
            "the classes must differ, but 3SG is in more than one of 1SG+3SG, 3SG",
        ),
        ((*run, *sets("learner.kind=rigde")), "unknown learner 'rigde'; did you mean 'ridge'?"),
        (
            (*run, *sets("learner.kind=adam", "learner.latent_dim=2")),
            "learner.latent_dim is 2, but must be 1 or the number of axes, 1",
        ),
        (
            (*run, *sets("selector.kind=random", "selector.share=2.0")),
            "'share' must be a fraction above 0.0 and up to 1.0, or a count",
        ),
        ((*run, *sets("selector.kind=saved")), "'folder' is missing"),
        ((*run, *sets("selector.kind=saved", "selector.folder=nowhere")), "nowhere holds no feature"),
        ((*run, *sets("selector.kind=layers", "selector.first=7")), "are no range of the 3 layers"),
        (
            (*run, *sets("gradients.device=gpu")),
            "gradients.device is 'gpu'; use auto, cpu, cuda, cuda:1 or sharded",
        ),
        ((*run, *sets("gradients.dtype=int8")), "'dtype' must be in"),
        ((*run, *sets("store.use=sometimes")), "'use' must be in"),
        (
            (*run, *sets("store.use=always", "store.limit_gib=0.001")),
            "more than store.limit_gib = 0.001; narrow the scope",
        ),
        ((*run, *sets("seeds.at_most=0")), "'at_most' must be >= 1"),
        ((*run, *sets("prune.keep=-1")), "'keep' must be > 0"),
    ]:
        assert words in wrong(gradiend, *arguments), arguments
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_target_word_of_several_tokens_is_named_on_a_real_model(gradiend, tmp_path):
    model, texts = asset("models/stories260k"), asset("text/tinystories/tiny_stories_cased.txt")
    words = wrong(
        gradiend,
        "english-pronouns",
        "--model",
        model,
        "--texts",
        texts,
        "--output",
        tmp_path / "o",
        "--set",
        "paradigm.words.3PL=['they', 'them']",
    )
    assert (
        "target word 'them' of class 3PL is not one token for this tokenizer (▁the m); leave it out" in words
    )


def test_a_broken_plugin_stops_only_the_run_that_needs_it(gradiend, distribution, tmp_path):
    distribution("acme-nouns", "import nothing_like_this")
    assert "plugin 'acme-nouns' of acme-nouns 1.0 failed: ModuleNotFoundError" in wrong(
        gradiend, "acme-nouns"
    )
    quick = [
        "--set",
        'learner={kind="adam", max_steps=2}',
        "--set",
        "data.max_per_class=12",
        "--set",
        "data.max_neutral=5",
    ]
    code, out, err = gradiend("run", "english-pronouns", "--output", tmp_path / "out", *quick)
    assert code == 0, err
    assert "warning: plugin 'acme-nouns' of acme-nouns 1.0 is left out: ModuleNotFoundError" in err
    assert "encoder   the classes' own words in unseen texts: correlation" in out


def test_a_defect_is_one_line_too_and_a_traceback_only_when_asked(gradiend, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("gradiend_core.run.session.Session.__init__", broken)
    assert (
        "ZeroDivisionError: by hand (a defect; see it all with `gradiend --traceback run english-pronouns`)"
        in wrong(gradiend, "english-pronouns")
    )
    with pytest.raises(ZeroDivisionError):
        gradiend("--traceback", "run", "english-pronouns")


def test_ctrl_c_says_what_is_left(gradiend, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gradiend_core.run.session.Session.__init__", interrupted)
    code, out, err = gradiend("run", "english-pronouns")
    assert (code, out) == (130, "")
    assert err == "stopped by hand; what was finished is in the output folder, results.json is not\n"


@pytest.mark.slow
def test_strict_leaves_with_3_if_learning_did_not_converge(gradiend, tmp_path):
    quick = sets(
        "data.max_per_class=60", "data.max_neutral=20", "evaluators.kinds=[]", "visualizers.kinds=[]"
    )
    run = ("run", "english-pronouns", "--strict", *quick)
    code, out, _ = gradiend(*run, "--output", tmp_path / "fine")
    assert code == 0
    nothing = (*run, "--output", tmp_path / "nothing", *sets("learner.kind=shuffled", "seeds.threshold=0.95"))
    code, out, err = gradiend(*nothing)
    assert code == 3
    assert "fewer than 1 random seeds reached a validation correlation of 0.95" in err
    assert "written to" in out, "the run is there all the same"
    assert gradiend(*nothing)[0] == 3, "and finished, it still says so"
