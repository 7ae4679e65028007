"""The log of time steps and the other files of an episode are read back after a crash or on a full disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.recording.recover_episode import find_interrupted, remove_useless
from ffenc.dataset.recording.rows import Capture, Row, RowLog, check_frame, drop_line, read_log, row_line
from ffenc.errors import FrameError
from ffenc.streaming.drop_log import Drop

FEATURES: dict[str, Any] = {
    "state": {"dtype": "float32", "shape": (3,), "names": None},
    "count": {"dtype": "int64", "shape": (1,), "names": None},
    "note": {"dtype": "string", "shape": (1,), "names": None},
}
INFO = DatasetInfo.create(30, FEATURES)


def row(number: int) -> Row:
    values = {"state": np.array([number, np.pi, -0.0], np.float32), "count": np.array([number]), "note": f"é {number}"}
    return Row(task="a task", values=values)


def lines(*numbers: int) -> list[bytes]:
    return [row_line(number, row(number)) for number in numbers]


def damaged_capture(**capture: object) -> bytes:
    return json.dumps({**json.loads(lines(1)[0]), **capture}).encode() + b"\n"


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_values_are_read_back_bit_for_bit(tmp_path: Path) -> None:
    given = [np.array(values, np.float32) for values in ([np.nan, np.inf, -np.inf], [1e-45, 3.4e38, 0.1], [-0.0, 0, 1])]
    log = RowLog(tmp_path / "log")
    end = 0
    for number, state in enumerate(given):
        values = {"state": state, "count": np.array([-(2**63) + number]), "note": 'a "b" \n\\'}
        end = log.write(row_line(number, Row(task="t", values=values)), at=end)
    log.close(at=end)
    read = read_log(tmp_path / "log", INFO).rows.rows
    assert [each.values["state"].tobytes() for each in read] == [state.tobytes() for state in given]
    assert [int(each.values["count"][0]) for each in read] == [-(2**63), -(2**63) + 1, -(2**63) + 2]
    assert read[0].values["note"] == 'a "b" \n\\'


def test_bytes_behind_the_last_step_are_removed(tmp_path: Path) -> None:
    log = RowLog(tmp_path / "log")
    end = log.write(lines(0)[0], at=0)
    log.write(lines(1)[0] * 3, at=end)  # cut short, so it never counted
    end = log.write(lines(1)[0], at=end)
    log.write(b"half a l", at=end)
    log.close(at=end)
    assert (tmp_path / "log").read_bytes() == b"".join(lines(0, 1))


GARBAGE: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 0),
    "cut off": (b"".join(lines(0, 1, 2))[:-9], 2),
    "zeros": (lines(0)[0] + b"\0" * 100 + b"\n" + lines(1)[0], 1),
    "no JSON": (lines(0)[0] + b"\xff\xfe garbage\n" + lines(1)[0], 1),
    "a number": (lines(0)[0] + b"7\n" + lines(1)[0], 1),
    "a list": (lines(0)[0] + b"[]\n", 1),
    "an empty object": (b"{}\n" + lines(0)[0], 0),
    "a missing row": (b"".join(lines(0, 2, 3)), 1),
    "a repeated row": (b"".join(lines(0, 1, 1, 2)), 2),
    "no number": (json.dumps({"task": "t", "values": {}}).encode(), 0),
    "a missing value": (json.dumps({"frame": 0, "task": "t", "values": {"state": [1, 2, 3]}}).encode(), 0),
    "a wrong shape": (lines(0)[0].replace(b"[0.0,", b"["), 0),
    "captures in a list": (lines(0)[0] + damaged_capture(captured_ms=[1], repeated=[]), 1),
    "no captures": (lines(0)[0] + damaged_capture(captured_ms=None, repeated=[]), 1),
    "a capture that is no number": (lines(0)[0] + damaged_capture(captured_ms={"a": "b"}, repeated=[]), 1),
    "captures without repeats": (lines(0)[0] + damaged_capture(captured_ms={"a": 1}), 1),
    "a wrong drop": (lines(0)[0] + b'{"drop": 7}\n' + lines(1)[0], 1),
    "a drop of another step": (lines(0)[0] + drop_line(Drop(step=5, time_s=1, cameras=("a",))) + lines(1)[0], 1),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_damaged_log_is_read_up_to_the_damage(tmp_path: Path, case: str) -> None:
    content, count = GARBAGE[case]
    read = read_log(written(tmp_path / "log", content), INFO)
    assert [int(each.values["count"][0]) for each in read.rows.rows] == list(range(count))


def test_captures_of_other_cameras_count_as_none(tmp_path: Path) -> None:
    captures = [{"a": 0}, {"b": 33}]
    content = [
        row_line(number, replace(row(number), capture=Capture(times_ms=times_ms)))
        for number, times_ms in enumerate(captures)
    ]
    read = read_log(written(tmp_path / "log", b"".join(content)), INFO)
    assert [each.capture and each.capture.times_ms for each in read.rows.rows] == captures
    assert read.rows.captures == ()


def test_drops_are_read_back_in_order(tmp_path: Path) -> None:
    drops = [
        Drop(step=1, time_s=1.5, cameras=("a", "b")),
        Drop(step=2, time_s=2.5, cameras=("b",)),
        Drop(step=5, time_s=3.5, cameras=("a",)),
    ]
    first, second, third, fourth = lines(0, 1, 2, 3)
    content = [first, drop_line(drops[0]), drop_line(drops[1]), second, third, drop_line(drops[2]), fourth]
    read = read_log(written(tmp_path / "log", b"".join(content)), INFO)
    assert len(read.rows) == 4
    assert read.drops == tuple(drops)
    assert read.drops_among(4) == tuple(drops)
    assert read.drops_among(2) == tuple(drops[:2])


def test_missing_log_has_no_steps(tmp_path: Path) -> None:
    assert len(read_log(tmp_path / "none", INFO).rows) == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "the reason was not written"),
        (b"", "the reason was not written"),
        (b"\n\n", "the reason was not written"),
        (b"\xff\xfe\n", "\ufffd\ufffd"),
        (b"\n the disk was full \nand more", "the disk was full"),
    ],
)
def test_reason_of_any_content_is_read(tmp_path: Path, content: bytes | None, reason: str) -> None:
    directory = tmp_path / "meta/ffenc/kept" / "000000-1a2b3c4d"
    directory.mkdir(parents=True)
    written(directory / "rows.jsonl", b"".join(lines(0, 1)))
    if content is not None:
        written(directory / "reason.txt", content)
    (interrupted,) = find_interrupted(tmp_path, INFO)
    assert (interrupted.rows, interrupted.reason) == (2, reason)


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"[]", b'{"cameras": 7}', b'{"cameras": {"a": 7}}'])
def test_unreadable_settings_are_empty(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        written(tmp_path / "recording.json", content)
    assert EpisodeDirectory(path=tmp_path).settings().get("b") is None


def test_remove_useless_keeps_directories_with_a_step(tmp_path: Path) -> None:
    own = tmp_path / "meta/ffenc"
    for place, content in {
        "recording/empty": b"",
        "recording/none": None,
        "recording/some": lines(0)[0],
        "recording/some-restored": None,
        "recording/garbage": b"garbage",
        "kept/empty": b"",
        "kept/some": lines(0)[0],
    }.items():
        (own / place).mkdir(parents=True)
        if content is not None:
            written(own / place / "rows.jsonl", content)
    assert len(find_interrupted(tmp_path, INFO)) == 4
    assert len(list(own.glob("*/*"))) == 7  # looking changes nothing
    remove_useless(tmp_path)
    left = sorted(str(path.relative_to(own)) for path in own.glob("*/*"))
    assert left == ["kept/empty", "kept/some", "recording/garbage", "recording/some"]


@pytest.mark.parametrize("key", ["task", "note"])
def test_text_without_utf8_encoding_is_refused_with_its_name(key: str) -> None:
    frame = {**row(0).values, "task": "a task", key: "bad \ud800 text"}
    with pytest.raises(FrameError, match=f"'{key}' must be text that has a UTF-8 encoding"):
        check_frame(INFO, frame)
