"""Encode an iterable of numpy frames, or a directory of numbered images."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ffenc.config import VideoEncoderConfig
from ffenc.errors import InputError, OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.image import probe_image_size
from ffenc.frames import FrameFormat, FrameRate, parse_frame_rate
from ffenc.plan.encode import EncodePlan, ImageSequence, plan_encode
from ffenc.video.output import PendingFile, check_target
from ffenc.video.run import EncodeResult, ProgressCallback, run_plan
from ffenc.video.selection import prepare
from ffenc.video.writer import STALL_TIMEOUT_S, VideoWriter

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""Image files that `encode_images` reads."""

_NUMBERED = re.compile(r"^(?P<prefix>.*?)(?P<number>\d+)(?P<suffix>\.[A-Za-z]+)$")


def encode_frames(
    frames: Iterable[npt.NDArray[Any]],
    path: str | Path,
    *,
    fps: FrameRate,
    config: VideoEncoderConfig | None = None,
    layout: str = "rgb",
    overwrite: bool = False,
    encoder_threads: int | None = None,
    binaries: Binaries | None = None,
    stall_timeout_s: float = STALL_TIMEOUT_S,
    progress: ProgressCallback | None = None,
) -> EncodeResult:
    """Encode frames to one verified file.

    Args:
        frames: arrays of one size, e.g. ``(height, width, 3)`` uint8 RGB, or one array with frames on its first axis.
        path, fps, config, layout, overwrite, encoder_threads, binaries, stall_timeout_s, progress: see `VideoWriter`.

    Raises:
        FFencError: see `VideoWriter`; then there is no file.
    """
    with VideoWriter(
        path,
        fps=fps,
        config=config,
        layout=layout,
        overwrite=overwrite,
        encoder_threads=encoder_threads,
        binaries=binaries,
        stall_timeout_s=stall_timeout_s,
        progress=progress,
    ) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.result


def encode_images(
    directory: str | Path,
    path: str | Path,
    *,
    fps: FrameRate,
    config: VideoEncoderConfig | None = None,
    overwrite: bool = False,
    encoder_threads: int | None = None,
    binaries: Binaries | None = None,
    stall_timeout_s: float = STALL_TIMEOUT_S,
    progress: ProgressCallback | None = None,
) -> EncodeResult:
    """Encode numbered PNG, JPEG or TIFF files; ffmpeg reads them itself, no picture passes through Python.

    Args:
        directory: holds images ``<prefix><number><suffix>`` of one prefix and suffix, numbered without a gap; other
            files are not looked at.
        path, fps, config, overwrite, encoder_threads, binaries, stall_timeout_s: see `VideoWriter`.
        progress: called with (frames encoded, images in all) about twice a second, from another thread.

    Raises:
        InputError: no images, two series, a gap, an image that is torn or of another size.
        FFencError: see `VideoWriter`.  In every case there is no file then.
    """
    path = Path(path)
    plan = plan_images(directory, path, fps=fps, config=config, encoder_threads=encoder_threads, binaries=binaries)
    check_target(path, overwrite=overwrite)
    binaries = binaries or find_binaries()
    with PendingFile(path, overwrite=overwrite) as pending:
        plan = plan.writing_to(pending.path)
        try:
            return run_plan(plan, pending, binaries, stall_timeout_s=stall_timeout_s, progress=progress)
        except ProcessError as err:
            raise _image_error(err, Path(directory)) from err
        except OutputError as err:
            if err.packets_counted is None:
                raise
            raise InputError(
                f"{err.frames_expected} images went in but {err.packets_counted} frames came out; an image in {directory} "
                "cannot be read",
                path=directory,
            ) from err


