"""The encoder under proof, and what every check does with it: encode frames, measure the file, decode it."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.bench.synthetic import moving_texture
from ffenc.config import VideoEncoderConfig
from ffenc.encoders.spec import EncoderSpec
from ffenc.errors import (
    CapabilityError,
    EncoderUnavailableError,
    FFencError,
    InputError,
    ProcessDiedError,
    ProcessError,
    RecordingError,
)
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.ffprobe import probe_video_and_packets
from ffenc.ffmpeg.stream_info import PacketIndex, VideoStreamInfo
from ffenc.frames import FrameFormat
from ffenc.plan.encode import EncodePlan, RawFrames, plan_encode
from ffenc.plan.frame_checks import accepted_pixel_formats
from ffenc.video.clip import MeasuredClip
from ffenc.video.reader import VideoReader
from ffenc.video.run import check_complaints, start_plan
from ffenc.video.run_context import RunContext
from ffenc.video.similarity import find_wrong_frame
from ffenc.video.stream_check import check_stream
from ffenc.video.trial import NO_DECODER, TrialScene, damage_of, lowest_psnr_db

Frames = Sequence[npt.NDArray[Any]]

SMALL = FrameFormat(width=160, height=128)
"""Format of the frames on which single settings are compared; every hardware encoder takes this size."""

MOST_TEXTURE, MOST_LARGE_TEXTURE = 30, 12
"""Number of textured frames of the small size, and of any other."""

_MOST_PIXELS = 120_000_000  # of all frames that are compared, as in a trial


class FaultError(FFencError):
    """A check found that the encoder does not do what it should."""


class UndecidedError(FFencError):
    """A check cannot be decided with this FFmpeg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofJob:
    """The job for which encoders are proved.

    Attributes:
        size: (width, height) of the frames.
        fps: frame rate.
        cameras: encodes that have to work at the same time.
        soak_s: seconds of encoding in real time; 0: none.
        device: the GPU that every encoder uses, as `VideoEncoderConfig.device`; None: the first on which a trial succeeds.
    """

    size: tuple[int, int] = (640, 480)
    fps: Fraction = Fraction(30)
    cameras: int = 2
    soak_s: float = 0
    device: str | None = None

    @property
    def frames(self) -> FrameFormat:
        """Format of the frames."""
        return FrameFormat(width=self.size[0], height=self.size[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A file that was encoded for a check.

    Attributes:
        path: the file.
        plan: the plan that wrote it.
    """

    path: Path
    plan: EncodePlan

    @property
    def content(self) -> bytes:
        """The whole file, to compare it with others of the same frames."""
        return self.path.read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An encoder on this machine.

    Attributes:
        row: the encoder.
        capabilities: what this FFmpeg lists, also about the encoder.
        context: the executables, and limits for the processes.
        device_node: the device file that its trial chose.
        job: the job for which it is proved.
        directory: where the files of a check are written.
        tell: called with the progress of a long check.
    """

    row: EncoderSpec
    capabilities: Capabilities
    context: RunContext
    device_node: str | None = None
    job: ProofJob = field(default_factory=ProofJob)
    directory: Path
    tell: Callable[[str], None] = lambda _: None

    @property
    def is_software(self) -> bool:
        """Whether it needs no hardware."""
        return self.row.device is None

    @property
    def pixel_formats(self) -> tuple[str, ...]:
        """Pixel formats that its stream can have, as far as they are known."""
        return accepted_pixel_formats(self.capabilities, self.capabilities.help(self.row.name), self.row) or ()

    def fields(self, **settings: Any) -> dict[str, Any]:
        """Return the fields of a config: the default pixel format, a fast preset, the job's device, and the given settings."""
        default = VideoEncoderConfig.model_fields["pix_fmt"].default
        fields: dict[str, Any] = {"vcodec": self.row.name}
        if self.job.device is not None:
            fields["device"] = self.job.device
        if self.pixel_formats and default not in self.pixel_formats:
            fields["pix_fmt"] = self.pixel_formats[0]
        if self.row.preset and self.row.preset.compared:
            fields["preset"] = self.row.preset.compared[0]
        return fields | settings

    def config(self, **settings: Any) -> VideoEncoderConfig:
        """Return a config with the given settings, see `fields`."""
        return VideoEncoderConfig.model_validate(self.fields(**settings))

    def new_path(self, suffix: str | None = None) -> Path:
        """Return a new path for a file."""
        return self.directory / f"{os.urandom(4).hex()}.{suffix or self.row.muxers[0]}"

    def plan(
        self, form: FrameFormat, *, fps: Fraction | None = None, encoder_threads: int | None = None, **settings: Any
    ) -> EncodePlan:
        """Return the command for frames of a format.

        Raises:
            CapabilityError: ffenc refuses one of the settings.
        """
        return plan_encode(
            self.config(**settings),
            RawFrames(frames=form, fps=fps or self.job.fps),
            self.new_path(),
            self.capabilities,
            encoder_threads=encoder_threads,
            device_node=self.device_node,
        )

    def refusal(self, **settings: Any) -> str | None:
        """Return why ffenc refuses settings before a process starts; None if it accepts them."""
        try:
            self.plan(SMALL, **settings)
        except CapabilityError as err:
            return str(err).splitlines()[0]
        return None

    def encode(self, frames: Frames, **settings: Any) -> Encoded:
        """Encode frames with the real command; the file is not checked yet.

        Raises:
            FFencError: ffmpeg failed, hung, or reported that it ignored a setting.
        """
        plan = self.plan(FrameFormat.of(frames[0]), **settings)
        assert isinstance(plan.source, RawFrames)
        with start_plan(plan, self.context, stdin=True) as process:
            for frame in frames:
                process.write(plan.source.frames.bytes_of(frame))
            process.finish()
            check_complaints(process, plan)
        return Encoded(path=plan.output, plan=plan)

    def measure(self, path: Path) -> tuple[VideoStreamInfo, PacketIndex]:
        """Return the header and the packets of a file."""
        return _measured(path, self.context.binaries)

    def decode(self, path: Path, numbers: Sequence[int]) -> npt.NDArray[Any] | None:
        """Return frames of a file by number; None if this FFmpeg has no decoder for it."""
        stream, packets = self.measure(path)
        clip = MeasuredClip(stream=stream, packets=packets)
        reader = VideoReader(path, method="process", clip=clip, binaries=self.context.binaries)
        try:
            return reader.frames(numbers)
        except ProcessDiedError as err:
            if NO_DECODER.search(err.stderr_tail):
                return None
            raise

    def compare(self, path: Path, plan: EncodePlan, sent: Frames, numbers: Sequence[int] | None = None) -> str:
        """Compare a file with the frames that were sent, and return what was compared.

        Args:
            path: the file.
            plan: the plan that wrote it, whose settings say how similar the frames have to be.
            sent: all frames, in order.
            numbers: the frames to decode; None: all.

        Raises:
            FaultError: a frame differs.
        """
        numbers = range(len(sent)) if numbers is None else numbers
        shown = self.decode(path, numbers)
        if shown is None:
            return f"not decoded: this FFmpeg has no decoder for {plan.encoder.codec}"
        key_frames = set(self.measure(path)[1].keyframes)
        for number, frame in zip(numbers, shown, strict=True):
            wrong = find_wrong_frame(
                sent,
                frame,
                number,
                largest=SMALL.largest_sample,
                lowest_db=lowest_psnr_db(plan),
                is_key_frame=number in key_frames,
            )
            if wrong:
                raise FaultError(f"it encodes other frames than were sent: {wrong}")
        return f"{len(numbers)} frames decoded"

    def check(self, encoded: Encoded, frames: int) -> PacketIndex:
        """Compare the header, the number of frames, their timestamps and the keyframes of a file with its plan.

        Raises:
            OutputError: the file differs from the plan.
        """
        stream, packets = self.measure(encoded.path)
        check_stream(encoded.plan, stream, packets, frames=frames)
        return packets


def scene_of(form: FrameFormat, count: int) -> list[npt.NDArray[Any]]:
    """Return frames that reveal faults, see `TrialScene`; fewer than ``count`` if they are very large."""
    scene = TrialScene(form)
    return [scene.frame(number) for number in range(max(6, min(count, _MOST_PIXELS // (form.width * form.height))))]


def texture(count: int, form: FrameFormat = SMALL) -> list[npt.NDArray[Any]]:
    """Return up to `MOST_TEXTURE` frames with texture, motion and noise, whose bits depend on every setting."""
    return _texture(form)[:count]


@functools.lru_cache(maxsize=4)
def _texture(form: FrameFormat) -> list[npt.NDArray[Any]]:
    return list(moving_texture(MOST_TEXTURE if form == SMALL else MOST_LARGE_TEXTURE, form.width, form.height))


@functools.lru_cache(maxsize=16)
def _measured(path: Path, binaries: Binaries) -> tuple[VideoStreamInfo, PacketIndex]:
    """Measure a file; its name is never used twice."""
    return probe_video_and_packets(path, binaries=binaries)


def psnr_of(sent: Frames, shown: npt.NDArray[Any]) -> float:
    """Return the PSNR of decoded frames in dB."""
    error = float(np.mean((shown.astype(np.float32) - np.stack(sent).astype(np.float32)) ** 2))
    return 10 * float(np.log10(SMALL.largest_sample**2 / max(error, 1e-9)))


def reason_of(error: FFencError, directory: Path) -> str:
    """Return the reason for a failure in one line, without the names of temporary files."""
    if isinstance(error, RecordingError) and isinstance(error.__cause__, FFencError):
        return reason_of(error.__cause__, directory)  # the error itself tells where the recording is kept
    text = str(error).splitlines()[0]
    if isinstance(error, InputError):
        text = damage_of(error)
    if isinstance(error, EncoderUnavailableError) and error.refused:
        text += f": {error.refused[-1][1]}"
    if isinstance(error, ProcessError) and error.stderr_tail.strip():
        text += f": {error.stderr_tail.strip().splitlines()[0]}"
    text = re.sub(r"; \S+ was not written$", "", text)
    return re.sub(r"\S*/ffenc-trial-\w+/", "", text).replace(f"{directory}{os.sep}", "")
