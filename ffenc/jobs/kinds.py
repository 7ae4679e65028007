"""The kinds of jobs: each is one row, a function of `ffenc.video` and what may be said to it in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

from ffenc.config import DepthEncoderConfig, FrameRateValue, VideoEncoderConfig
from ffenc.ffmpeg.binaries import Binaries
from ffenc.plan.audio import AudioChoice
from ffenc.plan.frame_stride import FrameStride
from ffenc.video.concat import ConcatResult, concat_videos
from ffenc.video.encode import encode_images
from ffenc.video.image_series import ImageOrder, find_images
from ffenc.video.reencode import reencode_video
from ffenc.video.run import EncodeResult, ProgressCallback

Count: TypeAlias = Annotated[StrictInt, Field(ge=1)]
FrameNumber: TypeAlias = Annotated[StrictInt, Field(ge=0)]

ENCODER_CORES = 4
"""Cores that a software encoder with its own choice of threads keeps busy at the sizes of robot cameras."""


class JobArguments(BaseModel):
    """What is said to a job's function beside its input and output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def keywords(self) -> dict[str, Any]:
        """The arguments that were given, as the function takes them."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class ConcatArguments(JobArguments):
    """For `concat_videos`."""

    may_differ: tuple[StrictStr, ...] = ()


class EncodeArguments(JobArguments):
    """What all encoding functions take.

    A config and a depth config differ in their defaults, and a document holds only what was given; so each has its name.
    """

    config: VideoEncoderConfig | None = None
    depth_config: DepthEncoderConfig | None = None
    encoder_threads: Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_a_depth_config(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(values.get("config"), DepthEncoderConfig):
            rest = {name: value for name, value in values.items() if name != "config"}
            return {"depth_config": values["config"], **rest}
        return values

    @model_validator(mode="after")
    def _one_config(self) -> EncodeArguments:
        if self.config is not None and self.depth_config is not None:
            raise ValueError("give config or depth_config, not both")
        return self

    def keywords(self) -> dict[str, Any]:
        """As for all arguments; both kinds of config are ``config`` to the function."""
        given = super().keywords()
        depth = given.pop("depth_config", None)
        return given if depth is None else {**given, "config": depth}


class ReencodeArguments(EncodeArguments):
    """For `reencode_video`."""

    start: FrameNumber | None = None
    end: FrameNumber | None = None
    size: tuple[Count, Count] | None = None
    thinning: FrameStride | None = None
    key_frames: tuple[FrameNumber, ...] = ()
    audio: AudioChoice | None = None


class ImagesArguments(EncodeArguments):
    """For `encode_images`."""

    fps: FrameRateValue
    order: ImageOrder = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """One row.

    Attributes:
        function: takes the input (or all of them), the output, and ``overwrite``, ``binaries`` and ``progress``.
        arguments: what else it takes.
        many_inputs: it takes a list of inputs instead of one.
        files: finds the files that it reads of a directory that is its input, from the directory and the arguments; None:
            an input is a file.
        cores: that one job keeps busy, if it was not told a number of threads.
    """

    function: Callable[..., EncodeResult | ConcatResult]
    arguments: type[JobArguments]
    many_inputs: bool = False
    files: Callable[[Path, Mapping[str, Any]], Sequence[Path]] | None = None
    cores: int = ENCODER_CORES

    def run(
        self,
        inputs: Sequence[str],
        output: Path,
        arguments: Mapping[str, Any],
        *,
        overwrite: bool,
        binaries: Binaries | None,
        progress: ProgressCallback,
    ) -> EncodeResult | ConcatResult:
        """Do the work here and now.

        Raises:
            FFencError: as the function does.
        """
        return self.function(
            list(inputs) if self.many_inputs else inputs[0],
            output,
            **self.arguments.model_validate(arguments).keywords(),
            overwrite=overwrite,
            binaries=binaries,
            progress=progress,
        )


def _images(directory: Path, arguments: Mapping[str, Any]) -> Sequence[Path]:
    return find_images(directory, order=arguments.get("order", "number"))


KINDS: Mapping[str, JobKind] = {
    "reencode": JobKind(function=reencode_video, arguments=ReencodeArguments),
    "images": JobKind(function=encode_images, arguments=ImagesArguments, files=_images),
    "concat": JobKind(function=concat_videos, arguments=ConcatArguments, many_inputs=True, cores=1),
}
"""Every kind of job, by the name that a `JobSpec` has it under."""
