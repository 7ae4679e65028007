"""What crashes and errors leave of episodes, and how it joins the dataset after all.

An episode is recorded in ``meta/ffenc/recording/<name>``; one that could not join is in ``meta/ffenc/kept/<name>``.  Both hold
the rows (``rows.jsonl``), what the cameras are (``recording.json``), and for each camera its video, its hidden recording, its
spooled frames, or its images.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy.typing as npt
import orjson

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.atomic import make_directory
from ffenc.dataset.commit import COMMIT, KEPT, RECORDING
from ffenc.dataset.layout import DatasetLayout
from ffenc.dataset.resuming import resolved
from ffenc.dataset.rows import EpisodeRows, read_rows
from ffenc.dataset.schema import DatasetInfo, Feature
from ffenc.dataset.whole import sync_tree
from ffenc.errors import EpisodeError, FFencError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.child import Usage
from ffenc.ffmpeg.ffprobe import probe_video_and_packets
from ffenc.frames import FrameFormat
from ffenc.statistics import FrameSampler
from ffenc.streaming.camera import CameraRecording
from ffenc.streaming.images import ImageFolder, read_images
from ffenc.streaming.ledger import EpisodeRecording, Ledger
from ffenc.streaming.spool import SUFFIX as SPOOL_SUFFIX
from ffenc.streaming.spool import read_spool
from ffenc.video.depth import read_depth
from ffenc.video.encode import encode_frames
from ffenc.video.join import join_parts
from ffenc.video.output import sync
from ffenc.video.reader import VideoReader
from ffenc.video.recording import MARK, is_held
from ffenc.video.run import EncodeResult
from ffenc.video.salvage import salvage_video, shorten_video

ROWS, PLAN, REASON = "rows.jsonl", "recording.json", "reason.txt"
"""Files in the directory of an episode: its rows, what its cameras are, and why it did not join."""

_DRAIN_WAIT_S = 20.0  # an ffmpeg whose program was killed sees the end of its input and completes its file


@dataclass(frozen=True, slots=True, kw_only=True)
class TornEpisode:
    """What is left of an episode that did not join its dataset.

    Attributes:
        path: its directory.
        rows: whole rows of its table.
        reason: why it did not join.
    """

    path: Path
    rows: int
    reason: str

    def __str__(self) -> str:
        return f"{self.rows} rows in {self.path} ({self.reason})"


def find_torn(root: Path, info: DatasetInfo) -> tuple[TornEpisode, ...]:
    """All that is left of episodes; under the lock of the dataset, when nothing is being recorded."""
    own = DatasetLayout(root=root).own
    found = []
    for directory in sorted((*(own / RECORDING).glob("*"), *(own / KEPT).glob("*"))):
        rows = directory / ROWS
        if not rows.is_file() or (directory / COMMIT).exists():
            continue
        said = directory / REASON
        reason = said.read_text(encoding="utf-8").splitlines()[0] if said.exists() else "its recorder was killed"
        found.append(TornEpisode(path=directory, rows=len(read_rows(rows, info)), reason=reason))
    return tuple(found)


def keep_aside(staging: Path, reason: str) -> Path:
    """Move the directory of an episode that did not join to where it is found again.

    Returns:
        Its new place.
    """
    kept = staging.parent.parent / KEPT / staging.name
    make_directory(kept.parent)
    (staging / REASON).write_text(reason + "\n", encoding="utf-8")
    sync_tree(staging)
    staging.rename(kept)
    sync(staging.parent)
    sync(kept.parent)
    return kept


def restore(
    torn: TornEpisode, info: DatasetInfo, *, binaries: Binaries
) -> tuple[Path, EpisodeRows, EpisodeRecording | None]:
    """Make an episode of what is left: the frames that all cameras and the table have.

    What is torn stays as it is until the episode has joined; what is made lies beside it.

    Returns:
        A directory of complete files, the rows, and the cameras: what ``EpisodeJoiner.join`` takes.

    Raises:
        EpisodeError: there is no time step that all of them have.
    """
    rows = read_rows(torn.path / ROWS, info)
    cameras = {name: feature for name, feature in info.features.items() if feature.is_camera}
    made = torn.path.parent / f"{torn.path.name}-restored"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    restorer = _Restorer(torn.path, made, info, binaries)
    try:
        counts = {name: restorer.take(name, feature) for name, feature in cameras.items()}
        length = min([len(rows), *counts.values()])
        while length:
            # With B-frames a video cannot end everywhere; then all of them end where it can.
            counts = {name: restorer.shorten(name, feature, length) for name, feature in cameras.items()}
            if length == min([length, *counts.values()]):
                break
            length = min(counts.values())
        if not length:
            raise EpisodeError(
                f"nothing of {torn.path} can be used: it has {len(rows)} rows, and frames: {counts}; it stays where it is",
                episode_index=info.total_episodes,
                kept=torn.path,
            )
        recorded = {name: restorer.describe(name, feature, length) for name, feature in cameras.items()}
        sync_tree(made)
    except FFencError:
        shutil.rmtree(made, ignore_errors=True)
        raise
    ledger = Ledger(steps=length, drops=())
    recording = EpisodeRecording(directory=made, frames=length, cameras=recorded, ledger=ledger) if cameras else None
    return made, rows.first(length), recording


class _Restorer:
    """Makes complete videos and images of what one directory holds."""

    def __init__(self, source: Path, made: Path, info: DatasetInfo, binaries: Binaries) -> None:
        self._source = source
        self._made = made
        self._info = info
        self._binaries = binaries
        plan = source / PLAN
        self._plans: dict[str, Any] = orjson.loads(plan.read_bytes())["cameras"] if plan.exists() else {}

    def take(self, name: str, feature: Feature) -> int:
        """Make the camera's file of all that is there; how many frames it has."""
        if not feature.is_video:
            return self._take_images(name)
        for suffix in (".mp4", ".mov"):
            whole = self._source / f"{name}{suffix}"
            if whole.exists():
                shutil.copyfile(whole, self._made / whole.name)
                return self._count(self._made / whole.name)
        parts = sorted(self._source.glob(f".{name}.part*"))
        recordings = [path for path in sorted(self._source.glob(f".{name}.*{MARK}.*")) if self._is_ours(name, path)]
        for number, recording in enumerate(recordings):
            self._wait_for(recording)
            try:
                parts.append(self._video_of(name, feature, recording, number))
            except FFencError:
                continue  # it ended before its first frame
        if not parts:
            return 0
        final = self._made / f"{name}{parts[0].suffix}"
        if len(parts) == 1:
            shutil.move(parts[0], final) if parts[0].parent == self._made else shutil.copyfile(parts[0], final)
        else:
            join_parts(parts, final, config=self._config(name, feature), binaries=self._binaries)
        return self._count(final)

    def shorten(self, name: str, feature: Feature, frames: int) -> int:
        """Leave only the first frames; how many there are."""
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

    def describe(self, name: str, feature: Feature, length: int) -> CameraRecording:
        """What an encoder would have said of it; statistics are those of the decoded pictures."""
        sampler = FrameSampler()
        result: EncodeResult | ImageFolder
        if feature.is_video:
            path = self._path(name)
            for frame in self._frames(path, feature, self._config(name, feature)):
                sampler.add(frame)
            result = self._result(name, feature, path, length)
        else:
            path = self._made / name
            result = ImageFolder(path=path, frames=length, suffix=next(path.iterdir()).suffix)
            height, width = feature.shape[:2]
            layout = "gray16" if feature.is_depth else "rgb"
            form = FrameFormat(width=width, height=height, layout=layout)
            for frame in read_images(result, form, binaries=self._binaries):
                sampler.add(frame)
        unit = (feature.info or {}).get("depth_unit")
        dtype = "uint8" if not feature.is_depth else "float32" if unit == "m" else "uint16"
        return CameraRecording(path=path, frames=length, dtype=dtype, statistics=sampler.statistics(), result=result)

    def _take_images(self, name: str) -> int:
        folder = self._source / name
        # The last one may be torn.
        whole = sorted(folder.glob("frame-*"))[:-1] if folder.is_dir() else []
        (self._made / name).mkdir()
        for image in whole:
            shutil.copyfile(image, self._made / name / image.name)
        return len(whole)

    def _is_ours(self, name: str, recording: Path) -> bool:
        # The name of one camera may be the beginning of another's.
        stem = recording.name[1:].partition(MARK)[0].rpartition(".")[0]
        return stem == name or stem.startswith(f".{name}.part")

    def _wait_for(self, recording: Path) -> None:
        deadline = time.monotonic() + _DRAIN_WAIT_S
        while is_held(recording) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _video_of(self, name: str, feature: Feature, recording: Path, number: int) -> Path:
        fps = self._info.fps
        if recording.suffix != SPOOL_SUFFIX:
            output = self._made / f"part{number}-{name}{recording.suffix}"
            return salvage_video(recording, output, fps=fps, binaries=self._binaries).path
        config = self._config(name, feature)
        frames: Iterable[npt.NDArray[Any]] = read_spool(recording)
        layout, suffix = "rgb", ".mp4"
        if isinstance(config, DepthEncoderConfig):
            layout, suffix = config.layout, ".mp4" if config.quantizes else ".mov"
            if config.quantizes:
                frames = (config.quantizer.quantize(frame) for frame in frames)
        output = self._made / f"part{number}-{name}{suffix}"
        encode_frames(frames, output, fps=fps, config=config, layout=layout, binaries=self._binaries)
        return output

    def _config(self, name: str, feature: Feature) -> VideoEncoderConfig:
        kind = DepthEncoderConfig if feature.is_depth else VideoEncoderConfig
        return kind.model_validate(self._plans.get(name, {}))

    def _path(self, name: str) -> Path:
        return next(path for path in (self._made / f"{name}.mp4", self._made / f"{name}.mov") if path.exists())

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
