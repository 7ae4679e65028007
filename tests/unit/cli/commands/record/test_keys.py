"""Keys are read from a terminal in order, and arrows that belong to an earlier state are dropped."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from ffenc.cli.commands.record import keys as module
from ffenc.cli.commands.record.keys import Key, Keys

RIGHT, LEFT, ESCAPE, UP = b"\x1b[C", b"\x1b[D", b"\x1b", b"\x1b[A"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Keys]]:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin, monkeypatch.context() as patched:
        patched.setattr(module.sys, "stdin", stdin)
        patched.setattr(module.os, "tcgetpgrp", lambda _: os.getpgrp())
        with Keys() as keys:
            yield ours, keys
    os.close(ours)


@pytest.mark.parametrize(
    ("pressed", "left"),
    [
        (b"", None),
        (RIGHT, None),
        (LEFT + RIGHT + UP + b"x", None),
        (ESCAPE, Key.STOP),
        (RIGHT + ESCAPE, Key.STOP),
        (ESCAPE + RIGHT, Key.STOP),
    ],
)
def test_arrows_of_an_earlier_state_are_dropped_and_escape_is_not(
    terminal: tuple[int, Keys], pressed: bytes, left: Key | None
) -> None:
    ours, keys = terminal
    os.write(ours, pressed)
    assert keys.drop_arrows() is left
    assert keys.pressed() is None
    os.write(ours, RIGHT)
    assert keys.pressed() is Key.NEXT


def test_arrow_that_arrives_in_two_parts_is_dropped_whole(
    terminal: tuple[int, Keys], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, keys = terminal
    os.write(ours, RIGHT[:1])
    rest = iter([RIGHT[1:]])
    clock = SimpleNamespace(monotonic=lambda: 10.0, sleep=lambda _: os.write(ours, next(rest)))
    monkeypatch.setattr(module, "time", clock)
    assert keys.drop_arrows() is None
    assert keys.pressed() is None
