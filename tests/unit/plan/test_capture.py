"""Plans for live sources: how FFmpeg opens each kind."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from ffenc.errors import CameraFormatError
from ffenc.plan.capture import LiveSource, plan_capture

VGA: dict[str, Any] = {"width": 640, "height": 480, "fps": Fraction(30)}


def command(**source: Any) -> str:
    """The command in one line, without the executable."""
    return " ".join(plan_capture("ffmpeg", LiveSource(**source))[1:])


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ({"source": "/dev/video0"}, "device"),
        ({"source": "0", "format": "avfoundation"}, "device"),
        ({"source": ":0.0", "format": "x11grab"}, "device"),
        ({"source": "testsrc2", "format": "lavfi"}, "lavfi"),
        ({"source": "clips/a.mp4"}, "file"),
        ({"source": "a.mjpeg", "format": "mjpeg"}, "file"),
        ({"source": "rtsp://10.0.0.7:554/live"}, "network"),
        ({"source": "HTTP://camera/stream", "format": "mjpeg"}, "network"),
    ],
)
def test_the_kind_of_a_source(source: dict[str, Any], kind: str) -> None:
    assert LiveSource(**source).kind == kind


def test_size_and_rate_of_a_device_are_requested_by_its_options() -> None:
    argv = command(source="/dev/video0", **VGA, options={"input_format": "mjpeg"})
    before, _, behind = argv.partition(" -i /dev/video0 ")
    for option in ("-f v4l2", "-s 640x480", "-framerate 30", "-input_format mjpeg"):
        assert option in before
    assert "realtime" not in behind
    assert behind.endswith("pipe:1")
    assert "-pix_fmt +rgb24" in behind


def test_single_source_filter_gets_size_and_rate_and_a_graph_does_not() -> None:
    assert " -i testsrc2=size=640x480:rate=30 " in command(source="testsrc2", format="lavfi", **VGA)
    assert " -i testsrc2 " in command(source="testsrc2", format="lavfi")
    graph = "testsrc2=size=64x64,hflip"
    assert f" -i {graph} " in command(source=graph, format="lavfi", **VGA)


def test_source_that_is_not_a_camera_is_read_in_real_time() -> None:
    assert "]realtime[" in command(source="a.mp4")
    assert "]realtime[" in command(source="testsrc2", format="lavfi")
    assert "]realtime[" not in command(source="rtsp://camera/")


def test_file_source_opens_no_other_file_and_can_loop() -> None:
    argv = command(source="/clips/a.mp4", loop=True)
    before, _, _ = argv.partition(" -i file:/clips/a.mp4 ")
    assert "-stream_loop -1" in before
    assert "-protocol_whitelist file" in before
    assert "-format_whitelist mov,matroska" in before
    assert "-stream_loop" not in command(source="/clips/a.mp4")


def test_size_and_rate_are_converted_only_on_request() -> None:
    for source in ({"source": "/dev/video0"}, {"source": "a.mp4"}, {"source": "testsrc2", "format": "lavfi"}):
        asked = command(**source, **VGA)
        assert "h=480" not in asked
        assert "]fps=" not in asked
        converted = command(**source, **VGA, convert=True)
        assert "h=480:w=640" in converted
        assert "]fps=fps=30[" in converted
        assert "-s 640" not in converted


def test_depth_camera_is_read_as_16_bit_grey() -> None:
    assert "-pix_fmt +gray16le" in command(source="/dev/video2", depth=True)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"source": "/dev/video0", "width": 640}, "width and height"),
        ({"source": "/dev/video0", "loop": True}, "loop is only for files"),
        ({"source": "a.mp4", "convert": True}, "convert needs a target"),
    ],
)
def test_invalid_camera_is_refused(source: dict[str, Any], says: str) -> None:
    with pytest.raises(CameraFormatError, match=says):
        LiveSource(**source)


@pytest.mark.parametrize(
    ("source", "options", "has", "lacks"),
    [
        ("rtsp://h/a", {}, ["-rtsp_flags prefer_tcp", "-analyzeduration 500000", "-formatprobesize 32768"], []),
        ("RTSPS://h/a", {}, ["-rtsp_flags prefer_tcp"], []),
        ("rtsp://h/a", {"rtsp_transport": "udp"}, ["-rtsp_transport udp"], ["rtsp_flags"]),
        ("rtsp://h/a", {"rtsp_flags": "listen"}, ["-rtsp_flags listen"], ["prefer_tcp"]),
        ("udp://h:1", {"analyzeduration": "9"}, ["-analyzeduration 9", "-formatprobesize 32768"], ["500000", "rtsp"]),
        ("/dev/video0", {}, ["-threads 1"], ["analyzeduration", "probesize", "rtsp"]),
        ("clip.mp4", {}, [], ["analyzeduration", "probesize", "rtsp"]),
    ],
)
def test_options_for_each_kind_of_source(
    source: str, options: dict[str, str], has: list[str], lacks: list[str]
) -> None:
    line = command(source=source, options=options)
    assert [text for text in has if text not in line] == []
    assert [text for text in lacks if text in line] == []


@pytest.mark.parametrize("source", ["rtsp://h/a", "/dev/video0", "clip.mp4"])
def test_raw_video_encoder_has_one_thread_and_holds_no_frame_back(source: str) -> None:
    output = command(source=source).partition("-filter_complex")[2]
    assert "-threads 1" in output
