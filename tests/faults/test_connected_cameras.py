"""Connected cameras: from a made-up /sys and /dev, and an executable that prints what FFmpeg prints for each node.

The lines have the layout of ``list_formats`` and ``list_framesizes`` in FFmpeg's libavdevice/v4l2.c ("Raw       : %11s : %20s :",
" %ux%u", " {%u-%u, %u}x{%u-%u, %u}"), which has not changed from 1.1 to 9.0.  No camera was connected to record them.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import yaml

from ffenc.cli.commands.record import list_cameras
from ffenc.cli.commands.record.cameras import parse_cameras
from ffenc.cli.main import main
from ffenc.errors import CapabilityError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.video.connected_cameras import find_connected_cameras, parse_modes, suggested_settings

LEVEL = "[video4linux2,v4l2 @ 0x55d1fb3a5640] "
WEBCAM = f"""\
{LEVEL}Raw       :     yuyv422 :           YUYV 4:2:2 : 640x480 160x120 1280x720
{LEVEL}Compressed:       mjpeg :          Motion-JPEG : 1280x720 640x480 320x240 640x480
{LEVEL}Compressed:        h264 :                H.264 : 1920x1080
{LEVEL}Compressed: Unsupported :    a format: of its : 640x480
[in#0 @ 0x55d1fb34] Error opening input: Immediate exit requested
Error opening input file /dev/video0."""
SENSOR = """\
[in#0 @ 0x563dc9ad8080] Raw       :        gray :       8-bit Greyscale : Emulated : {32-1920, 2}x{32-1080, 2}
/dev/video4: Immediate exit requested"""
PRINTS = {
    "video0": WEBCAM,
    "video1": f"{LEVEL}/dev/video1: Immediate exit requested",  # metadata of the same camera
    "video2": f"{LEVEL}Not a video capture device.\n[in#0 @ 0x5] Error opening input: No such device",
    "video3": f"{LEVEL}Cannot open video device X: Permission denied\n[in#0 @ 0x5] Error opening input: Permission denied",
    "video4": SENSOR,
    "video10": WEBCAM,
}
NAMES = {
    "video0": "HD Pro Webcam C920: HD Pro Webcam",
    "video3": "Locked",
    "video4": "",
    "video5": "Outside",
    "video10": "HD Pro Webcam C920",
}


def binaries_in(folder: Path) -> Binaries:
    return Binaries(ffmpeg=folder / "ffmpeg", ffprobe=None, ffmpeg_origin="test", ffprobe_origin="test")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return the root of a machine with these nodes; video5 has no device file."""
    for name in [*PRINTS, "video5"]:
        node = tmp_path / "sys/class/video4linux" / name
        node.mkdir(parents=True)
        (node / "name").write_text(f"{NAMES.get(name, 'other')}\n")
    (tmp_path / "dev/v4l/by-id").mkdir(parents=True)
    for name, text in PRINTS.items():
        (tmp_path / "dev" / name).touch()
        (tmp_path / f"{name}.txt").write_text(text + "\n")
    (tmp_path / "dev/v4l/by-id/usb-046d_C920_A1-video-index0").symlink_to("../../video0")
    fake = tmp_path / "ffmpeg"
    fake.write_text(f'#!/bin/sh\nfor device; do :; done\ncat "{tmp_path}/$(basename "$device").txt" >&2\nexit 1\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def test_cameras_are_listed_with_their_modes(machine: Path) -> None:
    binaries = binaries_in(machine)
    found = find_connected_cameras(binaries, root=machine, platform="linux")
    assert [Path(camera.device).name for camera in found] == ["video0", "video3", "video4", "video5", "video10"]
    webcam, locked, sensor, outside, second = found
    assert [(mode.input_format, mode.is_compressed) for mode in webcam.modes] == [
        ("yuyv422", False),
        ("mjpeg", True),
        ("h264", True),
        (None, True),
    ]
    assert webcam.modes[1].sizes == ((1280, 720), (640, 480), (320, 240))
    assert (webcam.name, webcam.problem) == (NAMES["video0"], "")
    assert webcam.stable == str(machine / "dev/v4l/by-id/usb-046d_C920_A1-video-index0")
    assert second.stable is None
    assert locked.problem.startswith("Permission denied; add your user to the group")
    assert (sensor.modes[0].sizes, sensor.modes[0].size_range) == ((), "32-1920, 2 x 32-1080, 2")
    assert outside.problem.endswith(f"--device={machine}/dev/video5")


def test_block_can_be_pasted(machine: Path) -> None:
    binaries = binaries_in(machine)
    settings = suggested_settings(find_connected_cameras(binaries, root=machine, platform="linux"))
    flag = list_cameras.cameras_flag(settings)
    pasted = parse_cameras(yaml.safe_load(flag.removeprefix("--cameras='").removesuffix("'")))
    assert list(pasted) == ["hd_pro_webcam_c920", "video4", "hd_pro_webcam_c920_2"]
    source = pasted["hd_pro_webcam_c920"].live_source()  # type: ignore[union-attr]
    assert (source.size, source.options) == ((640, 480), {"input_format": "mjpeg"})
    assert source.source.endswith("-video-index0")
    assert pasted["video4"].live_source().size is None  # type: ignore[union-attr]


@pytest.mark.parametrize("line", ["Input #0, lavfi, from 'x'", f"{LEVEL}Raw : what", "", "Compressed: x : y : 640x"])
def test_other_lines_are_no_modes(line: str) -> None:
    assert parse_modes(line) == ()


@pytest.mark.parametrize(
    ("platform", "says"), [("darwin", "avfoundation"), ("win32", "dshow"), ("freebsd13", "Linux only")]
)
def test_other_systems_are_refused(platform: str, says: str) -> None:
    with pytest.raises(CapabilityError, match=says):
        find_connected_cameras(binaries_in(Path("nowhere")), platform=platform)


@pytest.mark.parametrize("as_json", [False, True])
def test_command(
    machine: Path, as_json: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    binaries = binaries_in(machine)
    found = find_connected_cameras(binaries, root=machine, platform="linux")
    monkeypatch.setattr(list_cameras, "find_connected_cameras", lambda _: found)
    monkeypatch.setattr(list_cameras, "binaries_of", lambda _: binaries)
    assert main(["cameras", *["--json"] * as_json]) == 0
    printed = capsys.readouterr().out
    if as_json:
        assert [camera["name"] for camera in json.loads(printed)["cameras"]] == [camera.name for camera in found]
    else:
        assert "mjpeg" in printed
        assert "Motion-JPEG (compressed): 1280x720, 640x480, 320x240" in printed
        assert "--cameras='{hd_pro_webcam_c920: {type: ffmpeg, source: " in printed


def test_machine_without_cameras(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_cameras, "find_connected_cameras", lambda _: [])
    monkeypatch.setattr(list_cameras, "binaries_of", lambda _: None)
    assert main(["cameras"]) == 0
    assert capsys.readouterr().out.startswith("no camera is connected")
