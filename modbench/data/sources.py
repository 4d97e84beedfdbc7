"""The public files that problems and training examples come from, each pinned to a commit and its content.

A file is taken from the folder `MODBENCH_DATA` if that is set, else from the cache, else downloaded into the cache.
Wherever it comes from, its git blob id is verified before it is used.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from modbench.data.download import Unavailable, download
from modbench.errors import ModbenchError, reason, unknown


@dataclass(frozen=True)
class PinnedFile:
    """A file of a public GitHub repository, in exactly one version."""

    repo: str
    commit: str
    blob: str
    """The git blob id of the content, which covers its size too."""
    licence: str


def _llm_adapters(blob: str) -> PinnedFile:
    return PinnedFile("AGI-Edgerunners/LLM-Adapters", "816657208af4db747803f87ba40a4c71383fed7a", blob, "ODC-By-1.0")


def _grade_school_math(blob: str) -> PinnedFile:
    return PinnedFile("openai/grade-school-math", "3101c7d5072418e28b9008a6636bde82a006892c", blob, "MIT")


FILES: dict[str, PinnedFile] = {
    "dataset/AddSub/test.json": _llm_adapters("f3996cdf4159b4e1e4b6768865a4db72105f4e2f"),
    "dataset/AQuA/test.json": _llm_adapters("731fbb456f7a93bb4121125de09c4adcf42e5dab"),
    "dataset/gsm8k/test.json": _llm_adapters("57a7a08e10e12e975e1f972d2b8125c0d4c722b1"),
    "dataset/mawps/test.json": _llm_adapters("eca473c5b5d398acbae0b84ede833bbbccd63add"),
    "dataset/MultiArith/test.json": _llm_adapters("08e996c6cd8c633cc977f5c50709a8bbfc8fadff"),
    "dataset/SingleEq/test.json": _llm_adapters("cce7a868400323e30e2094a15d482c1aa743dbb0"),
    "dataset/SVAMP/test.json": _llm_adapters("98b8f1872db596f8aaff2c95d1d698a9fa13b94f"),
    "dataset/ARC-Challenge/test.json": _llm_adapters("9540685439144200b5a7e48dab9ca4655be2af09"),
    "dataset/ARC-Easy/test.json": _llm_adapters("6c0d30aaedaeca148df6bcd7aaacf7c31e6ad70f"),
    "dataset/boolq/test.json": _llm_adapters("6d7edb0a8e8a6566b546ccf0d98d24e48db3fdf3"),
    "dataset/boolq/train.json": _llm_adapters("87a7beee26b49f81c450641ef2ff84f55611321f"),
    "dataset/hellaswag/test.json": _llm_adapters("183c4920415f83ba4b793c4873a33e7e10bd1be5"),
    "dataset/openbookqa/test.json": _llm_adapters("a6e69676104bcb77237388c3b5a3f0dcbb81d1e2"),
    "dataset/piqa/test.json": _llm_adapters("f7a1c260692ef31796d4763cb6334f316a754fed"),
    "dataset/social_i_qa/test.json": _llm_adapters("eadf221799ca394367b144c0f86ee0436db409d2"),
    "dataset/winogrande/test.json": _llm_adapters("21257263593dd4d00546e1918c88ca0f357b08ad"),
    "dataset/mawps/trainset.json": _llm_adapters("30ce34399859c115cb391ac96fd009f71f5ba98f"),
    "dataset/mawps/testset.json": _llm_adapters("93d3fb9829c19b941d00af34c4c2dfeafc22c67a"),
    "dataset/AddSub/AddSub.json": _llm_adapters("3774017520b77333af378094558bbf79ac096f7b"),
    "dataset/MultiArith/MultiArith.json": _llm_adapters("8b720d2f5b6658913bb3160fb0554aa57173ef3f"),
    "dataset/SingleEq/SingleEq.json": _llm_adapters("8b32f23d02da13dc7705cc2fcb9448b9f374447c"),
    "dataset/SVAMP/SVAMP.json": _llm_adapters("e2b2f9e8db9f9c002d2bff2cb450a4abb40fa61b"),
    "ft-training_set/math_10k.json": _llm_adapters("27dba77d6ed80aa118d78fbafa5cecd651f6d463"),
    "ft-training_set/math_7k.json": _llm_adapters("fd93bf268b53bb644b38e71270cdf633951ba3e0"),
    "ft-training_set/commonsense_15k.json": _llm_adapters("3716afef6d384c475dba13f88a5a96c8032dafe2"),
    "ft-training_set/commonsense_170k.json": _llm_adapters("529e426b33d4cdb1d0c4a275a1a7245ad081fd91"),
    "grade_school_math/data/train.jsonl": _grade_school_math("7d97154b91aef28d01c3301741c81ce90039a4b1"),
    "grade_school_math/data/test.jsonl": _grade_school_math("e4c2ff4942b9a78bd74f04141224c11e28d12dc9"),
}
"""Every file that modbench may use, by its path in its repository."""


@dataclass(frozen=True)
class State:
    """What lies where a pinned file belongs."""

    verdict: Literal["ok", "absent", "altered"]
    where: Path
    size: int | None
    """Bytes; None if there is no file."""
    found: str | None
    """The git blob id of what is there, or why it has none; None if there is nothing."""


def pinned(path: str) -> PinnedFile:
    """The pin of the file `path`. ModbenchError with the nearest names if there is none."""
    if path in FILES:
        return FILES[path]
    inside = [known for known in FILES if path.lower() in known.lower()]
    raise unknown("data file", path, inside or FILES)


def cache_folder() -> Path:
    """Where downloads are kept: `$XDG_CACHE_HOME/modbench/data`, by default under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modbench" / "data"


