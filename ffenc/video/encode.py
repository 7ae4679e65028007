"""Encode an iterable of numpy frames, or a directory of images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ffenc.config import VideoEncoderConfig
from ffenc.errors import InputError, OutputError, ProcessError, is_disk_full
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S
from ffenc.frame_rate import FrameRate, parse_frame_rate
from ffenc.plan.encode import EncodePlan
from ffenc.regular_files import file_path
from ffenc.video.image_series import ImageOrder, find_unreadable, image_series
from ffenc.video.output import PendingFile, check_target
from ffenc.video.planning import plan_for
from ffenc.video.run import EncodeResult, run_plan
from ffenc.video.run_context import ProgressCallback, RunContext
from ffenc.video.writer import VideoWriter


def encode_frames(
    frames: Iterable[npt.NDArray[Any]],
    path: str | Path,
    *,
    fps: FrameRate,
    config: VideoEncoderConfig | None = None,
    layout: str = "rgb",
    overwrite: bool = False,
    encoder_threads: int | None = None,
    binaries: Binaries | None = None,
    stall_timeout_s: float = STALL_TIMEOUT_S,
    progress: ProgressCallback | None = None,
) -> EncodeResult:
    """Encode frames to one verified file.

    Args:
        frames: arrays of one size, e.g. ``(height, width, 3)`` uint8 RGB, or one array with frames on its first axis.
        path, fps, config, layout, overwrite, encoder_threads, binaries, stall_timeout_s, progress: see `VideoWriter`.

    Raises:
        FFencError: see `VideoWriter`; the file then does not exist.
    """
    with VideoWriter(
        path,
        fps=fps,
        config=config,
        layout=layout,
        overwrite=overwrite,
        encoder_threads=encoder_threads,
        binaries=binaries,
        stall_timeout_s=stall_timeout_s,
        progress=progress,
    ) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.result


def encode_images(
    directory: str | Path,
    path: str | Path,
    *,
    fps: FrameRate,
    config: VideoEncoderConfig | None = None,
    order: ImageOrder = "number",
    overwrite: bool = False,
    encoder_threads: int | None = None,
    binaries: Binaries | None = None,
    stall_timeout_s: float = STALL_TIMEOUT_S,
    progress: ProgressCallback | None = None,
) -> EncodeResult:
    """Encode the PNG, JPEG or TIFF files of a directory, which ffmpeg reads itself.

    The EXIF orientation of the images is applied.

    Args:
        directory: the images, all with one format, size, sample type and orientation.
        path, fps, config, overwrite, encoder_threads, binaries, stall_timeout_s: see `VideoWriter`.
        order: ``"number"``: files ``<prefix><number><suffix>`` of one prefix, numbered without a gap.  ``"name"``: all
            images in the order of their names, for example timestamps; image k becomes frame k.
        progress: called with (frames encoded, images in all) about twice a second, from another thread.

    Raises:
        InputError: no images, two series, a gap, or an image that cannot be read or differs from the first.
        FFencError: see `VideoWriter`.  After any error the file does not exist.
    """
    path, rate = file_path(path, written=True), parse_frame_rate(fps)
    check_target(path, overwrite=overwrite)
    series = image_series(directory, order=order)
    context = RunContext(
        binaries=binaries or find_binaries(),
        encoder_threads=encoder_threads,
        stall_timeout_s=stall_timeout_s,
        progress=progress,
    )
    with series.readable(rate) as source, PendingFile(path, overwrite=overwrite) as pending:
        plan = plan_for(config, source, path, context).writing_to(pending.path)
        try:
            return run_plan(plan, pending, context)
        except (ProcessError, OutputError) as err:
            unreadable = None if is_disk_full(err) else find_unreadable(series, binaries=context.binaries)
            if unreadable is None:
                raise
            raise InputError(f"{unreadable} cannot be decoded. {err}", path=unreadable) from err


def plan_images(
    directory: str | Path,
    output: str | Path,
    *,
    fps: FrameRate,
    config: VideoEncoderConfig | None = None,
    order: ImageOrder = "number",
    encoder_threads: int | None = None,
    binaries: Binaries | None = None,
) -> EncodePlan:
    """Return the command of `encode_images`, without running it.

    If no single pattern matches the images, they are read through links that exist only while `encode_images` runs.
    """
    source = image_series(directory, order=order).planned(parse_frame_rate(fps))
    context = RunContext(binaries=binaries or find_binaries(), encoder_threads=encoder_threads)
    return plan_for(config, source, output, context)
