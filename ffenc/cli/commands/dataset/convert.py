"""``ffenc convert``: make a LeRobot dataset from clips, folders of images and tables."""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from rich.table import Table
from rich.text import Text

from ffenc.cli.commands.record.cameras import FEATURE_PREFIX, check_camera_name
from ffenc.cli.output.results import columns_table, dataset_files, files_table
from ffenc.cli.output.screen import Screen, visible
from ffenc.cli.parsing.arguments import (
    UsageError,
    binaries_of,
    encoder_config,
)
from ffenc.config import VideoEncoderConfig
from ffenc.dataset.convert.conversion import EpisodeSource, FrameSeries, add_steps, check_episodes
from ffenc.dataset.convert.episode_table import EpisodeTable, read_episode_table
from ffenc.dataset.convert.passthrough import choose_copies
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.storage.new_directory import build_dataset, check_new
from ffenc.errors import InputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.ffprobe import probe_video
from ffenc.regular_files import file_path
from ffenc.video.image_reader import ImageReader
from ffenc.video.reader import VideoReader


def run(arguments: Namespace, screen: Screen) -> None:
    """Measure and convert the inputs, and print the contents of the dataset."""
    config, binaries = encoder_config(arguments), binaries_of(arguments)
    check_new(arguments.output)
    fps = Fraction(arguments.fps)
    episodes = _episodes(arguments, fps, binaries, screen)
    features = check_episodes(episodes, fps=fps)
    episodes = choose_copies(
        episodes,
        features,
        config,
        fps=arguments.fps,
        passthrough=arguments.passthrough,
        binaries=binaries,
    )
    _note_settings(config, episodes, screen)
    if arguments.dry_run:
        screen.note("dry run: everything fits together; nothing was written")
    else:
        _write(arguments, episodes, features, config, binaries, screen)
    files = dataset_files(arguments.output)
    document = {
        "root": str(arguments.output),
        "dry_run": arguments.dry_run,
        "features": features,
        "episodes": [_document(episode) for episode in episodes],
        "files": {str(file.relative_to(arguments.output)): size for file, size in files.items()},
    }
    screen.result(document, _table(episodes), *([files_table(arguments.output, files)] if files else []))


def _write(
    arguments: Namespace,
    episodes: Sequence[EpisodeSource],
    features: Mapping[str, Any],
    config: VideoEncoderConfig,
    binaries: Binaries,
    screen: Screen,
) -> None:
    output = arguments.output
    total = sum(episode.frames for episode in episodes)
    # In one step: a part of the dataset is useless, because all of it can be made again.
    with (
        build_dataset(output) as building,
        screen.progress("converting", total=total) as progress,
        DatasetRecorder.create(
            building,
            arguments.repo_id or output.absolute().name,
            arguments.fps,
            features,
            robot_type=arguments.robot_type,
            camera_encoder=config,
            info_layout=arguments.info_layout,
            encoder_threads=arguments.encoder_threads,
            queue_policy="block",
            binaries=binaries,
        ) as recorder,
    ):
        done = itertools.count(1)

        def step() -> None:
            if progress is not None:
                progress(next(done), total)

        for episode in episodes:
            recorder.copy_clips(episode.copies)
            add_steps(recorder, episode, task=arguments.task, on_step=step)
            recorder.save_episode(wait=True)
        recorder.finalize()


