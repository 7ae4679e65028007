"""Read and write ``meta/info.json`` and ``meta/stats.json``, byte for byte as LeRobot writes them.

This module does not use `ffenc.json_text`, because LeRobot indents by 4 and writes NaN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.format.versions import format_1_info
from ffenc.dataset.storage.atomic_file import write_text_atomically
from ffenc.errors import DatasetError
from ffenc.regular_files import read_json
from ffenc.statistics import FeatureStatistics


def load_info(root: Path) -> DatasetInfo:
    """Read ``meta/info.json``.

    Raises:
        DatasetError: it is missing, not JSON, of another version, or has an invalid value.
        UnsafePathError: a name or path template in it would leave the dataset.
    """
    path = info_path(root)
    return DatasetInfo.from_json(read_document(path), path=path)


def info_path(root: Path) -> Path:
    """Return ``meta/info.json``, or the ``info.json`` of a dataset of format 1, which only its version is read from."""
    path = DatasetLayout(root=root).info
    return path if path.exists() else format_1_info(root) or path


def save_info(root: Path, info: DatasetInfo) -> None:
    """Replace ``meta/info.json``.

    Raises:
        OutputError: it cannot be written.
    """
    write_text_atomically(DatasetLayout(root=root).info, _text(info.to_json()))


def load_stats(root: Path) -> dict[str, FeatureStatistics] | None:
    """Read ``meta/stats.json``; None if it does not exist, which LeRobot accepts.

    Raises:
        DatasetError: it is not JSON, or does not contain statistics.
    """
    path = DatasetLayout(root=root).stats
    if not path.exists():
        return None
    document = read_document(path)
    try:
        return {name: FeatureStatistics.from_json(values) for name, values in document.items()}
    except (AttributeError, TypeError, ValueError) as err:
        raise DatasetError(f"{path} does not contain valid statistics: {err}", path=path) from err


def save_stats(root: Path, stats: Mapping[str, FeatureStatistics]) -> None:
    """Replace ``meta/stats.json``.

    Raises:
        OutputError: it cannot be written.
    """
    document = {name: values.to_json() for name, values in stats.items()}
    write_text_atomically(DatasetLayout(root=root).stats, _text(document))


def read_document(path: Path) -> Any:
    """Read a JSON document of a dataset.

    Raises:
        DatasetError: it is missing or not JSON.
    """
    try:
        return read_json(path)
    except FileNotFoundError as err:
        raise DatasetError(f"{path} does not exist, so this is not a LeRobot dataset", path=path) from err
    except (OSError, ValueError) as err:
        raise DatasetError(f"{path} cannot be read as JSON: {err}", path=path) from err


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=4, ensure_ascii=False)
