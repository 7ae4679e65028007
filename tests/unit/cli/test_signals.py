"""A signal ends the work by an exception, wherever it arrives."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from ffenc.cli.signals import signals_as_exceptions

LONG_S = 10.0


class RaisesWhenItDies:
    """What a signal does that arrives in a finaliser."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __del__(self) -> None:
        raise self.error


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["term", "hup"])
def test_a_signal_is_an_exit_with_its_number(number: signal.Signals, status: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as caught, signals_as_exceptions():
        os.kill(os.getpid(), number)
        time.sleep(LONG_S)
    assert caught.value.code == status
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), SystemExit(129)], ids=["int", "term", "hup"])
def test_an_exception_that_python_dropped_comes_again(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, signals_as_exceptions():
        RaisesWhenItDies(error)
        time.sleep(LONG_S)
    assert getattr(caught.value, "code", None) == getattr(error, "code", None)


def test_other_dropped_exceptions_go_where_they_went_before(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(unraisable.exc_value))
    before = sys.unraisablehook
    error = ValueError("a finaliser's own")
    with signals_as_exceptions():
        RaisesWhenItDies(error)
    assert seen == [error]
    assert sys.unraisablehook is before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_as_exceptions():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_is_left_alone() -> None:
    """Only the main thread may set handlers; a program that calls ours from another one keeps its own."""
    failures: list[BaseException] = []

    def call() -> None:
        try:
            with signals_as_exceptions():
                pass
        except BaseException as err:
            failures.append(err)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert failures == []
