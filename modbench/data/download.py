"""One file from one address, whole or not at all."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from modbench.errors import ModbenchError, reason

ATTEMPTS = 4
TIMEOUT = 30.0
"""Seconds without a byte after which a connection is given up."""
PAUSE = 1.0
"""Seconds before the second attempt; doubled before each later one."""

PASSING_STATUS = (408, 429, 500, 502, 503, 504)


class Unavailable(ModbenchError):
    """A file that cannot be had here and now, which says nothing against its content."""


class _Broken(Unavailable):
    """A transfer that failed in a way that may pass."""


def download(url: str, target: Path, check: Callable[[Path], None]) -> None:
    """Fetches `url` to `target`, which appears there only when it is complete and `check` accepts it.

    An interrupted transfer goes on where it stopped, in this call or a later one, from `<target>.part`. Processes
    that want the same file wait for the first and then use what it fetched. A terminal sees a progress bar.

    Args:
        check: called with the complete file; raises `ModbenchError` on wrong content, which is then fetched anew.

    Raises:
        Unavailable: the network or the server failed `ATTEMPTS` times, or the server has no such file.
        ModbenchError: what `check` raised, if every attempt brought wrong content.
        OSError: the file cannot be written here.
    """
    from filelock import FileLock

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with FileLock(f"{target}.lock"):
        if target.exists():
            return
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                _transfer(url, part)
                check(part)
            except _Broken as broken:
                failure: ModbenchError = broken
            except Unavailable:
                raise
            except ModbenchError as wrong:
                part.unlink()
                failure = wrong
            else:
                part.replace(target)
                return
        raise failure


def _transfer(url: str, part: Path) -> None:
    """Brings `part` to the full length of `url`, by its missing end if the server can send ranges."""
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    with _network(url):
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code == 416 and have:  # nothing lies beyond what is here: complete, which the caller checks
                return
            raise
    with response:
        resumed = response.status == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink(missing_ok=True)  # so that the next attempt asks for the whole file
            raise _Broken(f"cannot download {url}: the server sent another range than the one asked for")
        start, due = have if resumed else 0, response.length
        bar = tqdm(
            desc=part.stem,
            total=None if due is None else start + due,
            initial=start,
            unit="B",
            unit_scale=True,
            dynamic_ncols=True,
            disable=None,  # where standard error is no terminal
        )
        with part.open("ab" if resumed else "wb") as file, bar:
            while chunk := _read(response, url):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
    if due is not None and (received := part.stat().st_size - start) != due:
        raise _Broken(f"cannot download {url}: the connection broke after {received} of {due} bytes")


def _read(response: http.client.HTTPResponse, url: str) -> bytes:
    with _network(url):
        return response.read(1 << 16)


@contextmanager
def _network(url: str) -> Iterator[None]:
    """Turns what the network or the server does wrong into `Unavailable`; errors of the disk are not its business."""
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException) as error:
        final = isinstance(error, urllib.error.HTTPError) and error.code not in PASSING_STATUS
        raise (Unavailable if final else _Broken)(f"cannot download {url}: {reason(error)}") from error
