"""Re-encode the videos of a dataset: as jobs that may run anywhere, and one commit at the end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ffenc.config import PerCamera, VideoEncoderConfig
from ffenc.dataset.format.camera_frames import span_statistics
from ffenc.dataset.format.dataset_tables import iterate_episodes
from ffenc.dataset.format.documents import save_info
from ffenc.dataset.format.episode_columns import VideoSpan
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.provenance import append_operation
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.format.video_info import chosen_layout, in_layout, layout_of, video_info
from ffenc.dataset.storage.dataset_tree import resolve_root
from ffenc.dataset.storage.new_directory import check_new, work_beside
from ffenc.dataset.storage.swap_directory import link_or_copy
from ffenc.dataset.transform.in_place import new_form, take_along
from ffenc.dataset.transform.reencode_plan import ReencodePlan, plan_reencode_dataset, thinnings_of
from ffenc.dataset.transform.source import reading
from ffenc.dataset.transform.write_tables import Part, StridedVideo, VideoPlacement, write_tables
from ffenc.errors import DatasetError, OutputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.jobs.run import JobProgress, JobResult, run_jobs
from ffenc.jobs.spec import JobSpec
from ffenc.plan.concat import check_agreement
from ffenc.statistics import FeatureStatistics
from ffenc.video.clip import iterate_clips
from ffenc.video.join import frame_hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReencodeResult:
    """A dataset whose videos were re-encoded.

    Attributes:
        root: its directory.
        cameras: features that were re-encoded.
        videos: files of them.
        episodes, frames: what it holds.
        size_before_bytes, size_after_bytes: of these files.
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
    """Re-encode videos of a dataset, into a new dataset or in place, all or nothing.

    Every file is read back, must have the frames of the old one, and be like the others of its camera; only then the dataset
    is put together and gets its name.  ``info.json`` says what was measured.

    Args:
        root: the dataset.
        camera_encoder: settings for colour cameras; None leaves them as they are, unless ``resize`` or ``fps`` needs them
            encoded, which then happens with the dataset's own settings.
        depth_encoder: the same for depth cameras.  The parameters of the quantizer stay those of the dataset.
        cameras: only these; None is all that have settings.
        output: directory of a new dataset; None replaces the videos in place.
        keep_depth: refuse if decoding shows that a depth changed; False allows lossy settings.
        resize: (width, height) of all cameras; depth takes the nearest pixel.
        fps: a rate of which the present one is a multiple; rows are left out like frames, in every episode from its first.
        executor: see `run_jobs`.
        encoder_threads: threads of each encoder; None leaves it to the encoder.
        work: directory for finished files, in which a run that was stopped continues; None starts from nothing each time.
        follow_links: read through links in the dataset.  In place, a link stays where nothing below it changes.
        binaries: the executables; found by `find_binaries` if None.
        progress: see `run_jobs`.

    Raises:
        DatasetError: the dataset is not whole, there is nothing to do, or a job failed.
        OutputExistsError: ``output`` exists.
        DatasetLockedError: another writer has the dataset.
        FFencError: a file is not right.  In every case the dataset is as it was and there is no output.
    """
    binaries = binaries or find_binaries()
    final = None if output is None else Path(output)
    if final is not None:
        check_new(final)
    place = resolve_root(root)
    with ExitStack() as stack:
        building = stack.enter_context(new_form(place, final))
        if work is None:
            # Beside it and not in it: nothing of it may come along.
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
            return _put_together(plan, results, building, binaries, final=final or Path(root), in_place=final is None)


