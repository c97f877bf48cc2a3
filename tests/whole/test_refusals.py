"""What goes wrong is said: sentences that a user may read and that no other test asks for."""

from __future__ import annotations

import json
import shutil
import sys
from types import SimpleNamespace

import attrs
import pytest
import torch

from gradiend_core import Session, compare, load_run, save_run
from gradiend_core import cli as command_line
from gradiend_core.comparison import similarity
from gradiend_core.config.runfile import override
from gradiend_core.errors import ConfigError, DataError, LearningError, ModelError, PluginError, StorageError
from gradiend_core.gradients import store
from gradiend_core.gradients.examples import subset
from gradiend_core.language.fillers import require_fast
from gradiend_core.language.spans import prepare_spans
from gradiend_core.learning.closed_form import assembled
from gradiend_core.plugins.manager import Plugins
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.pair import MinimalPair
from gradiend_core.records.report import chosen_edit
from gradiend_core.records.run import StoreSettings
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.records.text import Text
from gradiend_core.records.update import WeightUpdate
from gradiend_core.rewriting.apply import Rewriter
from gradiend_core.rewriting.measuring import measure_of
from gradiend_core.storage.hub import PROXIES
from gradiend_core.storage.manifest import damage
from tests.conftest import settings


@pytest.fixture(scope="module")
def saved(quick, tmp_path_factory):
    return save_run(quick, tmp_path_factory.mktemp("runs") / "run")


def test_a_finished_run_is_left_as_it_is(quick, saved, monkeypatch):
    before = {
        path: path.stat().st_mtime_ns
        for path in saved.rglob("*")
        if path.is_file() and path.name != ".gradiend.lock"
    }
    assert save_run(quick, saved) == saved
    with pytest.raises(
        StorageError,
        match="with other settings, or one that was changed; give another --output, or --overwrite it",
    ):
        save_run(Session("english-pronouns", seed=1, **settings()), saved)
    with pytest.raises(StorageError, match="other settings"):
        save_run(
            Session(
                "english-pronouns", **settings(evaluators={"kinds": ["encoder"], "encoder": {"max_pairs": 7}})
            ),
            saved,
        )
    changed = attrs.evolve(quick.provenance, data_fingerprint="another")
    monkeypatch.setattr(type(quick), "provenance", changed)
    with pytest.raises(
        StorageError, match="of the same settings whose data fingerprint is .*, and this one's is another"
    ):
        save_run(quick, saved)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_folder_of_another_version_or_without_a_seal_is_no_run(saved, tmp_path):
    copy = shutil.copytree(saved, tmp_path / "copy")
    about = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(about | {"schema": 99}))
    assert damage(copy) == [
        f"{copy / 'manifest.json'} has schema 99, this version reads 1; make the run again"
    ]
    (copy / "manifest.json").unlink()
    with pytest.raises(StorageError, match=r"holds no finished run \(manifest.json is missing\)"):
        load_run(copy)


