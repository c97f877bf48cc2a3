"""Outputs: nothing that a person has is removed, whatever writes there; what we wrote is replaced when
asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import gradiend_core as gd
from gradiend_core.errors import StorageError
from gradiend_core.gradients.store import make_room
from gradiend_core.testing.skeleton import write_plugin
from tests.conftest import settings

QUICK = settings(evaluators={"kinds": ["encoder"]}, visualizers={"kinds": []}, rewrite={"toward": []})


@pytest.fixture(scope="module")
def session():
    return gd.Session("english-pronouns", **QUICK)


@pytest.fixture(scope="module")
def saved(session, tmp_path_factory):
    """Two finished runs, made once."""
    folder = tmp_path_factory.mktemp("saved")
    for name, seed in (("one", 0), ("two", 1)):
        gd.save_run(
            session if not seed else gd.Session("english-pronouns", seed=seed, **QUICK), folder / name
        )
    return folder


#: everything in the library that takes a folder, as (session, saved runs, folder, overwrite)
WRITERS = {
    "save_run": lambda session, saved, folder, **more: gd.save_run(session, folder, **more),
    "save_feature": lambda session, saved, folder, **more: gd.save_feature(session.feature, folder, **more),
    "save_update": lambda session, saved, folder, **more: gd.save_update(
        session.update("3PL", 0.05), folder, **more
    ),
    "save_pretrained": (
        lambda session, saved, folder, **more: session.rewrite("3PL", learning_rate=0.05).save_pretrained(
            folder, **more
        )
    ),
    "save_comparison": lambda session, saved, folder, **more: gd.save_comparison(
        gd.compare_runs([saved / "one", saved / "two"]), folder, **more
    ),
    "write_plugin": lambda session, saved, folder, **more: write_plugin("paradigm", "mine", folder, **more),
    **{
        f"export {form}": lambda session, saved, folder, form=form, **more: gd.export(
            session, "3PL", folder, form, learning_rate=0.05, **more
        )
        for form in ("full", "sparse", "lora", "task-vector")
    },
}
#: every command that takes a folder
COMMANDS = {
    "run": [
        "run",
        "english-pronouns",
        *(f"--set={s}" for s in ("learner.kind=adam", "learner.max_steps=2", "data.max_per_class=40")),
    ],
    "data": ["data", "english-pronouns", "--set=data.max_per_class=20"],
    "rewrite": ["rewrite", "{saved}/one", "--toward", "3PL", "--learning-rate", "0.05", "--format", "sparse"],
    "compare": ["compare", "{saved}/one", "{saved}/two"],
    "new-plugin": ["new-plugin", "paradigm", "mine"],
    "suite": ["suite", "{saved}/suite.toml"],
}


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".gradiend.lock"
    }


def thesis(folder: Path) -> dict[str, bytes]:
    """A folder with a person's work, under names that ours have too."""
    (folder / "figures").mkdir(parents=True)
    for name in ("thesis.tex", "run.toml", "README.md", "config.json", "figures/plot.png", "suite.json"):
        (folder / name).write_text(f"my own {name}")
    return files_in(folder)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_a_function_leaves_a_persons_folder_alone(session, saved, tmp_path, name, overwrite):
    before = thesis(tmp_path / "thesis")
    with pytest.raises(StorageError, match="is not empty|is never overwritten"):
        WRITERS[name](session, saved, tmp_path / "thesis", overwrite=overwrite)
    assert files_in(tmp_path / "thesis") == before
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


@pytest.mark.parametrize("name", WRITERS)
def test_a_function_replaces_only_what_it_wrote_and_only_when_asked(session, saved, tmp_path, name):
    folder, write = tmp_path / "out", WRITERS[name]
    write(session, saved, folder)
    before = files_in(folder)
    if name == "save_run":
        write(session, saved, folder)  # this very run is there already
    else:
        with pytest.raises(StorageError, match=r"is not empty.*overwrite=True|holds a finished"):
            write(session, saved, folder)
    assert files_in(folder) == before
    write(session, saved, folder, overwrite=True)
    assert set(files_in(folder)) == set(before)
    (folder / "notes.txt").write_text("do not lose this")
    with pytest.raises(StorageError, match=r"notes\.txt in it is not as gradiend wrote it"):
        write(session, saved, folder, overwrite=True)
    (folder / "notes.txt").unlink()
    edited = folder / next(name for name in before if name != "manifest.json")
    edited.write_text("edited by hand")
    with pytest.raises(StorageError, match="is not as gradiend wrote it; move it elsewhere"):
        write(session, saved, folder, overwrite=True)
    assert edited.read_text() == "edited by hand"


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_leaves_a_persons_folder_alone(gradiend, saved, tmp_path, name, overwrite):
    (saved / "suite.toml").write_text('[[members]]\nname = "a"\nparadigm.kind = "english-pronouns"\n')
    before = thesis(tmp_path / "thesis")
    command = [word.format(saved=saved) for word in COMMANDS[name]]
    code, _, err = gradiend(*command, "--output", tmp_path / "thesis", *overwrite)
    assert code == 1
    assert "is not empty" in err or "is never overwritten" in err
    assert files_in(tmp_path / "thesis") == before