def _put_together(
    plan: ReencodePlan,
    results: Sequence[JobResult],
    building: Path,
    binaries: Binaries,
    *,
    final: Path,
    in_place: bool,
) -> ReencodeResult:
    """Check all files, then write the new form of the dataset around them."""
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
        taken = next(r for (k, _), r in zip(plan.files, results, strict=True) if k == key)
        info = _refreshed(info, key, streams[key], config, (taken.result or {}).get("encoder", {}).get("config"))
    written = {source.layout.info}
    if plan.changes_pictures:
        written |= {
            *source.layout.data_files(),
            *source.layout.episodes_files(),
            source.layout.stats,
            source.layout.tasks,
        }
    take_along(source.root, building, leave=replaced | written, link=in_place)
    if plan.changes_pictures:
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
    """The first stream of each camera; all files have the frames they must have and are alike.

    Raises:
        OutputError: a file is not right.
        ConcatError: the files of a camera differ.
    """
    streams: dict[str, list[VideoStreamInfo]] = {key: [] for key in plan.configs}
    for (key, file), spec in zip(plan.files, plan.specs, strict=True):
        (clip,) = iterate_clips([spec.output], binaries=binaries)
        least = plan.source.videos[key][file] if spec.frames_expected is None else spec.frames_expected
        if clip.packets.count < least:
            raise OutputError(
                f"{spec.output} has {clip.packets.count} frames where {least} are needed", path=spec.output
            )
        streams[key].append(clip.stream)
        if plan.source.info.features[key].is_depth and plan.keep_depth and plan.size is None:
            _check_depth(spec, binaries)
    for some in streams.values():
        check_agreement(some, may_differ=("extradata",))
    return {key: some[0] for key, some in streams.items()}


def _check_depth(spec: JobSpec, binaries: Binaries) -> None:
    before = frame_hashes(Path(spec.inputs[0]), binaries=binaries)
    thinning = spec.row.arguments.model_validate(spec.arguments).keywords().get("thinning")
    if thinning is not None:
        kept = [k for first, stop in thinning.ranges for k in range(first, stop, thinning.every)]
        before = [before[k] for k in kept]
    if frame_hashes(Path(spec.output), binaries=binaries) != before:
        raise OutputError(
            f"the depths of {spec.inputs[0]} are not the same after encoding; use lossless settings of the same pixel format, or "
            "allow it with keep_depth=False (--keep_depth=false)",
            path=spec.output,
        )


def _refreshed(
    info: DatasetInfo, key: str, stream: VideoStreamInfo, config: VideoEncoderConfig, effective: object
) -> DatasetInfo:
    """The document with what was measured of a camera; what only the dataset knows (the unit of depth) stays."""
    feature = info.features[key]
    took_effect = type(config).model_validate(effective) if effective else config
    measured = video_info(stream, took_effect, is_depth_map=feature.is_depth)
    block = {name: value for name, value in (feature.info or {}).items() if not name.startswith("audio.")}
    shape = (stream.height, stream.width, *feature.shape[2:])
    markers = layout_of([feature.info]) or chosen_layout([each.info for each in info.videos.values()], None)
    changed = feature.model_copy(update={"shape": shape, "info": in_layout(block | measured, markers)})
    return info.model_copy(update={"features": {**info.features, key: changed}})


def _write_new_tables(plan: ReencodePlan, info: DatasetInfo, building: Path, binaries: Binaries) -> DatasetInfo:
    """The tables of what is left, with statistics of the pictures as they are now."""
    source = plan.source
    moved = _moved(plan)
    spans: dict[tuple[str, FileId], list[tuple[int, VideoSpan]]] = {}
    for row in iterate_episodes(source.root, source.info, statistics=False):
        for key, span in row.videos.items():
            if key in plan.configs:
                place = moved[key, span.file].place(span)
                spans.setdefault((key, span.file), []).append((row.episode_index, place))
    pictures: dict[str, dict[int, FeatureStatistics]] = {key: {} for key in plan.configs}
    layout = DatasetLayout.of(building, info)
    for (key, file), some in spans.items():
        seen = span_statistics(
            layout.video(key, file), info.features[key], [span for _, span in some], binaries=binaries
        )
        pictures[key].update(zip((episode for episode, _ in some), seen, strict=True))
    part = Part(
        source=source,
        videos={
            key: {file: each for (camera, file), each in moved.items() if camera == key} for key in source.info.videos
        },
        every=plan.every,
        pictures={key: [some[episode] for episode in sorted(some)] for key, some in pictures.items()},
    )
    slower = info.model_copy(update={"fps": info.fps // plan.every})
    return write_tables(building, slower, [part], source.tasks)


def _moved(plan: ReencodePlan) -> dict[tuple[str, FileId], VideoPlacement | StridedVideo]:
    """Where episodes are now: a thinned video has no frame of which no episode is made, another one has all that it had."""
    spans = plan.source.spans()
    if plan.every == 1:
        return {
            (key, file): VideoPlacement(file=file, ranges=((0, some[-1][1]),)) for (key, file), some in spans.items()
        }
    return {
        (key, file): StridedVideo(file=file, thinning=thinning)
        for (key, file), thinning in thinnings_of(spans, plan.every).items()
    }
