"""Ctrl-C once ends, twice discards, three times gives up; SIGTERM and SIGHUP end; afterwards everything is as before."""

from __future__ import annotations

import signal

import pytest

from ffenc.cli.commands.record.interrupts import Interrupts


def test_it_is_counted_and_the_third_is_an_exception() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        assert (interrupts.came(), interrupts.came_again()) == (False, False)
        signal.raise_signal(signal.SIGINT)
        assert (interrupts.came(), interrupts.came_again()) == (True, False)
        signal.raise_signal(signal.SIGINT)
        assert (interrupts.came(), interrupts.came_again()) == (True, True)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_never_discards_and_the_second_escalates(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        signal.raise_signal(number)
        assert (interrupts.came(), interrupts.came_again(), interrupts.ended_by) == (True, False, number)
        with pytest.raises(SystemExit) as caught:
            signal.raise_signal(number)
        assert caught.value.code == 128 + number
    assert signal.getsignal(number) is before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupts.came()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
