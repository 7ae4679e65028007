"""Recover interrupted episodes: make complete files of what was recorded.

Frames and rows are numbered where they are written.  Row ``n`` of the log belongs to frame ``n`` of every camera, and a part
of a video says at which frame it begins.  Recovery puts them together by number and ends at the first gap.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.format.frame_ties import TieCheck
from ffenc.dataset.format.schema import DatasetInfo, Feature
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.recording.resume_settings import resolved
from ffenc.dataset.recording.rows import EpisodeRows, read_log
from ffenc.dataset.storage.atomic_file import make_directory
from ffenc.dataset.storage.new_directory import sync_tree
from ffenc.errors import EpisodeError, FFencError, OutputError, is_disk_full
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.ffprobe import probe_video_and_packets
from ffenc.ffmpeg.process.child import Usage
from ffenc.frames import FrameFormat
from ffenc.plan.images import SUFFIXES, image_name
from ffenc.statistics import FrameSampler
from ffenc.streaming.camera import CameraRecording
from ffenc.streaming.drop_log import DropLog, EpisodeRecording
from ffenc.streaming.images import ImageFolder, read_images
from ffenc.streaming.parts import VideoPart, find_parts
from ffenc.streaming.spool import SUFFIX as SPOOL_SUFFIX
from ffenc.streaming.spool import read_spool
from ffenc.video.depth import read_depth
from ffenc.video.encode import encode_frames
from ffenc.video.join import join_parts
from ffenc.video.reader import VideoReader
from ffenc.video.recording import is_held
from ffenc.video.run import EncodeResult
from ffenc.video.salvage import salvage_video, shorten_video

logger = logging.getLogger(__name__)

_DRAIN_WAIT_S = 20.0  # after its program was killed, ffmpeg sees the end of its input and completes its file


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedEpisode:
    """An episode that was recorded but not appended to its dataset.

    Attributes:
        path: its directory.
        rows: complete rows in its log.
        reason: why it was not appended.
    """

    path: Path
    rows: int
    reason: str

    def __str__(self) -> str:
        return f"{self.rows} rows in {self.path} ({self.reason})"


def find_interrupted(root: Path, info: DatasetInfo) -> tuple[InterruptedEpisode, ...]:
    """Return all interrupted episodes except one that is being recorded; nothing is changed."""
    found = []
    for directory in EpisodeDirectory.uncommitted_in(root):
        if not directory.is_useless and not directory.is_held:
            rows = read_log(directory.rows, info).rows
            found.append(InterruptedEpisode(path=directory.path, rows=len(rows), reason=directory.reason()))
    return tuple(found)


def remove_useless(root: Path) -> None:
    """Remove directories without a time step, and copies that an interrupted recovery made.

    Call it under the lock of the dataset, while nothing is recorded.
    """
    for directory in EpisodeDirectory.uncommitted_in(root):
        if directory.is_useless:
            directory.remove()


def restore(
    interrupted: InterruptedEpisode, info: DatasetInfo, *, configs: Mapping[str, VideoEncoderConfig], binaries: Binaries
) -> tuple[EpisodeDirectory, EpisodeRows, EpisodeRecording | None]:
    """Make complete files of an interrupted episode, with the frames that all its cameras and its log have.

    The interrupted episode is unchanged until the new one is committed.

    Args:
        interrupted: the episode.
        info: ``meta/info.json`` of the dataset.
        configs: settings of the cameras, used if a crash left none of the episode's own.
        binaries: the executables.

    Returns:
        The arguments of ``EpisodeAppender.append``: directory of the new files, rows, and recording.

    Raises:
        EpisodeError: no time step is in all cameras and the log.
        OutputError: the file system refused.
    """
    source = EpisodeDirectory(path=interrupted.path)
    steps = read_log(source.rows, info)
    made = source.restored
    made.remove()
    make_directory(made.path)
    try:
        cameras = [
            _CameraRestorer(name, feature, source, made, info=info, configs=configs, binaries=binaries)
            for name, feature in info.features.items()
            if feature.is_camera
        ]
        length = _common_length(cameras, len(steps.rows), source, info)
        rows = steps.rows.first(length)
        recorded = {camera.name: camera.describe(rows) for camera in cameras}
        sync_tree(made.path)
    except OSError as err:
        made.remove()
        raise OutputError(f"cannot restore {interrupted.path}: {err.strerror}", path=made.path) from err
    except BaseException:
        made.remove()
        raise
    if not cameras:
        return made, rows, None
    drops = steps.drops_among(length)
    drop_log = DropLog(steps=length + len(drops), drops=drops)
    return made, rows, EpisodeRecording(directory=made.path, frames=length, cameras=recorded, ledger=drop_log)


def _common_length(cameras: Sequence[_CameraRestorer], rows: int, source: EpisodeDirectory, info: DatasetInfo) -> int:
    """Cut all cameras to the same number of frames, at most the number of rows, and return it.

    Raises:
        EpisodeError: no time step is in all cameras and the log.
    """
    length = min([rows, *(camera.frames for camera in cameras)])
    while length:
        for camera in cameras:
            camera.shorten(length)
        shortest = min([length, *(camera.frames for camera in cameras)])
        if shortest == length:
            return length
        length = shortest  # a video with B-frames cannot end at every frame
    counts = ", ".join(f"{camera.name} has {camera.frames}" for camera in cameras)
    raise EpisodeError(
        f"{source.path} cannot be recovered: it has {rows} rows, but no frame that all cameras have ({counts}); it is unchanged",
        episode_index=info.total_episodes,
        kept=source.path,
    )


class _CameraRestorer:
    """Makes the complete video or images of one camera, with all frames that were recorded.

    Attributes:
        name: name of the camera.
        frames: number of frames.
    """

    def __init__(
        self,
        name: str,
        feature: Feature,
        source: EpisodeDirectory,
        made: EpisodeDirectory,
        *,
        info: DatasetInfo,
        configs: Mapping[str, VideoEncoderConfig],
        binaries: Binaries,
    ) -> None:
        self.name = name
        self._feature = feature
        self._source = source
        self._made = made
        self._info = info
        self._binaries = binaries
        if feature.is_video:
            self._config = _config_of(name, feature, source, configs)
            self.frames = self._take_video()
        else:
            self.frames = self._take_images()

    def shorten(self, frames: int) -> None:
        """Keep at most the first frames; a video is cut where it can be."""
        if not self._feature.is_video or self.frames <= frames:
            self.frames = min(self.frames, frames)
            return
        path = self._video
        longer = path.with_name(f"longer-{path.name}")
        path.rename(longer)
        self.frames = shorten_video(longer, path, frames=frames, binaries=self._binaries)
        longer.unlink()

    def describe(self, rows: EpisodeRows) -> CameraRecording:
        """Describe the camera as its encoder would have.  The statistics come from the decoded frames.

        Raises:
            EpisodeError: its frames do not match its rows.
        """
        feature, length = self._feature, len(rows)
        sampler = FrameSampler()
        result: EncodeResult | ImageFolder
        if feature.is_video:
            path = self._video
            check = TieCheck({number: row.shown.get(self.name) for number, row in enumerate(rows.rows) if row.shown})
            for frame in self._decoded():
                sampler.add(frame)
                if not feature.is_depth:
                    check.add(frame)
            self._require_aligned(check)
            result = self._encode_result()
        else:
            path = self._made.images(self.name)
            result = ImageFolder(path=path, frames=length, suffix=self._image_suffix)
            height, width = feature.shape[:2]
            form = FrameFormat(width=width, height=height, layout="gray16" if feature.is_depth else "rgb")
            for frame in read_images(result, form, binaries=self._binaries):
                sampler.add(frame)
        dtype = "uint8" if not feature.is_depth else "float32" if self._is_in_metres else "uint16"
        return CameraRecording(path=path, frames=length, dtype=dtype, statistics=sampler.statistics(), result=result)

    @property
    def _video(self) -> Path:
        path = self._made.video(self.name)
        assert path is not None
        return path

    @property
    def _image_suffix(self) -> str:
        return SUFFIXES["gray16" if self._feature.is_depth else "rgb"]

    @property
    def _is_in_metres(self) -> bool:
        return (self._feature.info or {}).get("depth_unit") == "m"

    def _take_images(self) -> int:
        source, made = self._source.images(self.name), self._made.images(self.name)
        images: list[Path] = []
        while (image := source / image_name(len(images), self._image_suffix)).is_file():
            images.append(image)
        del images[-1:]  # it may be cut off
        made.mkdir()
        for image in images:
            shutil.copyfile(image, made / image.name)
        return len(images)

    def _take_video(self) -> int:
        finished = self._source.video(self.name)
        if finished is not None:
            return self._count(Path(shutil.copyfile(finished, self._made.new_video(self.name, finished.suffix))))
        parts = self._consecutive_parts()
        if not parts:
            return 0
        final = self._made.new_video(self.name, parts[0].suffix)
        if len(parts) == 1:
            parts[0].rename(final)
        else:
            join_parts(parts, final, config=self._config, binaries=self._binaries)
        return self._count(final)

    def _consecutive_parts(self) -> list[Path]:
        """Return consecutive videos from frame 0 up to the first gap, each cut where the next one begins."""
        videos: list[Path] = []
        end = 0
        for first, (frames, video) in sorted(self._longest_parts().items()):
            if first > end:
                break
            if first + frames <= end:
                continue
            if first < end:  # the failed encoder had written more frames than were used
                if not self._cut(videos, end - first):
                    break
                end = first
            videos.append(video)
            end += frames
        return videos

    def _longest_parts(self) -> dict[int, tuple[int, Path]]:
        """Return (frames, video) by first frame.

        Of several that begin at the same frame, the longest is used: a recording and the video made from it, or raw frames
        and the video encoded from them.
        """
        longest: dict[int, tuple[int, Path]] = {}
        failed: list[tuple[VideoPart, FFencError]] = []
        for number, part in enumerate(find_parts(self._source.path, self.name)):
            try:
                video = self._plain_video(part, number)
                frames = self._count(video)
            except FFencError as err:
                if is_disk_full(err):
                    raise
                failed.append((part, err))
                continue
            if frames > longest.get(part.first_frame, (0, video))[0]:
                longest[part.first_frame] = frames, video
        for part, why in failed:
            # Without content, or because another file has its frames, nothing is lost with it.
            is_lost = part.first_frame not in longest and part.path.stat().st_size > 0
            logger.log(logging.WARNING if is_lost else logging.DEBUG, "%s cannot be used: %s", part.path, why)
        return longest

    def _cut(self, videos: list[Path], frames: int) -> bool:
        """Remove frames from the end of the last video, and return whether it could be cut there."""
        last = videos[-1]
        wanted = self._count(last) - frames
        shorter = last.with_name(f"cut-{last.name}")
        if wanted < 1 or shorten_video(last, shorter, frames=wanted, binaries=self._binaries) != wanted:
            return False
        videos[-1] = shorter
        return True

    def _plain_video(self, part: VideoPart, number: int) -> Path:
        """Return a copy of a part as a plain video."""
        fps, source = self._info.fps, part.path
        output = self._made.path / f"part{number}-{self.name}{source.suffix}"
        if not part.is_recording:
            return Path(shutil.copyfile(source, output))
        deadline = time.monotonic() + _DRAIN_WAIT_S
        while is_held(source) and time.monotonic() < deadline:
            time.sleep(0.05)
        if source.suffix != SPOOL_SUFFIX:
            return salvage_video(source, output, fps=fps, binaries=self._binaries).path
        config = self._config
        frames: Iterable[npt.NDArray[Any]] = read_spool(source)
        layout, suffix = "rgb", ".mp4"
        if isinstance(config, DepthEncoderConfig):
            layout, suffix = config.layout, ".mp4" if config.quantizes else ".mov"
            if config.quantizes:
                frames = (config.quantizer.quantize(frame) for frame in frames)
        output = output.with_suffix(suffix)
        encode_frames(frames, output, fps=fps, config=config, layout=layout, binaries=self._binaries)
        return output

    def _count(self, path: Path) -> int:
        return probe_video_and_packets(path, binaries=self._binaries)[1].count

    def _decoded(self) -> Iterable[npt.NDArray[Any]]:
        if not isinstance(self._config, DepthEncoderConfig):
            return VideoReader(self._video, binaries=self._binaries)
        unit: Literal["m", "mm"] = "m" if self._is_in_metres else "mm"
        return read_depth(self._video, self._config, unit=unit, binaries=self._binaries)

    def _require_aligned(self, check: TieCheck) -> None:
        found = check.misaligned()
        if found is not None:
            raise EpisodeError(
                f"{self._source.path} cannot be recovered: the image recorded with row {found[0]} is in frame {found[1]} of "
                f"{self.name}; it is unchanged",
                episode_index=self._info.total_episodes,
                kept=self._source.path,
            )

    def _encode_result(self) -> EncodeResult:
        path = self._video
        stream, _ = probe_video_and_packets(path, binaries=self._binaries)
        return EncodeResult(
            path=path,
            frames=self.frames,
            fps=Fraction(self._info.fps),
            size_bytes=path.stat().st_size,
            encoder=resolved(self._config, self._feature, self._info.fps, self._binaries),
            stream=stream,
            argv=(),
            usage=Usage(cpu_user_s=0, cpu_system_s=0, max_rss_bytes=None),
        )


def _config_of(
    name: str, feature: Feature, source: EpisodeDirectory, configs: Mapping[str, VideoEncoderConfig]
) -> VideoEncoderConfig:
    """Return the episode's own settings of a camera, or those of the dataset if they are missing or invalid."""
    settings = source.settings()
    if name not in settings:
        return configs[name]
    try:
        return (DepthEncoderConfig if feature.is_depth else VideoEncoderConfig).model_validate(settings[name])
    except ValueError as err:
        reason = str(err).replace("\n", " ")
        logger.warning(
            "the settings of %s in %s are invalid, so those of the dataset are used: %s", name, source.path, reason
        )
        return configs[name]
