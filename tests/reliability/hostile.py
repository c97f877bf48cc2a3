"""Hostile files: whatever we read, damaged in every way we could think of, by whoever knows our checksums.

Each loader is given a whole folder, one file of which is then changed. It must load, or refuse with a
GradiendError: no other exception, no hang, no file written or read outside. `python -m tests.reliability
hostile` tries many.
"""

from __future__ import annotations

import gc
import json
import math
import random
import shutil
import signal
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import tomli_w
import torch
from attrs import frozen
from safetensors.torch import load_file, save_file

from gradiend_core.config.runfile import override
from gradiend_core.config.suitefile import read_suite
from gradiend_core.data.texts import read_texts
from gradiend_core.errors import GradiendError, LearningError
from gradiend_core.language.loading import load_model
from gradiend_core.learning.checkpoint import Checkpoint
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.feature import LearnedFeature, TrainingRow
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.run import DataSettings, GradientSettings
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.run.data_folder import read_pairs
from gradiend_core.run.finished import load_run
from gradiend_core.run.folder import save_run
from gradiend_core.run.session import Session
from gradiend_core.storage.features import load_feature, save_feature
from gradiend_core.storage.manifest import MANIFEST, expect_whole, seal
from gradiend_core.storage.reference import import_reference_feature
from gradiend_core.storage.updates import load_update, save_update
from tests.conftest import ROOT

#: loaders that read through `datasets`, or load a model
SLOW = ("JSON lines", "CSV file", "model folder")
#: seconds after which a loader is said to hang
PATIENCE = 30
TYPES = (torch.float64, torch.float16, torch.int8, torch.bool, torch.int64, torch.uint8)
SECRET = "secret.txt"
#: values that no honest file has where they will be put
HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    7,
    2**31,
    2**63,
    2**64,
    10**30,
    -(2**70),
    1e308,
    -0.0,
    0.5,
    "",
    " ",
    "0",
    "nan",
    f"../{SECRET}",
    f"../../{SECRET}",
    "/etc/passwd",
    "a\0b",
    "\ud800",
    "x" * 5000,
    "\u202e",
    [],
    {},
    [[]],
    [None],
    {"": None},
    [1, "2", None],
    {"kind": "adam"},
    [0] * 300,
    "difference",
)


@frozen
class Loader:
    """Something that reads files: how a whole folder is made, which files may be changed, how it is read, and
    how checksums are made right again."""

    name: str
    make: Callable[[Path], None]
    load: Callable[[Path], Any]
    reseal: Callable[[Path], None] = lambda _: None


class TooLong(BaseException):
    """A loader that hangs."""


