"""Names of one camera's files in the directory of an episode.

A finished video is ``laptop.mp4``, a folder of images ``laptop``.  Hidden files say at which frame of the camera they begin:
``.laptop.1a2b3c4d.recording.mp4`` at frame 0, ``..laptop.from120.1a2b3c4d.recording.mp4`` and ``.laptop.from120.mp4`` at
frame 120.  A recording may be cut off, or hold raw frames; a part of a failed encoder is a complete video.
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
        is_recording: it may be cut off, or holds raw frames; otherwise it is a complete video.
    """

    path: Path
    first_frame: int
    is_recording: bool


def video_path(directory: Path, camera: str, suffix: str) -> Path:
    """Return the finished video of a camera."""
    return directory / f"{camera}{suffix}"


def find_video(directory: Path, camera: str) -> Path | None:
    """Return the finished video of a camera if there is one, whatever its container."""
    paths = [video_path(directory, camera, suffix) for suffix in (".mp4", ".mov")]
    return next((path for path in paths if path.exists()), None)


def images_path(directory: Path, camera: str) -> Path:
    """Return the folder of a camera's images."""
    return directory / camera


def part_path(video: Path, first_frame: int) -> Path:
    """Return the complete video of the frames that one encoder made, from ``first_frame`` on."""
    return video.with_name(f".{video.stem}.from{first_frame}{video.suffix}")


def find_parts(directory: Path, camera: str) -> list[VideoPart]:
    """Return every hidden part of a camera's video, sorted by its first frame."""
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
