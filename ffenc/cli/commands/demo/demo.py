"""``ffenc demo``: the whole path once, with something to look at."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace
from rich import box
from rich.console import RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ffenc.cli.parsing.arguments import (
    Command,
    add_encoder_flags,
    add_job_flags,
    binaries_of,
    command_parser,
    encoder_config,
)
from ffenc.cli.commands.video.contact_sheet import save_contact_sheet
from ffenc.cli.commands.demo.footage import LAPTOP, Footage
from ffenc.cli.output.results import dataset_files
from ffenc.cli.output.results import frames_text, pairs_table, show_plan
from ffenc.cli.output.screen import Screen, plain
from ffenc.cli.parsing.values import positive
from ffenc.config import VideoEncoderConfig
from ffenc.dataset.storage.lock import DatasetLock
from ffenc.dataset.storage.new_directory import build_dataset
from ffenc.encoders.table import AUTO, DEFAULT_ENCODER
from ffenc.errors import OutputError, OutputExistsError, ProcessError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames
from ffenc.video.output import check_target
from ffenc.video.planning import plan_for
from ffenc.video.reader import VideoReader

if TYPE_CHECKING:  # needs pyarrow
    from ffenc.cli.commands.demo.check import Sample
    from ffenc.dataset.format.schema import DatasetInfo

EPISODES = 2
FRAMES_MADE, FRAMES_TAKEN = 60, 150
"""Frames of an episode that are made, or at most taken from a clip, unless --frames says otherwise."""

_DATASET, _PREVIEW, _REPO_ID = "dataset", "preview.png", "demo/moving-picture"
_FPS = 30
_TASK = "Follow the ball"

_DESCRIPTION = f"""\
Record a small LeRobot dataset: {EPISODES} episodes of {FRAMES_MADE} frames of two cameras, whose
moving pictures are made with numpy (or one of them taken from a clip, up to
{FRAMES_TAKEN} frames an episode), and a state. Then read frames back by episode and time
and compare them with what went in; write a sheet of preview pictures. Takes a
few seconds."""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("demo [options]", _DESCRIPTION)
    parser.add_argument("--input", type=Path, metavar="CLIP", help="let this clip be one of the cameras")
    parser.add_argument(
        "--output_dir", type=Path, default="demo", metavar="DIR", help="where the files go (default: %(default)s)"
    )
    parser.add_argument("--frames", type=positive, metavar="N", help="frames of an episode")
    add_job_flags(parser)
    add_encoder_flags(parser)
    return Command(parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> None:
    """Record, read back, compare; then show all of it."""
    binaries = binaries_of(arguments)
    config, remark = _usable(encoder_config(arguments), binaries)
    footage = _footage(arguments, binaries)
    root, preview = arguments.output_dir / _DATASET, arguments.output_dir / _PREVIEW
    if remark:
        screen.note(remark)
    if arguments.dry_run:
        width, height = footage.sizes[LAPTOP]
        frames = RawFrames(frames=FrameFormat(width=width, height=height), fps=Fraction(footage.fps))
        output = arguments.output_dir / "laptop.mp4"
        plan = plan_for(config, frames, output, binaries=binaries, encoder_threads=arguments.encoder_threads)
        show_plan(screen, plan, note="This is one of the two encoders; raw frames go to its standard input.")
        return
    from ffenc.cli.commands.demo.check import check_dataset
    from ffenc.dataset.format.documents import load_info

    with _folder(arguments.output_dir):
        _make_room(root, overwrite=arguments.overwrite)
        check_target(preview, overwrite=arguments.overwrite)
        _record(root, footage, config, arguments.encoder_threads, binaries, screen)
    samples = check_dataset(root, footage, binaries=binaries)
    info = load_info(root)
    files = dataset_files(root)
    if _save_preview(files, preview, binaries, screen, overwrite=arguments.overwrite):
        files[preview] = preview.stat().st_size
    document = {
        "root": str(root),
        "repo_id": _REPO_ID,
        "episodes": list(footage.lengths),
        "samples": [plain(sample) for sample in samples],
        "info": info.to_json(),
        "files": {str(path): size for path, size in files.items()},
    }
    screen.result(document, *_shown(footage, root, info, files, samples))


def _usable(config: VideoEncoderConfig, binaries: Binaries) -> tuple[VideoEncoderConfig, str]:
    """The config itself, or, where its default encoder is not in this FFmpeg, one that lets ``auto`` choose."""
    listed = probe_capabilities(binaries.ffmpeg).encoders
    if config.was_given("vcodec") or DEFAULT_ENCODER in listed:
        return config, ""
    given = config.model_dump(exclude_unset=True)
    remark = f"this FFmpeg has no {DEFAULT_ENCODER}, the default encoder, so vcodec={AUTO} chooses one"
    return VideoEncoderConfig.model_validate({**given, "vcodec": AUTO}), remark


def _footage(arguments: Namespace, binaries: Binaries) -> Footage:
    if arguments.input is None:
        return Footage(lengths=(arguments.frames or FRAMES_MADE,) * EPISODES, fps=_FPS, clip=None)
    clip = VideoReader(arguments.input, binaries=binaries)
    length = min(len(clip) // EPISODES, arguments.frames or FRAMES_TAKEN)
    # A clip of a single frame is one episode; datasets have whole frame rates, so 29.97 frames a second are shown at 30.
    return Footage(lengths=(length,) * EPISODES if length else (1,), fps=max(1, round(clip.fps)), clip=clip)


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """The folder, made if need be, and removed again if nothing came into it."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
        raise