def changed(folder: Path, rng: random.Random) -> str:
    """Changes one file of the folder; gives back what was done to it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    path = rng.choice(files)
    if (
        path.name == "config.json" and rng.random() < 0.6
    ):  # transformers believes any size, and builds until memory ends
        mild = tuple(each for each in HOSTILE if not isinstance(each, int) or each < 99)
        return f"{path.name}: {of_json(path, rng, mild)}"
    ways = {".json": of_json, ".toml": of_toml, ".safetensors": of_tensors, ".jsonl": of_lines}
    if path.suffix in ways and rng.random() < 0.6:
        try:
            return f"{path.name}: {ways[path.suffix](path, rng)}"
        except (
            ValueError,
            TypeError,
            AttributeError,
            RecursionError,
        ):  # this value cannot be written in this format
            pass
    return f"{path.name}: {of_bytes(path, rng)}"


def of_bytes(path: Path, rng: random.Random) -> str:
    old = path.read_bytes()
    at, end = sorted(rng.randrange(len(old) + 1) for _ in range(2))
    noise = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40)))
    ways = {
        "gone": None,
        "empty": b"",
        "cut": old[:at],
        "beginning lost": old[at:],
        "noise in it": old[:at] + noise + old[at:],
        "noise over it": old[:at] + noise + old[at + len(noise) :],
        "a piece lost": old[:at] + old[end:],
        "all noise": noise * rng.randrange(1, 9),
        "a piece twice": old[:end] + old[at:],
        "zeros": bytes(len(old)),
        "byte order mark": b"\xef\xbb\xbf" + old,
        "deep": b"[" * rng.choice((50, 5000, 200_000)),
        "deep table": b'{"a":' * 5000,
        "long number": b"1" * 6000,
        "quote": b'"' + old,
        "UTF-16": old.decode("utf-8", "replace").encode("utf-16"),
        "folder": b"",
        "huge header": (2 ** rng.choice((20, 40, 63))).to_bytes(8, "little") + old[8:],
    }
    way = rng.choice(list(ways))
    path.unlink()
    if way == "folder":
        path.mkdir()
    elif ways[way] is not None:
        path.write_bytes(ways[way])
    return way


def of_json(path: Path, rng: random.Random, values: tuple[Any, ...] = HOSTILE) -> str:
    content, done = planted(json.loads(path.read_text(encoding="utf-8")), rng, values)
    path.write_text(json.dumps(content, ensure_ascii=rng.random() < 0.5), encoding="utf-8", errors="replace")
    return done


def of_lines(path: Path, rng: random.Random) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    number = rng.randrange(len(lines))
    content, done = planted(json.loads(lines[number]), rng)
    lines[number] = json.dumps(content)
    path.write_text("\n".join(lines), encoding="utf-8")
    return done


def of_toml(path: Path, rng: random.Random) -> str:
    content, done = planted(tomllib.loads(path.read_text(encoding="utf-8")), rng)
    path.write_text(tomli_w.dumps(content), encoding="utf-8", errors="replace")
    return done


def planted(content: Any, rng: random.Random, values: tuple[Any, ...] = HOSTILE) -> tuple[Any, str]:
    """The content with a hostile value somewhere, or with something lost or added."""
    places: list[tuple[Any, Any]] = []

    def walk(here: Any) -> None:
        for key in list(here) if isinstance(here, dict) else range(min(len(here), 50)):
            places.append((here, key))
            if isinstance(here[key], (dict, list)):
                walk(here[key])

    if not isinstance(content, (dict, list)) or rng.random() < 0.03:
        return rng.choice(values), "another thing"
    walk(content)
    if not places:
        return rng.choice(values), "another thing"
    here, key = rng.choice(places)
    what = rng.choice(("value", "value", "value", "lost", "added", "number"))
    if what == "lost":
        del here[key]
    elif what == "added" and isinstance(here, dict):
        here[rng.choice(("kind", "schema", "", "..", "x" * 300))] = rng.choice(values)
    elif what == "added":
        here.insert(key, rng.choice(values))
    elif (
        what == "number"
        and values is HOSTILE
        and isinstance(here[key], (int, float))
        and not isinstance(here[key], bool)
    ):
        here[key] = rng.choice(
            (-here[key], here[key] + 1, here[key] * 10**9, here[key] * 1e300, float(here[key]))
        )
    else:
        here[key] = rng.choice(values)
    return content, f"{what} at {key!r:.20}"


def of_tensors(path: Path, rng: random.Random) -> str:
    tensors = load_file(path)
    name = rng.choice(list(tensors))
    old = tensors[name]
    ways: dict[str, Callable[[], torch.Tensor | None]] = {
        "lost": lambda: None,
        "another type": lambda: old.to(rng.choice(TYPES)),
        "not finite": lambda: (
            torch.full_like(old, rng.choice((math.inf, math.nan))) if old.is_floating_point() else -old
        ),
        "longer": lambda: torch.cat([old.flatten(), old.flatten()]),
        "shorter": lambda: old.flatten()[:-1].clone(),
        "none": lambda: old.flatten()[:0].clone(),
        "another shape": lambda: old.flatten()[None].clone(),
        "a number": lambda: old.flatten()[:1].sum(),
        "huge": lambda: old * 2**62,
        "in disorder": lambda: old.flip(0).clone(),
    }
    way = rng.choice(list(ways))
    new = ways[way]()
    tensors.pop(name)
    tensors |= {} if new is None else {name: new.contiguous()}
    if rng.random() < 0.1:
        tensors[rng.choice(("extra", "index.0", "values.7", "../x"))] = torch.ones(3)
    path.unlink()
    save_file(tensors, path)
    return f"{way}: {name}"


# --- what is loaded
# -------------------------------------------------------------------------------------------------------


def some_feature() -> LearnedFeature:
    scope = ParameterScope(
        (ParameterSlice("a.weight", (3, 4)), ParameterSlice("b.weight", (5, 2), torch.tensor([1, 4, 9])))
    )
    vectors = torch.randn(3, scope.size, generator=torch.Generator().manual_seed(0)).unbind()
    rows = tuple(TrainingRow(step, 0.5, 0.9, 0.8, -0.8, step == 2) for step in range(3))
    return LearnedFeature(
        vectors[0],
        0.1,
        vectors[1].clone(),
        vectors[2].clone(),
        scope,
        ("A", "B"),
        *[GradientRole.DIFFERENCE] * 2,
        rows,
        2,
    )


def resealed(name: str) -> Callable[[Path], None]:
    """Makes the checksums of an artefact right again: whoever changes a file can do this, too."""

    def reseal(folder: Path) -> None:
        for path in folder.rglob(f"{name}.json"):
            try:
                about = json.loads(path.read_text(encoding="utf-8"))
                about["content_sha256"] = sha256(
                    json.dumps(about["content"], sort_keys=True).encode()
                ).hexdigest()
                about["tensors_sha256"] = sha256((path.parent / about["tensors"]).read_bytes()).hexdigest()
                path.write_text(json.dumps(about), encoding="utf-8")
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue

    return reseal


def make_checkpoint(folder: Path) -> None:
    Checkpoint(folder, 0).save(
        {"a": torch.ones(3)}, some_feature().training, {"updates": 3, "units": [1.0, 2.0]}
    )


def load_checkpoint(folder: Path) -> None:
    if Checkpoint(folder, 0).load("cpu") is None:
        raise LearningError("what cannot be read is not used, with a warning")


@cache
def finished_run() -> Path:
    """A run of some steps, made once."""
    folder = Path(tempfile.mkdtemp()) / "run"
    session = Session(
        "english-pronouns",
        model="tiny-mlm",
        classes=("3SG", "3PL"),
        texts="tiny-english",
        data={"max_texts": 1500, "max_per_class": 20, "max_neutral": 20},
        learner={"kind": "adam", "max_steps": 3, "batch_size": 4},
        selector={"kind": "random", "share": 0.001},
        visualizers={"kinds": []},
        evaluators={"kinds": ["encoder"], "encoder": {"splits": ["test"], "random_directions": 0}},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_run(session, folder)
    shutil.rmtree(folder / "audit")
    return folder


def make_run(folder: Path) -> None:
    shutil.copytree(finished_run(), folder, dirs_exist_ok=True)


def reseal_run(folder: Path) -> None:
    resealed("feature")(folder)
    if (folder / MANIFEST).is_file():
        try:
            about = json.loads((folder / MANIFEST).read_text())
            known = list(about["files"].items())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return
        seal(folder)
        own = json.loads((folder / MANIFEST).read_text())["files"]
        honest = {name: own.get(name, sums) if isinstance(sums, list) else sums for name, sums in known}
        (folder / MANIFEST).write_text(json.dumps({**about, "files": honest}))


RUN_FILE = {
    "model": "tiny-mlm",
    "texts": "tiny-english",
    "seed": 1,
    "poles": True,
    "disable_plugins": ["german_articles"],
    "paradigm": {
        "kind": "words",
        "classes": ["ONE", "MANY"],
        "words": {"ONE": ["he", "she"], "MANY": ["they"]},
        "transitions": [["ONE", "MANY"]],
    },
    "data": {"split": [0.5, 0.25, 0.25], "max_per_class": 50, "columns": ["a"]},
    "selector": {"kind": "random", "share": 0.1},
    "learner": {"kind": "adam", "max_steps": 10, "batch_size": 4},
    "prune": {"keep": 0.5},
    "evaluators": {"kinds": ["encoder"], "encoder": {"splits": ["test"]}},
    "rewrite": {"toward": ["less-ONE", "balanced"], "feature_factors": [1.0]},
    "policy": {"kind": "threshold"},
    "visualizers": {"kinds": ["where"]},
    "provenance": {"plugins": ["mlm"]},
}


@cache
def plugins() -> Plugins:
    return Plugins.discover()


def load_run_file(folder: Path) -> None:
    """As `gradiend run FILE.toml` reads it, up to the first text."""
    Session(run_file=folder / "run.toml", plugins=plugins())


SUITE = {
    **RUN_FILE,
    "members": [
        {"pairs": "all"},
        {"name": "x", "model": ["tiny-mlm", "tiny-clm"], "pairs": [["ONE", "MANY"]]},
    ],
    "comparison": {"nulls": 1, "top": [0.1, 5]},
}


def load_setting(folder: Path) -> None:
    if not (folder / "settings.txt").is_file():
        return
    override(
        {"learner": {"kind": "adam", "max_steps": 3}, "model": "m"},
        (folder / "settings.txt").read_text(encoding="utf-8", errors="replace").splitlines(),
    )


PAIRS = [
    {
        "text": f"The cook and [MASK] ran {n}.",
        "factual": "he",
        "alternative": "they",
        "factual_class": "A",
        "alternative_class": "B",
        "split": "train",
        "document": "",
    }
    for n in range(4)
]
CONLLU = (
    "# newdoc id = a\n"
    "# text = He ran.\n"
    "1\tHe\the\tPRON\tPRP\tCase=Nom\t2\tnsubj\t_\t_\n"
    "2\tran\trun\tVERB\tVBD\t_\t0\troot\t_\tSpaceAfter=No\n"
    "3\t.\t.\tPUNCT\t.\t_\t2\tpunct\t_\t_\n"
    "\n"
)


def writes(name: str, content: str | bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


def reads(name: str, **settings: Any) -> Callable[[Path], Any]:
    return lambda folder: list(read_texts(folder / name, DataSettings(**settings)))


def make_model(folder: Path) -> None:
    shutil.copytree(ROOT / "plugins" / "gradiend_tiny" / "models" / "clm", folder, dirs_exist_ok=True)


def load_a_model(folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    load_model(str(folder), AutoModelForCausalLM, GradientSettings(device="cpu"))


LOADERS = {
    loader.name: loader
    for loader in (
        Loader(
            "feature",
            lambda folder: void(save_feature(some_feature(), folder)),
            load_feature,
            resealed("feature"),
        ),
        Loader(
            "update",
            lambda folder: void(save_update(some_feature().update("A", 0.1), folder)),
            load_update,
            resealed("update"),
        ),
        Loader("checkpoint", make_checkpoint, load_checkpoint, resealed("state")),
        Loader("run folder", make_run, load_run, reseal_run),
        Loader(
            "manifest",
            make_run,
            lambda folder: expect_whole(folder, "results.json", "run.toml", "tables/"),
            reseal_run,
        ),
        Loader(
            "reference feature",
            lambda folder: void(
                shutil.copytree(ROOT / "tests/fixtures/reference_feature", folder, dirs_exist_ok=True)
            ),
            import_reference_feature,
        ),
        Loader("run file", writes("run.toml", tomli_w.dumps(RUN_FILE)), load_run_file),
        Loader(
            "suite file",
            writes("suite.toml", tomli_w.dumps(SUITE)),
            lambda folder: read_suite(folder / "suite.toml"),
        ),
        Loader(
            "settings",
            writes("settings.txt", 'learner.max_steps=4\nmodel="x"\na.b.c=[1, 2]\nlearner={a = 1}\n'),
            load_setting,
        ),
        Loader("pairs", writes("pairs.jsonl", "\n".join(map(json.dumps, PAIRS))), read_pairs),
        Loader(
            "text file",
            writes("a.txt", "He ran.\nThey sang. I slept.\n" * 20),
            reads("a.txt", sentences="en", context=1),
        ),
        Loader("CoNLL-U file", writes("a.conllu", CONLLU * 3), reads("a.conllu")),
        Loader("JSON lines", writes("a.jsonl", "\n".join(map(json.dumps, PAIRS))), reads("a.jsonl")),
        Loader(
            "CSV file",
            writes("a.csv", "text,split\n" + "He ran.,train\n" * 9),
            reads("a.csv", split_column="split"),
        ),
        Loader("model folder", make_model, load_a_model),
    )
}


def void(_: Any) -> None:
    """Makes a function of something that gives more back."""


# --- one attempt
# ----------------------------------------------------------------------------------------------------------


def attempt(loader: Loader, rng: random.Random) -> str:
    """ "loaded", or the sentence of the refusal. Raises AssertionError for anything else, with what was done
    to which file."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "it"
        folder.mkdir()
        (Path(place) / SECRET).write_text("{}")
        loader.make(folder)
        done = changed(folder, rng)
        if rng.random() < 0.8:
            loader.reseal(folder)
        before = sorted(str(path) for path in Path(place).rglob("*"))
        with watch(folder) as outside, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                loader.load(folder)
                outcome = "loaded"
            except GradiendError as error:
                outcome = str(error)
            except TooLong:
                raise AssertionError(f"{loader.name}: hangs ({done})") from None
            except Exception as error:
                raise AssertionError(f"{loader.name}: {type(error).__name__}: {error} ({done})") from error
            if loader.name in SLOW:
                gc.collect()  # `datasets` leaves files open; close them where nobody is warned of it
        assert not outside, f"{loader.name}: {outside} ({done})"
        assert sorted(str(path) for path in Path(place).rglob("*")) == before, (
            f"{loader.name}: files were written ({done})"
        )
        assert outcome == "loaded" or (outcome.strip() and "Traceback" not in outcome), (
            f"{loader.name}: says nothing ({done})"
        )
        assert len(outcome) < 3000, f"{loader.name}: says {len(outcome)} characters ({done})"
        return outcome


_watching: list[tuple[Path, list[str]]] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in (
        "open",
        "os.remove",
        "os.rename",
        "os.mkdir",
        "os.rmdir",
        "shutil.rmtree",
        "subprocess.Popen",
    ):
        folder, found = _watching[-1]
        name = str(arguments[0])
        writes = event != "open" or (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"))
        cached = any(
            part in name
            for part in (
                ".cache",
                "__pycache__",
                "tmp_",
                ".gradiend.lock",
                "/dev/null",
                "ldconfig",
                "torchinductor",
            )
        ) or not name.startswith("/")
        if name.endswith((SECRET, "passwd")) or (writes and not name.startswith(str(folder)) and not cached):
            found.append(f"{event} {name}")


sys.addaudithook(_audit)


@contextmanager
def watch(folder: Path) -> Iterator[list[str]]:
    """What is written, or read that must not be, outside of the folder; raises TooLong after PATIENCE."""

    def hang(*_: Any) -> None:
        raise TooLong

    found: list[str] = []
    old = signal.signal(signal.SIGALRM, hang)
    signal.alarm(PATIENCE)
    _watching.append((folder, found))
    try:
        yield found
    finally:
        _watching.pop()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
