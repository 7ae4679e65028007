"""Episodes from clips, folders of images and tables: everything is measured before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from ffenc.errors import InputError
from ffenc.frames import FrameFormat

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
    """What takes the episode: a `ffenc.dataset.recording.recorder.DatasetRecorder` with the policy ``block``."""

    def add_frame(self, frame: Mapping[str, Any], /) -> bool:
        """Take one step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSource:
    """One episode to be.

    Attributes:
        cameras: a series of frames for each camera, by the name of its feature.
        table: its states and actions, if there are any.
    """

    cameras: Mapping[str, FrameSeries]
    table: EpisodeTable | None = None

    @property
    def frames(self) -> int:
        """Frames of its first camera; `check_episodes` makes sure that all have as many."""
        return len(next(iter(self.cameras.values())))

    @property
    def label(self) -> str:
        """Its first input, for messages."""
        return str(next(iter(self.cameras.values())).path)


def check_episodes(episodes: Sequence[EpisodeSource], *, fps: Fraction) -> dict[str, dict[str, Any]]:
    """Whether these make one dataset: within an episode as many frames everywhere, between episodes the same features.

    Args:
        episodes: at least one.
        fps: frame rate of the dataset.

    Returns:
        The features, as `DatasetRecorder.create` takes them.

    Raises:
        InputError: they do not; nothing was written.
    """
    first = episodes[0]
    for episode in episodes:
        _check_counts(episode)
        for name, series in episode.cameras.items():
            if series.fps != fps:
                raise InputError(
                    f"{series.path} has {series.fps} frames per second, and the dataset is to have {fps}; give --fps="
                    f"{series.fps}, or make clips of that rate first",
                    path=series.path,
                )
            if series.format != first.cameras[name].format:
                raise InputError(
                    f"{series.path} holds {series.format}, but {first.cameras[name].path} {first.cameras[name].format}; "
                    f"all episodes of {name} need one size",
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
    """Hand every step of an episode to the recorder, which has to take all of them.

    Raises:
        FFencError: an input cannot be read to its end, or the recorder failed.
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
        said = ", ".join(f"{count} in {path}" for path, count in counts.items())
        raise InputError(
            f"the inputs of one episode do not have the same number of frames: {said}. Cut them to match, or check that "
            "they are listed in the same order",
            path=Path(episode.label),
        )


def _check_table(episode: EpisodeSource, first: EpisodeSource) -> None:
    if episode.table is None or first.table is None:
        return
    if episode.table.components != first.table.components:
        raise InputError(
            f"{episode.table.path} has other columns than {first.table.path}: {dict(episode.table.components)} and "
            f"{dict(first.table.components)}",
            path=episode.table.path,
        )
    shared = [name for name in episode.table.vectors if name in episode.cameras]
    if shared:
        raise InputError(f"{episode.table.path}: {shared[0]!r} is a camera and a column", path=episode.table.path)
