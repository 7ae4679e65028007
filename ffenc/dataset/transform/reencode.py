"""Re-encode the videos of a dataset: run one job per file, then write the new form of the dataset."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from ffenc.config import PerCamera, VideoEncoderConfig
from ffenc.dataset.format.camera_frames import span_statistics
from ffenc.dataset.format.dataset_tables import iterate_episodes
from ffenc.dataset.format.documents import save_info
from ffenc.dataset.format.episode_columns import VideoSpan
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.provenance import append_operation
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.format.video_info import depth_markers, markers_to_write, video_info, with_depth_markers
from ffenc.dataset.storage.dataset_tree import resolve_root
from ffenc.dataset.storage.new_directory import work_beside
from ffenc.dataset.storage.swap_directory import link_or_copy
from ffenc.dataset.transform.in_place import copy_unchanged, new_form
from ffenc.dataset.transform.reencode_plan import ReencodePlan, plan_reencode_dataset
from ffenc.dataset.transform.source import reading
from ffenc.dataset.transform.stored_images import image_statistics
from ffenc.dataset.transform.write_tables import EpisodeSelection, VideoPlacement, write_tables
from ffenc.errors import DatasetError, OutputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.jobs.run import JobProgress, JobResult, run_jobs
from ffenc.jobs.spec import JobSpec
from ffenc.plan.concat import check_agreement
from ffenc.regular_files import file_path
from ffenc.statistics import FeatureStatistics
from ffenc.video.clip import iterate_clips
from ffenc.video.join import frame_hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReencodeResult:
    """A dataset whose videos were re-encoded.

    Attributes:
        root: its directory.
        cameras: the re-encoded features.
        videos: number of re-encoded files.
        episodes, frames: its counts.
        size_before_bytes, size_after_bytes: total size of these files.
    """

    root: Path
    cameras: tuple[str, ...]
    videos: int
    episodes: int
    frames: int
    size_before_bytes: int
    size_after_bytes: int


def reencode_dataset(
    root: str | Path,
    *,
    camera_encoder: PerCamera[VideoEncoderConfig] | None = None,
    depth_encoder: PerCamera[VideoEncoderConfig] | None = None,
    cameras: Collection[str] | None = None,
    output: str | Path | None = None,
    keep_depth: bool = True,
    resize: tuple[int, int] | None = None,
    fps: int | None = None,
    executor: Executor | None = None,
    encoder_threads: int | None = None,
    work: str | Path | None = None,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: JobProgress | None = None,
) -> ReencodeResult:
    """Re-encode videos of a dataset, atomically into a new dataset or in place.

    Every new file is read back: it must have the frames of the old one and the stream properties of the other files of its
    camera.  ``info.json`` gets the measured properties.

    Args:
        root: the dataset.
        camera_encoder: settings for colour cameras; None does not re-encode them, except that ``resize`` and ``fps`` use the
            dataset's own settings.
        depth_encoder: settings for depth cameras, like ``camera_encoder``; the quantizer of the dataset is kept.
        cameras: cameras to re-encode; None re-encodes all that have settings.
        output: directory of a new dataset; None replaces the videos in place.
        keep_depth: refuse depth that is not bit-exact after decoding; False allows lossy settings.
        resize: (width, height) for all cameras; depth takes the nearest pixel.
        fps: new frame rate, a divisor of the present one; every n-th row and frame of each episode is kept.
        executor: see `run_jobs`.
        encoder_threads: threads of each encoder; None leaves the number to the encoder.
        work: directory for finished files, from which an interrupted run resumes; None uses a temporary directory.
        follow_links: read through symbolic links in the dataset.  In place, a link is kept if nothing below it changes.
        binaries: the executables; found by `find_binaries` if None.
        progress: see `run_jobs`.

    Raises:
        DatasetError: the dataset is inconsistent, there is nothing to do, or a job failed.
        OutputExistsError: ``output`` exists.
        DatasetLockedError: another process is writing into the dataset.
        FFencError: an output file is wrong.  After any error the dataset is unchanged, and no output is left.
    """
    binaries = binaries or find_binaries()
    final = None if output is None else Path(output)
    place = resolve_root(root)
    work = None if work is None else file_path(work, written=True)
    with ExitStack() as stack:
        building = stack.enter_context(new_form(place, final))
        if work is None:
            # Beside the new form and not in it, so that no temporary file becomes part of the dataset.
            work = stack.enter_context(work_beside(building))
        plan = plan_reencode_dataset(
            place,
            work,
            camera_encoder=camera_encoder,
            depth_encoder=depth_encoder,
            cameras=cameras,
            keep_depth=keep_depth,
            resize=resize,
            fps=fps,
            encoder_threads=encoder_threads,
            follow_links=follow_links,
        )
        with reading([plan.source]):
            results = run_jobs(plan.specs, executor=executor, progress=progress, binaries=binaries)
            return _write_new_form(plan, results, building, binaries, final=final or Path(root), in_place=final is None)


def _write_new_form(
    plan: ReencodePlan,
    results: Sequence[JobResult],
    building: Path,
    binaries: Binaries,
    *,
    final: Path,
    in_place: bool,
) -> ReencodeResult:
    """Check all new files, then write the new form of the dataset with them."""
    failed = [result for result in results if result.error is not None]
    if failed:
        reasons = "; ".join(f"{each.spec.inputs[0]}: {each.error.message}" for each in failed[:3] if each.error)
        raise DatasetError(
            f"{len(failed)} of {len(results)} videos could not be encoded: {reasons}", path=plan.source.root
        )
    source = plan.source
    streams = _checked_streams(plan, binaries)
    replaced = {source.layout.video(key, file) for key, file in plan.files}
    before = sum(path.stat().st_size for path in replaced)
    for (key, file), spec in zip(plan.files, plan.specs, strict=True):
        target = building / source.layout.video(key, file).relative_to(source.root)
        link_or_copy(Path(spec.output), target)
    info = source.info
    for key, config in plan.configs.items():
        first = next(r for (k, _), r in zip(plan.files, results, strict=True) if k == key)
        info = _with_measured(info, key, streams[key], config, (first.result or {}).get("config"))
    written = source.layout.tables() if plan.changes_frames else {source.layout.info}
    copy_unchanged(source.root, building, leave=replaced | written, link=in_place)
    if plan.changes_frames:
        info = _write_new_tables(plan, info, building, binaries)
    else:
        save_info(building, info)
    append_operation(
        building,
        "reencode",
        cameras={key: config.model_dump(mode="json") for key, config in plan.configs.items()},
        resize=plan.size,
        every=plan.every,
        argv=[(result.result or {}).get("argv") for result in results[:1]],
    )
    return ReencodeResult(
        root=final,
        cameras=tuple(plan.configs),
        videos=len(plan.files),
        episodes=info.total_episodes,
        frames=info.total_frames,
        size_before_bytes=before,
        size_after_bytes=sum((building / path.relative_to(source.root)).stat().st_size for path in replaced),
    )


def _checked_streams(plan: ReencodePlan, binaries: Binaries) -> dict[str, VideoStreamInfo]:
    """Check all new files and return the first stream of each camera.

    Raises:
        OutputError: frames are missing, or depth has changed.
        ConcatError: the files of a camera have different stream properties.
    """
    streams: dict[str, list[VideoStreamInfo]] = {key: [] for key in plan.configs}
    for (key, file), spec in zip(plan.files, plan.specs, strict=True):
        (clip,) = iterate_clips([spec.output], binaries=binaries)
        least = plan.source.videos[key][file] if spec.frames_expected is None else spec.frames_expected
        if clip.packets.count < least:
            raise OutputError(
                f"{spec.output} has {clip.packets.count} frames, but {least} are needed", path=Path(spec.output)
            )
        streams[key].append(clip.stream)
        if plan.source.info.features[key].is_depth and plan.keep_depth and plan.size is None:
            _check_depth(spec, binaries)
    for some in streams.values():
        # A file of one or two frames has no B-frames; the files are not joined here.
        check_agreement(some, may_differ=("extradata", "B-frames"))
    return {key: some[0] for key, some in streams.items()}


def _check_depth(spec: JobSpec, binaries: Binaries) -> None:
    before = frame_hashes(Path(spec.inputs[0]), binaries=binaries)
    stride = spec.row.arguments.model_validate(spec.arguments).keywords().get("thinning")
    if stride is not None:
        before = [before[k] for first, stop in stride.ranges for k in range(first, stop, stride.every)]
    if frame_hashes(Path(spec.output), binaries=binaries) != before:
        raise OutputError(
            f"the depth in {spec.inputs[0]} changed during encoding; use lossless settings with the same pixel format, or allow "
            "changes with keep_depth=False (--keep_depth=false)",
            path=Path(spec.output),
        )


def _with_measured(
    info: DatasetInfo, key: str, stream: VideoStreamInfo, config: VideoEncoderConfig, effective: object
) -> DatasetInfo:
    """Return the document with the measured properties of a camera; other keys such as the depth unit are kept."""
    feature = info.features[key]
    took_effect = type(config).model_validate(effective) if effective else config
    measured = video_info(stream, took_effect, is_depth_map=feature.is_depth)
    block = {name: value for name, value in (feature.info or {}).items() if not name.startswith("audio.")}
    shape = (stream.height, stream.width, *feature.shape[2:])
    markers = depth_markers([feature.info]) or markers_to_write([each.info for each in info.videos.values()], None)
    changed = feature.model_copy(update={"shape": shape, "info": with_depth_markers(block | measured, markers)})
    return info.model_copy(update={"features": {**info.features, key: changed}})


def _write_new_tables(plan: ReencodePlan, info: DatasetInfo, building: Path, binaries: Binaries) -> DatasetInfo:
    """Write the tables of the kept rows, with statistics of the new frames."""
    source = plan.source
    videos: dict[str, dict[FileId, VideoPlacement]] = {key: {} for key in source.info.videos}
    for (key, file), ranges in source.spans().items():
        videos[key][file] = VideoPlacement(file=file, ranges=tuple(ranges), every=plan.every)
    selection = EpisodeSelection(source=source, videos=videos if plan.every > 1 else None, every=plan.every)
    spans: dict[tuple[str, FileId], list[tuple[int, VideoSpan]]] = {}
    for row in iterate_episodes(source.root, source.info, statistics=False):
        for key, span in row.videos.items():
            if key in plan.configs:
                place = selection.place(key, span)
                spans.setdefault((key, span.file), []).append((row.episode_index, place))
    statistics: dict[str, dict[int, FeatureStatistics]] = {key: {} for key in plan.configs}
    layout = DatasetLayout.of(building, info)
    for (key, file), some in spans.items():
        places = [span for _, span in some]
        measured = span_statistics(layout.video(key, file), info.features[key], places, binaries=binaries)
        statistics[key].update(zip((episode for episode, _ in some), measured, strict=True))
    statistics |= image_statistics(selection, work=building, binaries=binaries)
    slower = info.model_copy(update={"fps": info.fps // plan.every})
    return write_tables(building, slower, [replace(selection, frame_statistics=statistics)], source.tasks)
