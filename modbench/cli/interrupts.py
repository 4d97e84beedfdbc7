"""Ctrl-C that is not lost: what asked to stop is remembered until the next stage of the work."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def lasting_interrupt() -> Iterator[Callable[[], None]]:
    """Within it, the function it gives raises KeyboardInterrupt if Ctrl-C was pressed and nothing came of it.

    Libraries that guard their imports by a bare `except` swallow a KeyboardInterrupt that is raised there. Where the
    signal is ignored, as in a shell's background jobs, or another handler is set, nothing changes.
    """
    asked = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.default_int_handler(number, frame)

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return
    signal.signal(signal.SIGINT, remember)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
