"""A rewritten model with its tokenizer, ready to be saved for transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from gradiend_core.language.loading import without_progress_bars
from gradiend_core.records.update import WeightUpdate
from gradiend_core.storage.files import write_json, write_text
from gradiend_core.storage.folders import fresh_folder


@frozen(eq=False)
class RewrittenModel:
    """`model` is a plain transformers model whose weights hold the edit."""

    model: Any
    tokenizer: Any
    update: WeightUpdate
    toward: str
    #: texts that are saved beside it, by the name of their file
    files: Mapping[str, str] = field(factory=dict)

    def save_pretrained(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Writes model, tokenizer and a note on the edit to a folder that `from_pretrained` loads, completely
        or not at all. Raises StorageError for a folder that is not empty; with `overwrite`, a folder written
        by us is replaced."""
        with fresh_folder(Path(folder), overwrite=overwrite) as fresh, without_progress_bars():
            self.model.save_pretrained(fresh)
            if self.tokenizer is not None:
                self.tokenizer.save_pretrained(fresh)
            note = {
                "toward": self.toward,
                "feature_factor": self.update.feature_factor,
                "norm": self.update.norm,
                "learning_rate": self.update.learning_rate,
                "scope": self.update.scope.fingerprint(),
            }
            write_json(fresh / "gradiend.json", note)
            for name, text in self.files.items():
                write_text(fresh / name, text)
        return Path(folder)
