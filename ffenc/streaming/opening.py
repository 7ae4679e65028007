"""Make the cameras of an episode: format, queue and target of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ffenc.config import DepthEncoderConfig, PerCamera, VideoEncoderConfig
from ffenc.errors import CapabilityError, EncoderUnavailableError, FFencError, FrameError
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.frames import FrameFormat
from ffenc.plan.encode import EncodePlan, RawFrames
from ffenc.plan.images import SUFFIXES, image_encoder
from ffenc.streaming.camera import CameraEncoder, CameraFormat, DepthFormat
from ffenc.streaming.copy_target import CopyTarget
from ffenc.streaming.frame_target import FrameTarget
from ffenc.streaming.images import ImageTarget
from ffenc.streaming.parts import images_path, video_path
from ffenc.streaming.queueing import FrameQueue
from ffenc.streaming.spool import SpoolTarget
from ffenc.streaming.target import HISTORY, EncoderJob, VideoTarget, software_fallback
from ffenc.video.clip import MeasuredClip
from ffenc.video.planning import plan_for
from ffenc.video.run_context import RunContext

logger = logging.getLogger(__name__)

_PREPARED_SLOTS = 4  # the thread of a camera allocates the others while the first frames come


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPlan:
    """Settings of all episodes; see `StreamingVideoEncoder`.

    Attributes:
        fallback: settings to continue with if an encoder fails; None uses `software_fallback`.
        queues: idle queues, by the format of their frames.
        jobs: encoders that were chosen and checked, by camera, frame format and number of videos at the same time.
    """

    fps: Fraction
    camera_encoder: PerCamera[VideoEncoderConfig]
    depth_encoder: PerCamera[DepthEncoderConfig]
    queue_maxsize: int
    context: RunContext
    streaming_encoding: bool
    fallback: VideoEncoderConfig | None
    queues: dict[tuple[object, ...], list[FrameQueue]] = field(default_factory=dict)
    jobs: dict[tuple[object, ...], EncoderJob] = field(default_factory=dict)

    def config_of(self, camera: str, *, is_depth: bool) -> VideoEncoderConfig:
        """Return the settings of one camera.

        Raises:
            FFencError: the settings are given by camera, but not for this one.
        """
        given = self.depth_encoder if is_depth else self.camera_encoder
        if not isinstance(given, Mapping):
            return given
        if camera not in given:
            kind = "depth_encoder" if is_depth else "camera_encoder"
            raise FFencError(f"{kind} has settings for {', '.join(given)}, but none for camera {camera!r}")
        return given[camera]


class CameraOpener:
    """Makes the cameras of one episode.

    Args:
        plan: settings of all episodes.
        directory: directory of the episode.
        names: names of its cameras.
        depth: cameras whose frames are depth.
        images: cameras that are stored as images.
        copies: clips of cameras that are copied instead of encoded.
    """

    def __init__(
        self,
        plan: CameraPlan,
        directory: Path,
        names: tuple[str, ...],
        *,
        depth: Collection[str] = (),
        images: Collection[str] = (),
        copies: Mapping[str, MeasuredClip] = MappingProxyType({}),
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._names = names
        self._depth = frozenset(depth)
        self._images = frozenset(images)
        self._copies = copies
        self._videos = max(1, len(names) - len(self._images) - len(copies))  # encoded at the same time

    def check(self, name: str, first: Any) -> None:
        """Check whether this FFmpeg can encode the camera.

        Raises:
            CapabilityError: see ``plan_encode``.
        """
        form = self.format_of(name, first)
        if name in self._images:
            self._check_images(name, form)
        elif name not in self._copies:
            self._job(name, form)

    def open(self, name: str, first: Any, on_end: Callable[[CameraEncoder], None]) -> CameraEncoder:
        """Make a camera.

        Args:
            name: name of the camera.
            first: its `FrameFormat` or `DepthFormat`, or its first frame.
            on_end: called by the camera's thread at its end.

        Raises:
            FrameError: the first frame does not fit this kind of camera.
            CapabilityError: see ``plan_encode``.
        """
        form = self.format_of(name, first)
        target = self._target(name, form)
        idle = self._idle_queues(form, target.history)
        queue = idle.pop() if idle else self._queue(form, target.history)
        queue.reset()

        def ended(camera: CameraEncoder) -> None:
            if camera.recording is not None:  # every slot of its queue is free
                idle.append(queue)
            on_end(camera)

        return CameraEncoder(name, form, queue, target, on_end=ended)

    def prepare(self, name: str, form: FrameFormat | DepthFormat) -> None:
        """Check a camera as `check` does, and allocate the start of its queue, so that `open` and the first frames cost little.

        Raises:
            CapabilityError: see ``plan_encode``.
        """
        camera = self.format_of(name, form)
        history = 0 if self._job(name, camera).fallback is None else HISTORY
        queue = self._queue(camera, history)
        queue.allocate(_PREPARED_SLOTS)
        self._idle_queues(camera, history).append(queue)

    def _queue(self, form: CameraFormat, history: int) -> FrameQueue:
        return FrameQueue(form.shape, form.dtype, maxsize=self._plan.queue_maxsize, history=history)

    def _idle_queues(self, form: CameraFormat, history: int) -> list[FrameQueue]:
        return self._plan.queues.setdefault((form.shape, form.dtype.str, history), [])

    def format_of(self, name: str, first: Any) -> CameraFormat:
        """Return the format of a camera from its `FrameFormat` or `DepthFormat`, or from its first frame."""
        if name not in self._depth:
            try:
                form = first if isinstance(first, FrameFormat) else FrameFormat.of(first)
            except FrameError as err:
                raise FrameError(f"camera {name!r}: {err}", expected=err.expected, seen=err.seen) from err
            if name in self._images and form.layout not in SUFFIXES:
                raise FrameError(
                    f"camera {name!r}: frames of layout {form.layout!r} cannot be stored as images; use {', '.join(SUFFIXES)}",
                    expected=", ".join(SUFFIXES),
                    seen=form.layout,
                )
            return CameraFormat(shape=form.shape, dtype=form.dtype, frames=form)
        if isinstance(first, DepthFormat):
            dtype = np.dtype("float32" if first.in_metres else "uint16")
            return self._depth_format(name, (first.height, first.width), dtype)
        is_depth = isinstance(first, np.ndarray) and first.dtype in (np.uint16, np.float32)
        if not is_depth or first.ndim not in (2, 3) or first.shape[2:] not in ((), (1,)):
            seen = f"{first.shape} {first.dtype.name}" if isinstance(first, np.ndarray) else f"a {type(first).__name__}"
            raise FrameError(
                f"depth camera {name!r} got {seen}; expected (H, W) uint16 millimetres or float32 metres",
                expected="(H, W) uint16 or float32",
                seen=seen,
            )
        return self._depth_format(name, first.shape[:2], first.dtype)

    def _depth_format(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> CameraFormat:
        config = self._plan.config_of(name, is_depth=True)
        height, width = shape
        quantizes = name not in self._images and isinstance(config, DepthEncoderConfig) and config.quantizes
        if not quantizes and dtype != np.uint16:
            raise FrameError(
                f"depth camera {name!r} got {dtype.name}, but without quantization only whole millimetres can be stored: give "
                "(depth * 1000).round().astype(numpy.uint16)",
                expected="(H, W) uint16",
                seen=dtype.name,
            )
        quantizer = config.quantizer if quantizes and isinstance(config, DepthEncoderConfig) else None
        frames = FrameFormat(width=width, height=height, layout="gray12" if quantizes else "gray16")
        return CameraFormat(shape=(height, width), dtype=dtype, frames=frames, quantizer=quantizer)

    def _target(self, name: str, form: CameraFormat) -> FrameTarget:
        plan = self._plan
        if name in self._images:
            self._check_images(name, form)
            return ImageTarget(images_path(self._directory, name), frames=form.frames, context=plan.context)
        if name in self._copies:
            return CopyTarget(video_path(self._directory, name, ".mp4"), self._copies[name], context=plan.context)
        job = self._job(name, form)
        path = video_path(self._directory, name, job.suffix)
        video = VideoTarget(path, job)
        if plan.streaming_encoding:
            return video
        return SpoolTarget(path, video, shape=form.shape, dtype=form.dtype, quantizer=form.quantizer)

    def _check_images(self, name: str, form: CameraFormat) -> None:
        encoder = image_encoder(form.frames.layout)
        ffmpeg = self._plan.context.binaries.ffmpeg
        if encoder not in probe_capabilities(ffmpeg).encoders:
            raise EncoderUnavailableError(
                f"camera {name!r}: {ffmpeg} has no encoder {encoder!r} for images; use another build", requested=encoder
            )

    def _job(self, name: str, form: CameraFormat) -> EncoderJob:
        key = (name, name in self._depth, form.frames, self._videos)
        job = self._plan.jobs.get(key)
        if job is None:
            job = self._plan.jobs[key] = self._planned_job(name, form)
        return job

    def _planned_job(self, name: str, form: CameraFormat) -> EncoderJob:
        plan = self._plan
        config = plan.config_of(name, is_depth=name in self._depth)
        planned = self._plan_encoder(config, form, None, plan.context)
        job = EncoderJob(
            fps=plan.fps,
            config=config,
            encoder=planned.encoder.name,
            frames=form.frames,
            context=plan.context,
            cameras=self._videos,
            fallback=plan.fallback or software_fallback(planned.encoder.name, config),
            refused=() if planned.selection is None else planned.selection.refused,
        )
        if job.fallback is None:
            return job
        try:
            self._plan_encoder(job.fallback, form, planned.output, replace(plan.context, encoder_threads=None))
        except CapabilityError as err:
            if plan.fallback is not None:
                raise
            logger.warning("camera %s has no fallback if its encoder fails: %s", name, err)
            return replace(job, fallback=None)
        return job

    def _plan_encoder(
        self, config: VideoEncoderConfig, form: CameraFormat, path: Path | None, context: RunContext
    ) -> EncodePlan:
        """Choose and check an encoder; the writer makes its own plan for its file."""
        source = RawFrames(frames=form.frames, fps=self._plan.fps)
        return plan_for(config, source, path, context, cameras=self._videos)
