"""What a run is on disk: `runs/<suite>/<method>/seed-<n>[-<8 hex>]/` with its identity, record and samples."""

from modbench.records.files import (
    iter_samples,
    read_record,
    read_run_samples,
    read_samples,
    samples_file,
    write_record,
    write_samples,
)
from modbench.records.folders import find_folder, find_run, lock_run, run_folder
from modbench.records.schema import (
    SCHEMA_VERSION,
    Environment,
    Evaluation,
    ModelInfo,
    Parameters,
    Record,
    Rescored,
    Sample,
    SchemaVersion,
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
    "Rescored",
    "Sample",
    "SchemaVersion",
    "TaskResult",
    "Training",
    "find_folder",
    "find_run",
    "identity_digest",
    "iter_samples",
    "lock_run",
    "read_record",
    "read_run_samples",
    "read_samples",
    "run_folder",
    "samples_file",
    "utc_now",
    "write_record",
    "write_samples",
]
