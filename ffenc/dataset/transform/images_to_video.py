"""Convert the image features of a dataset to video."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffenc.config import DepthEncoderConfig, PerCamera, VideoEncoderConfig
from ffenc.dataset.format.episode_columns import VideoSpan
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.format.provenance import append_operation
from ffenc.dataset.format.schema import VIDEO_PATH, DatasetInfo
from ffenc.dataset.format.video_info import InfoLayout, markers_to_write, video_info, with_depth_markers
from ffenc.dataset.storage.dataset_tree import resolve_root
from ffenc.dataset.storage.new_directory import work_beside
from ffenc.dataset.transform.in_place import copy_unchanged, new_form
from ffenc.dataset.transform.source import DatasetSource, reading
from ffenc.dataset.transform.stored_images import unpack_images
from ffenc.dataset.transform.video_groups import FrameCounter, SourceVideo, group_videos, write_groups
from ffenc.dataset.transform.write_tables import EpisodeSelection, write_tables
from ffenc.errors import DatasetError, InputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.threads import ThreadPool
from ffenc.video.clip import iterate_clips
from ffenc.video.encode import encode_frames, encode_images
from ffenc.video.image_reader import ImageReader
from ffenc.video.run import EncodeResult
from ffenc.video.run_context import ProgressCallback

_CAMERAS_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionResult:
    """A dataset whose image features were converted to video.

    Attributes:
        root: its directory.
        cameras: the converted features.
        episodes, frames: its counts.
        videos: number of new video files.
        size_bytes: total size of these files.
    """

    root: Path
    cameras: tuple[str, ...]
    episodes: int
    frames: int
    videos: int
    size_bytes: int


def convert_images_to_video(
    root: str | Path,
    *,
    camera_encoder: PerCamera[VideoEncoderConfig] | None = None,
    depth_encoder: PerCamera[VideoEncoderConfig] | None = None,
    cameras: Collection[str] | None = None,
    output: str | Path | None = None,
    info_layout: InfoLayout | None = None,
    encoder_threads: int | None = None,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> ConversionResult:
    """Convert features of dtype ``image`` to video, atomically into a new dataset or in place.

    Every episode is encoded separately, so that it starts at a keyframe.  The episodes are then joined up to the file size in
    ``info.json``.  Rows, tasks and statistics are unchanged.

    Args:
        root: the dataset.
        camera_encoder: settings for colour cameras, for all or by name; None uses LeRobot's defaults.
        depth_encoder: settings for depth cameras, whose images must hold 16-bit millimetres.
        cameras: features to convert; None converts all image features.
        output: directory of a new dataset; None converts in place.
        info_layout: layout of the new ``info`` blocks, see `RecorderOptions`; None takes that of the other cameras, or of
            LeRobot 0.6 if there are none.
        encoder_threads: threads of each encoder; None leaves the number to the encoder.
        follow_links: read through symbolic links in the dataset.  In place, a link is kept if nothing below it changes.
        binaries: the executables; found by `find_binaries` if None.
        progress: called with (frames encoded, total), from other threads.

    Raises:
        DatasetError: the dataset is inconsistent, does not have the image features, or does not contain an image.
        OutputExistsError: ``output`` exists.
        FFencError: see `encode_images`.  After any error the dataset is unchanged, and no output is left.
    """
    binaries = binaries or find_binaries()
    final = None if output is None else Path(output)
    place = resolve_root(root)
    with new_form(place, final) as building, work_beside(building) as work, ExitStack() as stack:
        source = DatasetSource.open(place, follow_links=follow_links)
        stack.enter_context(reading([source]))
        source.layout.check_growing()
        markers = markers_to_write([each.info for each in source.info.videos.values()], info_layout)
        configs = _configs(source, camera_encoder, depth_encoder, cameras)
        counter = FrameCounter(source.info.total_frames * len(configs), progress)
        job = _Conversion(
            source=source,
            configs=configs,
            work=work,
            encoder_threads=encoder_threads,
            binaries=binaries,
            counter=counter,
        )
        results = job.encode()
        info = _with_videos(source.info, configs, {key: some[0] for key, some in results.items()}, markers)
        new_videos = {}
        for key, some in results.items():
            groups = group_videos(_measured(some, binaries), info)
            placed = write_groups(key, groups, building, info, binaries=binaries)
            new_videos[key] = [
                VideoSpan(file=each.file, from_frame=each.offset, to_frame=each.offset + each.video.frames)
                for each in placed
            ]
        written = _write(source, info, new_videos, building, in_place=final is None)
        append_operation(
            building, "images to video", cameras={key: c.model_dump(mode="json") for key, c in configs.items()}
        )
        size = sum(path.stat().st_size for key in configs for path in (building / "videos" / key).rglob("*.mp4"))
    return ConversionResult(
        root=final or Path(root),
        cameras=tuple(configs),
        episodes=written.total_episodes,
        frames=written.total_frames,
        videos=sum(len({span.file for span in spans}) for spans in new_videos.values()),
        size_bytes=size,
    )


def _configs(
    source: DatasetSource,
    camera: PerCamera[VideoEncoderConfig] | None,
    depth: PerCamera[VideoEncoderConfig] | None,
    cameras: Collection[str] | None,
) -> dict[str, VideoEncoderConfig]:
    found = {name: feature for name, feature in source.info.features.items() if feature.dtype == "image"}
    unknown = sorted(set(cameras or ()) - found.keys())
    if not found:
        raise DatasetError(f"{source.root} has no image features to convert", path=source.root)
    if unknown:
        raise DatasetError(
            f"unknown image feature {', '.join(unknown)}; {source.root} has {', '.join(found)}", path=source.root
        )
    configs: dict[str, VideoEncoderConfig] = {}
    for name in found if cameras is None else cameras:
        is_depth = found[name].shape[-1] == 1
        given = depth if is_depth else camera
        chosen = given.get(name) if isinstance(given, Mapping) else given
        configs[name] = chosen or (DepthEncoderConfig() if is_depth else VideoEncoderConfig())
        if is_depth and (found[name].info or {}).get("depth_unit") == "m":
            raise DatasetError(f"the depth images of {name} are in metres; only 16-bit millimetres can be converted")
        if is_depth != isinstance(configs[name], DepthEncoderConfig):
            raise DatasetError(f"{name} needs a {'DepthEncoderConfig' if is_depth else 'VideoEncoderConfig'}")
    return configs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conversion:
    """Encode the images of every episode and camera."""

    source: DatasetSource
    configs: Mapping[str, VideoEncoderConfig]
    work: Path
    encoder_threads: int | None
    binaries: Binaries
    counter: FrameCounter

    def encode(self) -> dict[str, list[EncodeResult]]:
        """Return a video per episode of each camera; only the images of one episode are on disk at a time."""
        results: dict[str, list[EncodeResult]] = {key: [] for key in self.configs}
        with ThreadPool(max_workers=_CAMERAS_AT_ONCE) as pool:
            for row, table in self.source.episodes():
                started = {
                    key: pool.submit(self._encode, key, row.episode_index, table[key].to_pylist()) for key in results
                }
                for key, future in started.items():
                    results[key].append(future.result())
        return results

    def _encode(self, key: str, episode: int, images: list[dict[str, Any] | None]) -> EncodeResult:
        output = self.work / key / f"{episode:06d}.mp4"
        output.parent.mkdir(exist_ok=True)
        report = self.counter.of((key, episode))
        with tempfile.TemporaryDirectory(dir=self.work) as directory:
            unpack_images(images, Path(directory), camera=key, episode=episode, root=self.source.root)
            try:
                result = self._encode_files(key, Path(directory), output, report)
            except InputError as err:  # its file name contains the frame number
                why = str(err).replace(f"{directory}/", "")
                raise DatasetError(f"{key}, episode {episode}: {why}", path=self.source.root) from err
        shape, size = self.source.info.features[key].shape, (result.stream.height, result.stream.width)
        if size not in (tuple(shape[:2]), tuple(shape[1:])):
            raise DatasetError(
                f"{key}, episode {episode}: the images are {size[1]}x{size[0]} with their EXIF orientation applied, but the "
                f"shape in info.json is {tuple(shape)}",
                path=self.source.root,
            )
        report(result.frames, None)
        return result

    def _encode_files(self, key: str, directory: Path, output: Path, report: ProgressCallback) -> EncodeResult:
        config, fps = self.configs[key], self.source.info.fps
        if isinstance(config, DepthEncoderConfig):
            reader = ImageReader(directory, fps=fps, layout="gray16", binaries=self.binaries)
            frames = (config.quantizer.quantize(frame) if config.quantizes else frame for frame in reader)
            return encode_frames(
                frames, output, fps=fps, config=config, layout=config.layout,
                encoder_threads=self.encoder_threads, binaries=self.binaries, progress=report,
            )  # fmt: skip
        return encode_images(
            directory, output, fps=fps, config=config, encoder_threads=self.encoder_threads,
            binaries=self.binaries, progress=report,
        )  # fmt: skip


def _measured(results: list[EncodeResult], binaries: Binaries) -> Iterator[SourceVideo]:
    clips = iterate_clips([result.path for result in results], binaries=binaries)
    return (SourceVideo.of(clip, FileId(file=number)) for number, clip in enumerate(clips))


def _with_videos(
    info: DatasetInfo,
    configs: Mapping[str, VideoEncoderConfig],
    first: Mapping[str, EncodeResult],
    markers: Collection[str],
) -> DatasetInfo:
    features = dict(info.features)
    for key, result in first.items():
        measured = video_info(
            result.stream, result.encoder.config, is_depth_map=isinstance(configs[key], DepthEncoderConfig)
        )
        block = with_depth_markers((features[key].info or {}) | measured, markers)
        features[key] = features[key].model_copy(update={"dtype": "video", "info": block})
    return info.model_copy(update={"features": features, "video_path": info.video_path or VIDEO_PATH})


def _write(
    source: DatasetSource,
    info: DatasetInfo,
    new_videos: Mapping[str, list[VideoSpan]],
    building: Path,
    *,
    in_place: bool,
) -> DatasetInfo:
    copy_unchanged(source.root, building, leave=source.layout.tables(), link=in_place)
    selection = EpisodeSelection(source=source, videos=None, new_videos=new_videos)
    return write_tables(building, info, [selection], source.tasks)
