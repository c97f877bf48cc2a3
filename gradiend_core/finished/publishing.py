"""Runs, features, updates and edits on the Hugging Face hub, with a card that says what they are and how to
use them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from gradiend_core.errors import ConfigError, StorageError
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.update import WeightUpdate
from gradiend_core.run.card import feature_card, run_card, update_card
from gradiend_core.run.finished import FinishedRun, load_run
from gradiend_core.run.folder import MARKER, save_run
from gradiend_core.run.run import Run
from gradiend_core.storage.features import save_feature
from gradiend_core.storage.hub import upload
from gradiend_core.storage.manifest import expect_whole, is_sealed
from gradiend_core.storage.updates import save_update

#: what is not for others: locks, and what a run resumes from
IGNORED = (".gradiend*", "checkpoint/**", ".*lock")
#: the models of a run, which are large, and which a folder of its own is better for
MODELS = "rewritten/**"


def push_to_hub(
    what: Run | LearnedFeature | WeightUpdate | str | Path,
    repository: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    models: bool = False,
) -> str:
    """Uploads a run, a feature, an update, or a folder that holds one of them or an edit, to a repository
    "OWNER/NAME" of the hub. The repository is created if needed. Returns the address of the commit.

    `load_run`, `load_feature` and `load_update` read it as "hub:OWNER/NAME"; a rewritten model is read by
    `from_pretrained`. The rewritten models of a run are uploaded only with `models`. `revision` is a branch.
    Raises ConfigError for any other object, StorageError for a folder that was changed, and where the hub
    refuses the upload."""

    def pushed(folder: Path, card: str = "", ignored: Sequence[str] = ()) -> str:
        ignored = [*IGNORED, *ignored]
        return upload(folder, repository, card=card, ignored=ignored, private=private, revision=revision)

    if isinstance(what, (str, Path)):
        folder = Path(what)
        if (folder / MARKER).is_file():
            what = load_run(folder)
        else:
            _expect_written(folder)
            return pushed(folder)
    with TemporaryDirectory() as temporary:
        if isinstance(what, Run):
            folder = what.folder if isinstance(what, FinishedRun) else save_run(what, Path(temporary, "run"))
            _expect_written(folder)
            return pushed(folder, run_card(what, repository), () if models else (MODELS,))
        folder = Path(temporary, "pushed")
        if isinstance(what, LearnedFeature):
            return pushed(save_feature(what, folder), feature_card(what, repository))
        if isinstance(what, WeightUpdate):
            return pushed(save_update(what, folder), update_card(what, repository))
    raise ConfigError(
        f"a run, a feature, an update or a folder with one is pushed to the hub, not {type(what).__name__}"
    )


def _expect_written(folder: Path) -> None:
    """Raises StorageError for a folder that we did not write, or that was changed since."""
    if not is_sealed(folder):
        raise StorageError(
            f"{folder} holds nothing that gradiend finished; give the folder of a run or an edit"
        )
    expect_whole(folder, "")
