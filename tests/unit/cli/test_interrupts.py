"""Ctrl-C once ends, twice discards, three times gives up; afterwards everything is as before."""

from __future__ import annotations

import signal

import pytest

from ffenc.cli.interrupts import Interrupts


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
