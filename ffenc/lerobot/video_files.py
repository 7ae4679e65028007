"""Replace LeRobot's functions for video files; names and arguments are LeRobot's."""

from __future__ import annotations

import dataclasses
import logging
import math
import re
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.format.video_info import DEPTH_MARKERS, LEROBOT_BACKEND, audio_info, video_info, with_depth_markers
from ffenc.errors import ConcatError, FFencError, InputError, NoVideoError, OutputError, ProcessDiedError, ProcessError
from ffenc.ffmpeg.binaries import find_binaries
from ffenc.ffmpeg.ffprobe import probe_video
from ffenc.ffmpeg.mp4.sample_tables import read_mp4_index
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.lerobot.settings import ffenc_config
from ffenc.lerobot.streaming import depth_frame, rgb_frame
from ffenc.plan.concat import B_FRAMES, check_agreement
from ffenc.video.clip import measure_clip, measure_clips
from ffenc.video.concat import concat_videos
from ffenc.video.cut import cut_video
from ffenc.video.encode import encode_frames
from ffenc.video.frame_comparison import check_frames
from ffenc.video.join import IN_BAND
from ffenc.video.output import PendingFile
from ffenc.video.reencode import reencode_video as reencode
from ffenc.video.writer import DEPTH_LAYOUT

logger = logging.getLogger(__name__)

_IMAGE = re.compile(r"frame-(\d{6})")

_DEFAULT_COLOURS = {"colour range": ("tv",), "colour matrix": ("smpte170m", "bt470bg")}
"""Colours that decoders assume for an untagged video, as LeRobot writes; ffenc writes the same as tags."""

_DEPTH_COLOURS = {"colour range": ("tv", "pc"), "colour matrix": ("smpte170m", "bt470bg", "gbr")}
"""Colour tags of depth videos, which do not affect the decoded codes."""


def encode_video_frames(
    imgs_dir: Path | str,
    video_path: Path | str,
    fps: int,
    video_encoder: Any = None,
    encoder_threads: int | None = None,
    *,
    log_level: int | None = None,
    overwrite: bool = False,
) -> None:
    """Encode the images ``frame-000000.png`` (``.tiff`` for depth) of a directory, in the order of their numbers.

    Raises:
        FileNotFoundError: the directory has no such images.
        FFencError: a number is missing, an image has another size than the first, or encoding failed.  No video is written.
    """
    video_path, config = Path(video_path), ffenc_config(video_encoder)
    if video_path.exists() and not overwrite:
        logger.warning("%s already exists; nothing is encoded", video_path)
        return
    is_depth = isinstance(config, DepthEncoderConfig)
    images = _images(Path(imgs_dir), ".tiff" if is_depth else ".png")
    video_path.parent.mkdir(parents=True, exist_ok=True)
    encode_frames(
        _frames(images, is_depth=is_depth),
        video_path,
        fps=fps,
        config=config,
        layout=DEPTH_LAYOUT if is_depth else "rgb",
        overwrite=overwrite,
        encoder_threads=encoder_threads,
    )


def _images(directory: Path, suffix: str) -> list[Path]:
    found = sorted(path for path in directory.glob(f"frame-*{suffix}") if _IMAGE.fullmatch(path.stem))
    if not found:
        raise FileNotFoundError(f"No images with suffix {suffix} found in {directory}.")
    first = int(found[0].stem[-6:])
    missing = [number for number, path in enumerate(found, first) if int(path.stem[-6:]) != number]
    if missing:
        raise InputError(f"image number {missing[0]} is missing in {directory}, which has later images", path=directory)
    return found


def _frames(images: Sequence[Path], *, is_depth: bool) -> Iterator[npt.NDArray[Any]]:
    from PIL import Image  # noqa: PLC0415  a dependency of LeRobot, not of ffenc

    for path in images:
        with Image.open(path) as image:
            yield depth_frame(np.array(image), path.name) if is_depth else np.asarray(image.convert("RGB"))


def write_video(video_path: str | Path, stacked_frames: Sequence[npt.NDArray[Any]], fps: int) -> None:
    """Write RGB frames to an H.264 video for viewing, with FFmpeg's default settings; odd sides are cropped by a pixel."""
    height, width = (side - side % 2 for side in stacked_frames[0].shape[:2])
    if (height, width) != stacked_frames[0].shape[:2]:
        logger.warning("frames are cropped to %dx%d: yuv420p needs even sides", width, height)
    frames = (np.ascontiguousarray(rgb_frame(frame[:height, :width], str(video_path))) for frame in stacked_frames)
    config = VideoEncoderConfig(vcodec="h264", g=None, crf=None)
    encode_frames(frames, video_path, fps=fps, config=config, overwrite=True)


