"""Turn feature names and path templates into paths inside a dataset, and refuse unsafe ones.

Names and templates come from untrusted files.  They are not passed to `str.format`, whose fields can read attributes.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path, PurePath, PurePosixPath

from ffenc.errors import DatasetError, UnsafePathError
from ffenc.video.names import check_path_part

_FIELD = re.compile(r"\{([^{}]*)\}")
_NUMBERS = ("chunk_index", "file_index")
_NUMBER_FORMAT = re.compile(r"([<>^]?0?\d{0,2})d?")  # a safe subset of Python's format language


class FixedPath:
    """An attribute of a class that describes a directory: a path that is the same in all such directories.

    Args:
        name: the path, relative to the directory.
        of: attribute with the directory.
    """

    def __init__(self, name: str, *, of: str = "root") -> None:
        self._name, self._of = name, of

    def __get__(self, owner: object, kind: type) -> Path:
        directory: Path = getattr(owner, self._of)
        return directory / self._name


def check_feature_name(name: str) -> None:
    """Refuse a name that is not a portable directory name.

    Raises:
        UnsafePathError: see `check_path_part`.
    """
    check_path_part(name, "the name of a feature, which becomes a directory")


def check_template(template: str, *, camera: bool = False) -> None:
    """Refuse a template with unknown fields, or one whose path would leave the dataset.

    LeRobot fills templates with ``str.format``, so a field may be missing or have another format than ``:03d``.

    Args:
        template: from ``info.json``, e.g. ``"data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"``.
        camera: it is a template of video paths, which needs ``{video_key}``.

    Raises:
        DatasetError: a field is unknown or has an unsupported format, or ``{video_key}`` is missing.
        UnsafePathError: the path is absolute or contains ``..``.
    """
    fields = [_parsed(field, template)[0] for field in _FIELD.findall(template)]
    known = (*_NUMBERS, "video_key") if camera else _NUMBERS
    if set("{}") & set(_FIELD.sub("", template)) or not set(fields) <= set(known):
        wanted = ", ".join(f"{{{field}}}" for field in known)
        raise DatasetError(f"the path template {template!r} has unknown fields; expected {wanted}")
    if camera and "video_key" not in fields:
        raise DatasetError(f"the path template {template!r} lacks {{video_key}}, so all cameras would share a file")
    _inside(_FIELD.sub("0", template), template)


def numbers_files(template: str) -> bool:
    """Return True if every file number gets its own path, so that files can be added."""
    return set(_NUMBERS) <= {_parsed(field, template)[0] for field in _FIELD.findall(template)}


def expand_template(template: str, *, chunk: int, file: int, video_key: str | None = None) -> Path:
    """Return the path of a template, relative to the dataset.

    Raises:
        DatasetError: a field is unknown or has no value.
        UnsafePathError: the path would leave the dataset.
    """
    values: dict[str, int | str] = {"chunk_index": chunk, "file_index": file}
    if video_key is not None:
        check_feature_name(video_key)
        values["video_key"] = video_key

    def value(match: re.Match[str]) -> str:
        name, form = _parsed(match[1], template)
        if name not in values:
            raise DatasetError(
                f"the path template {template!r} has the field {match[0]}, which has no value for this file"
            )
        return format(values[name], form)

    return _inside(_FIELD.sub(value, template), template)


def file_numbers(template: str, path: PurePath, *, video_key: str | None = None) -> tuple[int, int] | None:
    """Return the chunk and file number of a path, relative to the dataset, or None if it does not match the template."""
    names = {"chunk_index": "(?P<chunk_index>[0-9]+)", "file_index": "(?P<file_index>[0-9]+)"}
    pattern, place = "", 0
    for match in _FIELD.finditer(template):
        name, _ = _parsed(match[1], template)
        pattern += re.escape(template[place : match.start()])
        # A repeated field may have another padding; the comparison below catches it.
        pattern += re.escape(video_key or "") if name == "video_key" else f" *{names.pop(name, '[0-9]+')} *"
        place = match.end()
    found = re.fullmatch(pattern + re.escape(template[place:]), path.as_posix())
    if found is None:
        return None
    chunk, file = (int(found.groupdict().get(name) or 0) for name in _NUMBERS)
    # A path with another padding is not produced by the template.
    return (chunk, file) if expand_template(template, chunk=chunk, file=file, video_key=video_key) == path else None


def glob_pattern(template: str, *, video_key: str | None = None) -> str:
    """Return a pattern for `pathlib.Path.glob` that matches at least every file of a template."""
    parts = _FIELD.split(template)
    texts = [glob.escape(part) for part in parts[::2]]
    fields = [
        glob.escape(video_key or "") if _parsed(field, template)[0] == "video_key" else "*" for field in parts[1::2]
    ]
    return "".join(text + field for text, field in zip(texts, [*fields, ""], strict=True))


def _parsed(field: str, template: str) -> tuple[str, str]:
    name, _, form = field.partition(":")
    allowed = form in ("", "s") if name == "video_key" else _NUMBER_FORMAT.fullmatch(form)
    if not allowed:
        raise DatasetError(
            f"the path template {template!r} has the field {{{field}}} with an unsupported format; expected a format of "
            "integers, as in {chunk_index:03d}"
        )
    return name, form


def _inside(text: str, template: str) -> Path:
    # Links are not resolved: the files of a downloaded dataset are links to a cache outside it.
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in text:
        raise UnsafePathError(f"the path template {template!r} leads outside the dataset", text=template)
    return Path(path)
