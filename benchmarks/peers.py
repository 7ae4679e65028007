"""The same work with the peers: PyAV, imageio-ffmpeg, OpenCV, and FFmpeg reading from memory.

Each is used as its documentation or LeRobot uses it.  None of them reads back what it wrote or syncs it to the disk.
"""

from __future__ import annotations

import importlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from footage import Frames
from machine import thread_policies
from PIL import Image


def _module(name: str) -> Any:
    """Import a peer; return None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


av, imageio_ffmpeg, cv2 = (_module(name) for name in ("av", "imageio_ffmpeg", "cv2"))

FPS = 30


def installed() -> set[str]:
    """Return the import names of the installed peers."""
    return {name for name, module in (("av", av), ("imageio_ffmpeg", imageio_ffmpeg), ("cv2", cv2)) if module}


Write = Callable[[Frames, Path], None]
"""Encodes all frames to a file."""


def writers(encoder: str, options: Mapping[str, str]) -> dict[str, Write]:
    """Return every installed peer by name; ``options`` are FFmpeg's encoder options."""
    found: dict[str, Write] = {}
    if av is not None:
        found["PyAV, PIL (LeRobot)"] = lambda frames, path: _pyav(frames, path, encoder, options, through_pil=True)
        found["PyAV, ndarray"] = lambda frames, path: _pyav(frames, path, encoder, options, through_pil=False)
    if imageio_ffmpeg is not None:
        found["imageio-ffmpeg"] = lambda frames, path: _imageio(frames, path, encoder, options)
    return found


def imageio_binary() -> str | None:
    """Return the ffmpeg of imageio-ffmpeg, if installed, so that all peers use the same one."""
    return None if imageio_ffmpeg is None else str(imageio_ffmpeg.get_ffmpeg_exe())


def opencv_writers() -> tuple[dict[str, Write], list[str]]:
    """Return OpenCV's MP4 encoders that open here, and the reasons why the others do not.

    They take no quality, so nobody can make their work equal.
    """
    if cv2 is None:
        return {}, ["OpenCV is not installed"]
    works: dict[str, Write] = {}
    failed: list[str] = []
    for code in ("mp4v", "avc1", "av01"):
        if _opencv_opens(code):
            works[f"OpenCV, {code}"] = partial(_opencv, code)
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
    """Concatenate by stream copy in this process, as LeRobot's ``concatenate_video_files``."""
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
    """Return the version of PyAV's SVT-AV1, which only the library prints.

    It looks at ``SVT_LOG`` once, so a fresh process has to ask.
    """
    if av is None:
        return "?"
    os.environ["SVT_LOG"] = "3"
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as said:
        frames = np.zeros((2, 64, 64, 3), np.uint8)
        with _stderr_to(said.fileno()):
            _pyav(frames, Path(directory) / "a.mp4", "libsvtav1", {}, through_pil=False)
        said.seek(0)
        found = re.search(rb"Encoder Lib v(\S+)", said.read())
    return found[1].decode() if found else "?"


def pyav_thread_policies(frames: Frames, options: Mapping[str, str]) -> str:
    """Return the scheduling policies of our threads while SVT-AV1 runs inside PyAV."""
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
    with _quiet_svt(), av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, FPS, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        yield container, stream
        container.mux(stream.encode())


def _imageio(frames: Frames, path: Path, encoder: str, options: Mapping[str, str]) -> None:
    _, height, width, _ = frames.shape
    with _quiet_svt():
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


def _opencv(code: str, frames: Frames, path: Path) -> None:
    _, height, width, _ = frames.shape
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), float(FPS), (width, height))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()


def _opencv_opens(code: str) -> bool:
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as said, _stderr_to(said.fileno()):
        path = Path(directory) / "a.mp4"
        _opencv(code, np.zeros((4, 480, 640, 3), np.uint8), path)
        return path.is_file() and path.stat().st_size > 1000


@contextmanager
def _quiet_svt() -> Iterator[None]:
    """Let SVT-AV1 print errors only; a peer would print its messages to the terminal.

    It is taken back afterwards: ffenc learns the version of its FFmpeg's SVT-AV1 from what that prints.
    """
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = before or "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]


@contextmanager
def _stderr_to(descriptor: int) -> Iterator[None]:
    """Redirect the output of C libraries to a file for the time of the block."""
    kept = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
