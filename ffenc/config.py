"""What a person asks for: one frozen, typed description of how a camera's frames become video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
)

from ffenc.encoders.table import DEFAULT_ENCODER, encoder_for_stored_codec

OptionValue: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr
"""One FFmpeg option value as it comes from Python, JSON or YAML."""

Options: TypeAlias = dict[str, OptionValue | dict[str, OptionValue]]
"""FFmpeg options; ``*-params`` options also take a dictionary of their keys."""

_STORED_FIELDS = ("pix_fmt", "g", "crf", "preset", "fast_decode", "video_backend", "extra_options")


class VideoEncoderConfig(BaseModel):
    """Encoder settings of one camera, with LeRobot's names, defaults and meanings.

    Constructing one starts no process and reads no disk: the same config is valid on every machine.  Whether
    *this* FFmpeg can do it is answered by the plan, before anything is encoded.  A field that was left at its
    default applies where the encoder has such a setting; a field that was given takes effect or is refused.

    Attributes:
        vcodec: an encoder (``"libsvtav1"``, ``"h264_nvenc"``, ...), a codec (``"h264"``, ``"hevc"``, ``"av1"``,
            ``"vp9"``) for its best software encoder in this build, or ``"auto"`` for the first hardware encoder
            whose trial succeeds here.
        pix_fmt: pixel format of the stream, e.g. ``"yuv420p"``.
        g: a key frame every ``g`` frames (GOP size); None leaves it to the encoder.
        crf: abstract quality, lower is better, mapped per encoder; None leaves it to the encoder.
        preset: speed preset in the encoder's own terms; None means 12 for libsvtav1 (LeRobot's default) and the
            encoder's own default otherwise.
        fast_decode: 0 to 2; libsvtav1's fast-decode level, or ``tune=fastdecode`` for x264 and x265 when above 0.
        video_backend: ``"ffmpeg"``, or ``"pyav"`` as LeRobot's datasets carry it; both encode through ffmpeg here.
        extra_options: further options of the encoder, merged last; they cannot override the fields above.

    Raises:
        pydantic.ValidationError: a value that is wrong on every machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    vcodec: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = DEFAULT_ENCODER
    """Encoder name, codec name (h264, hevc, av1, vp9) or auto."""
    pix_fmt: Annotated[StrictStr, Field(pattern=r"^[a-z0-9_]+$")] = "yuv420p"
    """Pixel format of the stream."""
    g: Annotated[StrictInt, Field(ge=1)] | None = 2
    """A key frame every g frames; null leaves it to the encoder."""
    crf: Annotated[StrictInt, Field(ge=0)] | Annotated[StrictFloat, Field(ge=0, allow_inf_nan=False)] | None = 30
    """Abstract quality, lower is better; null leaves it to the encoder."""
    preset: StrictInt | Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_.-]+$")] | None = None
    """Speed preset in the encoder's own terms."""
    fast_decode: Annotated[StrictInt, Field(ge=0, le=2)] = 0
    """0 to 2: make decoding cheaper."""
    video_backend: Literal["ffmpeg", "pyav"] = "ffmpeg"
    """Both values encode through ffmpeg; pyav is what LeRobot stores."""
    extra_options: Options = Field(default_factory=dict)
    """Further encoder options, merged last."""

    @field_validator("extra_options", mode="before")
    @classmethod
    def _absent_means_none(cls, value: object) -> object:
        # LeRobot writes {} and null for "no options" alike.
        return {} if value is None else value

    @field_validator("extra_options")
    @classmethod
    def _plain_names(cls, options: Options) -> Options:
        for name in options:
            if not name or name.startswith("-") or not name.isprintable() or " " in name:
                raise ValueError(
                    f"{name!r} is no option name; write it as FFmpeg's documentation does, without the dash"
                )
        return options

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    def was_given(self, field: str) -> bool:
        """True if the field was set by the caller, False if it stands at its default."""
        return field in self.model_fields_set

    @classmethod
    def from_video_info(cls, info: Mapping[str, Any]) -> VideoEncoderConfig:
        """Read the config back from the ``info`` block of a video feature in a dataset's ``info.json``.

        The encoder is not stored there, only the codec, so the result is the encoder that LeRobot takes for the
        codec (``configs/video.py``, ``from_video_info``): ``"av1"`` becomes libsvtav1, other names stay as they are.
        A missing or null value becomes the default of its field.

        Args:
            info: keys such as ``video.codec``, ``video.g``, ``video.extra_options``; others are left alone.

        Raises:
            pydantic.ValidationError: a stored value that no config can have.
        """
        values: dict[str, Any] = {
            field: info[f"video.{field}"]
            for field in _STORED_FIELDS
            if info.get(f"video.{field}") is not None and info[f"video.{field}"] != {}
        }
        codec = info.get("video.codec")
        if codec is not None:
            values["vcodec"] = encoder_for_stored_codec(codec)
        return cls(**values)


class DepthEncoderConfig(VideoEncoderConfig):
    vcodec: str = "hevc"
    pix_fmt: str = "gray12le"
    extra_options: Options = Field(default_factory=lambda: {"x265-params": "lossless=1"})
    depth_min: float = 0.01
    depth_max: float = 10.0
    shift: float = 3.5
    use_log: bool = True

    @property
    def quantizes(self) -> bool:
        return self.pix_fmt != "gray16le"
