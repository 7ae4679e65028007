"""Remove, rename and add features of a dataset; its videos are kept."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.dataset_tables import iterate_episodes
from ffenc.dataset.format.frame_columns import data_table
from ffenc.dataset.format.parquet_series import iterate_episode_tables, open_parquet
from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo, Feature, check_new_name
from ffenc.dataset.transform.joined_rows import KEYS, column_feature, key_columns, row_order
from ffenc.dataset.transform.renamed import camera_entries
from ffenc.dataset.transform.rewrite import Rewrite, RewriteResult, rewrite_dataset, table_rewrite, warn_of_names
from ffenc.dataset.transform.side_tables import numbered_features
from ffenc.dataset.transform.source import DatasetSource
from ffenc.errors import DatasetError
from ffenc.regular_files import file_path

logger = logging.getLogger(__name__)


def remove_features(
    root: str | Path,
    features: Collection[str],
    *,
    output: str | Path | None = None,
    dry_run: bool = False,
    follow_links: bool = False,
) -> RewriteResult:
    """Remove features of a dataset, with their statistics; the videos of removed cameras are removed too.

    Args:
        root: the dataset.
        features: names of the features.
        output: directory of a new dataset; None changes the dataset in place.
        dry_run: check everything, and write nothing.
        follow_links: read through symbolic links in the dataset.

    Raises:
        DatasetError: a feature does not exist, or every dataset needs it.
        FFencError: see `rewrite_dataset`.
    """
    plan = partial(_plan_names, names=dict.fromkeys(features))
    return rewrite_dataset(root, "remove features", plan, output=output, dry_run=dry_run, follow_links=follow_links)


def rename_features(
    root: str | Path,
    names: Mapping[str, str],
    *,
    output: str | Path | None = None,
    dry_run: bool = False,
    follow_links: bool = False,
) -> RewriteResult:
    """Rename features of a dataset, in all its tables and documents; the videos of renamed cameras move.

    Entries of language columns that refer to a camera get its new name.  Files of other programs are not changed; a warning
    names those that contain an old name.

    Args:
        root: the dataset.
        names: new names by old name.
        output, dry_run, follow_links: see `remove_features`.

    Raises:
        DatasetError: a feature does not exist, a new name is in use, or LeRobot gives a name its own meaning.
        UnsafePathError: a new name cannot be a file name.
        FFencError: see `rewrite_dataset`.
    """
    for name, new in names.items():
        if not isinstance(new, str):
            raise DatasetError(f"the new name of {name!r} is {new!r}; expected a text")
    plan = partial(_plan_names, names=dict(names))
    return rewrite_dataset(root, "rename features", plan, output=output, dry_run=dry_run, follow_links=follow_links)


def _plan_names(source: DatasetSource, *, names: dict[str, str | None]) -> Rewrite:
    if not names:
        raise DatasetError("no features are given; name at least one")
    _check_old_names(source, names)
    features: dict[str, Feature] = {}
    for name, feature in source.info.features.items():
        new = names.get(name, name)
        if new is None:
            continue
        if new in features:
            raise DatasetError(f"two features would be named {new!r}; {source.root} has {_listed(source.info)}")
        if new != name:
            check_new_name(new, feature)
        features[new] = feature
    info = source.info.model_copy(update={"features": features})
    if not info.videos:
        info = info.model_copy(update={"video_path": None})
    warn_of_names(source, names)
    _warn_of_entries(source, {name for name, new in names.items() if new is None})
    changes = {name: "removed" if new is None else f"renamed to {new}" for name, new in names.items()}
    return table_rewrite(source, changes, info=info, names=names)


def _check_old_names(source: DatasetSource, names: Mapping[str, str | None]) -> None:
    numbered = {feature: path for path, feature in numbered_features(source).items()}
    for name, new in names.items():
        if name in DEFAULT_FEATURES:
            raise DatasetError(f"{name!r} is a feature of every dataset; it cannot be removed or renamed")
        if name not in source.info.features:
            raise DatasetError(f"{source.root} does not have the feature {name!r}; it has {_listed(source.info)}")
        if new is not None and source.info.features[name].dtype == "language":
            raise DatasetError(f"{name!r} has dtype 'language', which LeRobot finds by this name; it cannot be renamed")
        if new is not None and name in numbered:
            raise DatasetError(f"{name!r} numbers the rows of {numbered[name]}, which has a column of that name")


def _warn_of_entries(source: DatasetSource, removed: set[str]) -> None:
    """Log language columns with entries that refer to a removed camera; they are kept."""
    languages = [name for name, feature in source.info.columns.items() if feature.dtype == "language"]
    if languages and removed & source.info.videos.keys():
        tables = iterate_episode_tables(source.layout.data_files(), columns=languages)
        entries = (each for table in tables for each in camera_entries(table, source.info))
        found = {(name, entry["camera"]) for name, entry in entries if entry["camera"] in removed}
        for name, camera in sorted(found):
            logger.warning("%s has entries about %s, which is removed; they are kept", name, camera)


def _listed(info: DatasetInfo) -> str:
    return ", ".join(name for name in info.features if name not in DEFAULT_FEATURES)


def add_features(
    root: str | Path,
    table: str | Path,
    *,
    features: Mapping[str, Mapping[str, Any]] | None = None,
    output: str | Path | None = None,
    dry_run: bool = False,
    follow_links: bool = False,
) -> RewriteResult:
    """Add columns of a parquet file as features of numbers or text, with their statistics.

    The file has one row for each frame of the dataset, in any order.  A row names its frame by ``index``, or by
    ``episode_index`` and ``frame_index``.

    Args:
        root: the dataset.
        table: the parquet file.
        features: the new features by column name, each with some of ``dtype``, ``shape`` and ``names`` as in ``info.json``;
            what is not given is that of the column.  None adds all columns except those that name the frame.
        output, dry_run, follow_links: see `remove_features`.

    Raises:
        DatasetError: a frame has no row or several, a row has no frame, a column has another type or shape than given, or a
            value is missing, NaN or infinite; the message has the row numbers, starting with 0.
        FFencError: see `rewrite_dataset`.
    """
    plan = partial(_plan_added, path=file_path(table), features=features)
    return rewrite_dataset(root, "add features", plan, output=output, dry_run=dry_run, follow_links=follow_links)


def _plan_added(source: DatasetSource, *, path: Path, features: Mapping[str, Mapping[str, Any]] | None) -> Rewrite:
    with open_parquet(path) as file:
        table = file.read()
    keys = key_columns(table, path)
    wanted = [name for name in table.column_names if name not in KEYS] if features is None else list(features)
    if not wanted:
        if features is not None:
            raise DatasetError("features (--features) names no column; leave it out to add all columns")
        raise DatasetError(f"{path} has only the columns {', '.join(table.column_names)}; no feature is left to add")
    lengths = [row.length for row in iterate_episodes(source.root, source.info, statistics=False)]
    order = row_order(keys, lengths, path)
    columns = {}
    added: dict[str, Feature] = {}
    for name in wanted:
        if name not in table.column_names:
            raise DatasetError(f"{path} does not have the column {name!r}; it has {', '.join(table.column_names)}")
        if name in source.info.features:
            raise DatasetError(
                f"{source.root} has the feature {name!r} already; remove or rename it, or choose the new columns with "
                "features (--features)"
            )
        given = (features or {}).get(name) or {}
        added[name], columns[name] = column_feature(table, name, given, path)
        check_new_name(name, added[name])
    new = data_table(DatasetInfo(fps=source.info.fps, features=added), columns).take(pa.array(order))
    old = source.info.features
    ordinary = {name: feature for name, feature in old.items() if name not in DEFAULT_FEATURES}
    default = {name: feature for name, feature in old.items() if name in DEFAULT_FEATURES}
    info = source.info.model_copy(update={"features": {**ordinary, **added, **default}})
    changes = {name: f"added, {feature.dtype} {list(feature.shape)}" for name, feature in added.items()}
    return table_rewrite(source, changes, info=info, added=new)