def _make_room(root: Path, *, overwrite: bool) -> None:
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
    footage: Footage,
    config: VideoEncoderConfig,
    encoder_threads: int | None,
    binaries: Binaries,
    screen: Screen,
) -> None:
    from ffenc.dataset.recording.recorder import DatasetRecorder

    with (
        build_dataset(root) as building,
        screen.progress("recording", total=footage.count) as progress,
        DatasetRecorder.create(
            building,
            _REPO_ID,
            footage.fps,
            footage.features,
            camera_encoder=config,
            encoder_threads=encoder_threads,
            queue_policy="block",
            binaries=binaries,
        ) as recorder,
    ):
        done = itertools.count(1)
        for steps in footage.episodes():
            for step in steps:
                recorder.add_frame({**step, "task": _TASK})
                if progress is not None:
                    progress(next(done), footage.count)
            recorder.save_episode()
        recorder.finalize()


def _save_preview(
    files: dict[Path, int], preview: Path, binaries: Binaries, screen: Screen, *, overwrite: bool
) -> bool:
    video = next(path for path in files if LAPTOP in path.parts)
    try:
        save_contact_sheet(video, preview, binaries=binaries, overwrite=overwrite)
    except ProcessError as err:
        # The proof is in the numbers, and some builds cannot write this kind of image.
        screen.note(f"no {preview}: {(err.stderr_tail or str(err)).splitlines()[0]}")
        return False
    return True


def _shown(
    footage: Footage, root: Path, info: DatasetInfo, files: dict[Path, int], samples: Sequence[Sample]
) -> Iterator[RenderableType]:
    clip = "" if footage.clip is None else f", one of them {footage.clip.path} (frames only, no audio)"
    episodes = " and ".join(frames_text(length) for length in footage.lengths)
    yield Text(f"recorded {episodes} of two cameras{clip}\n")
    yield pairs_table(_cameras(info), title=f"dataset {root}")
    yield Text()
    yield _sample_table(samples)
    yield pairs_table(((str(path), f"{decimal(size):>9}") for path, size in files.items()), title="files")


def _cameras(info: DatasetInfo) -> Iterator[tuple[str, object]]:
    for name, feature in info.videos.items():
        said: dict[str, Any] = feature.info or {}
        settings = {key: said.get(f"video.{key}") for key in ("g", "crf", "preset")}
        shown = " ".join(f"{key}={value}" for key, value in settings.items() if value is not None)
        picture = f"{said['video.width']}x{said['video.height']} at {info.fps} per second"
        yield name, f"{picture}, {said['video.codec']} ({said['video.pix_fmt']}) {shown}"


def _sample_table(samples: Sequence[Sample]) -> Table:
    table = Table(
        title="some frames, found by episode and time and decoded again",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("camera")
    for heading in ("episode", "frame", "PSNR to the original", "number read from the picture"):
        table.add_column(heading, justify="right")
    for sample in samples:
        likeness = "identical" if sample.psnr_db is None else f"{sample.psnr_db:.1f} dB"
        seen = "" if sample.number_seen is None else str(sample.number_seen)
        table.add_row(sample.camera, str(sample.episode), str(sample.number), likeness, seen)
    return table
