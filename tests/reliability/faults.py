"""What may go wrong around a run, one by one: each is survived, or refused in one sentence with nothing
lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gradiend_core.errors import GradiendError, LearningError, ModelError, StorageError
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.provenance import Provenance
from gradiend_core.roles.kinds import MODEL
from gradiend_core.run.finished import load_run
from gradiend_core.run.folder import save_run
from gradiend_core.run.runner import Runner
from gradiend_core.run.session import Session
from gradiend_core.storage.manifest import damage

TABLES = {
    "texts": "tiny-english",
    "classes": ("3SG", "3PL"),
    "data": {"max_texts": 1500, "max_per_class": 20, "max_neutral": 20},
    "evaluators": {"kinds": ["encoder"], "encoder": {"random_directions": 0, "splits": ["test"]}},
    "visualizers": {"kinds": []},
}
SMALL = (
    "data.max_per_class=60",
    "data.max_neutral=60",
    'evaluators.kinds=["encoder"]',
    "visualizers.kinds=[]",
)
QUICK = {"kind": "mean-difference"}
ADAM = {"kind": "adam", "max_steps": 12, "batch_size": 4}


class NotHere(Exception):
    """This machine cannot be brought into that state."""


def session(model: str = "tiny-clm", learner: dict[str, object] = QUICK, **tables: object) -> Session:
    return Session("english-pronouns", model=model, learner=learner, **{**TABLES, **tables})


@contextmanager
def changed_model(
    change: Callable[[dict[str, torch.Tensor]], object], config: Callable[[Path], object] = bool
) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as place:
        folder = shutil.copytree(
            Plugins.discover().registry.get(MODEL, "tiny-clm").build(), Path(place) / "model"
        )
        path = next(folder.glob("*.safetensors"))
        tensors = load_file(path)
        change(tensors)
        path.unlink()
        save_file(tensors, path, metadata={"format": "pt"})
        config(folder)
        yield str(folder)


def refused(error: type[GradiendError], do: Callable[[], object]) -> str:
    """The sentence."""
    with pytest.raises(error) as caught:
        do()
    said = str(caught.value)
    assert said.strip()
    assert "\n" not in said
    return said


def disk_full() -> str:
    """A file system of three MiB, full in the middle of a run; with room again, the same command ends it."""
    with tempfile.TemporaryDirectory() as place:
        small = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], capture_output=True)
        if small.returncode:
            raise NotHere("no file system can be mounted")
        try:
            said = refused(StorageError, lambda: save_run(session(), Path(place) / "out"))
            assert "No space left" in said
            assert not list(Path(place).rglob(".gradiend-part-*")), "something half-written is left"
            subprocess.run(["mount", "-o", "remount,size=300m", place], check=True)
            assert damage(save_run(session(), Path(place) / "out")) == []
        finally:
            subprocess.run(["umount", place], check=True)
    return "refused; with room again, finished"


def permission_lost() -> str:
    """The folder becomes read-only while the run goes on; an ordinary user's process, as root may write
    anywhere."""
    if os.getuid():
        raise NotHere("only root can become another user")
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        reading, writing = os.pipe()
        torch.set_num_threads(1)
        child = os.fork()
        if not child:
            said = "nothing"
            try:
                run = session(store={"use": "never"})
                run.features  # noqa: B018
                os.setuid(65534)
                out = Path(place) / "out"
                out.mkdir()
                real = Runner.provenance

                def lost(self: Runner) -> Provenance:
                    os.chmod(out, 0o555)
                    return real(self)

                Runner.provenance = lost  # type: ignore[method-assign]
                said = refused(StorageError, lambda: save_run(run, out))
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            os.write(writing, said.encode()[:2000])
            os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
    assert said.startswith("cannot write"), said
    return "refused"


def run_command(output: str, *settings: str) -> list[str]:
    command = [sys.executable, "-m", "gradiend_core", "run", "english-pronouns", "--output", output]
    return [*command, *(word for setting in settings for word in ("--set", setting))]


def interrupted() -> str:
    """Ctrl-C while learning: what was learned so far is kept, and the run goes on to its end."""
    with tempfile.TemporaryDirectory() as place:
        command = run_command(
            f"{place}/out",
            *SMALL,
            'learner={kind="adam", max_steps=4000}',
            "learner.early_stop=false",
            "learner.checkpoint_seconds=0",
        )
        # background jobs of a shell do not hear it
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard
        )
        for _ in range(600):
            time.sleep(0.1)
            if list(Path(place).rglob("state.json")):
                break
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
        assert "stopped by hand after" in said, said
        assert "Traceback" not in said
        assert process.returncode == 0
        assert damage(Path(place) / "out") == []
    return "what was learned is kept, evaluated and sealed"


def two_processes() -> str:
    """The second process of one output folder."""
    with tempfile.TemporaryDirectory() as place:
        # longer than the second takes to begin
        more = ('learner={kind="adam", max_steps=400}', "learner.early_stop=false")
        command = run_command(f"{place}/out", *SMALL, *more)
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            time.sleep(0.1)
            if (Path(place) / "out" / "run.toml").exists():
                break
        second = subprocess.run(command, capture_output=True, text=True)
        assert second.returncode == 1
        assert second.stderr.strip().endswith(
            "is being written by another process; wait for it, or choose another"
        ), second.stderr
        assert first.wait() == 0
        load_run(Path(place) / "out")
    return "the second is refused, the first not disturbed"


def one_store() -> str:
    """Two processes that need the same gradients on disk at once: computed once, right for both."""
    with tempfile.TemporaryDirectory() as place:
        store = [f"store.folder={place}/store", "store.use=always", "learner.kind=mean-difference", *SMALL]
        command = [sys.executable, "-m", "gradiend_core", "run", "english-pronouns", "--model", "tiny-clm"]
        for setting in (*store, "selector.kind=random", "selector.share=0.05"):
            command += ["--set", setting]
        both = [
            subprocess.Popen(
                [*command, "--output", f"{place}/{name}"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in ("a", "b")
        ]
        assert [process.communicate()[1].count("error:") for process in both] == [0, 0]
        a, b = (load_run(Path(place) / name).feature for name in ("a", "b"))
        assert torch.equal(a.encoder, b.encoder)
        assert torch.equal(a.decoder, b.decoder)
    return "both have the same feature, to the bit"


def not_finite() -> str:
    """Weights that are no numbers."""
    with changed_model(lambda tensors: tensors["transformer.h.0.ln_1.weight"].fill_(torch.nan)) as model:
        return "refused" if refused(ModelError, lambda: session(model).features) else ""


def too_large_a_rate() -> str:
    """A loss that is not finite any more."""
    adam = {**ADAM, "learning_rate": 1e5, "max_steps": 60}
    return "refused" if refused(LearningError, lambda: session(learner=adam).features) else ""


def weights_missing() -> str:
    """A checkpoint without some of the weights, which transformers would draw."""
    with changed_model(lambda tensors: tensors.pop("transformer.h.0.ln_1.weight")) as model:
        return "refused" if refused(ModelError, lambda: session(model).features) else ""


def zero_gradients() -> str:
    """A scope whose weights change nothing, with each learner."""
    scope = {"kind": "pattern", "include": ["transformer.h.0.*"]}
    with changed_model(lambda tensors: tensors["transformer.ln_f.weight"].zero_()) as model:
        for learner in (QUICK, ADAM, {"kind": "ridge"}):
            refused(LearningError, lambda learner=learner: session(model, learner, selector=scope).features)
    return "refused, by each learner"


def no_pad_token() -> str:
    """A tokenizer without a padding token: rows are padded all the same, and the numbers are the same."""

    def without(folder: Path) -> None:
        for name in ("tokenizer_config.json", "config.json", "special_tokens_map.json"):
            if (folder / name).exists():
                about = json.loads((folder / name).read_text())
                for key in ("pad_token", "pad_token_id"):
                    about.pop(key, None)
                (folder / name).write_text(json.dumps(about))

    with changed_model(bool, without) as model:
        run = session(model)
        assert run.loaded.tokenizer.pad_token is None
        assert torch.equal(run.feature.encoder, session().feature.encoder)
    return "the same feature as with one, to the bit"


FAULTS: dict[str, Callable[[], str]] = {
    "the disk is full": disk_full,
    "permission is lost in the middle": permission_lost,
    "Ctrl-C while learning": interrupted,
    "two processes, one output folder": two_processes,
    "two processes, one store of gradients": one_store,
    "weights that are not finite": not_finite,
    "weights that a checkpoint lacks": weights_missing,
    "a loss that is not finite": too_large_a_rate,
    "gradients that are zero": zero_gradients,
    "a tokenizer without a padding token": no_pad_token,
}


def tried(name: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FAULTS[name]()
