"""Name and find the files of one camera in the directory of an episode.

A finished video is ``laptop.mp4``, and a directory of images is ``laptop``.  The name of a hidden file contains its first
frame: ``.laptop.1a2b3c4d.recording.mp4`` begins at frame 0, ``..laptop.from120.1a2b3c4d.recording.mp4`` and
``.laptop.from120.mp4`` at frame 120.  A recording may be cut off or hold raw frames.  A part that a failed encoder left is a
complete video.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ffenc.video.recording import final_of

_CONTINUED = re.compile(r"\.(?P<camera>.+)\.from(?P<first>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPart:
    """A hidden file with frames of a camera.

    Attributes:
        path: the file.
        first_frame: number of its first frame.
        is_recording: True if it may be cut off or holds raw frames; False for a complete video.
    """

    path: Path
    first_frame: int
    is_recording: bool


def video_path(directory: Path, camera: str, suffix: str) -> Path:
    """Return the path of a camera's finished video."""
    return directory / f"{camera}{suffix}"


def find_video(directory: Path, camera: str) -> Path | None:
    """Return a camera's finished video in either container, or None if it is missing."""
    paths = [video_path(directory, camera, suffix) for suffix in (".mp4", ".mov")]
    return next((path for path in paths if path.exists()), None)


def images_path(directory: Path, camera: str) -> Path:
    """Return the directory of a camera's images."""
    return directory / camera


def part_path(video: Path, first_frame: int) -> Path:
    """Return the path of a complete part that begins at ``first_frame``."""
    return video.with_name(f".{video.stem}.from{first_frame}{video.suffix}")


def find_parts(directory: Path, camera: str) -> list[VideoPart]:
    """Return all hidden parts of a camera's video, sorted by first frame."""
    found = []
    for path in sorted(directory.iterdir()):
        final = final_of(path)
        is_recording = final != path
        continued = _CONTINUED.fullmatch(final.stem)
        if is_recording and final.stem == camera:  # the name of a camera never begins with a dot
            found.append(VideoPart(path=path, first_frame=0, is_recording=True))
        elif continued is not None and continued["camera"] == camera and path.is_file():
            found.append(VideoPart(path=path, first_frame=int(continued["first"]), is_recording=is_recording))
    return sorted(found, key=lambda part: part.first_frame)
