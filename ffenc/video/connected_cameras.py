"""List the cameras that are connected to this machine, with their modes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ffenc.errors import CapabilityError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.plan.capture import plan_mode_listing
from ffenc.video.camera_complaints import advice

# "Raw       :     yuyv422 :           YUYV 4:2:2 : 640x480 320x240", of FFmpeg's libavdevice/v4l2.c since version 1.1.
_MODE = re.compile(
    r"^(?:\[[^\]]*\] )?(?P<kind>Raw|Compressed)\s*:\s*(?P<format>\S+) :\s*(?P<title>.*?) :(?P<emulated> Emulated :)?"
    r"(?P<sizes>(?: \d+x\d+| \{\d+-\d+, \d+\}x\{\d+-\d+, \d+\})*)\s*$"
)
_SIZE = re.compile(r" (?:(\d+)x(\d+)|\{(\d+-\d+, \d+)\}x\{(\d+-\d+, \d+)\})")
_ERROR = re.compile(
    r"(?:Cannot open video device|Error opening input|ioctl\().*?: (?P<reason>[^:]+?)\.?$", re.MULTILINE
)
_UNKNOWN = "Unsupported"  # FFmpeg's name of a format that it cannot read
_NO_CAPTURE = "Not a video capture device"
_NOT_LINUX = {
    "darwin": "ffmpeg -f avfoundation -list_devices true -i '' lists those of this Mac; give a number as source and "
    "format: avfoundation",
    "win32": "ffmpeg -f dshow -list_devices true -i dummy lists those of Windows",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraMode:
    """A format in which a camera sends frames.

    Attributes:
        input_format: its name for the option ``input_format``; None if FFmpeg cannot read it.
        is_compressed: whether the camera compresses frames (MJPEG, H.264).
        title: name of the format, from the driver.
        sizes: ``(width, height)`` of each size, in the driver's order; empty if it takes a range.
        size_range: ``32-1920, 2 x 32-1080, 2`` (smallest, largest, step) if it takes a range.
    """

    input_format: str | None
    is_compressed: bool
    title: str
    sizes: tuple[tuple[int, int], ...]
    size_range: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedCamera:
    """A device that records video.

    Attributes:
        device: its path, e.g. ``/dev/video0``; the number may change when cameras are plugged in again.
        stable: a path that stays the same, by the camera's serial number; None if the system has none.
        name: name of the camera, from the driver.
        modes: what it sends; empty if it cannot be opened.
        problem: why it cannot be opened, and what to do; empty if it can.
    """

    device: str
    stable: str | None
    name: str
    modes: tuple[CameraMode, ...]
    problem: str = ""


def find_connected_cameras(
    binaries: Binaries, *, root: Path = Path("/"), platform: str = sys.platform
) -> list[ConnectedCamera]:
    """Return the video capture devices of Linux (V4L2), without nodes that only carry metadata.

    Sizes and formats are FFmpeg's.  It lists no frame rates.

    Args:
        binaries: the executables.
        root: directory in which ``sys`` and ``dev`` are.
        platform: as ``sys.platform``.

    Raises:
        CapabilityError: this system is not Linux.
        ProcessError: FFmpeg could not be started, or hangs.
    """
    if platform != "linux":
        other = _NOT_LINUX.get(platform, "")
        raise CapabilityError(f"cameras are listed on Linux only{'; ' if other else ''}{other}")
    found = []
    nodes = (root / "sys/class/video4linux").glob("video*")
    for node in sorted(nodes, key=lambda path: int(path.name.removeprefix("video") or -1)):
        device = root / "dev" / node.name
        name = _text_of(node / "name") or node.name
        if not device.exists():
            problem = f"{device} does not exist; in a container, start it with --device={device}"
            found.append(ConnectedCamera(device=str(device), stable=None, name=name, modes=(), problem=problem))
            continue
        printed = run_tool(plan_mode_listing(binaries.ffmpeg, str(device)), check=False).stderr
        modes, problem = parse_modes(printed), ""
        if not modes:
            problem = _problem(printed)
            if not problem:
                continue  # it carries metadata, or only plays video
        stable = _stable_name(root / "dev/v4l/by-id", device)
        found.append(ConnectedCamera(device=str(device), stable=stable, name=name, modes=modes, problem=problem))
    return found


def parse_modes(text: str) -> tuple[CameraMode, ...]:
    """Read what FFmpeg prints for ``-f v4l2 -list_formats all``."""
    modes = []
    for line in text.splitlines():
        mode = _MODE.match(line)
        if mode is None:
            continue
        sizes = [(int(each[1]), int(each[2])) for each in _SIZE.finditer(mode["sizes"]) if each[1]]
        ranges = [f"{each[3]} x {each[4]}" for each in _SIZE.finditer(mode["sizes"]) if each[3]]
        modes.append(
            CameraMode(
                input_format=None if mode["format"] == _UNKNOWN else mode["format"],
                is_compressed=mode["kind"] == "Compressed",
                title=mode["title"],
                sizes=tuple(dict.fromkeys(sizes)),
                size_range="; ".join(ranges),
            )
        )
    return tuple(modes)


def suggested_settings(cameras: Iterable[ConnectedCamera]) -> dict[str, dict[str, object]]:
    """Return settings for ``--cameras`` by name: every camera that can be opened, in MJPEG or another format that it has.

    MJPEG comes first, because several raw cameras exceed the bandwidth of USB.  The size is the largest up to 640x480, or else
    the smallest.
    """
    settings: dict[str, dict[str, object]] = {}
    for camera in cameras:
        known = [mode for mode in camera.modes if mode.input_format]
        if not known:
            continue
        mode = next((each for each in known if each.input_format == "mjpeg"), known[0])
        block: dict[str, object] = {"type": "ffmpeg", "source": camera.stable or camera.device}
        if mode.sizes:
            block["width"], block["height"] = _usual_size(mode.sizes)
        block["options"] = {"input_format": mode.input_format}
        settings[_free_name(camera.name, settings)] = block
    return settings


def _usual_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    small = [size for size in sizes if size[0] <= 640 and size[1] <= 480]
    area = [width * height for width, height in small or sizes]
    return (small or list(sizes))[area.index(max(area) if small else min(area))]


def _free_name(title: str, taken: Iterable[str]) -> str:
    # Drivers name USB cameras "HD Pro Webcam C920: HD Pro Webcam".
    name = re.sub(r"[^a-z0-9]+", "_", title.partition(":")[0].lower()).strip("_") or "camera"
    numbers = (f"{name}_{number}" for number in range(2, 10**6))
    return name if name not in taken else next(each for each in numbers if each not in taken)


def _problem(printed: str) -> str:
    if _NO_CAPTURE in printed:
        return ""
    reasons = _ERROR.findall(printed)
    reason = next((each for each in reasons if "Immediate exit" not in each), "")
    remedy = advice(reason)
    return f"{reason}; {remedy}" if reason and remedy else reason


def _stable_name(folder: Path, device: Path) -> str | None:
    links = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((str(link) for link in links if os.path.realpath(link) == os.path.realpath(device)), None)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
