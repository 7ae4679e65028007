"""The same work done by the other ways there are: PyAV, imageio-ffmpeg, OpenCV, and FFmpeg reading from memory.

Each is used as its documentation or LeRobot uses it.  None of them reads back what it wrote or syncs it to the disk.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from footage import Frames
from machine import thread_policies
from PIL import Image

try:
    import av
except ImportError:
    av = None
try:
    import imageio_ffmpeg
except ImportError:
    imageio_ffmpeg = None
try:
    import cv2
except ImportError:
    cv2 = None

FPS = 30

Write = Callable[[Frames, Path], None]
"""Encodes all frames to a file."""


def writers(encoder: str, options: Mapping[str, str]) -> dict[str, Write]:
    """Every peer that is installed, by name; ``options`` are FFmpeg's options of the encoder."""
    found: dict[str, Write] = {}
    if av is not None:
        found["PyAV, PIL (LeRobot)"] = lambda frames, path: _pyav(frames, path, encoder, options, through_pil=True)
        found["PyAV, ndarray"] = lambda frames, path: _pyav(frames, path, encoder, options, through_pil=False)
    if imageio_ffmpeg is not None:
        found["imageio-ffmpeg"] = lambda frames, path: _imageio(frames, path, encoder, options)
    return found


def imageio_binary() -> str | None:
    """The ffmpeg that comes with imageio-ffmpeg, if it is installed: then everybody can use the same one."""
    return None if imageio_ffmpeg is None else str(imageio_ffmpeg.get_ffmpeg_exe())


def opencv_writers() -> tuple[dict[str, Write], list[str]]:
    """OpenCV's MP4 encoders that open here, and what became of the others.

    They take no quality, so nobody can make their work equal.
    """
    if cv2 is None:
        return {}, ["OpenCV is not installed"]
    works: dict[str, Write] = {}
    failed: list[str] = []
    for code in ("mp4v", "avc1", "av01"):
        if _opencv_opens(code):
            works[f"OpenCV, {code}"] = lambda frames, path, code=code: _opencv(frames, path, code)
        else:
            failed.append(f"OpenCV {cv2.__version__} has no encoder for {code}")
    return works, failed


def pyav_images(images: Sequence[Path], path: Path, encoder: str, options: Mapping[str, str]) -> None:
    """Read images with PIL one after the other and encode them, as LeRobot's ``encode_video_frames``."""
    with Image.open(images[0]) as first:
        width, height = first.size
    with _pyav_output(path, encoder, options, width, height) as (container, stream):
        for image in images:
            with Image.open(image) as picture:
                container.mux(stream.encode(av.VideoFrame.from_image(picture.convert("RGB"))))


def pyav_concat(clips: Sequence[Path], path: Path) -> None:
    """Join by stream copy in process, as LeRobot's ``concatenate_video_files``: no check before, none after."""
    with tempfile.NamedTemporaryFile("w", suffix=".ffconcat") as listing:
        listing.write("ffconcat version 1.0\n")
        listing.writelines(f"file '{clip.resolve()}'\n" for clip in clips)
        listing.flush()
        with (
            av.open(listing.name, format="concat", options={"safe": "0"}) as source,
            av.open(str(path), "w", options={"movflags": "faststart"}) as target,
        ):
            video = source.streams.video[0]
            copy = target.add_stream_from_template(video, opaque=True)
            copy.time_base = video.time_base
            for packet in source.demux(video):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)


def pyav_svt_version() -> str:
    """Version of the SVT-AV1 that PyAV brings, which only the library itself prints when it starts."""
    if av is None:
        return "?"
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as said:
        frames = np.zeros((2, 64, 64, 3), np.uint8)
        with _stderr_to(said.fileno(), SVT_LOG="3"):
            _pyav(frames, Path(directory) / "a.mp4", "libsvtav1", {}, through_pil=False)
        said.seek(0)
        found = re.search(rb"Encoder Lib v(\S+)", said.read())
    return found[1].decode() if found else "?"


def pyav_thread_policies(frames: Frames, options: Mapping[str, str]) -> str:
    """Scheduling policies of our own threads while SVT-AV1 runs inside PyAV."""
    if av is None:
        return "PyAV is not installed"
    _, height, width, _ = frames.shape
    with (
        tempfile.TemporaryDirectory() as directory,
        _pyav_output(Path(directory) / "a.mp4", "libsvtav1", options, width, height) as (container, stream),
    ):
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        return thread_policies()


def _pyav(frames: Frames, path: Path, encoder: str, options: Mapping[str, str], *, through_pil: bool) -> None:
    _, height, width, _ = frames.shape
    with _pyav_output(path, encoder, options, width, height) as (container, stream):
        for number, frame in enumerate(frames):
            if through_pil:
                picture = av.VideoFrame.from_image(Image.fromarray(frame))
            else:
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(picture))


@contextmanager
def _pyav_output(
    path: Path, encoder: str, options: Mapping[str, str], width: int, height: int
) -> Iterator[tuple[Any, Any]]:
    os.environ.setdefault("SVT_LOG", "1")  # errors only: in our process it would print to our terminal
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, FPS, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        yield container, stream
        container.mux(stream.encode())
    # FFmpeg processes must not inherit it: ffenc learns SVT-AV1's version from what it prints.
    os.environ.pop("SVT_LOG", None)


def _imageio(frames: Frames, path: Path, encoder: str, options: Mapping[str, str]) -> None:
    _, height, width, _ = frames.shape
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=FPS,
        codec=encoder,
        quality=None,
        macro_block_size=1,
        ffmpeg_log_level="error",
        output_params=[part for name, value in options.items() for part in (f"-{name}", value)],
    )
    writer.send(None)
    for frame in frames:
        writer.send(frame)
    writer.close()


def _opencv(frames: Frames, path: Path, code: str) -> None:
    _, height, width, _ = frames.shape
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), float(FPS), (width, height))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()


def _opencv_opens(code: str) -> bool:
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as said, _stderr_to(said.fileno()):
        path = Path(directory) / "a.mp4"
        _opencv(np.zeros((4, 480, 640, 3), np.uint8), path, code)
        return path.is_file() and path.stat().st_size > 1000


@contextmanager
def _stderr_to(descriptor: int, **environment: str) -> Iterator[None]:
    """Send what C libraries print to a file for a while."""
    kept, before = os.dup(2), {name: os.environ.get(name) for name in environment}
    os.dup2(descriptor, 2)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
