"""Check the inputs of episodes (clips, folders of images, tables), and pass their frames to a recorder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from ffenc.errors import InputError
from ffenc.frames import FrameFormat
from ffenc.video.reader import VideoReader

if TYPE_CHECKING:
    from ffenc.dataset.convert.episode_table import EpisodeTable  # needs pyarrow


class FrameSeries(Protocol):
    """A `ffenc.video.reader.VideoReader` or `ffenc.video.image_reader.ImageReader`."""

    path: Path
    fps: Fraction
    format: FrameFormat

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[npt.NDArray[Any]]: ...


class StepTaker(Protocol):
    """A recorder: a `ffenc.dataset.recording.recorder.DatasetRecorder` with the policy ``block``."""

    def add_frame(self, frame: Mapping[str, Any], /) -> bool:
        """Add one step and return True if it was accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSource:
    """The inputs of one episode.

    Attributes:
        cameras: the frames of each camera, by feature name.
        table: its states and actions, or None.
        copies: clips of cameras whose video is copied instead of encoded.
        reasons: why each other camera is encoded, if clips may be copied.
    """

    cameras: Mapping[str, FrameSeries]
    table: EpisodeTable | None = None
    copies: Mapping[str, VideoReader] = field(default_factory=dict)
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Number of frames, which `check_episodes` requires to be equal for all cameras."""
        return len(next(iter(self.cameras.values())))

    @property
    def label(self) -> str:
        """Path of its first input, for messages."""
        return str(next(iter(self.cameras.values())).path)


def check_episodes(episodes: Sequence[EpisodeSource], *, fps: Fraction) -> dict[str, dict[str, Any]]:
    """Check that the inputs of an episode have equal numbers of frames, and all episodes the same features.

    Args:
        episodes: at least one episode.
        fps: frame rate of the dataset.

    Returns:
        The features for `DatasetRecorder.create`.

    Raises:
        InputError: the inputs differ.
    """
    first = episodes[0]
    for episode in episodes:
        _check_counts(episode)
        for name, series in episode.cameras.items():
            if series.fps != fps:
                raise InputError(
                    f"{series.path} has {series.fps} frames per second, but the dataset has {fps}; pass --fps={series.fps}, or "
                    "convert the frame rate of the clips first",
                    path=series.path,
                )
            if series.format != first.cameras[name].format:
                raise InputError(
                    f"{series.path} has frames of {series.format}, but {first.cameras[name].path} has "
                    f"{first.cameras[name].format}; all episodes of {name} need the same format",
                    path=series.path,
                )
        _check_table(episode, first)
    features: dict[str, dict[str, Any]] = {} if first.table is None else first.table.features()
    for name, series in first.cameras.items():
        form = series.format
        shape = (form.height, form.width, 3)
        features[name] = {"dtype": "video", "shape": shape, "names": ["height", "width", "channels"]}
    return features


def add_steps(
    recorder: StepTaker, episode: EpisodeSource, *, task: str, on_step: Callable[[], None] = lambda: None
) -> None:
    """Add every step of an episode to the recorder.

    Raises:
        FFencError: an input cannot be read completely, or the recorder dropped a step or failed.
    """
    table = episode.table
    for step, frames in enumerate(zip(*episode.cameras.values(), strict=True)):
        row = {} if table is None else {name: values[step] for name, values in table.vectors.items()}
        if not recorder.add_frame({**row, **dict(zip(episode.cameras, frames, strict=True)), "task": task}):
            raise InputError(
                f"{episode.label}: step {step} was dropped; convert with the policy block", path=Path(episode.label)
            )
        on_step()


def _check_counts(episode: EpisodeSource) -> None:
    counts = {str(series.path): len(series) for series in episode.cameras.values()}
    if episode.table is not None:
        counts[str(episode.table.path)] = episode.table.rows
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} in {path}" for path, count in counts.items())
        raise InputError(
            f"the inputs of one episode have different numbers of frames: {listed}; cut them to the same length, or check "
            "that they are listed in the same order",
            path=Path(episode.label),
        )


def _check_table(episode: EpisodeSource, first: EpisodeSource) -> None:
    if episode.table is None or first.table is None:
        return
    if episode.table.components != first.table.components:
        raise InputError(
            f"{episode.table.path} has the columns {dict(episode.table.components)}, but {first.table.path} has "
            f"{dict(first.table.components)}",
            path=episode.table.path,
        )
    shared = [name for name in episode.table.vectors if name in episode.cameras]
    if shared:
        raise InputError(f"{episode.table.path}: {shared[0]!r} is both a camera and a column", path=episode.table.path)