def _episodes(arguments: Namespace, fps: Fraction, binaries: Binaries, screen: Screen) -> list[EpisodeSource]:
    inputs = _inputs(arguments)
    count = len(next(iter(inputs.values())))
    tables: list[EpisodeTable | None] = [None] * count
    if arguments.tables is not None:
        tables = [read_episode_table(path) for path in _matching("--tables", arguments.tables)]
    sizes = {f"camera {name}": len(paths) for name, paths in inputs.items()} | {"--tables": len(tables)}
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{number} for {what}" for what, number in sizes.items())
        raise UsageError(f"each episode needs one input per camera, but there are {counts}")
    episodes = []
    with screen.progress("measuring", total=count, unit="episodes") as progress:
        for number, (paths, table) in enumerate(zip(zip(*inputs.values(), strict=True), tables, strict=True), start=1):
            series = [_series(path, fps, arguments, binaries) for path in paths]
            names = [FEATURE_PREFIX + name for name in inputs]
            episodes.append(EpisodeSource(cameras=dict(zip(names, series, strict=True)), table=table))
            if progress is not None:
                progress(number, count)
    return episodes


def _inputs(arguments: Namespace) -> dict[str, list[Path]]:
    """Return the inputs of each camera, one per episode."""
    if bool(arguments.inputs) == bool(arguments.cameras):
        raise UsageError("give the clips or folders of one camera after OUTPUT, or --cameras for several cameras")
    if arguments.inputs:
        return {check_camera_name(arguments.camera): arguments.inputs}
    found = {}
    for name, pattern in arguments.cameras.items():
        if not isinstance(pattern, str):
            raise UsageError(f"--cameras: {name} was given {pattern!r}; it takes a pattern, e.g. 'runs/*/{name}.mp4'")
        found[check_camera_name(name)] = _matching(f"--cameras: {name}", pattern)
    return found


def _matching(what: str, pattern: str) -> list[Path]:
    """Return the paths that match a pattern, in natural order (2 before 10)."""
    found = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207  the pattern may be absolute
    if not found:
        file_path(pattern)  # a URL has its own message
        raise UsageError(f"{what}: nothing matches {pattern}")
    return sorted(found, key=natural_order)


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that places run-2 before run-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(path))]


def _series(path: Path, fps: Fraction, arguments: Namespace, binaries: Binaries) -> FrameSeries:
    if path.is_dir():
        return ImageReader(path, fps=fps, order=arguments.order, binaries=binaries)
    sound = probe_video(path, binaries=binaries).audio
    if sound is not None and arguments.audio is None:
        raise InputError(f"{path} has audio ({sound.codec}), which a dataset cannot hold; give --audio=drop", path=path)
    return VideoReader(path, binaries=binaries)


def _note_settings(config: VideoEncoderConfig, episodes: Sequence[EpisodeSource], screen: Screen) -> None:
    """Say which given settings have no effect on copied clips, whose quality is unknown."""
    copies = sum(len(episode.copies) for episode in episodes)
    given = [name for name in ("crf", "preset", "fast_decode", "extra_options") if config.was_given(name)]
    if copies and given:
        flags = ", ".join(f"--camera_encoder.{name}" for name in given)
        screen.note(f"{copies} clips are copied, so {flags} applies to the other inputs only (see --passthrough)")


def _document(episode: EpisodeSource) -> dict[str, object]:
    return {
        "frames": episode.frames,
        "cameras": {name: str(series.path) for name, series in episode.cameras.items()},
        "copied": list(episode.copies),
        "reasons": {name: list(why) for name, why in episode.reasons.items()},
        "table": None if episode.table is None else str(episode.table.path),
    }


def _table(episodes: Sequence[EpisodeSource]) -> Table:
    table = columns_table(">episode", ">frames", "input", "video")
    for number, episode in enumerate(episodes):
        rows = [(str(series.path), _video_text(episode, name)) for name, series in episode.cameras.items()]
        rows += [] if episode.table is None else [(str(episode.table.path), "")]
        for place, (path, video) in enumerate(rows):
            first = (str(number), str(episode.frames)) if place == 0 else ("", "")
            table.add_row(*first, Text(visible(path)), Text(visible(video)))
    return table


def _video_text(episode: EpisodeSource, camera: str) -> str:
    if camera in episode.copies:
        return "copied"
    reasons = episode.reasons.get(camera)
    return f"encoded: {'; '.join(reasons)}" if reasons else "encoded"
