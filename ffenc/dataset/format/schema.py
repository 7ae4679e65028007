"""``meta/info.json`` as typed values: what the features of a dataset are and where its files lie.

LeRobot: ``DatasetInfo`` in ``datasets/utils.py`` and the feature dictionaries it holds.  Keys that are not known here are kept
and written back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ffenc.dataset.format.paths import check_feature_name, check_template
from ffenc.errors import DatasetError
from ffenc.frames import MAX_FRAME_RATE

CODEBASE_VERSION = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count: TypeAlias = Annotated[StrictInt, Field(ge=0)]
Whole: TypeAlias = Annotated[StrictInt, BeforeValidator(_whole)]  # exporters write 30.0, and LeRobot reads it
Size: TypeAlias = Annotated[StrictInt, Field(gt=0)] | Annotated[StrictFloat, Field(gt=0, allow_inf_nan=False)]

OLD_COUNTERS = frozenset({"total_videos", "total_chunks"})
"""Keys of format 2.1 that some converters left; nothing keeps them true, and LeRobot drops them at its next write."""

_LARGEST_COUNT = 1 << 53  # beyond it a float64 cannot count
_MOST_AXES = 32  # of numpy 1; LeRobot stores at most 5
_LONGEST_BITS = 200  # of a number in a message
_FRAME_KEYS = ("task",)  # keys of a recorded frame that are no features
_VERSION = re.compile(r"v?3(\.0)*")  # as LeRobot's reader compares versions; all of these are v3.0
_NOT_NUMERIC = ("string", "image", "video", "language")


class Feature(BaseModel):
    """One feature: a column of the data files, or a camera with video files of its own.

    Attributes:
        dtype: a numpy name (``float32``, ``int64``, ``bool``, ...), ``string``, ``image``, ``video`` or ``language``.
        shape: of one frame's value; ``(1,)`` for a scalar, ``(height, width, channels)`` for a camera.
        names: of the components, as a list or nested in a dictionary; or None.
        info: of a camera, ``video.codec`` and the like; absent until its first video is there.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    dtype: StrictStr
    shape: tuple[Annotated[Whole, Field(ge=1)], ...] = Field(min_length=1)
    names: list[Any] | dict[str, Any] | None = None
    info: dict[str, Any] | None = None

    @property
    def is_video(self) -> bool:
        """True if the values are in video files and not in the data files."""
        return self.dtype == "video"

    @property
    def is_camera(self) -> bool:
        """True for video and for single images."""
        return self.dtype in ("video", "image")

    @property
    def is_depth(self) -> bool:
        """True for a camera of depths, under any of the three spellings that LeRobot has used."""
        info = self.info or {}
        older = (self.model_extra or {}).get("video_info") or {}
        return bool(info.get("is_depth_map") or info.get("video.is_depth_map") or older.get("video.is_depth_map"))

    @property
    def is_numeric(self) -> bool:
        """True for numbers and truth values, which stand in the data files as such."""
        return self.dtype not in _NOT_NUMERIC

    @property
    def has_statistics(self) -> bool:
        """True if LeRobot reckons statistics of it: for all but text."""
        return self.is_numeric or self.is_camera

    def to_json(self) -> dict[str, Any]:
        """The document as it was read, or as LeRobot would write it; a key that was not given is not written."""
        return self.model_dump(mode="json", exclude_unset=True)


def _column(dtype: str) -> Feature:
    return Feature(dtype=dtype, shape=(1,), names=None)


DEFAULT_FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        "timestamp": _column("float32"),
        "frame_index": _column("int64"),
        "episode_index": _column("int64"),
        "index": _column("int64"),
        "task_index": _column("int64"),
    }
)
"""What every dataset has, always last and in this order; the recorder fills them."""