def reencode_video(
    input_video_path: Path | str,
    output_video_path: Path | str,
    video_encoder: Any = None,
    encoder_threads: int | None = None,
    log_level: int | None = None,
    overwrite: bool = False,
    start_time_s: float | None = None,
    end_time_s: float | None = None,
) -> None:
    """Re-encode a video, or its frames from a start time up to an end time; the output may be the input.

    Raises:
        ValueError: the times are negative or in the wrong order, or no frame is between them.
        FFencError: the input is not a constant-rate clip, or encoding failed.  The output is unchanged.
    """
    if (start_time_s is not None and start_time_s < 0) or (end_time_s is not None and end_time_s < 0):
        raise ValueError(f"Trim times must be non-negative, got start={start_time_s}, end={end_time_s}.")
    if start_time_s is not None and end_time_s is not None and end_time_s <= start_time_s:
        raise ValueError(f"end_time_s ({end_time_s}) must be greater than start_time_s ({start_time_s}).")
    output = Path(output_video_path)
    if output.exists() and not overwrite:
        logger.warning("%s already exists; nothing is re-encoded", output)
        return
    _check_exists(input_video_path)
    output.parent.mkdir(parents=True, exist_ok=True)
    start = end = None
    if start_time_s is not None or end_time_s is not None:
        clip = measure_clip(input_video_path, binaries=find_binaries())
        start = _first_frame(start_time_s or 0.0, clip.stream.fps)
        end = clip.packets.count
        if end_time_s is not None:
            end = min(end, _first_frame(end_time_s, clip.stream.fps))
        if start >= end:
            raise InputError(
                f"{input_video_path} has no frame from {start_time_s} s to before {end_time_s} s",
                path=Path(input_video_path),
            )
    reencode(
        input_video_path,
        output,
        config=ffenc_config(video_encoder),
        start=start,
        end=end,
        # LeRobot's function copies no audio.
        audio="drop" if probe_video(input_video_path).has_audio else None,
        overwrite=overwrite,
        encoder_threads=encoder_threads,
    )


def _first_frame(time_s: float, fps: Fraction) -> int:
    """Return the first frame at or after a time, compared as floats: at 30 fps, 0.1 s is frame 3."""
    number = max(0, math.floor(time_s * fps) - 1)
    while float(number / fps) < time_s:
        number += 1
    return number


def concatenate_video_files(
    input_video_paths: Sequence[Path | str],
    output_video_path: Path | str,
    overwrite: bool = True,
    compatibility_check: bool = False,
) -> None:
    """Join videos by stream copy; the output may be one of the inputs.

    They are always compared, whatever ``compatibility_check`` is.

    Raises:
        FileNotFoundError: the list is empty, or an input does not exist.
        ConcatError: the inputs cannot be joined without re-encoding; a ValueError.
        FFencError: joining failed.  The output is unchanged.
    """
    output = Path(output_video_path)
    if output.exists() and not overwrite:
        logger.warning("%s already exists; nothing is joined", output)
        return
    if not input_video_paths:
        raise FileNotFoundError("No input video paths provided.")
    for path in input_video_paths:
        _check_exists(path)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        concat_videos(input_video_paths, output, overwrite=True)
    except ConcatError as err:
        if not _may_join(err, is_depth=probe_video(input_video_paths[0]).channels == 1):
            raise
        _join_checked(input_video_paths, output, err.disagreements, err)
    except ProcessDiedError as err:
        # FFmpeg 5.1 reports the B-frames of the encoder's settings, even if the video has none.
        _join_checked(input_video_paths, output, {B_FRAMES}, err)


def check_joinable(streams: Sequence[VideoStreamInfo]) -> None:
    """Refuse videos that `concatenate_video_files` cannot join.

    Raises:
        ConcatError: with every property that differs and each video's value.
    """
    try:
        check_agreement(streams)
    except ConcatError as err:
        if not _may_join(err, is_depth=streams[0].channels == 1):
            raise


