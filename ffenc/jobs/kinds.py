"""The kinds of jobs: for each, a function of `ffenc.video` and the JSON form of its arguments."""

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
from ffenc.video.run import EncodeResult
from ffenc.video.run_context import ProgressCallback

Count: TypeAlias = Annotated[StrictInt, Field(ge=1)]
FrameNumber: TypeAlias = Annotated[StrictInt, Field(ge=0)]

ENCODER_CORES = 4
"""Cores that a software encoder uses by default at the frame sizes of robot cameras."""


class JobArguments(BaseModel):
    """Arguments of a job's function besides its input and output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def keywords(self) -> dict[str, Any]:
        """Return the arguments that were given, as keywords of the function."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class ConcatArguments(JobArguments):
    """Arguments of `concat_videos`."""

    may_differ: tuple[StrictStr, ...] = ()


class EncodeArguments(JobArguments):
    """Arguments of all encoding functions.

    A document holds only the fields that were given. The two kinds of config have different defaults, so each has its own
    key.
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
        """Return the arguments that were given; either config becomes the keyword ``config``."""
        given = super().keywords()
        depth = given.pop("depth_config", None)
        return given if depth is None else {**given, "config": depth}


class ReencodeArguments(EncodeArguments):
    """Arguments of `reencode_video`."""

    start: FrameNumber | None = None
    end: FrameNumber | None = None
    size: tuple[Count, Count] | None = None
    thinning: FrameStride | None = None
    key_frames: tuple[FrameNumber, ...] = ()
    audio: AudioChoice | None = None


class ImagesArguments(EncodeArguments):
    """Arguments of `encode_images`."""

    fps: FrameRateValue
    order: ImageOrder = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """How jobs of one kind are done.

    Attributes:
        function: takes the input or the list of inputs, the output, ``overwrite``, ``binaries`` and ``progress``.
        arguments: model of its other arguments.
        many_inputs: the function takes a list of inputs.
        files: lists the files that are read from an input directory, given the directory and the arguments; None if an
            input is a file.
        cores: cores that one job uses, if no number of threads is given.
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
        """Call the function; it raises `FFencError` if the job fails."""
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
"""Every kind of job, by the ``kind`` of a `JobSpec`."""
