"""Recover interrupted episodes: make complete files of what was recorded.

Frames and rows are numbered where they are written.  Row ``n`` of the log belongs to frame ``n`` of every camera, and a part
of a video says at which frame it begins.  Recovery puts them together by number and ends at the first gap.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

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
    cameras = {name: feature for name, feature in info.features.items() if feature.is_camera}
    made = source.restored
    made.remove()
    make_directory(made.path)
    restorer = _Restorer(source, made, info, configs, binaries)
    try:
        length = restorer.take_all(cameras, len(steps.rows))
        rows = steps.rows.first(length)
        recorded = {name: restorer.describe(name, feature, rows) for name, feature in cameras.items()}
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


class _Restorer:
    """Makes the complete videos and images of one interrupted episode."""

    def __init__(
        self,
        source: EpisodeDirectory,
        made: EpisodeDirectory,
        info: DatasetInfo,
        configs: Mapping[str, VideoEncoderConfig],
        binaries: Binaries,
    ) -> None:
        self._directory = source
        self._source = source.path
        self._output = made
        self._made = made.path
        self._info = info
        self._binaries = binaries
        self._configs = configs
        self._plans = source.settings()

    def take_all(self, cameras: Mapping[str, Feature], rows: int) -> int:
        """Make the files of all cameras, with equal numbers of frames, and return that number.

        Raises:
            EpisodeError: no time step is in all cameras and the log.
        """
        counts = {name: self.take(name, feature) for name, feature in cameras.items()}
        length = min([rows, *counts.values()])
        while length:
            # A video with B-frames cannot end at every frame; the others then end where it can.
            counts = {name: self.shorten(name, feature, length) for name, feature in cameras.items()}
            if length == min([length, *counts.values()]):
                return length
            length = min(counts.values())
        raise EpisodeError(
            f"{self._source} cannot be recovered: it has {rows} rows, and frames: {counts}; it is unchanged",
            episode_index=self._info.total_episodes,
            kept=self._source,
        )

    def take(self, name: str, feature: Feature) -> int:
        """Make the camera's file with all frames that were recorded, and return their number."""
        if not feature.is_video:
            return self._take_images(name)
        finished = self._directory.video(name)
        if finished is not None:
            shutil.copyfile(finished, self._made / finished.name)
            return self._count(self._made / finished.name)
        parts = self._parts(name, feature)
        if not parts:
            return 0
        final = self._output.new_video(name, parts[0].suffix)
        if len(parts) == 1:
            parts[0].rename(final)
        else:
            join_parts(parts, final, config=self._config(name, feature), binaries=self._binaries)
        return self._count(final)

    def _parts(self, name: str, feature: Feature) -> list[Path]:
        """Return consecutive videos without a gap, from frame 0 on.

        Of several that begin at the same frame, the longest is used: a recording and the video made from it, or raw frames
        and the video encoded from them.
        """
        longest: dict[int, tuple[int, Path]] = {}
        failed: list[tuple[VideoPart, FFencError]] = []
        for number, part in enumerate(find_parts(self._source, name)):
            try:
                video = self._video_of(name, feature, part, number)
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
            logger.log(logging.WARNING if is_lost else logging.DEBUG, "nothing of %s can be used: %s", part.path, why)
        return self._consecutive(longest)

    def _consecutive(self, longest: Mapping[int, tuple[int, Path]]) -> list[Path]:
        """Return the videos up to the first gap, cut where the next one begins."""
        videos: list[Path] = []
        end = 0
        for first, (frames, video) in sorted(longest.items()):
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

    def _cut(self, videos: list[Path], frames: int) -> bool:
        """Remove frames from the end of the last video, and return whether it could be cut there."""
        last = videos[-1]
        wanted = self._count(last) - frames
        shorter = last.with_name(f"cut-{last.name}")
        if wanted < 1 or shorten_video(last, shorter, frames=wanted, binaries=self._binaries) != wanted:
            return False
        videos[-1] = shorter
        return True

    def shorten(self, name: str, feature: Feature, frames: int) -> int:
        """Keep only the first frames, and return how many were kept."""
        if not feature.is_video:
            return frames
        path = self._path(name)
        if self._count(path) <= frames:
            return self._count(path)
        longer = path.with_name(f"longer-{path.name}")
        path.rename(longer)
        left = shorten_video(longer, path, frames=frames, binaries=self._binaries)
        longer.unlink()
        return left

    def describe(self, name: str, feature: Feature, rows: EpisodeRows) -> CameraRecording:
        """Describe the camera as its encoder would have.  The statistics come from the decoded frames.

        Raises:
            EpisodeError: its frames do not match its rows.
        """
        length = len(rows)
        sampler = FrameSampler()
        check = TieCheck({number: row.shown.get(name) for number, row in enumerate(rows.rows) if row.shown})
        result: EncodeResult | ImageFolder
        if feature.is_video:
            path = self._path(name)
            for frame in self._frames(path, feature, self._config(name, feature)):
                sampler.add(frame)
                if not feature.is_depth:
                    check.add(frame)
            self._require_aligned(name, check)
            result = self._result(name, feature, path, length)
        else:
            path = self._output.images(name)
            result = ImageFolder(path=path, frames=length, suffix=next(path.iterdir()).suffix)
            height, width = feature.shape[:2]
            layout = "gray16" if feature.is_depth else "rgb"
            form = FrameFormat(width=width, height=height, layout=layout)
            for frame in read_images(result, form, binaries=self._binaries):
                sampler.add(frame)
        unit = (feature.info or {}).get("depth_unit")
        dtype = "uint8" if not feature.is_depth else "float32" if unit == "m" else "uint16"
        return CameraRecording(path=path, frames=length, dtype=dtype, statistics=sampler.statistics(), result=result)

    def _require_aligned(self, name: str, check: TieCheck) -> None:
        found = check.misaligned()
        if found is not None:
            raise EpisodeError(
                f"{self._source} cannot be recovered: the image recorded with row {found[0]} is in frame {found[1]} of {name}; "
                "it is unchanged",
                episode_index=self._info.total_episodes,
                kept=self._source,
            )

    def _take_images(self, name: str) -> int:
        source, made = self._directory.images(name), self._output.images(name)
        suffix = SUFFIXES["gray16" if self._info.features[name].is_depth else "rgb"]
        images: list[Path] = []
        while (image := source / image_name(len(images), suffix)).is_file():
            images.append(image)
        del images[-1:]  # it may be cut off
        made.mkdir()
        for image in images:
            shutil.copyfile(image, made / image.name)
        return len(images)

    def _wait_for(self, recording: Path) -> None:
        deadline = time.monotonic() + _DRAIN_WAIT_S
        while is_held(recording) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _video_of(self, name: str, feature: Feature, part: VideoPart, number: int) -> Path:
        """Return a copy of a part as a plain video."""
        fps, source = self._info.fps, part.path
        output = self._made / f"part{number}{source.suffix}"
        if not part.is_recording:
            shutil.copyfile(source, output)
            return output
        self._wait_for(source)
        if source.suffix != SPOOL_SUFFIX:
            return salvage_video(source, output, fps=fps, binaries=self._binaries).path
        config = self._config(name, feature)
        frames: Iterable[npt.NDArray[Any]] = read_spool(source)
        layout, suffix = "rgb", ".mp4"
        if isinstance(config, DepthEncoderConfig):
            layout, suffix = config.layout, ".mp4" if config.quantizes else ".mov"
            if config.quantizes:
                frames = (config.quantizer.quantize(frame) for frame in frames)
        output = output.with_suffix(suffix)
        encode_frames(frames, output, fps=fps, config=config, layout=layout, binaries=self._binaries)
        return output

    def _config(self, name: str, feature: Feature) -> VideoEncoderConfig:
        if name not in self._plans:  # a crash left none
            return self._configs[name]
        kind = DepthEncoderConfig if feature.is_depth else VideoEncoderConfig
        try:
            return kind.model_validate(self._plans[name])
        except ValueError as err:
            logger.warning(
                "the settings that %s keeps for %s are invalid, so those of the dataset are used: %s",
                self._source,
                name,
                str(err).replace("\n", " "),
            )
            self._plans.pop(name)
            return self._configs[name]

    def _path(self, name: str) -> Path:
        path = self._output.video(name)
        assert path is not None
        return path

    def _count(self, path: Path) -> int:
        return probe_video_and_packets(path, binaries=self._binaries)[1].count

    def _frames(self, path: Path, feature: Feature, config: VideoEncoderConfig) -> Iterator[npt.NDArray[Any]]:
        if not isinstance(config, DepthEncoderConfig):
            yield from VideoReader(path, binaries=self._binaries)
            return
        in_metres = (feature.info or {}).get("depth_unit") == "m"
        yield from read_depth(path, config, unit="m" if in_metres else "mm", binaries=self._binaries)

    def _result(self, name: str, feature: Feature, path: Path, length: int) -> EncodeResult:
        stream, _ = probe_video_and_packets(path, binaries=self._binaries)
        return EncodeResult(
            path=path,
            frames=length,
            fps=Fraction(self._info.fps),
            size_bytes=path.stat().st_size,
            encoder=resolved(self._config(name, feature), feature, self._info.fps, self._binaries),
            stream=stream,
            argv=(),
            usage=Usage(cpu_user_s=0, cpu_system_s=0, max_rss_bytes=None),
        )
