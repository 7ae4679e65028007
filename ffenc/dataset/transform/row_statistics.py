"""Recognise statistics in ``stats.json`` that are not those of the rows, such as those of relative actions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from ffenc.dataset.format.dataset_tables import iterate_episodes
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.statistics import FeatureStatistics, StatisticsTotal

ACTION, STATE = "action", "observation.state"
"""The features from which LeRobot computes statistics of relative actions."""

logger = logging.getLogger(__name__)


def warn_of_other_statistics(root: Path, info: DatasetInfo, stored: Mapping[str, FeatureStatistics]) -> list[str]:
    """Log and return the features whose statistics do not count every row once."""
    numbers = [name for name in stored if name in info.columns and info.columns[name].is_numeric]
    other = [name for name in numbers if stored[name].count[0] != info.total_frames]
    if other:
        logger.warning(
            "stats.json of %s has statistics of %s that are not those of its rows (relative actions?); the new ones are those of "
            "the rows. `ffenc recompute-stats` computes those of relative actions",
            root,
            ", ".join(other),
        )
    return other


def statistics_of_rows(
    root: Path, info: DatasetInfo, stored: Mapping[str, FeatureStatistics]
) -> dict[str, FeatureStatistics]:
    """Return the statistics of a dataset, with those of its episodes in place of statistics that are not those of its rows."""
    other = warn_of_other_statistics(root, info, stored)
    if not other:
        return dict(stored)
    total = StatisticsTotal()
    for row in iterate_episodes(root, info):
        total.add({name: row.statistics[name] for name in other if name in row.statistics})
    return {name: values for name, values in stored.items() if name not in other} | total.result()
