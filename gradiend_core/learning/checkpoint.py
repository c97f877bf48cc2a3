"""The state of training on disk, so that an interrupted run continues and gives the same result."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, define, field
from safetensors import SafetensorError
from torch import Tensor

from gradiend_core.errors import StorageError
from gradiend_core.records.feature import TrainingRow
from gradiend_core.storage.artefacts import load_artefact, save_artefact
from gradiend_core.storage.files import MALFORMED

SCHEMA = 1
#: the share of the time that writing states may take
SHARE = 0.05
#: bytes in a second that a disk is guessed to write, before one was written
SPEED = 2e8


@define
class Checkpoint:
    """One state at a time: tensors by name, the training record, and plain values. A `folder` of None keeps
    nothing. Tensors are written first and under a new name, so the JSON file always refers to a complete
    file."""

    folder: Path | None
    seconds: float
    #: bytes of a state, from which the first time to write one is guessed
    size: int = 0
    _last: float = field(factory=time.monotonic, init=False)
    _cost: float = field(init=False)

    @_cost.default
    def _guess(self) -> float:
        return self.size / SPEED

    def due(self) -> bool:
        """Whether to save again: after `seconds`, provided that writing takes only a small share of the time
        since the last save."""
        wait = max(self.seconds, self._cost / SHARE) if self.seconds else 0.0
        return self.folder is not None and time.monotonic() - self._last >= wait

    def save(
        self, tensors: Mapping[str, Tensor], rows: Sequence[TrainingRow], values: Mapping[str, Any]
    ) -> None:
        if self.folder is None:
            return
        begun, name = time.monotonic(), f"state-{len(rows)}.safetensors"
        content = {"rows": [list(asdict(row).values()) for row in rows], "values": dict(values)}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_artefact(self.folder, "state", SCHEMA, content, tensors, name)
        except (OSError, SafetensorError) as error:
            raise StorageError(f"the checkpoint {self.folder} cannot be written: {error}") from error
        for old in self.folder.glob("state-*.safetensors"):
            if old.name != name:
                old.unlink(missing_ok=True)
        self._last = time.monotonic()
        self._cost = self._last - begun

    def load(self, device: Any) -> tuple[dict[str, Tensor], list[TrainingRow], dict[str, Any]] | None:
        """The saved state, or None where there is none or it cannot be read."""
        if self.folder is None or not (self.folder / "state.json").exists():
            return None
        try:
            about, tensors = load_artefact(self.folder, "state", SCHEMA, str(device))
            # a mapped file begins anywhere, and matrix products round by where their factors begin: copies
            # begin as they did
            tensors = {name: tensor.clone() for name, tensor in tensors.items()}
            return tensors, [TrainingRow(*row) for row in about["rows"]], about["values"]
        except (OSError, StorageError, *MALFORMED) as error:
            warnings.warn(
                f"the checkpoint {self.folder} cannot be read ({error}); learning begins anew", stacklevel=2
            )
            return None
