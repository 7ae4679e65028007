"""The live view of a recording leaves no stale lines when its terminal is resized."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from tests.record_terminal import Terminal

pytestmark = [pytest.mark.integration, pytest.mark.one_build]
pytest.importorskip("pyarrow")

NAMES = ("laptop", "a-camera-with-a-long-name")
WIDTHS = (120, 40, 80)


def test_live_view_has_no_stale_lines_on_a_resized_terminal(tmp_path: Path) -> None:
    source = "{type: ffmpeg, source: testsrc2, format: lavfi, width: 64, height: 64, fps: 30}"
    cameras = f"{{{', '.join(f'{name}: {source}' for name in NAMES)}}}"
    flags = ("--dataset.num_episodes=1", "--dataset.episode_time_s=60")
    terminal = Terminal(tmp_path, *flags, cameras=cameras, width=WIDTHS[0])
    try:
        terminal.read_until("s left,")
        for width in (*WIDTHS, *WIDTHS):
            terminal.resize(width)
            check_until_drawn(terminal, width)
        terminal.press(b"\x1b")
        assert terminal.end() == 0, terminal.text
    finally:
        terminal.close()
    assert not [line for line in terminal.screen.lines if "s left," in line or "frames/s" in line]


def check_until_drawn(terminal: Terminal, width: int) -> None:
    """Check the view after it was drawn at a new width; stale lines would stay, and half a view does not."""
    terminal.read_for(0.6)  # the view is drawn four times a second
    for _ in range(8):
        with suppress(AssertionError):
            check_view(terminal.screen.lines, width)
            return
        terminal.read_for(0.3)
    check_view(terminal.screen.lines, width)


def check_view(lines: list[str], width: int) -> None:
    """Check that the terminal shows two notes and one view, which has a title, headings and a row for each camera."""
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert text.count("s left,") == 1, text
    assert text.count("camera  ") == 1, text
    title = next(number for number, line in enumerate(lines) if line.startswith("episode 1 of 1: "))
    assert lines[0].startswith("opening 2 cameras: ")
    assert "".join(lines[:title]) == f"opening 2 cameras: {', '.join(NAMES)}recording 1 episode of 60 s into dataset"
    headings = next(number for number, line in enumerate(lines) if line.startswith("camera  "))
    assert " ".join(lines[title:headings]).endswith("(right arrow: next, left arrow: again, Esc: stop)")
    rows = lines[headings + 1 :]
    assert len(rows) == len(NAMES), text
    assert [row[:3] for row in rows] == [name[:3] for name in NAMES]