def plan_images(
    directory: str | Path,
    output: str | Path,
    *,
    fps: FrameRate,
    config: VideoEncoderConfig | None = None,
    encoder_threads: int | None = None,
    binaries: Binaries | None = None,
) -> EncodePlan:
    """The command of `encode_images`, without running it."""
    binaries = binaries or find_binaries()
    rate = parse_frame_rate(fps)
    source = image_sequence(directory, fps=rate, binaries=binaries)
    width, height = source.size
    prepared = prepare(
        config or VideoEncoderConfig(),
        binaries=binaries,
        frames=FrameFormat(width=width, height=height),
        fps=rate,
        encoder_threads=encoder_threads,
    )
    return plan_encode(
        prepared.config,
        source,
        output,
        prepared.capabilities,
        encoder_threads=encoder_threads,
        device_node=prepared.device_node,
        selection=prepared.selection,
    )


def image_sequence(directory: str | Path, *, fps: Fraction, binaries: Binaries) -> ImageSequence:
    """The numbered images of a directory, as ffmpeg reads them.

    Raises:
        InputError: as `find_images`, or the first one is no picture.
    """
    images = find_images(directory)
    match = _NUMBERED.match(images[0].name)
    assert match is not None
    return ImageSequence(
        pattern=_pattern(images[0].absolute(), match),
        start_number=int(match["number"]),
        count=len(images),
        size=probe_image_size(images[0], ffmpeg=binaries.ffmpeg),
        fps=fps,
    )


def find_images(directory: str | Path) -> list[Path]:
    """The numbered images of a directory in the order of their numbers.

    Raises:
        InputError: none, more than one series, a gap, or numbers written in more than one way.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(f"{directory} is no directory of images", path=directory)
    series: dict[tuple[str, str], dict[int, Path]] = {}
    for entry in directory.iterdir():
        match = _NUMBERED.match(entry.name)
        if match is None or match["suffix"].lower() not in IMAGE_SUFFIXES or not entry.is_file():
            continue
        numbered = series.setdefault((match["prefix"], match["suffix"]), {})
        number = int(match["number"])
        if number in numbered:
            raise InputError(
                f"{directory} has image {number} twice: {numbered[number].name} and {entry.name}", path=directory
            )
        numbered[number] = entry
    if not series:
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise InputError(f"{directory} has no numbered images ({kinds}), such as frame-000000.png", path=directory)
    if len(series) > 1:
        names = ", ".join(sorted(f"{prefix}*{suffix}" for prefix, suffix in series))
        raise InputError(f"{directory} has more than one series of images: {names}; keep one", path=directory)
    (numbered,) = series.values()
    _check_no_gap(numbered, directory)
    return [numbered[number] for number in sorted(numbered)]


def _check_no_gap(numbered: dict[int, Path], directory: Path) -> None:
    numbers = sorted(numbered)
    missing = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
    if missing:
        few = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise InputError(
            f"{directory}: {len(missing)} of the images {numbers[0]} to {numbers[-1]} are missing: {few}. FFmpeg would "
            "stop at the first gap; renumber them, or encode the parts by themselves",
            path=directory,
        )
    for number, entry in numbered.items():
        digits = _NUMBERED.match(entry.name)
        assert digits is not None
        width = _digits(numbered[numbers[0]])
        if len(digits["number"]) != max(width, len(str(number))):
            raise InputError(
                f"{directory}: {entry.name} is numbered with another number of digits than {numbered[numbers[0]].name}",
                path=directory,
            )


def _digits(path: Path) -> int:
    """Digits a printf pattern has to pad to: all of them if the number has leading zeros, else 1."""
    match = _NUMBERED.match(path.name)
    assert match is not None
    number = match["number"]
    return len(number) if number.startswith("0") else 1


def _pattern(first: Path, match: re.Match[str]) -> str:
    escaped = [part.replace("%", "%%") for part in (str(first.parent), match["prefix"], match["suffix"])]
    return f"{escaped[0]}/{escaped[1]}%0{_digits(first)}d{escaped[2]}"


def _image_error(err: ProcessError, directory: Path) -> InputError:
    return InputError(f"an image in {directory} cannot be encoded. {err}", path=directory)
