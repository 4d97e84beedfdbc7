"""One file from one address, whole or not at all."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from modbench.errors import ModbenchError

ATTEMPTS = 4
TIMEOUT = 30.0
"""Seconds without a byte after which a connection is given up."""
PAUSE = 1.0
"""Seconds before the second attempt; doubled before each later one."""

PASSING_STATUS = (408, 429, 500, 502, 503, 504)


class Unavailable(ModbenchError):
    """A file that cannot be had here and now, which says nothing against its content."""


def download(url: str, target: Path, check: Callable[[Path], None]) -> None:
    """Fetches `url` to `target`, which appears there only when it is complete and `check` accepts it.

    An interrupted transfer goes on where it stopped, in this call or a later one, from `<target>.part`. Processes
    that want the same file wait for the first and then use what it fetched.

    Args:
        check: called with the complete file; raises `ModbenchError` on wrong content, which is then fetched anew.

    Raises:
        Unavailable: the network or the server failed `ATTEMPTS` times, or the server has no such file.
        ModbenchError: what `check` raised, if every attempt brought wrong content.
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
            except ModbenchError as wrong:
                part.unlink()
                failure = wrong
            except (OSError, ValueError, http.client.HTTPException) as error:
                failure = Unavailable(f"cannot download {url}: {error}")
                if isinstance(error, urllib.error.HTTPError) and error.code not in PASSING_STATUS:
                    break
            else:
                part.replace(target)
                return
        raise failure


def _transfer(url: str, part: Path) -> None:
    """Brings `part` to the full length of `url`, by its missing end if the server can send ranges."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing lies beyond what is here: complete, which the caller checks
            return
        raise
    with response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if response.status == 206 and not resumed:
            raise OSError("the server sent another range than the one asked for")
        expected = response.headers.get("Content-Length")
        received = 0
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(1 << 16):
                file.write(chunk)
                received += len(chunk)
    if expected is not None and received != int(expected):
        raise OSError(f"the connection broke after {received} of {expected} bytes")
