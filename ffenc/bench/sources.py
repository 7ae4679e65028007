"""Read the sources of a benchmark into files of raw frames.

Encoders get the frames of such a file through the same pipe as camera frames, so that decoding a clip is not measured.
Quality is measured against the same file.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from ffenc.bench.images import from_png, png_of, scaled
from ffenc.bench.synthetic import SYNTHETIC
from ffenc.config import FrameRateValue
from ffenc.errors import InputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frame_rate import parse_frame_rate
from ffenc.frames import FrameFormat
from ffenc.regular_files import file_path
from ffenc.video.image_reader import ImageReader
from ffenc.video.image_series import ImageOrder
from ffenc.video.reader import VideoReader

Frame = npt.NDArray[Any]

_PNG_SAMPLES = 12
_DEFAULT_FRAMES = 90
_DEFAULT_SIZE = (640, 480)
_DEFAULT_FPS = Fraction(30)


class SourceSpec(BaseModel):
    """Description of a source; exactly one of the first four fields is given.

    Attributes:
        clip: a video file.
        images: a directory of images, sorted by ``order``.
        dataset: the directory of a LeRobot dataset; ``camera`` and ``episodes`` select from it.
        synthetic: a key of `SYNTHETIC`.
        camera: feature of the dataset; None means its first video.
        episodes: episode numbers; None means all, in order.
        size: (width, height) to scale to; None keeps the size, or 640x480 for synthetic sources.
        fps: frame rate; None means that of the source, or 30 for images and synthetic sources.
        order: order of images: ``"number"`` or ``"name"``.
        start: number of frames to skip at the beginning.
        frames: number of frames; a shorter source is played forwards and backwards.  None means all, or 90 for synthetic
            sources.
        name: name in the report; None derives it from the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clip: Path | None = None
    images: Path | None = None
    dataset: Path | None = None
    synthetic: Literal["test_pattern", "moving_texture", "sensor_noise", "depth_ramp"] | None = None
    camera: str | None = None
    episodes: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None
    fps: FrameRateValue | None = None
    order: ImageOrder = "number"
    start: int = 0
    frames: int | None = None
    name: str | None = None

    @field_validator("size", mode="before")
    @classmethod
    def _size_text(cls, value: object) -> object:
        return tuple(int(part) for part in value.split("x")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> SourceSpec:
        given = [kind for kind in ("clip", "images", "dataset", "synthetic") if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a source is one of clip, images, dataset, synthetic; given: {', '.join(given) or 'none'}"
            )
        if self.dataset is None and (self.camera is not None or self.episodes is not None):
            raise ValueError("camera and episodes are for a dataset")
        if (self.frames is not None and self.frames < 1) or self.start < 0:
            raise ValueError("frames must be at least 1 and start at least 0")
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f"size must be at least 1x1, not {self.size}")
        return self

    @classmethod
    def of(cls, value: str | Mapping[str, Any], **settings: Any) -> SourceSpec:
        """Make a spec from a mapping, or from the name of a synthetic source, clip, dataset or directory of images.

        Args:
            value: mapping or name.
            settings: defaults of further fields.

        Raises:
            InputError: the name does not exist.
            pydantic.ValidationError: a field is invalid.
        """
        if not isinstance(value, str):
            return cls.model_validate({**settings, **value})
        path = file_path(value)
        kind = "synthetic" if value in SYNTHETIC else "clip"
        if kind != "synthetic" and not path.exists():
            raise InputError(
                f"{value} does not exist; name a clip, a directory of images, a dataset, or one of {', '.join(SYNTHETIC)}",
                path=path,
            )
        if path.is_dir() and kind != "synthetic":
            kind = "dataset" if (path / "meta" / "info.json").is_file() else "images"
        return cls.model_validate({**settings, kind: value})

    @property
    def path(self) -> Path | None:
        """The file or directory; None for synthetic sources."""
        return self.clip or self.images or self.dataset

    @property
    def label(self) -> str:
        """Name in rows and charts."""
        plain = self.synthetic or (self.path.resolve().name if self.path else "")
        return self.name or (f"{plain}/{self.camera}" if self.camera else plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """Raw frames of a source.  It can be pickled.

    Attributes:
        name: name of the source.
        path: the file of raw frames.
        format: format of a frame.
        count: number of frames.
        fps: frame rate.
        digest: hash of the frames, their format and their rate.
    """

    name: str
    path: Path
    format: FrameFormat
    count: int
    fps: Fraction
    digest: str

    @property
    def frames(self) -> Frame:
        """``(count, height, width, ...)``, mapped read-only from the file."""
        return np.asarray(np.memmap(self.path, self.format.dtype, mode="r", shape=(self.count, *self.format.shape)))

    @property
    def is_depth(self) -> bool:
        """Whether the frames are depth in millimetres."""
        return self.format.layout == "gray16"

    @property
    def raw_bytes(self) -> int:
        """Uncompressed size of all frames."""
        return self.count * self.format.frame_size_bytes

    def describe(self) -> dict[str, Any]:
        """Return the fields for a row."""
        return {
            "name": self.name,
            "width": self.format.width,
            "height": self.format.height,
            "layout": self.format.layout,
            "fps": str(self.fps),
            "frames": self.count,
            "raw_bytes": self.raw_bytes,
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PngCost:
    """Cost of storing the frames as PNG files instead of video.

    Attributes:
        size_bytes: size of all frames, estimated from a few, at LeRobot's compression level 1.
        load_ms: median time to read a file.
    """

    size_bytes: int
    load_ms: float


def png_cost(footage: Footage) -> PngCost:
    """Compress a few frames as PNG and read them back, in memory."""
    numbers = np.unique(np.linspace(0, footage.count - 1, _PNG_SAMPLES).astype(int))
    sizes, times = [], []
    frames = footage.frames
    for number in numbers:
        data = png_of(frames[number])
        sizes.append(len(data))
        clock = time.perf_counter()
        from_png(data)
        times.append(1000 * (time.perf_counter() - clock))
    return PngCost(size_bytes=round(float(np.mean(sizes)) * footage.count), load_ms=median(times))


def materialise(spec: SourceSpec, directory: Path, *, binaries: Binaries) -> Footage:
    """Write the frames of a source into a raw file in ``directory``.

    Raises:
        InputError: the source has no such frames.
        FFencError: the source cannot be read.
    """
    layout, fps, frames = _open(spec, binaries)
    frames = itertools.islice(frames, spec.start, None if spec.frames is None else spec.start + spec.frames)
    if spec.size is not None:
        frames = map(scaled, frames, itertools.repeat(spec.size))
    first = next(frames, None)
    if first is None:
        raise InputError(f"{spec.label} has no frame {spec.start}", path=Path(spec.path or spec.label))
    form = FrameFormat.of(first, layout)
    digest = hashlib.sha256(f"{form} {fps}".encode())
    path = directory / f"{hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:12]}.raw"
    count = 0
    with path.open("wb") as file:
        for frame in itertools.chain([first], frames):
            file.write(form.bytes_of(frame))
            digest.update(form.bytes_of(frame))
            count += 1
    if spec.frames is not None and count < spec.frames:
        _extend_back_and_forth(path, form, count, spec.frames)
        digest.update(str(spec.frames).encode())
        count = spec.frames
    return Footage(name=spec.label, path=path, format=form, count=count, fps=fps, digest=digest.hexdigest()[:16])


def _extend_back_and_forth(path: Path, form: FrameFormat, count: int, wanted: int) -> None:
    known = np.memmap(path, form.dtype, mode="r", shape=(count, *form.shape))
    there_and_back = [*range(count), *range(count - 2, 0, -1)]
    with path.open("ab") as file:
        for number in range(count, wanted):
            file.write(form.bytes_of(np.asarray(known[there_and_back[number % len(there_and_back)]])))


def _open(spec: SourceSpec, binaries: Binaries) -> tuple[str, Fraction, Iterator[Frame]]:
    """Return layout, frame rate, and the frames in order."""
    asked = None if spec.fps is None else parse_frame_rate(spec.fps)
    if spec.synthetic is not None:
        layout, make = SYNTHETIC[spec.synthetic]
        count = spec.start + (spec.frames or _DEFAULT_FRAMES)
        return layout, asked or _DEFAULT_FPS, make(count, *(spec.size or _DEFAULT_SIZE))
    if spec.clip is not None:
        reader = VideoReader(spec.clip, binaries=binaries)
        return "rgb", asked or reader.fps, iter(reader)
    if spec.images is not None:
        images = ImageReader(spec.images, fps=asked or _DEFAULT_FPS, order=spec.order, binaries=binaries)
        return "rgb", images.fps, iter(images)
    assert spec.dataset is not None
    from ffenc.bench.episodes import episode_frames  # noqa: PLC0415  only this kind of source needs pyarrow

    fps, frames = episode_frames(spec.dataset, camera=spec.camera, episodes=spec.episodes, binaries=binaries)
    return "rgb", asked or fps, frames
