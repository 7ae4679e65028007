"""``ffenc demo``: the whole path once, with something to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jsonargparse import Namespace
from rich import box
from rich.console import RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ffenc.cli.arguments import (
    Command,
    add_encoder_flags,
    add_job_flags,
    binaries_of,
    command_parser,
    encoder_config,
)
from ffenc.cli.contact_sheet import save_contact_sheet
from ffenc.cli.frame_plan import plan_frames
from ffenc.cli.moving_picture import number_in, picture
from ffenc.cli.results import encode_document, encode_table, frames_text, pairs_table, show_plan
from ffenc.cli.screen import Screen, plain
from ffenc.cli.values import positive
from ffenc.config import VideoEncoderConfig
from ffenc.dataset.video_info import video_info
from ffenc.encoders.table import AUTO, DEFAULT_ENCODER
from ffenc.errors import OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.frames import FrameFormat
from ffenc.video.encode import encode_frames
from ffenc.video.output import PendingFile, check_target
from ffenc.video.reader import VideoReader
from ffenc.video.run import EncodeResult

FRAMES_MADE, FRAMES_TAKEN = 90, 300
"""Frames that are made, or at most taken from a clip, unless --frames says otherwise."""

SAMPLES = 5
"""Decoded frames that are compared with what went in."""

_VIDEO, _METADATA, _PREVIEW = "video.mp4", "info.json", "preview.png"
_FPS = Fraction(30)
_FEATURE = "observation.images.demo"

_DESCRIPTION = f"""\
Make {FRAMES_MADE} frames of a moving picture with numpy (or take up to {FRAMES_TAKEN} of a clip),
encode them and measure the file; write its metadata as LeRobot stores it and
a sheet of preview pictures beside it; decode some frames again and compare
them with what went in. Takes a few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Footage:
    """Frames to encode; a few are kept while they pass, to be compared later."""

    form: FrameFormat
    fps: Fraction
    count: int
    clip: VideoReader | None
    kept: dict[int, npt.NDArray[Any]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        wanted = sample_numbers(self.count)
        made = (picture(number) for number in range(self.count))
        for number, frame in enumerate(made if self.clip is None else self.clip.read_range(0, self.count)):
            if number in wanted:
                self.kept[number] = frame
            yield frame


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One frame that came back.

    Attributes:
        number: which one was asked for.
        psnr_db: likeness to what went in, in decibels; None if they are equal in every bit.
        number_seen: which one the picture itself says it is; None for a clip's.
    """

    number: int
    psnr_db: float | None
    number_seen: int | None


def command() -> Command:
    """The sub-command."""
    parser = command_parser("demo [options]", _DESCRIPTION)
    parser.add_argument("--input", type=Path, metavar="CLIP", help="take frames of this clip (default: make some)")
    parser.add_argument(
        "--output_dir", type=Path, default="demo", metavar="DIR", help="where the files go (default: %(default)s)"
    )
    parser.add_argument("--frames", type=positive, metavar="N", help="how many frames to make, or to take at most")
    add_job_flags(parser)
    add_encoder_flags(parser)
    return Command(name="demo", summary="a small video from nothing, with every step shown", parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> None:
    """Encode, measure, decode, compare; then show all of it."""
    binaries = binaries_of(arguments)
    config, remark = _usable(encoder_config(arguments), binaries)
    footage = _footage(arguments, binaries)
    files = {name: arguments.output_dir / name for name in (_VIDEO, _METADATA, _PREVIEW)}
    if remark:
        screen.note(remark)
    if arguments.dry_run:
        plan = plan_frames(
            files[_VIDEO],
            frames=footage.form,
            fps=footage.fps,
            config=config,
            encoder_threads=arguments.encoder_threads,
            binaries=binaries,
        )
        show_plan(screen, plan, note="Raw frames go to its standard input.")
        return
    with _folder(arguments.output_dir):
        for file in files.values():
            check_target(file, overwrite=arguments.overwrite)
        with screen.progress("encoding", total=footage.count) as progress:
            result = encode_frames(
                footage,
                files[_VIDEO],
                fps=footage.fps,
                config=config,
                overwrite=arguments.overwrite,
                encoder_threads=arguments.encoder_threads,
                binaries=binaries,
                progress=progress,
            )
        _finish(result, footage, files, binaries, screen, overwrite=arguments.overwrite)


def _finish(
    result: EncodeResult,
    footage: _Footage,
    files: dict[str, Path],
    binaries: Binaries,
    screen: Screen,
    *,
    overwrite: bool,
) -> None:
    """Everything that comes after the video."""
    metadata = _metadata(result)
    _save(files[_METADATA], metadata, overwrite=overwrite)
    try:
        save_contact_sheet(result, files[_PREVIEW], binaries=binaries, overwrite=overwrite)
    except ProcessError as err:
        # The proof is in the numbers, and some builds cannot write this kind of image.
        screen.note(f"no {files.pop(_PREVIEW)}: {(err.stderr_tail or str(err)).splitlines()[0]}")
    samples = _compare(footage, files[_VIDEO], binaries)
    document = {
        "video": encode_document(result),
        "info": metadata,
        "files": {name: str(file) for name, file in files.items()},
        "samples": [plain(sample) for sample in samples],
    }
    screen.result(document, *_shown(footage, result, files, samples))


def sample_numbers(count: int) -> tuple[int, ...]:
    """`SAMPLES` frame numbers from the first to the last, evenly spaced."""
    return tuple(sorted({round(part * (count - 1) / (SAMPLES - 1)) for part in range(SAMPLES)}))


def psnr_db(original: npt.NDArray[Any], decoded: npt.NDArray[Any]) -> float | None:
    """Peak signal-to-noise ratio of two uint8 pictures in decibels; None if they are equal in every bit."""
    error = float(np.mean((original.astype(np.float64) - decoded.astype(np.float64)) ** 2))
    return None if error == 0 else 10 * math.log10(255**2 / error)


def _usable(config: VideoEncoderConfig, binaries: Binaries) -> tuple[VideoEncoderConfig, str]:
    """The config itself, or, where its default encoder is not in this FFmpeg, one that lets ``auto`` choose."""
    listed = probe_capabilities(binaries.ffmpeg).encoders
    if config.was_given("vcodec") or DEFAULT_ENCODER in listed:
        return config, ""
    given = config.model_dump(exclude_unset=True)
    remark = f"this FFmpeg has no {DEFAULT_ENCODER}, the default encoder, so vcodec={AUTO} chooses one"
    return VideoEncoderConfig.model_validate({**given, "vcodec": AUTO}), remark


def _footage(arguments: Namespace, binaries: Binaries) -> _Footage:
    if arguments.input is None:
        height, width, _ = picture(0).shape
        form = FrameFormat(width=width, height=height)
        return _Footage(form=form, fps=_FPS, count=arguments.frames or FRAMES_MADE, clip=None)
    reader = VideoReader(arguments.input, binaries=binaries)
    count = min(len(reader), arguments.frames or FRAMES_TAKEN)
    return _Footage(form=reader.format, fps=reader.fps, count=count, clip=reader)


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


def _metadata(result: EncodeResult) -> dict[str, Any]:
    """What ``meta/info.json`` of a dataset says about one camera."""
    info = video_info(result.stream, result.encoder.config)
    shape = [info["video.height"], info["video.width"], info["video.channels"]]
    feature = {"dtype": "video", "shape": shape, "names": ["height", "width", "channels"], "info": info}
    return {"fps": info["video.fps"], "features": {_FEATURE: feature}}


def _save(file: Path, document: Mapping[str, Any], *, overwrite: bool) -> None:
    with PendingFile(file, overwrite=overwrite) as pending:
        pending.path.write_text(json.dumps(document, indent=4) + "\n", encoding="utf-8")
        pending.commit()


def _compare(footage: _Footage, video: Path, binaries: Binaries) -> list[_Sample]:
    numbers = list(footage.kept)
    decoded = VideoReader(video, binaries=binaries).frames(numbers)
    samples = []
    for number, frame in zip(numbers, decoded, strict=True):
        seen = None if footage.clip else number_in(frame)
        if seen not in (None, number):
            raise OutputError(f"frame {number} of {video} shows the picture of frame {seen}", path=video)
        samples.append(_Sample(number=number, psnr_db=psnr_db(footage.kept[number], frame), number_seen=seen))
    return samples


def _shown(
    footage: _Footage, result: EncodeResult, files: Mapping[str, Path], samples: list[_Sample]
) -> Iterator[RenderableType]:
    source = "made with numpy" if footage.clip is None else f"of {footage.clip.path} (frames only, no audio)"
    yield Text(f"{frames_text(footage.count)} {source}: arrays of {footage.form}\n")
    yield encode_table(result)
    yield Text()
    yield _sample_table(samples)
    said = {
        _VIDEO: "the video, read back and found whole",
        _METADATA: "its metadata, as LeRobot stores it",
        _PREVIEW: "a sheet of frames",
    }
    yield pairs_table(
        ((str(file), f"{decimal(file.stat().st_size):>9}  {said[name]}") for name, file in files.items()), title="files"
    )


def _sample_table(samples: list[_Sample]) -> Table:
    table = Table(
        title="some frames, decoded again",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("frame", justify="right")
    table.add_column("PSNR to the original", justify="right")
    if any(sample.number_seen is not None for sample in samples):
        table.add_column("number read from the picture", justify="right")
    for sample in samples:
        likeness = "identical" if sample.psnr_db is None else f"{sample.psnr_db:.1f} dB"
        seen = [] if sample.number_seen is None else [str(sample.number_seen)]
        table.add_row(str(sample.number), likeness, *seen)
    return table
