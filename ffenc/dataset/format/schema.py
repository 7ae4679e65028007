"""The document ``meta/info.json``: features, counters and path templates of a dataset.

The fields are those of LeRobot's ``DatasetInfo`` in ``datasets/utils.py``.  Unknown keys are kept and written back.
"""

from __future__ import annotations

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
from ffenc.dataset.format.versions import CODEBASE_VERSION, is_known_version, version_message
from ffenc.errors import DatasetError
from ffenc.frame_rate import MAX_FRAME_RATE

DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count: TypeAlias = Annotated[StrictInt, Field(ge=0)]
Whole: TypeAlias = Annotated[StrictInt, BeforeValidator(_whole)]  # some exporters write 30.0, which LeRobot reads
Size: TypeAlias = Annotated[StrictInt, Field(gt=0)] | Annotated[StrictFloat, Field(gt=0, allow_inf_nan=False)]

OLD_COUNTERS = frozenset({"total_videos", "total_chunks"})
"""Keys of format 2.1 that some converters leave behind; they are not updated, and LeRobot drops them on its next write."""

LARGEST_COUNT = 1 << 53  # a float64 cannot represent every larger integer
_MOST_AXES = 32  # limit of numpy 1; LeRobot stores at most 5
_LONGEST_BITS = 200  # of a number in a message
_FRAME_KEYS = ("task",)  # keys of a recorded frame that are not features
_LANGUAGE = ("language_persistent", "language_events")
_NOT_NUMERIC = ("string", "image", "video", "language")


class Feature(BaseModel):
    """One feature: a column of the data files, or a camera with its own video files.

    Attributes:
        dtype: a numpy name (``float32``, ``int64``, ``bool``, ...), ``string``, ``image``, ``video`` or ``language``.
        shape: shape of the value in one frame; ``(1,)`` for a scalar, ``(height, width, channels)`` for a camera.
        names: names of the components, as a list or nested in a dictionary; or None.
        info: properties of a camera such as ``video.codec``; None before its first video exists.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    dtype: StrictStr
    shape: tuple[Annotated[Whole, Field(ge=1)], ...] = Field(min_length=1)
    names: list[Any] | dict[str, Any] | None = None
    info: dict[str, Any] | None = None

    @property
    def is_video(self) -> bool:
        """True if the values are in video files instead of data files."""
        return self.dtype == "video"

    @property
    def is_camera(self) -> bool:
        """True for video and image features."""
        return self.dtype in ("video", "image")

    @property
    def is_depth(self) -> bool:
        """True for a depth camera, in any of the three spellings that LeRobot has used."""
        info = self.info or {}
        older = (self.model_extra or {}).get("video_info") or {}
        return bool(info.get("is_depth_map") or info.get("video.is_depth_map") or older.get("video.is_depth_map"))

    @property
    def is_numeric(self) -> bool:
        """True for numbers and booleans."""
        return self.dtype not in _NOT_NUMERIC

    @property
    def has_statistics(self) -> bool:
        """True if LeRobot computes statistics of the feature: for everything except text."""
        return self.is_numeric or self.is_camera

    def to_json(self) -> dict[str, Any]:
        """Return the document with the keys that were read or set."""
        return self.model_dump(mode="json", exclude_unset=True)


DEFAULT_FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        name: Feature(dtype="float32" if name == "timestamp" else "int64", shape=(1,), names=None)
        for name in ("timestamp", "frame_index", "episode_index", "index", "task_index")
    }
)
"""Features of every dataset, always last and in this order; the recorder fills them."""


class DatasetInfo(BaseModel):
    """The document ``meta/info.json``, with its keys in LeRobot's order.

    Attributes:
        codebase_version: ``"v3.0"``.
        fps: frames per second of the data and of every video.
        features: features by name, in column order.
        total_episodes, total_frames, total_tasks: number of rows of the tables.
        chunks_size: files per chunk directory.
        data_files_size_in_mb, video_files_size_in_mb: size in MiB at which a new file starts.
        data_path, video_path: path templates; ``video_path`` is None without video features.
        robot_type: free text or None.
        splits: ``{"train": "0:<episodes>"}``; LeRobot's loader ignores it.
        tools: schemas of an agent's tools; None is not written.
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

    @field_validator("data_path", "video_path")
    @classmethod
    def _safe_paths(cls, template: str | None, checked: ValidationInfo) -> str | None:
        if template is not None:
            check_template(template, camera=checked.field_name == "video_path")
        return template

    @model_validator(mode="after")
    def _possible_numbers(self) -> DatasetInfo:
        """Refuse numbers that are too large to be real."""
        if self.fps > MAX_FRAME_RATE:
            raise ValueError(f"fps is {_short(self.fps)}, expected at most {MAX_FRAME_RATE}")
        for name in ("total_episodes", "total_frames", "total_tasks", "chunks_size"):
            if getattr(self, name) > LARGEST_COUNT:
                raise ValueError(f"{name} is {_short(getattr(self, name))}, expected at most {LARGEST_COUNT}")
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
        """Return the document of a new dataset without episodes, with the five default features added.

        Args:
            fps: frames per second, an integer.
            features: features of a frame; default features are allowed if they are equal to LeRobot's.
            robot_type: free text.
            chunks_size, data_files_size_in_mb, video_files_size_in_mb: see `DatasetInfo`.

        Raises:
            DatasetError: a feature cannot be stored, or its name is reserved.
            UnsafePathError: a feature name cannot be a file name.
            pydantic.ValidationError: a value has the wrong type or is out of range.
        """
        columns = {}
        for name, given in features.items():
            document = given.to_json() if isinstance(given, Feature) else dict(given)
            feature = Feature.model_validate({"names": None, **document})  # LeRobot requires the key
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
        """Check the content of ``meta/info.json``; ``path`` is its file, for messages.

        Raises:
            DatasetError: it has another format version, or a value is missing or invalid.
            UnsafePathError: a feature name or path template would leave the dataset.
        """
        where = path or "info.json"
        if not isinstance(document, dict):
            raise DatasetError(f"{where} does not contain a JSON object", path=path)
        version = document.get("codebase_version")
        if not is_known_version(version):
            root = "ROOT" if path is None else path.parents[1]
            raise DatasetError(version_message(version, where, root), path=path)
        document = {**document, "codebase_version": CODEBASE_VERSION}
        try:
            return cls.model_validate(document)
        except ValidationError as err:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in err.errors()[:5])
            raise DatasetError(f"{where} does not follow LeRobot {CODEBASE_VERSION}: {wrong}", path=path) from err

    def to_json(self) -> dict[str, Any]:
        """Return the document with LeRobot's keys in its order, then the unknown ones."""
        document: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        document["features"] = {name: feature.to_json() for name, feature in self.features.items()}
        if self.tools is None:
            del document["tools"]
        return document | (self.model_extra or {})

    @property
    def videos(self) -> dict[str, Feature]:
        """Return the features with video files."""
        return {name: feature for name, feature in self.features.items() if feature.is_video}

    @property
    def columns(self) -> dict[str, Feature]:
        """Return the features that are columns of the data files, in order."""
        return {name: feature for name, feature in self.features.items() if not feature.is_video}

    def with_totals(self, *, episodes: int, frames: int, tasks: int) -> DatasetInfo:
        """Return a copy with new counters and ``splits``, without `OLD_COUNTERS`."""
        changed = {"total_episodes": episodes, "total_frames": frames, "total_tasks": tasks}
        copy = self.model_copy(update={**changed, "splits": {"train": f"0:{episodes}"}})
        for name in OLD_COUNTERS:
            (copy.model_extra or {}).pop(name, None)
        return copy

    def with_standard_paths(self) -> DatasetInfo:
        """Return a copy with LeRobot's path templates, for a dataset whose files are all rewritten."""
        video_path = None if self.video_path is None else VIDEO_PATH
        return self.model_copy(update={"data_path": DATA_PATH, "video_path": video_path})

    def with_feature_info(self, name: str, info: Mapping[str, Any]) -> DatasetInfo:
        """Return a copy with the ``info`` block of one feature replaced."""
        feature = self.features[name].model_copy(update={"info": dict(info)})
        return self.model_copy(update={"features": {**self.features, name: feature}})


