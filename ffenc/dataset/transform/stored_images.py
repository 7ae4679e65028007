"""Unpack the images that are stored in the data files, and compute their statistics."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ffenc.dataset.format.dataset_tables import iterate_episodes
from ffenc.dataset.format.parquet_series import iterate_episode_tables
from ffenc.dataset.transform.write_tables import EpisodeSelection
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.plan.images import image_name
from ffenc.statistics import FeatureStatistics, FrameSampler
from ffenc.video.image_reader import ImageReader

_SUFFIXES = ((b"\x89PNG\r\n\x1a\n", ".png"), (b"\xff\xd8\xff", ".jpg"), (b"II*\0", ".tiff"), (b"MM\0*", ".tiff"))


def image_suffix(data: bytes | None) -> str | None:
    """Return the suffix for the content of an image file; None if it is not a PNG, JPEG or TIFF image."""
    return next((suffix for magic, suffix in _SUFFIXES if data and data.startswith(magic)), None)


def unpack_images(
    images: Sequence[Mapping[str, Any] | None], directory: Path, *, camera: str, episode: int, root: Path
) -> None:
    """Write the stored images of an episode of the dataset ``root`` as numbered files.

    Raises:
        DatasetError: a value is not a PNG, JPEG or TIFF image, or the images have different formats.
    """
    suffixes = set()
    for number, image in enumerate(images):
        data = (image or {}).get("bytes")
        suffix = image_suffix(data)
        if data is None or suffix is None:
            raise DatasetError(
                f"frame {number} of episode {episode} does not contain a PNG, JPEG or TIFF image of {camera}", path=root
            )
        suffixes.add(suffix)
        if len(suffixes) > 1:
            raise DatasetError(
                f"frame {number} of episode {episode} has a {suffix} image of {camera}, but earlier frames have another "
                "format; convert it first",
                path=root,
            )
        (directory / image_name(number, suffix)).write_bytes(data)


def image_statistics(
    selection: EpisodeSelection, *, work: Path, binaries: Binaries
) -> dict[str, dict[int, FeatureStatistics]]:
    """Return new statistics of the image features for each episode that loses some of its rows.

    The images of one episode at a time are unpacked into a temporary directory in ``work``.

    Raises:
        DatasetError: see `unpack_images`.
        InputError: an image cannot be decoded.
    """
    source = selection.source
    features = {name: feature for name, feature in source.info.columns.items() if feature.dtype == "image"}
    found: dict[str, dict[int, FeatureStatistics]] = {name: {} for name in features}
    partial = {
        row.episode_index: rows
        for row in iterate_episodes(source.root, source.info, statistics=False)
        if selection.takes(row.episode_index)
        and len(rows := selection.rows(row.episode_index, row.length)) < row.length
    }
    if not features or not partial:
        return found
    for table in iterate_episode_tables(source.layout.data_files(), columns=list(features)):
        episode = table["episode_index"][0].as_py()
        if episode not in partial:
            continue
        rows = partial[episode]
        for name, feature in features.items():
            sampler = FrameSampler()
            with tempfile.TemporaryDirectory(prefix=".ffenc-images-", dir=work) as directory:
                kept = table[name].to_pylist()[rows.start : rows.stop : rows.step]
                unpack_images(kept, Path(directory), camera=name, episode=episode, root=source.root)
                layout = "gray16" if feature.shape[-1] == 1 else "rgb"
                for frame in ImageReader(directory, fps=source.info.fps, layout=layout, binaries=binaries):
                    sampler.add(frame)
            found[name][episode] = sampler.statistics()
    return found