def _may_join(refused: ConcatError, *, is_depth: bool) -> bool:
    """Return whether videos differ only in headers that the stream repeats, or in tags that state the default.

    Videos with equal headers differ in B-frames if one is too short for any.
    """
    known = _DEPTH_COLOURS if is_depth else _DEFAULT_COLOURS
    in_band = IN_BAND if "extradata" in refused.disagreements else {*IN_BAND, B_FRAMES}
    return bool(refused.disagreements) and all(
        name in in_band or set(values) <= {None, *known.get(name, ())} for name, values in refused.disagreements.items()
    )


def _join_checked(paths: Sequence[Path | str], output: Path, may_differ: Collection[str], refused: FFencError) -> None:
    """Join videos that differ in some properties; the output is kept only if it decodes to the frames of the inputs."""
    binaries = find_binaries()
    clips = measure_clips(paths, binaries=binaries)
    with PendingFile(output, overwrite=True) as pending:
        try:
            concat_videos(paths, pending.path, overwrite=True, may_differ=may_differ, binaries=binaries)
            (made,) = measure_clips([pending.path], binaries=binaries)
            check_frames(made, [(clip, (0, clip.packets.count)) for clip in clips], binaries=binaries)
        except (OutputError, ProcessError) as err:
            raise refused from err
        pending.commit()


def keep_episodes(
    input_path: Path | str,
    output_path: Path | str,
    episodes_to_keep: Sequence[tuple[int, int]],
    fps: float,
    video_encoder: Any,
) -> None:
    """Keep ranges of frames, by stream copy for every range that begins at a keyframe.

    Raises:
        ValueError: the list of ranges is empty, or the file has no video.
        FFencError: a range is outside the video, the frame rate differs from ``fps``, or cutting failed.
    """
    if not episodes_to_keep:
        raise ValueError("No episodes to keep")
    _check_exists(input_path)
    try:
        stream = probe_video(input_path)
    except NoVideoError as err:
        raise InputError(f"No video streams found in {input_path}: {err}", path=Path(input_path)) from err
    if stream.fps != Fraction(fps).limit_denominator(1001):
        raise InputError(
            f"{input_path} has {stream.fps} frames per second, but the dataset has {fps:g}", path=Path(input_path)
        )
    Path(output_path).parent.mkdir(parents=True, exist_ok=True)
    cut_video(input_path, output_path, sorted(episodes_to_keep), config=ffenc_config(video_encoder), overwrite=True)


def get_video_info(video_path: Path | str, video_encoder: Any = None) -> dict[str, Any]:
    """Return the ``info`` block of a video feature: measured properties, and LeRobot's encoder settings.

    Raises:
        FileNotFoundError: the file does not exist.
        ProbeError: the file cannot be probed.
    """
    _check_exists(video_path)
    try:
        info = video_info(probe_video(video_path), is_depth_map=hasattr(video_encoder, "depth_min"))
    except NoVideoError:
        return {}
    if video_encoder is not None:
        for name, value in dataclasses.asdict(video_encoder).items():
            if name != "vcodec":
                info.setdefault(f"video.{name}", LEROBOT_BACKEND if name == "video_backend" else value)
    return with_depth_markers(info, [DEPTH_MARKERS["lerobot-0.6"]])


def get_audio_info(video_path: Path | str) -> dict[str, Any]:
    """Return the ``audio.*`` keys of an ``info`` block.

    Raises:
        FileNotFoundError: the file does not exist.
        ProbeError: the file has no video, or cannot be probed.
    """
    _check_exists(video_path)
    return audio_info(probe_video(video_path))


def get_video_duration_in_s(video_path: Path | str) -> float:
    """Return the number of frames divided by the frame rate, so that sums of durations are exact frame times.

    Raises:
        FileNotFoundError: the file does not exist.
        FFencError: the file is not a constant-rate clip.
    """
    _check_exists(video_path)
    path = Path(video_path)
    index = read_mp4_index(path)
    if index is not None and index.packets.count > 1:
        ticks = index.packets.pts
        per_frame = ticks[1] - ticks[0]
        if ticks == tuple(range(0, len(ticks) * per_frame, per_frame)):
            return float(len(ticks) * per_frame * index.packets.time_base)
    clip = measure_clip(path, binaries=find_binaries())
    return float(clip.packets.count / clip.stream.fps)


def _check_exists(path: Path | str) -> None:
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} does not exist")
