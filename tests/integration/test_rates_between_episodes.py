"""The live view keeps the encoding rates of the last episode during the reset time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.record_terminal import Terminal

pytestmark = [pytest.mark.integration, pytest.mark.one_build]
pytest.importorskip("pyarrow.parquet")


def test_encoding_rate_does_not_sink_during_the_reset(tmp_path: Path) -> None:
    terminal = Terminal(
        tmp_path, "--dataset.num_episodes=2", "--dataset.episode_time_s=1.5", "--dataset.reset_time_s=30"
    )
    try:
        terminal.read_until("starts in")
        rates = []
        for _ in range(2):
            terminal.read_for(1.2)
            rates.append(terminal.screen.lines[-1].split()[4:6])
        terminal.press(b"\x1b")
        assert terminal.end() == 0
    finally:
        terminal.close()
    assert rates[0] == rates[1]
    assert rates[0][1].endswith("x")