def test_the_same_command_again_does_nothing_and_another_gets_a_folder_of_its_own(
    saved, tmp_path, monkeypatch, capsys
):
    """Folders are named after the run, so the run is put where the command would have put it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved, tmp_path / "runs" / "english-pronouns_tiny-mlm_3SG-3PL")
    asked = ["run", str(saved / "run.toml")]
    command_line.app(asked, standalone_mode=False)
    assert "english-pronouns_tiny-mlm_3SG-3PL has this run already, finished" in capsys.readouterr().out
    monkeypatch.setattr("gradiend_core.run.folder.save_run", lambda session, folder, **_: folder)
    monkeypatch.setattr("gradiend_core.cli.making.summary", lambda session, folder: [str(folder)])
    command_line.app([*asked, "--seed", "5"], standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1] == "runs/english-pronouns_tiny-mlm_3SG-3PL-2"


def test_texts_in_memory_must_be_given_again(quick):
    with pytest.raises(DataError, match="made from texts in memory; give them again"):
        _ = Session("english-pronouns", run_file={"texts": "in memory"}).data


def test_the_version_and_the_traceback(monkeypatch, capsys):
    monkeypatch.setattr("warnings.showwarning", None)
    monkeypatch.setattr(sys, "argv", ["gradiend", "--version"])
    with pytest.raises(SystemExit, match="0"):
        command_line.main()
    assert capsys.readouterr().out.startswith("gradiend-core ")
    monkeypatch.setattr(sys, "argv", ["gradiend", "--traceback", "run", "no-such-paradigm"])
    with pytest.raises(PluginError, match="unknown paradigm 'no-such-paradigm'"):
        command_line.main()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("learner.kind=3", "learner.kind must be a name, not 3"),
        ('evaluators.kinds="encoder"', "evaluators.kinds must be a list of names, not 'encoder'"),
    ],
)
def test_a_kind_is_a_name(setting, words):
    with pytest.raises(ConfigError, match=words):
        Session("english-pronouns", run_file=override({}, [setting]))


def test_texts_that_are_tied_together_cannot_be_divided():
    """Each document has a context of the one before, with another filler."""
    texts = [
        Text(f"{word} walked to the house with {number + more} doors.", document=str(number))
        for number in range(12)
        for more, word in ((0, "He"), (1, "They"))
    ]
    with pytest.raises(
        DataError, match="the 12 documents cannot be divided, as the same context stands in several of them"
    ):
        _ = Session("english-pronouns", texts=texts, data={"split_by": "document"}).data


def test_a_class_that_the_tokenizer_loses(quick, monkeypatch):
    kept = quick.source.prepare

    def prepare(pairs, tokenizer, model):
        return kept(
            tuple(pair for pair in pairs if (pair.split, pair.factual_class) != ("test", "3PL")),
            tokenizer,
            model,
        )

    run = Session("english-pronouns", **settings())
    monkeypatch.setattr(run.source, "prepare", prepare)
    with pytest.raises(
        DataError, match=r"no test pair of class 3PL can be used with this model \(none was there\)"
    ):
        _ = run.examples


def test_fillers_that_change_more_than_the_slot():
    causal = Session("english-pronouns", model="tiny-clm").loaded.tokenizer
    inside = MinimalPair("The dog r", ".", "an", "uns home", "A", "B", "train")
    examples = prepare_spans([inside], causal, limit=64)
    assert not examples.pairs
    assert [drop.reason for drop in examples.drops] == ["'an' shares a token with its neighbours"]
    with pytest.raises(ModelError, match="SimpleNamespace gives no character offsets; a fast tokenizer"):
        require_fast(SimpleNamespace(is_fast=False))


def test_features_and_scopes_that_do_not_fit(quick):
    feature = quick.feature
    with pytest.raises(ConfigError, match="over different weights"):
        compare(feature, feature.narrowed(torch.arange(50)))
    with pytest.raises(ConfigError, match=f"top_k is 0, but the scope has {feature.scope.size} weights"):
        compare(feature, feature, top_k=0)
    assert similarity.compare(feature, feature, top_k=10).overlap == 1
    with pytest.raises(ConfigError, match="unknown class '1SG'"):
        feature.strengthen("1SG")
    with pytest.raises(ConfigError, match="no evaluator has chosen a learning rate; give one"):
        chosen_edit({}, "3SG")
    one, two = (ParameterScope((ParameterSlice("w", shape),)) for shape in ((2, 3), (3, 2)))
    with pytest.raises(ModelError, match=r"w has the shape \(3, 2\) in one scope and \(2, 3\) in the other"):
        two.joined(one)
    other = WeightUpdate(torch.ones(50), feature.scope.narrowed(torch.arange(1, 51)), 1.0, 1.0)
    with (
        Rewriter(quick.loaded.model, feature.scope.narrowed(torch.arange(50))) as rewriter,
        pytest.raises(ModelError, match="the update was made for other weights than the scope has"),
    ):
        rewriter.apply(other)
    with pytest.raises(ValueError, match="ascending and unique"):
        quick.gradients.columns(
            subset(quick.examples["test"], [0]), torch.tensor([3, 1, 1]), GradientRole.FACTUAL
        )


def test_an_encoder_of_nothing_is_not_learned(quick):
    task = quick.evaluation_task(reports={})
    with pytest.raises(LearningError, match="the encoder is zero everywhere"):
        assembled(
            task,
            ("3SG", "3PL"),
            torch.zeros(3),
            torch.zeros(2, 3),
            (GradientRole.FACTUAL, GradientRole.FACTUAL),
        )


def test_a_source_without_a_score_for_text_cannot_be_edited_by_it(quick):
    task = attrs.evolve(quick.evaluation_task(reports={}), source=SimpleNamespace())
    with pytest.raises(ConfigError, match="SimpleNamespace has no language modelling score"):
        measure_of(task, 10)


def test_a_store_of_gradients_that_are_not_finite_or_of_several_processes(quick, tmp_path, monkeypatch):
    few = quick.gradients.narrowed(torch.arange(20))
    examples, wanted = (
        subset(quick.examples["train"], range(4)),
        StoreSettings(use="always", folder=str(tmp_path)),
    )
    monkeypatch.setattr(
        type(few), "rows", lambda self, examples, roles: iter([([0], torch.full((2, 1, 20), torch.nan))])
    )
    with pytest.raises(StorageError, match="some gradients of this model are not finite"):
        store.matrix_of(few, [examples], "m", wanted, several=True)
    monkeypatch.setattr("gradiend_core.gradients.parallel.count", lambda: 2)
    with pytest.raises(ConfigError, match='store.use = "always" is for one process'):
        store.matrix_of(few, [examples], "m", wanted, several=True)
    assert store.matrix_of(few, [examples], "m", attrs.evolve(wanted, use="auto"), several=True) is few


def test_a_plugin_cannot_be_registered_twice():
    import gradiend_mlm

    with pytest.raises(PluginError, match="two plugins are named 'mlm'; rename one"):
        Plugins.discover().register(gradiend_mlm, "mlm")


def test_a_hub_id_out_of_reach_is_asked_for_once_and_then_again_later(monkeypatch):
    """Every source asks for the config, and without a network each answer takes half a minute."""
    asked = []

    def get_config_dict(name):
        asked.append(name)
        raise OSError("We couldn't connect")

    monkeypatch.setattr("transformers.PretrainedConfig.get_config_dict", get_config_dict)
    for again in (2.0, 2.0, -1.0):
        monkeypatch.setattr("gradiend_core.language.loading.AGAIN", again)
        with pytest.raises(
            ModelError, match="model 'nobody/out-of-reach' cannot be loaded: We couldn't connect"
        ):
            Session("english-pronouns", model="nobody/out-of-reach")
        if again > 0:
            assert asked == ["nobody/out-of-reach"]
    assert len(asked) > 1


def test_a_model_on_no_disk_with_the_hub_out_of_reach_is_refused_at_once(monkeypatch):
    """And a named model that was meant is named."""

    def refuse(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("socket.create_connection", refuse)
    for variable in PROXIES:
        monkeypatch.delenv(variable, raising=False)
    unreachable = r"it is in no local folder or cache, and \S+ cannot be reached"
    with pytest.raises(
        ModelError, match=f"{unreachable}; unknown named model 'tiny-mml'; did you mean 'tiny-mlm'"
    ):
        Session("english-pronouns", model="tiny-mml")
    with pytest.raises(ModelError, match=f"{unreachable}$"):
        Session("english-pronouns", model="nobody/nowhere")
