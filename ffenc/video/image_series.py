"""Find the images of a directory in order, and check that all have one size and format.

FFmpeg reads numbered images by one pattern.  It stops at the first gap, overflows beyond 31 bits, and rescales an image of
another size.  So the files are listed here and every header is read.  A series that no single pattern matches is read
through links in a temporary directory.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ffenc.errors import InputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.image_header import IMAGE_SUFFIXES, ImageHeader, read_image_header
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess
from ffenc.plan.decode import plan_check_images
from ffenc.plan.encode import ImageSequence
from ffenc.regular_files import file_path

logger = logging.getLogger(__name__)

ImageOrder: TypeAlias = Literal["number", "name"]
"""``number``: one series ``<prefix><number><suffix>`` without a gap; ``name``: all images, sorted by name."""

_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>[0-9]+)(?P<suffix>\.[A-Za-z]+)", re.DOTALL)
_LARGEST_NUMBER = 2**31 - 1 - 2**16  # FFmpeg counts in 32 bits
_NAMES_SHOWN = 4
_LINKED = "%d"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSeries:
    """The images of a directory in order, all of one size and format.

    Attributes:
        directory: their directory.
        files: the images in order.
        header: the header of the first, which all others match.
    """

    directory: Path
    files: tuple[Path, ...]
    header: ImageHeader

    def __len__(self) -> int:
        """Number of images."""
        return len(self.files)

    def sequence(self, fps: Fraction, *, links: Path | None = None) -> ImageSequence:
        """Return the images as the source of a plan.

        Args:
            links: directory of links to them; None if `pattern` matches them.
        """
        pattern, start = (self.pattern or (_LINKED, 0)) if links is None else (self._link_pattern(links), 0)
        header = self.header
        return ImageSequence(
            pattern=pattern,
            start_number=start,
            count=len(self.files),
            size=header.upright_size,
            fps=fps,
            orientation=header.orientation,
            turned_as=_turned_as(header),
        )

    @property
    def pattern(self) -> tuple[str, int] | None:
        """printf-style path of all files, and the first number; None if no pattern matches them in order."""
        match = _NUMBERED.fullmatch(self.files[0].name)
        if match is None:
            return None
        digits = len(match["number"]) if match["number"].startswith("0") else 1
        start = int(match["number"])
        if start + len(self.files) > _LARGEST_NUMBER:
            return None
        for number, path in enumerate(self.files, start=start):
            if path.name != f"{match['prefix']}{number:0{digits}d}{match['suffix']}":
                return None
        parent, prefix, suffix = (
            part.replace("%", "%%") for part in (str(self.directory.absolute()), match["prefix"], match["suffix"])
        )
        return f"{parent}/{prefix}%0{digits}d{suffix}", start

    @contextmanager
    def readable(self, fps: Fraction) -> Iterator[ImageSequence]:
        """Yield a source that FFmpeg can read within the context."""
        if self.pattern is not None:
            yield self.sequence(fps)
            return
        with self.linked(fps) as sequence:
            yield sequence

    @contextmanager
    def linked(self, fps: Fraction) -> Iterator[ImageSequence]:
        """Yield a source of exactly these images, through links."""
        with tempfile.TemporaryDirectory(prefix="ffenc-images-") as links:
            for number, path in enumerate(self.files):
                (Path(links) / f"{number}{self._suffix}").symlink_to(path.absolute())
            yield self.sequence(fps, links=Path(links))

    def planned(self, fps: Fraction) -> ImageSequence:
        """Return the source for a plan that is not run: if links are needed, their directory is a placeholder."""
        if self.pattern is not None:
            return self.sequence(fps)
        return self.sequence(fps, links=Path(tempfile.gettempdir()) / "ffenc-images-in-order")

    def _link_pattern(self, links: Path) -> str:
        return f"{str(links).replace('%', '%%')}/%d{self._suffix}"

    @property
    def _suffix(self) -> str:
        return next(suffix for suffix, kind in IMAGE_SUFFIXES.items() if kind == self.header.kind)


def _turned_as(header: ImageHeader) -> str:
    """Return a pixel format that keeps every sample and in which FFmpeg can rotate an image."""
    small, large = ("gray", "gray16le") if header.is_grey else ("rgb24", "rgb48le")
    if header.has_alpha:
        small, large = "rgba", "rgba64le"
    return small if header.bits <= 8 else large


def image_series(directory: str | Path, *, order: ImageOrder = "number") -> ImageSeries:
    """Find the images of a directory and read the header of each.

    Args:
        order: see `find_images`.

    Raises:
        InputError: see `find_images`; an image cannot be read, or differs from the first in format, size, samples or
            EXIF orientation.
    """
    files = find_images(directory, order=order)
    first = read_image_header(files[0])
    for path in files[1:]:
        _check_alike(files[0], first, path, read_image_header(path))
    if first.has_alpha:
        logger.warning("the images in %s have transparency, which is dropped", directory)
    return ImageSeries(directory=Path(directory), files=tuple(files), header=first)


def _check_alike(first_path: Path, first: ImageHeader, path: Path, header: ImageHeader) -> None:
    if header == first:
        return
    differs = [
        ("EXIF orientation", first.orientation, header.orientation),
        ("size", f"{first.width}x{first.height}", f"{header.width}x{header.height}"),
        ("format", f"{first.kind}, {first.samples}", f"{header.kind}, {header.samples}"),
    ]
    what, here, there = next(
        (each for each in differs if each[1] != each[2]), ("format", first.samples, f"{header.samples}, transparent")
    )
    raise InputError(
        f"{path} differs from {first_path.name}: its {what} is {there}, not {here}. All images of one video must match; "
        "convert the others, or encode them separately",
        path=path,
    )


def find_images(directory: str | Path, *, order: ImageOrder = "number") -> list[Path]:
    """Return the images of a directory, in order.

    Hidden files (``._frame-000001.jpg``), other kinds of files, and subdirectories are ignored.  Links are followed.

    Args:
        order: ``"number"``: by the number before the suffix, which must have no gap; leading zeros do not matter, and all
            other parts of the names must be equal.  ``"name"``: by name, for timestamps; digits are compared as integers,
            so that 9 comes before 10.

    Raises:
        InputError: no images, more than one series, a gap, a duplicate number, an ambiguous order, or an entry with the name
            of an image that is not a file (a directory, a device, a broken link).
    """
    directory = file_path(directory)
    if order not in get_args(ImageOrder):
        raise InputError(f"unknown order {order!r}; expected {' or '.join(get_args(ImageOrder))}", path=directory)
    if not directory.is_dir():
        raise InputError(f"{directory} is not a directory of images", path=directory)
    try:
        found = [path.name for path in directory.iterdir()]
    except OSError as err:
        raise InputError(f"the images in {directory} cannot be listed: {err.strerror}", path=directory) from err
    entries = sorted(name for name in found if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES)
    names = _by_name(directory, entries) if order == "name" else _by_number(directory, entries)
    files = [directory / name for name in names]
    for path in files:
        _check_file(path)
    return files


def _check_file(path: Path) -> None:
    if path.is_file():
        return
    if path.is_symlink() and not path.exists():
        why = f"is a link to {path.readlink()}, which does not exist; mount or restore it, or remove the link"
    else:
        why = "has the name of an image but is not a file; move it away"
    raise InputError(f"{path} {why}", path=path)


def _by_number(directory: Path, entries: Sequence[str]) -> list[str]:
    series: dict[tuple[str, str], list[tuple[int, str]]] = {}
    without_number = []
    for name in entries:
        match = _NUMBERED.fullmatch(name)
        if match is None:
            without_number.append(name)
        else:
            kind = IMAGE_SUFFIXES[match["suffix"].lower()]
            series.setdefault((match["prefix"], kind), []).append((int(match["number"]), name))
    if not series:
        kinds = ", ".join(IMAGE_SUFFIXES)
        more = f"; for the {len(entries)} without a number, give {_BY_NAME}" if entries else ""
        raise InputError(
            f"{directory} has no numbered images ({kinds}), such as frame-000000.png{more}", path=directory
        )
    if len(series) > 1:
        firsts = [min(numbered)[1] for numbered in series.values()]
        raise InputError(
            f"{directory} has more than one series of images, such as those of {_few(firsts)}; put each into its own folder, "
            f"or give {_BY_NAME} if all of them are one series in the order of their names",
            path=directory,
        )
    if without_number:
        logger.warning("%s: images without a number are ignored: %s", directory, _few(without_number))
    (numbered,) = series.values()
    numbered.sort()
    for (number, name), (following, other) in pairwise(numbered):
        if number == following:
            raise InputError(f"{directory} has image {number} twice: {name} and {other}", path=directory)
    _check_no_gap([number for number, _ in numbered], directory)
    return [name for _, name in numbered]


_BY_NAME = 'order="name" (--order=name)'


def _check_no_gap(numbers: Sequence[int], directory: Path) -> None:
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    if not missing:
        return
    few: list[str] = []
    for number, following in pairwise(numbers):
        few += [str(gone) for gone in range(number + 1, min(following, number + 7))]
        if len(few) > 5:
            break
    shown = ", ".join(few[:5]) + (", ..." if missing > 5 else "")
    raise InputError(
        f"{directory}: {missing} of the images {numbers[0]} to {numbers[-1]} are missing: {shown}. If the numbers are "
        f"timestamps, give {_BY_NAME}, and every image becomes one frame; otherwise restore or renumber them",
        path=directory,
    )


def _by_name(directory: Path, entries: Sequence[str]) -> list[str]:
    if not entries:
        raise InputError(f"{directory} has no images ({', '.join(IMAGE_SUFFIXES)})", path=directory)
    by_kind: dict[str, str] = {}
    for name in entries:
        by_kind.setdefault(IMAGE_SUFFIXES[Path(name).suffix.lower()], name)
    if len(by_kind) > 1:
        raise InputError(f"{directory} has images of more than one format: {_few([*by_kind.values()])}", path=directory)
    ordered = sorted(entries, key=_name_key)
    for name, other in pairwise(ordered):
        if _name_key(name, as_decimals=True) > _name_key(other, as_decimals=True):
            raise InputError(
                f"{directory}: it is not clear whether {name} comes before {other}, because the digits after the point may be a "
                "fraction or an integer; give all names the same number of digits",
                path=directory,
            )
    return ordered


def _name_key(name: str, *, as_decimals: bool = False) -> tuple[tuple[tuple[int, int | str, str], ...], bytes]:
    """Return a sort key that compares digits as integers, and equal numbers by the bytes of the name."""
    parts: list[tuple[int, int | str, str]] = []
    before = ""
    for part in re.split(r"([0-9]+)", Path(name).stem):
        is_fraction = as_decimals and before.endswith(".") and len(parts) > 1
        if not part:
            continue
        if not part.isdecimal():
            parts.append((1, part, ""))
        elif is_fraction:
            parts.append((0, 0, part))
        else:
            parts.append((0, int(part), ""))
        before = part
    return tuple(parts), os.fsencode(name)


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def find_unreadable(series: ImageSeries, *, binaries: Binaries) -> Path | None:
    """Return the first image that cannot be decoded, or None; bisects, so that each image is decoded about once."""

    def is_readable(first: int, stop: int) -> bool:
        # FFmpeg reads ahead, so it must not see the following images.
        with replace(series, files=series.files[first:stop]).linked(Fraction(30)) as part:
            try:
                with FFmpegProcess.start(plan_check_images(binaries.ffmpeg, part), stdout="progress") as process:
                    process.finish()
                    progress = process.progress
            except ProcessError:
                return False
        return progress is not None and progress.frame == stop - first

    first, stop = 0, len(series)
    while stop - first > 1:
        middle = (first + stop) // 2
        first, stop = (middle, stop) if is_readable(first, middle) else (first, middle)
    return None if is_readable(first, stop) else series.files[first]
