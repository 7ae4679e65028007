"""Decode the images of a camera that are stored in the data files, and report those that LeRobot cannot read."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ffenc.dataset.format.parquet_series import iterate_episode_tables
from ffenc.dataset.transform.stored_images import image_suffix
from ffenc.dataset.verify.checks.documents import frame_size
from ffenc.dataset.verify.checks.episode_frames import Comparisons, DecodedEpisode, EpisodeFrames
from ffenc.dataset.verify.checks.packets import NO_DECODER, ranges_text
from ffenc.dataset.verify.checks.subject import Episode, Subject
from ffenc.errors import DatasetError, FFencError, InputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.image_header import ImageHeader, read_image_header
from ffenc.plan.images import image_name
from ffenc.video.image_reader import ImageReader


def image_cameras(subject: Subject) -> list[str]:
    """Return the cameras whose images can be checked: the rows of all episodes can be read."""
    if subject.rows is None or not subject.episodes_in_order or subject.findings.has("data-rows-wrong"):
        return []
    cameras = {name: each for name, each in subject.known_info.columns.items() if each.dtype == "image"}
    return [name for name, each in cameras.items() if frame_size(each) and name not in subject.impossible]


def decode_images(
    subject: Subject, camera: str, binaries: Binaries, comparisons: Comparisons
) -> Iterator[DecodedEpisode]:
    """Decode the images of a camera, one episode in memory at a time, and yield the episodes without a fault."""
    by_index = {episode.index: episode for episode in subject.episodes}
    try:
        for table in iterate_episode_tables(subject.layout.data_files(), columns=[camera]):
            episode = by_index.get(table["episode_index"][0].as_py())
            if camera not in table.column_names or episode is None or len(table) != episode.length:
                continue  # already reported
            images = _Images(subject, camera, episode, binaries)
            frames = EpisodeFrames(subject, episode, camera, images.path, comparisons)
            for frame in images.decode(table[camera].to_pylist()):
                frames.add(frame)
            if frames.is_complete:
                yield frames.decoded()
    except DatasetError:
        return  # an unreadable file was already reported
    except _NoDecoderError as err:
        subject.findings.add("images-undecodable", str(err), camera=camera)


class _NoDecoderError(Exception):
    """This FFmpeg has no decoder for the images of a camera."""


@dataclass(frozen=True, slots=True)
class _Images:
    """The images of a camera in an episode."""

    subject: Subject
    camera: str
    episode: Episode
    binaries: Binaries

    @property
    def path(self) -> Path:
        """The data file."""
        return self.subject.layout.data(self.episode.data)

    def decode(self, images: Sequence[Any]) -> Iterator[npt.NDArray[Any]]:
        """Yield the frames; report images that are unreadable or have another size, and stop at one that cannot be decoded.

        Raises:
            _NoDecoderError: this FFmpeg cannot decode them.
        """
        with tempfile.TemporaryDirectory(prefix="ffenc-images-") as directory:
            headers = self._unpack(images, Path(directory))
            if headers is None:
                return
            for header, group in itertools.groupby(range(len(headers)), key=headers.__getitem__):
                numbers = list(group)
                layout = "rgb" if self._size[2] != 1 else "gray" if header.bits <= 8 else "gray16"
                folder = _folder(Path(directory), numbers[0])
                try:
                    yield from ImageReader(
                        folder, fps=self.subject.known_info.fps, layout=layout, binaries=self.binaries
                    )
                except FFencError as err:
                    if NO_DECODER.search(str(err)):
                        message = (
                            f"{self.binaries.ffmpeg} has no decoder for {header.kind} images, so they were not checked"
                        )
                        raise _NoDecoderError(message) from err
                    path = getattr(err, "path", None)
                    damaged = [
                        each for each in numbers if path is not None and path.name == image_name(each, path.suffix)
                    ]
                    self._report("frame-unreadable", damaged or numbers, "cannot be decoded: the data is damaged")
                    return

    def _unpack(self, images: Sequence[Any], directory: Path) -> list[ImageHeader] | None:
        """Write consecutive images with equal headers into a folder each; return None if some are not readable."""
        headers: list[ImageHeader] = []
        unreadable: dict[int, str] = {}
        foreign: dict[int, str] = {}
        height, width, channels = self._size
        expected = _size_text(width, height, channels)
        folder = directory
        for number, image in enumerate(images):
            data: bytes | None = (image or {}).get("bytes")
            suffix = image_suffix(data)
            if data is None or suffix is None:
                path_only = None if data else (image or {}).get("path")
                unreadable[number] = (
                    "it has no PNG, JPEG or TIFF image"
                    if data
                    else f"it has only the path {path_only!r} of an image, which is not part of the dataset"
                    if path_only
                    else "it has no image"
                )
                continue
            path = directory / image_name(number, suffix)
            path.write_bytes(data)
            try:
                header = read_image_header(path)
            except InputError as err:
                unreadable[number] = str(err).replace(str(path), "the image")
                continue
            seen = _size_text(*header.upright_size, header.channels)
            if seen != expected:
                foreign[number] = seen
            if not headers or header != headers[-1]:
                folder = _folder(directory, number)
                folder.mkdir()
            path.rename(folder / path.name)
            headers.append(header)
        if unreadable:
            reason = next(iter(unreadable.values()))
            self._report("frame-unreadable", list(unreadable), f"cannot be decoded: {reason}")
        if foreign:
            has = "has" if len(foreign) == 1 else "have"
            problem = f"{has} another size than the feature: {next(iter(foreign.values()))}, expected {expected}"
            self._report("image-size-foreign", list(foreign), problem)
        return None if unreadable or foreign else headers

    @property
    def _size(self) -> tuple[int, int, int]:
        return frame_size(self.subject.known_info.features[self.camera]) or (0, 0, 0)

    def _report(self, code: str, frames: Sequence[int], problem: str) -> None:
        self.subject.findings.add(
            code,
            f"{ranges_text(frames)} of the episode {problem}",
            episode=self.episode.place,
            camera=self.camera,
            frame=frames[0],
            path=self.path,
        )


def _size_text(width: int, height: int, channels: int) -> str:
    return f"{width}x{height} with {channels} channel{'s' if channels > 1 else ''}"


def _folder(directory: Path, first: int) -> Path:
    return directory / f"from-{first}"
