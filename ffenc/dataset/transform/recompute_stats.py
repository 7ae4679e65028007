"""Compute the statistics of a dataset again from its rows and frames; all other files are kept."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.camera_frames import span_statistics
from ffenc.dataset.format.dataset_tables import iterate_episodes, other_episode_columns, save_episodes
from ffenc.dataset.format.documents import load_stats, save_stats
from ffenc.dataset.format.episode_columns import EpisodeRow, VideoSpan
from ffenc.dataset.format.frame_columns import column_values
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo, Feature
from ffenc.dataset.transform.rewrite import Rewrite, RewriteResult, rewrite_dataset
from ffenc.dataset.transform.row_statistics import ACTION, STATE
from ffenc.dataset.transform.source import DatasetSource
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.statistics import (
    STATISTICS,
    FeatureStatistics,
    StatisticsTotal,
    relative_action_statistics,
    vector_statistics,
)

_ROUNDING = 1e-4  # LeRobot computes in float32

logger = logging.getLogger(__name__)


def recompute_stats(
    root: str | Path,
    *,
    features: Collection[str] | None = None,
    relative_action: bool = False,
    relative_exclude_joints: Sequence[str] = ("gripper",),
    chunk_size: int = 50,
    output: str | Path | None = None,
    dry_run: bool = False,
    follow_links: bool = False,
    binaries: Binaries | None = None,
) -> RewriteResult:
    """Compute statistics again: those of each episode in ``meta/episodes``, and those of the dataset in ``stats.json``.

    The definitions are those of LeRobot 0.6.1's ``recompute_stats``: quantiles of the dataset are the means of those of the
    episodes, weighted by their lengths.  Unlike LeRobot, it also writes the statistics of the episodes, and computes those of
    cameras if they are named.

    Args:
        root: the dataset.
        features: names of the features; None takes all numbers except ``timestamp``, ``index`` and the like, as LeRobot does.
            A named camera is decoded.
        relative_action: write the statistics of relative actions as those of ``action`` in ``stats.json``: each action of a
            chunk minus ``observation.state`` at the start of the chunk.
        relative_exclude_joints: with ``relative_action``, components of ``action`` stay absolute if their name contains one of
            these, in upper or lower case.
        chunk_size: with ``relative_action``, actions in a chunk; that of the policy.
        output: directory of a new dataset; None changes the dataset in place.
        dry_run: compute everything, and write nothing.
        follow_links: read through symbolic links in the dataset.
        binaries: the executables for named cameras; found by `find_binaries` if None.

    Raises:
        DatasetError: a feature does not exist or has no statistics; an argument for ``relative_action`` is given without it;
            with ``relative_action``, ``action`` or the state is missing, no episode has ``chunk_size`` frames, or the chunks
            have as many values as the dataset has rows.
        FFencError: see `rewrite_dataset`.
    """
    relative = (tuple(relative_exclude_joints), chunk_size)
    if not relative_action and relative != (("gripper",), 50):
        raise DatasetError(
            "relative_exclude_joints (--relative_exclude_joints) and chunk_size (--chunk_size) apply only with "
            "relative_action (--relative_action)"
        )
    plan = partial(
        _plan,
        features=features,
        relative=relative if relative_action else None,
        binaries=binaries,
        dry_run=dry_run,
    )
    return rewrite_dataset(root, "recompute stats", plan, output=output, dry_run=dry_run, follow_links=follow_links)


def _plan(
    source: DatasetSource,
    *,
    features: Collection[str] | None,
    relative: tuple[tuple[str, ...], int] | None,
    binaries: Binaries | None,
    dry_run: bool,
) -> Rewrite:
    chosen = _chosen(source.info, features)
    of_actions = None if relative is None else _relative(source, *relative)
    cameras = {
        name: _camera_statistics(source, name, binaries or find_binaries())
        for name, feature in chosen.items()
        if feature.is_video
    }
    new = _Recomputed(source, chosen, cameras)
    changes: dict[str, str] = {}

    def finish() -> dict[str, FeatureStatistics]:
        stats = new.total.result()
        if of_actions is not None:
            stats[ACTION] = of_actions
        changes.update(new.changes(stats))
        return stats

    def write(building: Path) -> DatasetInfo:
        others = other_episode_columns(source.root, source.info)
        save_episodes(building, source.info, new.episodes(), others=others)
        save_stats(building, {**(load_stats(source.root) or {}), **finish()})
        return source.info

    if dry_run:
        for _ in new.episodes():
            pass
        finish()
    files = {*source.layout.episodes_files(), source.layout.stats}
    return Rewrite(info=source.info, changes=changes, replaced=files, write=write)


def _chosen(info: DatasetInfo, features: Collection[str] | None) -> dict[str, Feature]:
    known = {name: feature for name, feature in info.features.items() if feature.has_statistics}
    if features is None:
        return {name: feature for name, feature in known.items() if feature.is_numeric and name not in DEFAULT_FEATURES}
    for name in features:
        if name not in known:
            raise DatasetError(
                f"unknown feature {name!r}, or one without statistics; use features (--features) with some of {', '.join(known)}"
            )
        if known[name].dtype == "image":
            raise DatasetError(f"{name!r} has stored images; their statistics cannot be computed again")
    return {name: known[name] for name in features}


class _Recomputed:
    """New statistics of each episode, and of the dataset after the last episode."""

    def __init__(
        self,
        source: DatasetSource,
        features: Mapping[str, Feature],
        cameras: Mapping[str, Mapping[int, FeatureStatistics]],
    ) -> None:
        self._source = source
        self._features = features
        self._cameras = cameras
        self.total = StatisticsTotal(mean_quantiles=True)
        self._changed: Counter[str] = Counter()
        self._count = 0

    def episodes(self) -> Iterator[EpisodeRow]:
        """Yield the rows of ``meta/episodes`` with the new statistics."""
        for row, table in self._source.episodes():
            new = {
                name: self._cameras[name][row.episode_index]
                if name in self._cameras
                else vector_statistics(column_values(table, name, feature))
                for name, feature in self._features.items()
            }
            for name, statistics in new.items():
                self._changed[name] += not _same(row.statistics.get(name), statistics)
            self._count += 1
            self.total.add(new)
            yield replace(row, statistics={**row.statistics, **new})

    def changes(self, stats: Mapping[str, FeatureStatistics]) -> dict[str, str]:
        """Return by feature whether the stored statistics differ from the new ones; a dry run shows the same."""
        old = load_stats(self._source.root) or {}
        found = {}
        for name, new in stats.items():
            document = "is the same" if _same(old.get(name), new) else "differs"
            found[name] = f"stats.json {document}; {self._changed[name]} of {self._count} episodes differ"
        return found


def _same(old: FeatureStatistics | None, new: FeatureStatistics) -> bool:
    if old is None or old.mean.shape != new.mean.shape:
        return False
    pairs = [(getattr(old, name), getattr(new, name)) for name in STATISTICS]
    return all(
        one is not None
        and other is not None
        and np.allclose(one, other, rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True)
        for one, other in pairs
    )


def _camera_statistics(source: DatasetSource, key: str, binaries: Binaries) -> dict[int, FeatureStatistics]:
    spans: dict[FileId, list[tuple[int, VideoSpan]]] = {}
    for row in iterate_episodes(source.root, source.info, statistics=False):
        span = row.videos[key]
        spans.setdefault(span.file, []).append((row.episode_index, span))
    found: dict[int, FeatureStatistics] = {}
    for file, some in spans.items():
        path, feature = source.layout.video(key, file), source.info.features[key]
        measured = span_statistics(path, feature, [span for _, span in some], binaries=binaries)
        found |= dict(zip((episode for episode, _ in some), measured, strict=True))
    return found


def _relative(source: DatasetSource, exclude: tuple[str, ...], chunk_size: int) -> FeatureStatistics:
    features = source.info.features
    for name in (ACTION, STATE):
        if name not in features or not features[name].is_numeric or len(features[name].shape) != 1:
            raise DatasetError(
                f"relative actions need the vectors {ACTION!r} and {STATE!r}; {source.root} has {', '.join(features)}"
            )
    action, state = features[ACTION], features[STATE]
    if state.shape[0] < action.shape[0]:
        raise DatasetError(
            f"relative actions need a state with the components of {ACTION!r}, which has {action.shape[0]}; {STATE!r} has "
            f"{state.shape[0]}"
        )
    if chunk_size < 1:
        raise DatasetError(f"chunk_size (--chunk_size) is {chunk_size}; it must be at least 1")

    def episodes() -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        for _, table in source.episodes():
            values = (column_values(table, name, features[name]) for name in (ACTION, STATE))
            actions, states = (each.reshape(len(table), -1) for each in values)
            yield actions, states

    relative = np.array([not _is_excluded(name, exclude) for name in _component_names(action)])
    found = relative_action_statistics(episodes, relative=relative, chunk_size=chunk_size)
    if found is None:
        longest = max(row.length for row in iterate_episodes(source.root, source.info, statistics=False))
        raise DatasetError(
            f"no episode of {source.root} has a chunk of {chunk_size} frames, the longest has {longest}; use a smaller "
            "chunk_size (--chunk_size)"
        )
    if found.count[0] == source.info.total_frames:
        raise DatasetError(
            f"chunks of {chunk_size} frames (--chunk_size) give {found.count[0]} values, and {source.root} has as many rows, so "
            "nothing would distinguish these statistics from those of the rows; use another chunk_size"
        )
    return found


def _component_names(feature: Feature) -> list[str]:
    """Return the name of each component; a component without a name has an empty one."""
    names = feature.names
    if isinstance(names, dict):
        names = next((value for value in names.values() if isinstance(value, list)), [])
    found = [str(name) for name in names or []][: feature.shape[0]]
    return found + [""] * (feature.shape[0] - len(found))


def _is_excluded(name: str, exclude: Sequence[str]) -> bool:
    return any(token and token.lower() in name.lower() for token in exclude)
