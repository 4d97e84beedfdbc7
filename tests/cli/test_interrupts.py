"""Ctrl-C while a library swallows whatever is raised."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from modbench.cli.interrupts import lasting_interrupt


@pytest.fixture(autouse=True)
def usual_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_swallowed_interrupt_is_raised_at_the_next_check() -> None:
    with lasting_interrupt() as check:
        check()
        with contextlib.suppress(BaseException):
            interrupt()
        with pytest.raises(KeyboardInterrupt):
            check()


def test_one_that_nobody_swallows_is_raised_at_once_and_the_handler_put_back() -> None:
    with pytest.raises(KeyboardInterrupt), lasting_interrupt():
        interrupt()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_the_signal_is_ignored_it_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with lasting_interrupt() as check:
        interrupt()
        check()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
