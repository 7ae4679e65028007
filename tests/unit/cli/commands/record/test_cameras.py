"""``--cameras``: what is understood, and what each mistake says."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from ffenc.cli.commands.record.cameras import FFmpegCamera, OpenCVCameraSettings, parse_cameras
from ffenc.cli.parsing.arguments import UsageError
from ffenc.cli.parsing.values import load_value
from ffenc.plan.capture import LiveSource


def parsed(text: str) -> dict[str, Any]:
    return parse_cameras(load_value(text))


def test_the_cameras_of_the_documentation() -> None:
    cameras = parsed(
        "{laptop: {type: ffmpeg, source: /dev/video0, width: 640, height: 480, fps: 30}, "
        "wrist: {type: ffmpeg, source: testsrc2, format: lavfi}, "
        "phone: {type: opencv, index_or_path: 0, width: 640, height: 480, fps: 30}}"
    )
    assert list(cameras) == ["laptop", "wrist", "phone"]
    laptop, wrist, phone = cameras.values()
    assert isinstance(laptop, FFmpegCamera)
    assert laptop.live_source() == LiveSource(source="/dev/video0", width=640, height=480, fps=Fraction(30))
    assert wrist.live_source() == LiveSource(source="testsrc2", format="lavfi")
    assert isinstance(phone, OpenCVCameraSettings)
    assert (phone.index_or_path, phone.rate) == (0, Fraction(30))


def test_all_settings_reach_the_source() -> None:
    (camera,) = parsed(
        "{a: {type: ffmpeg, source: a.mp4, format: mov, width: 64, height: 48, fps: 30000/1001, loop: true, "
        "convert: true, depth: true, options: {rtsp_transport: tcp, thread_queue_size: 8}}}"
    ).values()
    assert camera.live_source() == LiveSource(
        source="a.mp4",
        format="mov",
        width=64,
        height=48,
        fps=Fraction(30000, 1001),
        loop=True,
        convert=True,
        depth=True,
        options={"rtsp_transport": "tcp", "thread_queue_size": "8"},
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "needs a name and settings"),
        ("[1]", "needs a name and settings"),
        ("{a: /dev/video0}", "a was given '/dev/video0'"),
        ("{a/b: {type: ffmpeg, source: x}}", "'a/b' cannot be the name"),
        ("{a: {source: x}}", "a needs type: ffmpeg"),
        (
            "{a: {type: intelrealsense, serial: 1}}",
            "a needs type: ffmpeg .* or type: opencv; 'intelrealsense' is not one of them",
        ),
        ("{a: {type: ffmpeg}}", "a.source is missing"),
        (
            "{a: {type: ffmpeg, source: x, width: -1, height: 2}}",
            "a.width: Input should be greater than or equal to 1, but got -1",
        ),
        ("{a: {type: ffmpeg, source: x, fps: fast}}", "a.fps: frame rate 'fast' is not a number"),
        ("{a: {type: ffmpeg, source: x, colour: 1}}", "a.colour is not a setting .* expected .*width, height, fps"),
        (
            "{a: {type: opencv, index_or_path: 0, rotation: 90}}",
            "a.rotation is not a setting of cameras of type opencv",
        ),
        ("{a: {type: ffmpeg, source: x, fps: 29.97}}", "a.fps"),
        ("{a: {type: ffmpeg, source: x, fps: 0}}", "must be above 0"),
        ("{a: {type: ffmpeg, source: x, width: 640}}", "width and height"),
        ("{a: {type: ffmpeg, source: x, width: 0, height: 4}}", "a.width"),
        ("{a: {type: ffmpeg, source: /dev/video0, loop: true}}", "loop is only for files"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parsed(text)
