"""``ffenc cameras``: list the connected cameras, with a block for ``--cameras``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from jsonargparse import Namespace
from rich.text import Text

from ffenc.cli.output.results import count_text, pairs_table
from ffenc.cli.output.screen import Screen, visible
from ffenc.cli.parsing.arguments import binaries_of
from ffenc.video.connected_cameras import CameraMode, ConnectedCamera, find_connected_cameras, suggested_settings

_NONE = """\
no camera is connected (/sys/class/video4linux lists no video device)
- A USB camera: check the cable, and whether lsusb lists it. In a container, start it with --device=/dev/video0.
- A network camera is named by its URL: --cameras='{front: {type: ffmpeg, source: rtsp://10.0.0.7/live}}'
- A test pattern: --cameras='{test: {type: ffmpeg, source: testsrc2, format: lavfi, width: 640, height: 480, fps: 30}}'"""


def cameras(arguments: Namespace, screen: Screen) -> None:
    """List the cameras of this machine."""
    found = find_connected_cameras(binaries_of(arguments))
    settings = suggested_settings(found)
    document = {"cameras": [_document(camera) for camera in found], "settings": settings}
    if not found:
        screen.result(document, Text(_NONE))
        return
    tables = [pairs_table(_rows(camera), title=f"{camera.device}: {camera.name}") for camera in found]
    screen.result(document, *tables)
    if settings and not screen.as_json:
        screen.lines(f"\nfor ffenc record (rename the cameras, and add fps):\n{cameras_flag(settings)}")
    screen.note(f"{count_text(len(found), 'camera')}; FFmpeg lists no frame rates; v4l2-ctl --list-formats-ext does")


def cameras_flag(settings: Mapping[str, Mapping[str, object]]) -> str:
    """Return ``--cameras='{...}'`` with a line for each camera."""
    blocks = [f"{name}: {_flow(block)}" for name, block in settings.items()]
    inside = ",\n            ".join(blocks)
    return f"--cameras='{{{inside}}}'"


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_flow(each)}' for name, each in value.items())}}}"
    # JSON strings are also YAML; plain ones need no quotes.
    text = str(value)
    return (
        text if text.replace("/", "").replace("_", "").replace("-", "").replace(".", "").isalnum() else json.dumps(text)
    )


def _rows(camera: ConnectedCamera) -> Iterator[tuple[str, str]]:
    if camera.stable:
        yield "stable path", camera.stable
    if camera.problem:
        yield "problem", camera.problem
    for mode in camera.modes:
        yield mode.input_format or "unknown", f"{_kind(mode)}: {_sizes(mode) or 'no sizes are listed'}"


def _kind(mode: CameraMode) -> str:
    return visible(f"{mode.title}{' (compressed)' if mode.is_compressed else ''}")


def _sizes(mode: CameraMode) -> str:
    return ", ".join(
        [*(f"{width}x{height}" for width, height in mode.sizes), *([mode.size_range] if mode.size_range else [])]
    )


def _document(camera: ConnectedCamera) -> dict[str, object]:
    modes = [
        {
            "input_format": mode.input_format,
            "compressed": mode.is_compressed,
            "title": mode.title,
            "sizes": [f"{width}x{height}" for width, height in mode.sizes],
            "size_range": mode.size_range or None,
        }
        for mode in camera.modes
    ]
    return {
        "device": camera.device,
        "stable": camera.stable,
        "name": camera.name,
        "modes": modes,
        "problem": camera.problem or None,
    }
