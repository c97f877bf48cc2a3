"""The run file: nothing is guessed, nothing is ignored, and what is written back is the same run."""

from __future__ import annotations

import pytest

from gradiend_core.config.runfile import override
from gradiend_core.errors import ConfigError


def test_set_reaches_any_depth_and_keeps_types():
    table = override(
        {},
        [
            "learner.max_steps=20",
            "evaluators.decoder.learning_rates=[0.5]",
            "model=some/path",
            "paradigm.words.2=['you']",
        ],
    )
    assert table == {
        "learner": {"max_steps": 20},
        "evaluators": {"decoder": {"learning_rates": [0.5]}},
        "model": "some/path",
        "paradigm": {"words": {"2": ["you"]}},
    }
    for wrong in ("learner.max_steps", "=3", "a..b=3"):
        with pytest.raises(ConfigError, match="write it as a path and a value"):
            override({}, [wrong])
    with pytest.raises(ConfigError, match="seed is a value, not a table"):
        override({"seed": 1}, ["seed.x=2"])
