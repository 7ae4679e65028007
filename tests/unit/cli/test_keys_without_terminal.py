"""A terminal that is not the controlling one, as after ``setsid``, gives no keys and does not stop the recording."""

from __future__ import annotations

import os

import pytest

from ffenc.cli.commands.record.keys import Keys


def test_terminal_of_another_session_gives_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    try:
        with os.fdopen(theirs, closefd=False) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            with Keys() as keys:
                assert not keys.is_active
    finally:
        os.close(ours)
        os.close(theirs)
