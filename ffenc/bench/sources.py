"""Where the frames of a benchmark come from, and the one form in which all of it is measured.

Whatever a source is, its frames are written once into a file of raw pictures.  Encoders are fed from there through the same
pipe as a camera's frames: reading and decoding a clip would otherwise be measured with them.  And quality is measured
against it, with the file as an input of ffmpeg.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
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
from ffenc.video.image_reader import ImageReader
from ffenc.video.image_series import ImageOrder
from ffenc.video.reader import VideoReader

Frame = npt.NDArray[Any]

_PNG_SAMPLES = 12
_DEFAULT_FRAMES = 90
_DEFAULT_SIZE = (640, 480)
_DEFAULT_FPS = Fraction(30)


class SourceSpec(BaseModel):
    """One source, as a person names it; exactly one of the first four is given.

    Attributes:
        clip: a video file.
        images: a directory of images; ``order`` is theirs.
        dataset: the directory of a LeRobot dataset; ``camera`` and ``episodes`` choose from it.
        synthetic: a key of `SYNTHETIC`.
        camera: feature of the dataset; None: its first video.
        episodes: numbers of episodes; None: all, in order.
        size: (width, height) to scale to; None: as they are, 640x480 for synthetic ones.
        fps: frame rate at which they are taken to come; None: the source's own, 30 for images and synthetic ones.
        order: of images: ``"number"`` or ``"name"``.
        start: frames to leave out at the beginning.
        frames: how many; a shorter source is played to and fro.  None: all of it, 90 of a synthetic one.
        name: in the report; None: from the file.
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
            raise ValueError(f"no picture has the size {self.size}")
        return self

    @classmethod
    def of(cls, value: str | Mapping[str, Any], **settings: Any) -> SourceSpec:
        """From a mapping, or from a text: a synthetic source's name, a clip, a dataset, or a directory of images.

        Args:
            value: as it was given.
            settings: fields for it where ``value`` says nothing.

        Raises:
            InputError: a text that names nothing.
            pydantic.ValidationError: a field that cannot be right.
        """
        if not isinstance(value, str):
            return cls.model_validate({**settings, **value})
        path = Path(value)
        kind = "synthetic" if value in SYNTHETIC else "clip"
        if kind != "synthetic" and not path.exists():
            raise InputError(
                f"there is no {value}; name a clip, a directory of images, a dataset, or one of {', '.join(SYNTHETIC)}",
                path=path,
            )
        if path.is_dir() and kind != "synthetic":
            kind = "dataset" if (path / "meta" / "info.json").is_file() else "images"
        return cls.model_validate({**settings, kind: value})

    @property
    def path(self) -> Path | None:
        """The file or directory; None for what is made up."""
        return self.clip or self.images or self.dataset

    @property
    def label(self) -> str:
        """What it is called in rows and charts."""
        plain = self.synthetic or (self.path.resolve().name if self.path else "")
        return self.name or (f"{plain}/{self.camera}" if self.camera else plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """Frames of one source, ready to be encoded and to be compared with.  It can be pickled.

    Attributes:
        name: of the source.
        path: the file of raw pictures.
        format: of each.
        count: frames in it.
        fps: at which they come.
        digest: of the pictures, their form and their rate.
    """

    name: str
    path: Path
    format: FrameFormat
    count: int
    fps: Fraction
    digest: str

    @property
    def frames(self) -> Frame:
        """``(count, height, width, ...)``, mapped from the file and not to be written to."""
        return np.asarray(np.memmap(self.path, self.format.dtype, mode="r", shape=(self.count, *self.format.shape)))

    @property
    def is_depth(self) -> bool:
        """Whether its values are millimetres."""
        return self.format.layout == "gray16"

    @property
    def raw_bytes(self) -> int:
        """Size of all pictures, uncompressed."""
        return self.count * self.format.frame_size_bytes

    def describe(self) -> dict[str, Any]:
        """What a row says about it."""
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
    """What the same frames would take as PNG files, which is the way without video.

    Attributes:
        size_bytes: of all frames, from the mean of a few, compressed as LeRobot compresses them (level 1).
        load_ms: median time to read one of them.
    """

    size_bytes: int
    load_ms: float


def png_cost(footage: Footage) -> PngCost:
    """Store a few frames as PNG and read them again, in memory."""
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
    """Write the frames of a source into a raw file in ``directory``, once.

    Raises:
        InputError: it has no such frames.
        FFencError: it cannot be read.
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
        _play_to_and_fro(path, form, count, spec.frames)
        digest.update(str(spec.frames).encode())
        count = spec.frames
    return Footage(name=spec.label, path=path, format=form, count=count, fps=fps, digest=digest.hexdigest()[:16])


def _play_to_and_fro(path: Path, form: FrameFormat, count: int, wanted: int) -> None:
    known = np.memmap(path, form.dtype, mode="r", shape=(count, *form.shape))
    there_and_back = [*range(count), *range(count - 2, 0, -1)]
    with path.open("ab") as file:
        for number in range(count, wanted):
            file.write(form.bytes_of(np.asarray(known[there_and_back[number % len(there_and_back)]])))


def _open(spec: SourceSpec, binaries: Binaries) -> tuple[str, Fraction, Iterator[Frame]]:
    """Layout, frame rate, and the frames in order."""
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
    # Not at the top: everything else does without pyarrow.
    episodes = import_module("ffenc.bench.episodes")
    fps, frames = episodes.episode_frames(spec.dataset, camera=spec.camera, episodes=spec.episodes, binaries=binaries)
    return "rgb", asked or fps, frames
