# Each name as the user of the library imports it; `__init__.py` loads it on demand.

from gradiend_core.comparison.similarity import compare as compare
from gradiend_core.config.suitefile import read_suite as read_suite
from gradiend_core.errors import GradiendError as GradiendError
from gradiend_core.finished.comparing import compare_runs as compare_runs
from gradiend_core.finished.comparing import save_comparison as save_comparison
from gradiend_core.finished.encoding import encode as encode
from gradiend_core.finished.encoding import encode_texts as encode_texts
from gradiend_core.finished.explaining import explain as explain
from gradiend_core.finished.exporting import export as export
from gradiend_core.finished.playground import playground as playground
from gradiend_core.finished.publishing import push_to_hub as push_to_hub
from gradiend_core.finished.reporting import write_report as write_report
from gradiend_core.finished.stacking import StackedEdit as StackedEdit
from gradiend_core.finished.stacking import stack as stack
from gradiend_core.finished.suite import run_suite as run_suite
from gradiend_core.records.run import DataSettings as DataSettings
from gradiend_core.records.run import FigureSettings as FigureSettings
from gradiend_core.records.run import GradientSettings as GradientSettings
from gradiend_core.records.run import PruneSettings as PruneSettings
from gradiend_core.records.run import RewriteSettings as RewriteSettings
from gradiend_core.records.run import SeedSettings as SeedSettings
from gradiend_core.records.run import StoreSettings as StoreSettings
from gradiend_core.rewriting.apply import applied as applied
from gradiend_core.rewriting.apply import apply_update as apply_update
from gradiend_core.run.finished import FinishedRun as FinishedRun
from gradiend_core.run.finished import evaluate_run as evaluate_run
from gradiend_core.run.finished import load_run as load_run
from gradiend_core.run.folder import save_run as save_run
from gradiend_core.run.session import Session as Session
from gradiend_core.storage.features import load_feature as load_feature
from gradiend_core.storage.features import save_feature as save_feature
from gradiend_core.storage.reference import import_reference_feature as import_reference_feature
from gradiend_core.storage.updates import load_update as load_update
from gradiend_core.storage.updates import save_update as save_update

__version__: str
