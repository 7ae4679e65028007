"""What ffmpeg prints about a camera, as printed by FFmpeg 4.2 to 9.0 with ``-loglevel level+info``."""

from __future__ import annotations

import pytest

from ffenc.video.camera_complaints import advice, complaints

START_UP = [
    "[info] Input #0, lavfi, from 'testsrc2':",
    "[info] Stream mapping:",
    "[swscaler @ 0x55d1] [warning] deprecated pixel format used, make sure you did set range correctly",
    "[mjpeg @ 0x55d1] [warning] Format mjpeg detected only with low score of 25, misdetection possible!",
]
REFUSED = [
    "[tcp @ 0x136a9b00] [error] Connection to tcp://127.0.0.1:9?timeout=0 failed: Connection refused",
    "[in#0 @ 0x136a6b80] [error] Error opening input: Connection refused",
    "[error] Error opening input file rtsp://h/x.",
    "[fatal] Error opening input files: Connection refused",
]
UNKNOWN_PROTOCOL = [
    "[in#0 @ 0x136a6b80] [error] Error opening input: Protocol not found",
    "[error] Error opening input file foo://a/b.",
    "[fatal] Error opening input files: Protocol not found",
]


@pytest.mark.parametrize(
    ("lines", "shown", "advised"),
    [
        (START_UP, [], ""),
        (
            [*START_UP, *REFUSED],
            ["tcp: Connection to tcp://127.0.0.1:9?timeout=0 failed: Connection refused"],
            "check the address",
        ),
        (
            UNKNOWN_PROTOCOL,
            [
                "Error opening input: Protocol not found",
                "Error opening input file foo://a/b.",
                "Error opening input files: Protocol not found",
            ],
            "this FFmpeg lacks the protocol",
        ),
        (
            ["[http @ 0x5] [warning] HTTP error 401 Unauthorized"],
            ["http: HTTP error 401 Unauthorized"],
            "check the user",
        ),
        ([f"[error] line {number}" for number in range(9)], [f"line {number}" for number in range(5, 9)], ""),
        (["[error] again"] * 5, ["again"], ""),
        (["device is gone"], [], ""),
    ],
)
def test_complaints(lines: list[str], shown: list[str], advised: str) -> None:
    text = complaints(lines)
    assert text.splitlines() == shown
    assert advice(text).startswith(advised)
    assert bool(advice(text)) is bool(advised)


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("/dev/video0: Device or resource busy", "another program"),
        ("Cannot open video device /dev/video0: Permission denied", "add your user to the group"),
        ("Connection to tcp://h:1 failed: No route to host", "on this network"),
        ("Could not find codec parameters for stream 0 (Video: h264): unspecified size", "analyzeduration"),
        ("Decoding requested, but no decoder found for: av1", "choose another codec"),
        ("The V4L2 driver changed the time per frame from 1/30 to 1/15; ioctl(VIDIOC_S_PARM)", "ffenc cameras"),
        ("moov atom not found: Invalid data found when processing input", "set format"),
    ],
)
def test_advice(reason: str, remedy: str) -> None:
    assert remedy in advice(reason)
