"""Names and templates of a dataset become paths inside it, or are refused.

A feature name is a part of the path of its videos, and the templates come from a file that somebody else wrote.  So nothing
of them is given to `str.format`, whose fields can read attributes of our objects.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from ffenc.errors import DatasetError, UnsafePathError
from ffenc.video.names import check_path_part

_FIELD = re.compile(r"\{([^{}]*)\}")
_SPECS = {"video_key": "video_key", "chunk_index": "chunk_index:03d", "file_index": "file_index:03d"}


def check_feature_name(name: str) -> None:
    """Refuse a name that cannot be one part of a path everywhere.

    Raises:
        UnsafePathError: it is empty, holds a slash or a control character, or begins or ends with a dot or a space.
    """
    check_path_part(name, "the name of a feature, which becomes a directory")


def check_template(template: str, *, fields: Collection[str]) -> None:
    """Refuse a template with other fields than these, or one whose path would leave the dataset.

    Args:
        template: as in ``info.json``, e.g. ``"data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"``.
        fields: of ``video_key``, ``chunk_index`` and ``file_index``, all that have to be in it.

    Raises:
        DatasetError: a field is missing, unknown or has another format.
        UnsafePathError: the path is absolute or has a part ``..``.
    """
    found = _FIELD.findall(template)
    if sorted(set(found)) != sorted(_SPECS[field] for field in fields) or set("{}") & set(_FIELD.sub("", template)):
        wanted = ", ".join(f"{{{_SPECS[field]}}}" for field in fields)
        raise DatasetError(f"the path template {template!r} does not have exactly the fields {wanted}")
    _inside(_FIELD.sub("0", template), template)


def expand_template(template: str, *, chunk: int, file: int, video_key: str | None = None) -> Path:
    """The path, relative to the dataset, that a template gives.

    Raises:
        DatasetError: a field that is not known or has no value here.
        UnsafePathError: the path would leave the dataset.
    """
    values = {"chunk_index:03d": f"{chunk:03d}", "file_index:03d": f"{file:03d}"}
    if video_key is not None:
        check_feature_name(video_key)
        values["video_key"] = video_key

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise DatasetError(f"the path template {template!r} has the field {match[0]}, which has no value here")
        return values[match[1]]

    return _inside(_FIELD.sub(value, template), template)


def _inside(text: str, template: str) -> Path:
    # Only by its words: the files of a downloaded dataset are links to a cache outside it.
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in text:
        raise UnsafePathError(f"the path template {template!r} leads out of the dataset", text=template)
    return Path(path)
