"""What goes to which stream, and in which form."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ffenc.cli.output.logs import logging_to
from ffenc.cli.output.screen import Screen, visible
from ffenc.config import VideoEncoderConfig
from ffenc.json_text import as_json
from tests.terminal_screen import TerminalScreen


@dataclass(frozen=True)
class Inner:
    fps: Fraction
    path: Path


def test_json_has_exact_rates_as_text_and_everything_else_as_json() -> None:
    value = {
        "a": Inner(fps=Fraction(30000, 1001), path=Path("x/y")),
        "b": (1, None, True, 2.5),
        "c": VideoEncoderConfig(g=3),
    }
    assert as_json(value) == {
        "a": {"fps": "30000/1001", "path": "x/y"},
        "b": [1, None, True, 2.5],
        "c": VideoEncoderConfig(g=3).model_dump(),
    }


def test_a_result_as_json_is_all_there_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen.of(as_json=True)
    screen.note("not this")
    screen.result({"name": "caf\u00e9 \udcff", "n": 1}, Table("nor this"))
    out, err = capsys.readouterr()
    assert json.loads(out) == {"name": "caf\u00e9 \udcff", "n": 1}
    assert err == ""


def test_a_result_for_people_has_no_blanks_at_the_ends_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("column", "another")
    table.add_row("x", "[bold]y[/bold] :smile:")
    Screen.of(as_json=False).result({}, table)
    out = capsys.readouterr().out
    assert "[bold]y[/bold] :smile:" in out
    assert all(line == line.rstrip() for line in out.splitlines())


def test_a_failure_keeps_long_lines_whole(capsys: pytest.CaptureFixture[str]) -> None:
    command = "command: ffmpeg" + " -i input" * 60
    Screen.of(as_json=False).failure("ffenc", f"it went wrong\n{command}")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["ffenc: it went wrong", command]


def test_a_file_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Screen.of(as_json=False).failure("ffenc", "\x1b[31mred\x07.mp4")
    assert capsys.readouterr().err == "ffenc: \\x1b[31mred\\x07.mp4\n"
    assert visible("a\tb\nc\x9b\u00e9") == "a\tb\nc\\x9b\u00e9"


def test_progress_in_a_file_is_a_line_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("ffenc.cli.output.screen.time.monotonic", lambda: now)
    with Screen.of(as_json=False).progress("encoding", total=90) as progress, Screen.of(as_json=False).steps() as step:
        assert progress is not None
        assert step is not None
        for now in (1001.0, 1059.0, 1060.0, 1061.0, 1119.0, 1121.0):
            progress(int(now), None)
            step(int(now), 2000, "libx264 crf=30")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        *("encoding: 1060 of 90 frames", "1060 of 2000: libx264 crf=30"),
        *("encoding: 1121 of 90 frames", "1121 of 2000: libx264 crf=30"),
    ]


def test_beside_json_there_is_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen.of(as_json=True)
    with screen.progress("encoding") as progress, screen.steps() as step:
        assert progress is None
        assert step is None
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [False, True], ids=["quiet", "verbose"])
def test_log_records_are_lines(verbose: bool, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("ffenc.some.module")
    before = logging.getLogger("ffenc").handlers[:]
    with logging_to(Screen.of(as_json=False).err, verbose=verbose):
        logger.debug("started %s", "[bold]x")
        logger.warning("%s\ncommand: ffmpeg\nits output", " ".join(["reason"] * 100))
    logger.warning("nobody listens any more")
    lines = capsys.readouterr().err.splitlines()
    reasons = "warning: " + " ".join(["reason"] * 100)
    if verbose:
        assert lines == ["debug: ffenc.some.module: started [bold]x", reasons, "command: ffmpeg", "its output"]
    else:
        assert lines == [f"{reasons} (--verbose shows 2 more lines)"]
    assert logging.getLogger("ffenc").handlers == before


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_shows_the_whole_text_at_any_width(width: int) -> None:
    path = "/data" + "/a-rather-long-name-of-a-folder" * 12
    kept = f"an episode of 8 frames was not appended to the dataset; its recording is kept in {path}"
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=True, width=width, highlight=False)
    screen = Screen(out=console, err=console, as_json=False)
    shown = TerminalScreen(width)
    for say in (
        screen.note,
        lambda text: screen.failure("ffenc record failed", text),
        lambda text: logging.getLogger("ffenc.some.module").warning("%s", text),
    ):
        with logging_to(console, verbose=False), Live("the live view", console=console, transient=True):
            say(kept)
    shown.feed(printed.getvalue())
    assert "".join("".join(shown.lines).split()).count("".join(kept.split())) == 3
