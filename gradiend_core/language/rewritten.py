"""A rewritten model with its tokenizer, ready to be saved for plain transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen

from gradiend_core.language.loading import without_progress_bars
from gradiend_core.records.update import WeightUpdate
from gradiend_core.storage.files import fresh_folder, write_json, write_text


@frozen(eq=False)
class RewrittenModel:
    """`model` is a plain transformers model whose weights hold the edit."""

    model: Any
    tokenizer: Any
    update: WeightUpdate
    toward: str
    card: str = ""

    def save_pretrained(self, folder: str | Path) -> Path:
        """Model, tokenizer and a note of the edit in a folder that `from_pretrained` loads; whole or not at
        all."""
        with fresh_folder(Path(folder)) as fresh, without_progress_bars():
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
            if self.card:
                write_text(fresh / "README.md", self.card)
        return Path(folder)
