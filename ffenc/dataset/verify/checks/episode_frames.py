"""Compute statistics and contents of the frames of one camera in one episode while they are decoded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.camera_frames import as_recorded
from ffenc.dataset.format.frame_ties import TieCheck, camera_ties
from ffenc.dataset.verify.checks.frame_content import COLOUR, DEPTH, ContentSampler, EpisodeContent
from ffenc.dataset.verify.checks.subject import Episode, Subject
from ffenc.dataset.verify.content_limits import ContentLimits
from ffenc.statistics import FeatureStatistics, FrameSampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """What frames are compared with.

    Attributes:
        provenance: entries of ``meta/ffenc/episodes.jsonl``, by number of the episode.
        limits: limits for the contents; None skips the contents.
    """

    provenance: Mapping[int, Mapping[str, Any]]
    limits: ContentLimits | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedEpisode:
    """The decoded frames of one camera in one episode.

    Attributes:
        episode: the episode.
        camera: the camera.
        path: the file with the frames.
        statistics: statistics of the frames.
        is_depth: whether the statistics are depths, not intensities from 0 to 1.
        ties: the comparison with the small images that were stored with the rows.
        content: what the frames show; None if it was not asked for.
    """

    episode: Episode
    camera: str
    path: Path
    statistics: FeatureStatistics
    is_depth: bool
    ties: TieCheck
    content: EpisodeContent | None


class EpisodeFrames:
    """Collects a `DecodedEpisode`.

    Args:
        subject: the dataset.
        episode: the episode.
        camera: the camera.
        path: the file with the frames.
        comparisons: None computes only the statistics.
    """

    def __init__(
        self, subject: Subject, episode: Episode, camera: str, path: Path, comparisons: Comparisons | None = None
    ) -> None:
        self._subject = subject
        self._episode = episode
        self._camera = camera
        self._path = path
        self._comparisons = comparisons
        self._feature = subject.known_info.features[camera]
        self._sampler = FrameSampler()
        self._ties = TieCheck({})
        self._content: ContentSampler | None = None
        self._is_depth = False

    def add(self, frame: npt.NDArray[Any]) -> None:
        """Add the next frame, as decoded."""
        if not self._sampler.frames:
            self._begin(frame)
        self._sampler.add(as_recorded(frame, self._feature) if self._feature.is_video else frame)
        self._ties.add(frame)
        if self._content is not None:
            self._content.add(frame)

    @property
    def is_complete(self) -> bool:
        """Whether all frames of the episode were added."""
        return self._sampler.frames == self._episode.length

    def decoded(self) -> DecodedEpisode:
        """Return the result for all added frames."""
        content = self._content
        return DecodedEpisode(
            episode=self._episode,
            camera=self._camera,
            path=self._path,
            statistics=self._sampler.statistics(),
            is_depth=self._is_depth,
            ties=self._ties,
            content=None
            if content is None
            else content.content(place=self._episode.place, camera=self._camera, path=self._path),
        )

    def _begin(self, frame: npt.NDArray[Any]) -> None:
        self._is_depth = frame.dtype != np.uint8
        comparisons, length = self._comparisons, self._episode.length
        if comparisons is None or length is None:
            return
        document = comparisons.provenance.get(self._episode.index, {})
        self._ties = TieCheck(camera_ties(document, self._camera) if document.get("frames") == length else {})
        if comparisons.limits is not None:
            self._content = ContentSampler(
                length=length,
                tolerance=DEPTH if self._is_depth else COLOUR,
                frozen_frames=max(2, math.ceil(comparisons.limits.frozen_s * self._subject.known_info.fps)),
            )
