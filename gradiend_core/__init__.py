"""gradiend-core: feature directions of language models, learned from gradients (arXiv 2502.01406,
2602.23993).

import gradiend_core as gd
run = gd.Session("english-pronouns", model="tiny-mlm")
run.reports["encoder"]["test.correlation"]
run.rewrite(toward="3SG").save_pretrained("more-singular")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradiend_core.comparing import compare_runs, save_comparison
    from gradiend_core.comparison.similarity import compare
    from gradiend_core.config.suitefile import read_suite
    from gradiend_core.encoding import encode, encode_texts
    from gradiend_core.errors import GradiendError
    from gradiend_core.exporting import export
    from gradiend_core.reporting import write_report
    from gradiend_core.rewriting.apply import applied, apply_update
    from gradiend_core.run_folder import evaluate_run, load_run, save_run
    from gradiend_core.session import Session
    from gradiend_core.stacking import StackedEdit, stack
    from gradiend_core.storage.features import load_feature, save_feature
    from gradiend_core.storage.reference import import_reference_feature
    from gradiend_core.storage.updates import load_update, save_update
    from gradiend_core.suite import run_suite

__version__ = "0.1.0"

_MODULE_OF = {
    "applied": "rewriting.apply",
    "apply_update": "rewriting.apply",
    "GradiendError": "errors",
    "Session": "session",
    "compare": "comparison.similarity",
    "compare_runs": "comparing",
    "read_suite": "config.suitefile",
    "run_suite": "suite",
    "save_comparison": "comparing",
    "encode": "encoding",
    "encode_texts": "encoding",
    "evaluate_run": "run_folder",
    "export": "exporting",
    "import_reference_feature": "storage.reference",
    "load_feature": "storage.features",
    "load_run": "run_folder",
    "save_feature": "storage.features",
    "load_update": "storage.updates",
    "save_run": "run_folder",
    "save_update": "storage.updates",
    "stack": "stacking",
    "write_report": "reporting",
    "StackedEdit": "stacking",
}
__all__ = [
    "GradiendError",
    "Session",
    "StackedEdit",
    "applied",
    "apply_update",
    "compare",
    "compare_runs",
    "encode",
    "encode_texts",
    "evaluate_run",
    "export",
    "import_reference_feature",
    "load_feature",
    "load_run",
    "load_update",
    "read_suite",
    "run_suite",
    "save_comparison",
    "save_feature",
    "save_run",
    "save_update",
    "stack",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