class DatasetInfo(BaseModel):
    """The document ``meta/info.json``, in the order in which LeRobot writes it.

    Attributes:
        codebase_version: ``"v3.0"``.
        fps: frames per second of the data and of every video.
        features: by name; the order is that of the columns.
        total_episodes, total_frames, total_tasks: as many as the tables have rows.
        chunks_size: files per chunk directory.
        data_files_size_in_mb, video_files_size_in_mb: MiB at which the next file begins.
        data_path, video_path: templates of file names; ``video_path`` is None without video.
        robot_type: free text or None.
        splits: ``{"train": "0:<episodes>"}``; LeRobot's loader does not use it and accepts anything.
        tools: schemas of an agent's tools; not written when absent.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    codebase_version: Literal["v3.0"] = "v3.0"
    fps: Annotated[Whole, Field(gt=0)]
    features: dict[str, Feature]
    total_episodes: Count = 0
    total_frames: Count = 0
    total_tasks: Annotated[Whole, Field(ge=0)] = 0
    chunks_size: Annotated[Whole, Field(gt=0)] = 1000
    data_files_size_in_mb: Size = 100
    video_files_size_in_mb: Size = 200
    data_path: StrictStr = DATA_PATH
    video_path: StrictStr | None = VIDEO_PATH
    robot_type: StrictStr | None = None
    splits: dict[str, Any] = Field(default_factory=dict)
    tools: list[Any] | None = None

    @field_validator("data_path", "splits", mode="before")
    @classmethod
    def _default_if_null(cls, value: object, checked: ValidationInfo) -> object:
        assert checked.field_name is not None
        return cls.model_fields[checked.field_name].get_default(call_default_factory=True) if value is None else value

    @field_validator("features")
    @classmethod
    def _safe_names(cls, features: dict[str, Feature]) -> dict[str, Feature]:
        for name in features:
            check_feature_name(name)
        return features

    @field_validator("data_path")
    @classmethod
    def _safe_data_path(cls, template: str) -> str:
        check_template(template)
        return template

    @field_validator("video_path")
    @classmethod
    def _safe_video_path(cls, template: str | None) -> str | None:
        if template is not None:
            check_template(template, camera=True)
        return template

    @model_validator(mode="after")
    def _possible_numbers(self) -> DatasetInfo:
        """Refuse numbers that only damage explains, with which nothing could be computed."""
        if self.fps > MAX_FRAME_RATE:
            raise ValueError(f"fps is {_short(self.fps)}, expected at most {MAX_FRAME_RATE}")
        for name in ("total_episodes", "total_frames", "total_tasks", "chunks_size"):
            if getattr(self, name) > _LARGEST_COUNT:
                raise ValueError(f"{name} is {_short(getattr(self, name))}, expected at most {_LARGEST_COUNT}")
        for name, feature in self.features.items():
            if len(feature.shape) > _MOST_AXES:
                raise ValueError(f"{name!r} has {len(feature.shape)} axes, expected at most {_MOST_AXES}")
        return self

    @classmethod
    def create(
        cls,
        fps: int,
        features: Mapping[str, Feature | Mapping[str, Any]],
        *,
        robot_type: str | None = None,
        chunks_size: int = 1000,
        data_files_size_in_mb: float = 100,
        video_files_size_in_mb: float = 200,
    ) -> DatasetInfo:
        """The document of a new dataset without episodes; the five default features are added.

        Args:
            fps: frames per second, a whole number.
            features: what one frame holds; a default feature may be among them if it is what LeRobot says it is.
            robot_type: free text.
            chunks_size, data_files_size_in_mb, video_files_size_in_mb: see `DatasetInfo`.

        Raises:
            DatasetError: a feature that no table or video can hold, or a reserved name.
            UnsafePathError: a feature name that cannot be a file name.
            pydantic.ValidationError: a value of a wrong type or outside its range.
        """
        columns = {}
        for name, given in features.items():
            document = given.to_json() if isinstance(given, Feature) else dict(given)
            feature = Feature.model_validate({"names": None, **document})  # LeRobot reads the key, even when it is null
            _check_new_feature(name, feature)
            if name not in DEFAULT_FEATURES:
                columns[name] = feature
        columns.update(DEFAULT_FEATURES)
        return cls(
            fps=fps,
            features=columns,
            chunks_size=chunks_size,
            data_files_size_in_mb=data_files_size_in_mb,
            video_files_size_in_mb=video_files_size_in_mb,
            video_path=VIDEO_PATH if any(feature.is_video for feature in columns.values()) else None,
            robot_type=robot_type,
        )

    @classmethod
    def from_json(cls, document: object, *, path: Path | None = None) -> DatasetInfo:
        """Check a document that was read from ``meta/info.json``.

        Args:
            document: the parsed JSON.
            path: where it came from, for the messages.

        Raises:
            DatasetError: another version of the format, or a value that is missing or wrong.
            UnsafePathError: a feature name or a path template that would leave the dataset.
        """
        where = path or "info.json"
        if not isinstance(document, dict):
            raise DatasetError(f"{where} does not hold a JSON object", path=path)
        version = document.get("codebase_version")
        if not is_known_version(version):
            raise DatasetError(_version_message(version, where), path=path)
        document = {**document, "codebase_version": CODEBASE_VERSION}
        try:
            return cls.model_validate(document)
        except ValidationError as err:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in err.errors()[:5])
            raise DatasetError(f"{where} is not what LeRobot {CODEBASE_VERSION} writes: {wrong}", path=path) from err

    def to_json(self) -> dict[str, Any]:
        """The document for ``meta/info.json``: LeRobot's keys in its order, then the unknown ones."""
        document: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        document["features"] = {name: feature.to_json() for name, feature in self.features.items()}
        if self.tools is None:
            del document["tools"]
        return document | (self.model_extra or {})

    @property
    def videos(self) -> dict[str, Feature]:
        """The features with video files."""
        return {name: feature for name, feature in self.features.items() if feature.is_video}

    @property
    def columns(self) -> dict[str, Feature]:
        """The features that are columns of the data files, in their order."""
        return {name: feature for name, feature in self.features.items() if not feature.is_video}

    def with_totals(self, *, episodes: int, frames: int, tasks: int) -> DatasetInfo:
        """The same with other counts, and ``splits`` as LeRobot rewrites them with every episode; without `OLD_COUNTERS`."""
        changed = {"total_episodes": episodes, "total_frames": frames, "total_tasks": tasks}
        copy = self.model_copy(update={**changed, "splits": {"train": f"0:{episodes}"}})
        for name in OLD_COUNTERS:
            (copy.model_extra or {}).pop(name, None)
        return copy

    def with_standard_paths(self) -> DatasetInfo:
        """The same with LeRobot's own path templates, for a dataset whose files are all written again."""
        video_path = None if self.video_path is None else VIDEO_PATH
        return self.model_copy(update={"data_path": DATA_PATH, "video_path": video_path})

    def with_feature_info(self, name: str, info: Mapping[str, Any]) -> DatasetInfo:
        """The same with the ``info`` block of one feature replaced."""
        feature = self.features[name].model_copy(update={"info": dict(info)})
        return self.model_copy(update={"features": {**self.features, name: feature}})