def test_a_second_data_set_asks_first(gradiend, tmp_path):
    command = ("data", "english-pronouns", "--set=data.max_per_class=20", "--output", tmp_path / "data")
    assert gradiend(*command)[0] == 0
    (tmp_path / "data" / "pairs.jsonl").write_text("corrected by hand")
    assert "is not empty; give a new folder, or overwrite it (--overwrite" in gradiend(*command)[2]
    assert "pairs.jsonl in it is not as gradiend wrote it" in gradiend(*command, "--overwrite")[2]
    assert (tmp_path / "data" / "pairs.jsonl").read_text() == "corrected by hand"


def test_a_report_and_encodings_replace_no_file(gradiend, saved, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>my home page")
    command = ("report", saved / "one", "--no-strengths", "--output", page)
    for more in ((), ("--overwrite",)):
        assert (
            "exists and is not a report that gradiend wrote; give a new file" in gradiend(*command, *more)[2]
        )
    assert page.read_text() == "<p>my home page"
    page.unlink()
    assert gradiend(*command)[0] == 0
    assert "exists; give a new file with --output, or overwrite it" in gradiend(*command)[2]
    assert gradiend(*command, "--overwrite")[0] == 0
    (tmp_path / "mine.csv").write_text("mine")
    assert gradiend("encode", saved / "one", "So [he|they] left.", "--output", tmp_path / "mine.csv")[0] == 1
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_an_interrupted_run_keeps_what_a_person_put_there(session, saved, tmp_path):
    shutil.copytree(saved / "one", tmp_path / "run")
    (tmp_path / "run" / "manifest.json").unlink()  # as if it had been killed before the end
    (tmp_path / "run" / "figures").mkdir(exist_ok=True)
    for name in ("notes.txt", "figures/mine.png"):
        (tmp_path / "run" / name).write_text("mine")
    other = gd.Session("english-pronouns", seed=5, **QUICK)
    with pytest.raises(StorageError, match="holds an unfinished run with other settings"):
        gd.save_run(other, tmp_path / "run")
    gd.save_run(session, tmp_path / "run")
    finished = gd.load_run(tmp_path / "run")
    assert finished.results()["encoder"] == gd.load_run(saved / "one").results()["encoder"]
    sealed = json.loads((tmp_path / "run" / "manifest.json").read_text())["files"]
    assert {"run.toml", "results.json", "pairs.jsonl"} <= set(sealed)
    assert not {"notes.txt", "figures/mine.png"} & set(sealed)
    for name in ("notes.txt", "figures/mine.png"):
        assert (tmp_path / "run" / name).read_text() == "mine"


def test_a_suite_fails_for_a_finished_run_with_other_settings_unless_told(saved, tmp_path):
    shutil.copytree(saved / "one", tmp_path / "many" / "runs" / "a")
    before = files_in(tmp_path / "many" / "runs" / "a")
    for name in ("suite.json", ".gradiend.lock"):
        (tmp_path / "many" / name).write_text("{}")
    file = tmp_path / "suite.toml"
    file.write_text(
        '[[members]]\nname = "a"\nparadigm.kind = "english-pronouns"\nlearner.kind ='
        ' "mean-difference"\ndata.max_per_class = 40\nevaluators.kinds = ["encoder"]\nvisualizers.kinds ='
        " []\nrewrite.toward = []\n"
    )
    result = gd.run_suite(gd.read_suite(file), tmp_path / "many")
    assert "holds a finished run with other settings" in result.failed["a"]
    assert files_in(tmp_path / "many" / "runs" / "a") == before
    assert not gd.run_suite(gd.read_suite(file), tmp_path / "many", overwrite=True).failed
    assert files_in(tmp_path / "many" / "runs" / "a") != before


def test_room_is_made_only_by_removing_gradient_stores(tmp_path):
    mine = tmp_path / "my-run"
    mine.mkdir()
    (mine / "manifest.json").write_text(json.dumps({"files": {}}))
    (mine / "weights.bin").write_bytes(bytes(2000))
    make_room(tmp_path, 900, 1000)
    assert (mine / "weights.bin").exists()
