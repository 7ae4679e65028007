"""``ffenc demo``: record a small dataset, read frames back, and compare them with the originals."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jsonargparse import Namespace
from rich.table import Table

from ffenc.cli.commands.demo.flags import EPISODES, FRAMES_MADE, FRAMES_TAKEN
from ffenc.cli.commands.demo.synthetic_frames import SyntheticCamera, ball, number_in
from ffenc.cli.output.results import columns_table, dataset_files, files_table, show_plan
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import binaries_of, encoder_config
from ffenc.config import VideoEncoderConfig
from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.episode_columns import time_of_frame
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.preview import preview_dataset
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.storage.local_root import check_local
from ffenc.dataset.storage.lock import DatasetLock
from ffenc.dataset.storage.new_directory import build_dataset
from ffenc.encoders.lerobot_names import DEFAULT_ENCODER
from ffenc.encoders.table import AUTO
from ffenc.errors import OutputError, OutputExistsError, PreviewError, ProcessError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.plan.encode import RawFrames
from ffenc.video import similarity
from ffenc.video.planning import plan_for
from ffenc.video.reader import VideoReader
from ffenc.video.run_context import RunContext

LAPTOP, WRIST, STATE = "observation.images.laptop", "observation.images.wrist", "observation.state"
SAMPLES = 5
"""Frames of each camera that are decoded again and compared."""

_REPO_ID, _TASK, _FPS = "demo/moving-ball", "Follow the ball", 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Footage:
    """The frames to record.

    Attributes:
        laptop: frames of the first camera.
        wrist: frames of the second camera.
        fps: frames per second.
        length: frames of an episode.
        episodes: number of episodes.
    """

    laptop: SyntheticCamera | VideoReader
    wrist: SyntheticCamera
    fps: int
    length: int
    episodes: int

    @property
    def cameras(self) -> dict[str, SyntheticCamera | VideoReader]:
        return {LAPTOP: self.laptop, WRIST: self.wrist}

    @property
    def count(self) -> int:
        return self.length * self.episodes


def run(arguments: Namespace, screen: Screen) -> None:
    """Record, read back, compare, and show the result."""
    binaries = binaries_of(arguments)
    config = _usable(encoder_config(arguments), binaries, screen)
    footage = _footage(arguments, binaries)
    folder = arguments.output_dir
    if arguments.dry_run:
        frames = RawFrames(frames=footage.laptop.format, fps=Fraction(footage.fps))
        output = folder / "laptop.mp4"
        plan = plan_for(
            config, frames, output, RunContext(binaries=binaries, encoder_threads=arguments.encoder_threads)
        )
        show_plan(screen, plan, note="This is one of the two encoders; raw frames go to its standard input.")
        return
    root, preview = folder / "dataset", folder / "preview"
    _make_room(root, overwrite=arguments.overwrite)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _record(root, footage, config, arguments.encoder_threads, binaries, screen)
    except BaseException:
        if is_new:
            folder.rmdir()
        raise
    samples = list(_samples(root, footage, binaries))
    try:
        preview_dataset(root, preview, overwrite=arguments.overwrite, binaries=binaries)
    except (PreviewError, ProcessError) as err:  # some builds cannot write PNG images
        screen.note(f"no preview: {str(err).splitlines()[0]}")
    files = dataset_files(folder)
    document = {
        "root": str(root),
        "repo_id": _REPO_ID,
        "episodes": [footage.length] * footage.episodes,
        "samples": samples,
        "info": load_info(root).to_json(),
        "files": {str(path): size for path, size in files.items()},
    }
    screen.result(document, _sample_table(samples), files_table(folder, files))


def _usable(config: VideoEncoderConfig, binaries: Binaries, screen: Screen) -> VideoEncoderConfig:
    """Return the config, with ``vcodec=auto`` if this FFmpeg lacks the default encoder."""
    if config.was_given("vcodec") or DEFAULT_ENCODER in probe_capabilities(binaries.ffmpeg).encoders:
        return config
    screen.note(f"this FFmpeg has no {DEFAULT_ENCODER}, the default encoder, so vcodec={AUTO} chooses one")
    return VideoEncoderConfig.model_validate({**config.model_dump(exclude_unset=True), "vcodec": AUTO})


def _footage(arguments: Namespace, binaries: Binaries) -> _Footage:
    wrist = SyntheticCamera(width=320, height=240)
    if arguments.input is None:
        laptop = SyntheticCamera(width=640, height=480)
        length = arguments.frames or FRAMES_MADE
        return _Footage(laptop=laptop, wrist=wrist, fps=_FPS, length=length, episodes=EPISODES)
    clip = VideoReader(arguments.input, binaries=binaries)
    # A clip of a single frame is one episode.
    episodes = min(EPISODES, len(clip))
    length = min(len(clip) // episodes, arguments.frames or FRAMES_TAKEN)
    # Datasets have whole frame rates, so 29.97 frames per second become 30.
    return _Footage(laptop=clip, wrist=wrist, fps=max(1, round(clip.fps)), length=length, episodes=episodes)


def _make_room(root: Path, *, overwrite: bool) -> None:
    check_local(root, written=True)
    if not root.exists():
        return
    if not overwrite:
        raise OutputExistsError(root)
    if not (root / "meta" / "info.json").is_file():
        raise OutputError(f"{root} is not a dataset, so it is not replaced; move it away", path=root)
    with DatasetLock(root):
        shutil.rmtree(root)


def _record(
    root: Path,
    footage: _Footage,
    config: VideoEncoderConfig,
    encoder_threads: int | None,
    binaries: Binaries,
    screen: Screen,
) -> None:
    features = {
        name: {
            "dtype": "video",
            "shape": (camera.format.height, camera.format.width, 3),
            "names": ["height", "width", "channels"],
        }
        for name, camera in footage.cameras.items()
    }
    with (
        build_dataset(root) as building,
        screen.progress("recording", total=footage.count) as progress,
        DatasetRecorder.create(
            building,
            _REPO_ID,
            footage.fps,
            {STATE: {"dtype": "float32", "shape": (2,), "names": ["x", "y"]}, **features},
            camera_encoder=config,
            encoder_threads=encoder_threads,
            queue_policy="block",
            binaries=binaries,
        ) as recorder,
    ):
        for first in range(0, footage.count, footage.length):
            steps = range(first, first + footage.length)
            frames = (camera.read_range(steps.start, steps.stop) for camera in footage.cameras.values())
            for number, laptop, wrist in zip(steps, *frames, strict=True):
                state = np.array(ball(number, width=footage.wrist.width, height=footage.wrist.height), np.float32)
                recorder.add_frame({LAPTOP: laptop, WRIST: wrist, STATE: state, "task": _TASK})
                if progress is not None:
                    progress(number + 1, footage.count)
            recorder.save_episode()
        recorder.finalize()


def _samples(root: Path, footage: _Footage, binaries: Binaries) -> Iterator[dict[str, object]]:
    """Find some frames by episode and time, as LeRobot does, and compare them with the originals.

    Raises:
        OutputError: a frame shows another frame's number.
    """
    info = load_info(root)
    layout, episodes = DatasetLayout.of(root, info), load_episodes(root, info, statistics=False)
    for camera, source in footage.cameras.items():
        for number in sample_numbers(footage.count):
            episode, step = divmod(number, footage.length)
            span = episodes[episode].videos[camera]
            video = layout.video(camera, span.file)
            time_s = time_of_frame(span.from_frame + step, footage.fps)
            (frame,) = VideoReader(video, method="process", binaries=binaries).frames_at([time_s])
            seen = number_in(frame) if isinstance(source, SyntheticCamera) else None
            if seen not in (None, number):
                raise OutputError(f"frame {number} in {video} shows frame {seen}", path=video)
            (original,) = source.read_range(number, number + 1)
            psnr_db = similarity.psnr_db(original, frame, largest=255)
            yield {
                "camera": camera,
                "episode": episode,
                "number": number,
                "psnr_db": None if math.isinf(psnr_db) else psnr_db,
                "number_seen": seen,
            }


def sample_numbers(count: int) -> list[int]:
    """Return `SAMPLES` frame numbers from the first to the last, evenly spaced."""
    return sorted({round(part * (count - 1) / (SAMPLES - 1)) for part in range(SAMPLES)})


def _sample_table(samples: list[dict[str, object]]) -> Table:
    headings = ("camera", ">episode", ">frame", ">PSNR to the original", ">number read from the frame")
    table = columns_table(*headings, title="sample frames, looked up by episode and time, and decoded")
    for sample in samples:
        psnr = "identical" if sample["psnr_db"] is None else f"{sample['psnr_db']:.1f} dB"
        seen = "" if sample["number_seen"] is None else str(sample["number_seen"])
        table.add_row(str(sample["camera"]), str(sample["episode"]), str(sample["number"]), psnr, seen)
    return table