def check_new_name(name: str, feature: Feature) -> None:
    """Refuse a name that cannot be stored, or to which LeRobot gives its own meaning.

    Raises:
        DatasetError: the name has another meaning.
        UnsafePathError: the name cannot be a file name.
    """
    check_feature_name(name)
    if name in _FRAME_KEYS:
        raise DatasetError(f"{name!r} is the key of the task text in a frame; give the feature another name")
    if name in DEFAULT_FEATURES:
        raise DatasetError(f"{name!r} is a feature that the recorder fills; choose another name")
    if name in _LANGUAGE and feature.dtype != "language":
        raise DatasetError(f"{name!r} is the name of LeRobot's language column; choose another name")
    if feature.is_numeric and "image" in name:
        raise DatasetError(
            f"LeRobot takes {name!r} for a camera because of 'image' in its name, and cannot merge the dataset; choose "
            "another name"
        )


def _check_new_feature(name: str, feature: Feature) -> None:
    check_feature_name(name)
    if name in _FRAME_KEYS:
        raise DatasetError(f"{name!r} is the key of the task text in a frame; give the feature another name")
    default = DEFAULT_FEATURES.get(name)
    if default is not None and (feature.dtype, feature.shape) != (default.dtype, default.shape):
        raise DatasetError(
            f"the recorder fills {name!r} with {default.dtype} {default.shape}; rename the feature with "
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


def check_recordable(name: str, feature: Feature) -> None:
    """Refuse a feature that cannot be recorded.

    Raises:
        DatasetError: a camera that is not (height, width, 3), or (height, width, 1) for depth; or a language column.
    """
    if feature.dtype == "language":
        raise DatasetError(
            f"{name!r} has dtype 'language' and cannot be recorded; LeRobot's annotation tools add it later"
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
    """Return the order of a camera's axes, such as "hwc", or None if its names do not define it."""
    letters = [str(name)[:1].lower() for name in names] if isinstance(names, list) else []
    return "".join(letters) if sorted(letters) == ["c", "h", "w"] else None


def _is_number(dtype: str) -> bool:
    try:
        return np.dtype(dtype).kind in "biuf" and np.dtype(dtype).name == dtype
    except TypeError:
        return False
