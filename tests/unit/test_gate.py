"""A gate opens for all who wait, and an interrupt of a wait leaves it intact."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ffenc.threads import Gate


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Interrupt the main thread every few hundred microseconds, as Ctrl-C does."""

    def interrupt(*_: Any) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_gate_opens_for_all_who_wait() -> None:
    gate, seen = Gate(), []
    threads = [threading.Thread(target=lambda: seen.append(gate.wait())) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert not gate.wait(0.001)
    gate.open()
    gate.open()
    for thread in threads:
        thread.join(20)
    assert seen == [True] * 3
    assert gate.wait(0)


@pytest.mark.usefixtures("interrupts")
def test_interrupt_of_a_wait_is_raised_as_such_and_leaves_the_gate_intact() -> None:
    for number in range(2000):
        gate = Gate()
        try:
            signal.setitimer(signal.ITIMER_REAL, 10e-6 + number % 100 * 1e-6)
            while True:
                gate.wait(20e-6)
        except InterruptedError:
            pass
        gate.open()
        assert gate.wait(20)