def data_folder() -> Path:
    """Where the pinned files are looked for: `MODBENCH_DATA`, else the cache."""
    return Path(os.environ.get("MODBENCH_DATA") or cache_folder())


def check_folder() -> None:
    """ModbenchError if `MODBENCH_DATA` is set, and to no folder."""
    folder = os.environ.get("MODBENCH_DATA")
    if folder and not Path(folder).is_dir():
        raise ModbenchError(f"MODBENCH_DATA={folder} is no folder: make it, name another, or unset MODBENCH_DATA")


def inspect(path: str) -> State:
    """Compares what lies where the pinned file `path` belongs with its pin; downloads nothing.

    Raises ModbenchError if `path` is not pinned.
    """
    return _state(data_folder() / path, pinned(path).blob)


def locate(path: str) -> Path:
    """The verified local copy of the pinned file `path` (a key of `FILES`), downloaded first if need be.

    Raises:
        Unavailable: it is not in the folder `MODBENCH_DATA`, or it cannot be downloaded.
        ModbenchError: `path` is not pinned, the content is not the pinned one, or the cache cannot be written.
    """
    state = inspect(path)
    folder = os.environ.get("MODBENCH_DATA")
    if state.verdict == "absent":
        if folder:
            raise Unavailable(f"{path} is not in MODBENCH_DATA={folder}: put it there, or unset MODBENCH_DATA")
        _download(path, state.where)
    elif state.verdict == "altered":
        remedy = "put the pinned file there, or unset MODBENCH_DATA" if folder else "delete it and run again"
        raise _refusal(str(state.where), path, state, remedy)
    return state.where


def _state(where: Path, blob: str) -> State:
    try:
        size, found = where.stat().st_size, git_blob_id(where)
    except (FileNotFoundError, NotADirectoryError):
        return State("absent", where, None, None)
    except OSError as error:
        return State("altered", where, None, "a folder" if where.is_dir() else reason(error))
    return State("ok" if found == blob else "altered", where, size, found)


def _download(path: str, local: Path) -> None:
    pin = pinned(path)
    base = os.environ.get("MODBENCH_DATA_URL", "https://raw.githubusercontent.com").rstrip("/")
    url = f"{base}/{pin.repo}/{pin.commit}/{path}"

    def check(part: Path) -> None:
        state = _state(part, pin.blob)
        if state.verdict != "ok":
            raise _refusal(f"what {url} sent", path, state, "try another network, or set MODBENCH_DATA to a folder")

    try:
        download(url, local, check)
    except Unavailable as error:
        raise Unavailable(f"{error}; go online, or set MODBENCH_DATA to a folder that holds {path}") from error
    except OSError as error:
        raise ModbenchError(f"cannot keep downloads: {error}; set XDG_CACHE_HOME to a folder for them") from error


def _refusal(what: str, path: str, state: State, remedy: str) -> ModbenchError:
    got = f"got {state.found}"
    if state.size is not None:
        with state.where.open("rb") as file:  # tells a web page or a Git LFS pointer at a glance
            got += f" ({state.size:,} bytes, beginning {file.read(24).decode('utf-8', 'replace')!a})"
    return ModbenchError(f"{what} is not the pinned {path}: expected git blob {pinned(path).blob}, {got}; {remedy}")


def git_blob_id(path: Path) -> str:
    """The id that git gives to a file's content: SHA-1 of `"blob <size>\\0"` and the content, in hex."""
    return _digest(path, hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False))


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    return _digest(path, hashlib.sha256())


def _digest(path: Path, digest: hashlib._Hash) -> str:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
