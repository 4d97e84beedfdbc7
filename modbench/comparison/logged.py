"""Sample files of the harness: rows as it had them in memory, since on the way to disk it makes texts of numbers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from modbench.errors import ModbenchError, reason
from modbench.harness.samples import to_sample
from modbench.records import Sample

LOG_SAMPLES = "run lm_eval again with --log_samples and --output_path"
QUESTIONS = ("instruction", "question", "query")
"""Where the documents of most tasks have their question."""


class Logged(NamedTuple):
    """The samples of a file, and 64 bits of a digest of each one's prompt and gold (None: the row does not have it)."""

    samples: list[Sample]
    prompts: list[int | None]


def read_logged(file: Path) -> Logged:
    """The samples of the task's first filter, as modbench's own evaluation takes them.

    Raises ModbenchError, with the line, if the file is absent or cut off, or has a row that the harness did not write
    or that says neither right nor wrong.
    """
    found, first = Logged([], []), None
    try:
        lines = file.open("rb")
    except FileNotFoundError:
        raise ModbenchError(f"there is no {file}: {LOG_SAMPLES}") from None
    except OSError as error:
        raise ModbenchError(f"cannot read {file}: {error.strerror}") from error
    with lines:
        for number, line in enumerate(lines, start=1):
            where = f"{file}, line {number}"
            if not line.endswith(b"\n"):
                raise ModbenchError(f"{where}: cut off: {LOG_SAMPLES}")
            try:
                row = json.loads(line)
                first = first or row["filter"]
                if row["filter"] == first:
                    row = as_logged(row)
                    sample = to_sample(row)
                    found.samples.append(sample.model_copy(update={"question": sample.question or instruction_of(row)}))
                    found.prompts.append(prompt_digest(row))
            except ModbenchError as error:
                raise ModbenchError(f"{where}: {error}") from error
            except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
                raise ModbenchError(f"{where}: no sample of lm_eval ({_fault(error)}): {LOG_SAMPLES}") from error
    if not found.samples:
        raise ModbenchError(f"{file} holds no sample: {LOG_SAMPLES}")
    return found


def as_logged(row: dict[str, Any]) -> dict[str, Any]:
    """`row` with the arguments of each request as a list, log-likelihoods as numbers, and the number of a choice as
    such. Raises KeyError, TypeError or ValueError for what the harness did not write."""
    arguments, target = row["arguments"], row["target"]
    if isinstance(arguments, dict):
        arguments = [list(of.values()) for of in arguments.values()]
    filtered = [[float(of[0]), *of[1:]] if isinstance(of, list) else of for of in row["filtered_resps"]]
    choice = bool(filtered) and isinstance(filtered[0], list) and str(target).isdecimal()
    return row | {"arguments": arguments, "filtered_resps": filtered, "target": int(target) if choice else target}


def instruction_of(row: dict[str, Any]) -> str | None:
    """The question of a logged row's document, else all that the model was shown."""
    for name in QUESTIONS:
        if isinstance(row["doc"].get(name), str):
            return str(row["doc"][name])
    prompt = row["arguments"][0][0]
    return prompt if isinstance(prompt, str) else None


def prompt_digest(row: dict[str, Any]) -> int | None:
    """64 bits of a digest of the gold and of `prompt_hash`; where an older harness did not write that, of the hash that
    it would have been."""
    said = row.get("prompt_hash")
    if said is None:
        if not row["arguments"]:
            return None
        said = hashlib.sha256(str(row["arguments"][0][0]).encode(errors="surrogatepass")).hexdigest()
    both = f"{said}\n{row['target']}"
    return int.from_bytes(hashlib.sha256(both.encode(errors="surrogatepass")).digest()[:8], "big")


def _fault(error: Exception) -> str:
    """What is wrong with a row, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    return reason(error)[:200]