def _check_new_feature(name: str, feature: Feature) -> None:
    check_feature_name(name)
    if name in _FRAME_KEYS:
        raise DatasetError(f"{name!r} is the key of the task text in a frame and cannot name a feature")
    default = DEFAULT_FEATURES.get(name)
    if default is not None and (feature.dtype, feature.shape) != (default.dtype, default.shape):
        raise DatasetError(
            f"{name!r} is filled by the recorder as {default.dtype} {default.shape}; give another name to this "
            f"{feature.dtype} {feature.shape}"
        )
    check_recordable(name, feature)
    if feature.is_numeric and not _is_number(feature.dtype):
        raise DatasetError(
            f"{name!r} has dtype {feature.dtype!r}; use a numpy name such as 'float32', 'int64' or 'bool', or one of "
            "'video', 'image', 'string'"
        )
    if feature.is_numeric and len(feature.shape) > 5:
        raise DatasetError(f"{name!r} has {len(feature.shape)} axes; LeRobot stores at most 5")


def _short(value: int) -> str:
    return str(value) if value.bit_length() < _LONGEST_BITS else "a number of hundreds of digits"


def is_known_version(version: object) -> bool:
    """Whether a ``codebase_version`` is v3.0, in any way that LeRobot reads."""
    return isinstance(version, str) and _VERSION.fullmatch(version) is not None


def check_recordable(name: str, feature: Feature) -> None:
    """Refuse a feature that a recorder cannot fill, before the first frame comes.

    Raises:
        DatasetError: a camera whose axes are not (height, width, 3), or (height, width, 1) for depth; or a language column.
    """
    if feature.dtype == "language":
        raise DatasetError(
            f"{name!r} has dtype 'language', which LeRobot's annotation tools fill afterwards; it cannot be recorded"
        )
    if not feature.is_camera:
        return
    given = f"{name!r} is a {'depth ' if feature.is_depth else ''}camera of shape {feature.shape}"
    axes = axes_of(feature.names)
    if axes and axes != "hwc":
        raise DatasetError(f"{given} with the names {feature.names}; expected ['height', 'width', 'channels']")
    channels = 1 if feature.is_depth else 3
    if len(feature.shape) == 3 and feature.shape[2] == channels:
        return
    expected = f"expected (height, width, {channels})"
    if len(feature.shape) == 3 and feature.shape[2] == 1:
        expected += ", or info={'is_depth_map': True} for depth; repeat the values of a grey camera in 3 channels"
    elif len(feature.shape) == 3 and feature.shape[0] in (1, 3):
        expected += "; put the channels last"
    raise DatasetError(f"{given}; {expected}")


def axes_of(names: object) -> str | None:
    """The order of a camera's axes in letters, such as "hwc"; None if its names do not tell."""
    letters = [str(name)[:1].lower() for name in names] if isinstance(names, list) else []
    return "".join(letters) if sorted(letters) == ["c", "h", "w"] else None


def _is_number(dtype: str) -> bool:
    try:
        return np.dtype(dtype).kind in "biuf" and np.dtype(dtype).name == dtype
    except TypeError:
        return False


def _version_message(version: object, where: Path | str) -> str:
    if isinstance(version, str) and version.startswith("v2."):
        return (
            f"{where} is of LeRobot's older format {version}; convert it with LeRobot, "
            "`python -m lerobot.scripts.convert_dataset_v21_to_v30 --repo-id=...`"
        )
    return f"{where} says codebase_version {version!r}, and only {CODEBASE_VERSION!r} is understood"
