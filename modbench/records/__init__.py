"""What a run is on disk: `runs/<suite>/<method>/seed-<n>[-<8 hex>]/` with its identity, record and samples."""

from modbench.records.files import read_record, read_run_samples, read_samples, write_record, write_samples
from modbench.records.folders import find_folder, find_run, lock_run, run_folder
from modbench.records.schema import (
    SCHEMA_VERSION,
    Environment,
    Evaluation,
    ModelInfo,
    Parameters,
    Record,
    Sample,
    TaskResult,
    Training,
    identity_digest,
    utc_now,
)

__all__ = [
    "SCHEMA_VERSION",
    "Environment",
    "Evaluation",
    "ModelInfo",
    "Parameters",
    "Record",
    "Sample",
    "TaskResult",
    "Training",
    "find_folder",
    "find_run",
    "identity_digest",
    "lock_run",
    "read_record",
    "read_run_samples",
    "read_samples",
    "run_folder",
    "utc_now",
    "write_record",
    "write_samples",
]
