"""Define the encoder settings of a camera: `VideoEncoderConfig` and `DepthEncoderConfig`."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from ffenc.depth_range import DEPTH_MAX_M, DEPTH_MIN_M, SHIFT_M
from ffenc.encoders.lerobot_names import DEFAULT_ENCODER, encoder_for_stored_codec
from ffenc.frame_rate import plain_frame_rate

if TYPE_CHECKING:
    from typing_extensions import Self

    from ffenc.depth import DepthQuantizer

OptionValue: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr
"""The value of an FFmpeg option in Python, JSON or YAML."""

Options: TypeAlias = dict[str, OptionValue | dict[str, OptionValue]]
"""FFmpeg options; a ``*-params`` option also accepts a dictionary of its keys."""

FrameRateValue: TypeAlias = Annotated[StrictInt | StrictStr, BeforeValidator(plain_frame_rate)]
"""A frame rate in a document; an integral float becomes an integer."""

_STORED_FIELDS = ("pix_fmt", "g", "crf", "preset", "fast_decode", "video_backend", "extra_options")

QUANTIZER_FIELDS = ("depth_min", "depth_max", "shift", "use_log")
"""Fields of `DepthEncoderConfig` that define its quantizer, in LeRobot's order."""

_MILLIMETRES = "gray16le"
_LOSSLESS_HEVC: Options = {"x265-params": "lossless=1"}

_Metres: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class VideoEncoderConfig(BaseModel):
    """Encoder settings of one camera, with LeRobot's names, defaults and meanings.

    A config is valid on every machine: creating one starts no process and reads no file.  The plan checks it against the FFmpeg
    build before encoding.  Defaults are skipped if the encoder lacks the setting.  Values you set take effect or raise an error.

    Attributes:
        vcodec: an encoder (``"libsvtav1"``, ``"h264_nvenc"``, ...); a codec (``"h264"``, ``"hevc"``, ``"av1"``, ``"vp9"``) for
            its best software encoder in this build; or ``"auto"`` for the first hardware encoder whose trial succeeds.
        pix_fmt: pixel format of the stream, e.g. ``"yuv420p"``.
        g: GOP size, a keyframe every ``g`` frames; None leaves it to the encoder.
        crf: quality, lower is better, mapped to each encoder's own scale; None leaves it to the encoder.
        preset: the encoder's own speed preset; None means 12 for libsvtav1 (LeRobot's default) and the encoder's default
            otherwise.
        fast_decode: 0 to 2; libsvtav1's fast-decode level, or ``tune=fastdecode`` for x264 and x265 if above 0.
        video_backend: ``"ffmpeg"``, or ``"pyav"`` as stored by LeRobot; both encode with ffmpeg.
        extra_options: other options of the encoder, which cannot override the fields above.
        device: GPU of a hardware encoder: ``"/dev/dri/renderD129"`` for VA-API and QSV, a number for NVENC, Vulkan and
            D3D12; None takes the first on which a trial succeeds.  Not stored in ``info.json``.

    Raises:
        pydantic.ValidationError: a value is invalid on every machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vcodec: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = Field(
        default=DEFAULT_ENCODER, description="Encoder name, codec name (h264, hevc, av1, vp9) or auto."
    )
    pix_fmt: Annotated[StrictStr, Field(pattern=r"^[a-z0-9_]+$")] = Field(
        default="yuv420p", description="Pixel format of the stream."
    )
    g: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=2, description="GOP size, a keyframe every g frames; null leaves it to the encoder."
    )
    crf: Annotated[StrictInt, Field(ge=0)] | Annotated[StrictFloat, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=30, description="Quality, lower is better; null leaves it to the encoder."
    )
    preset: StrictInt | Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_.-]+$")] | None = Field(
        default=None, description="The encoder's own speed preset."
    )
    fast_decode: Annotated[StrictInt, Field(ge=0, le=2)] = Field(
        default=0, description="0 to 2: make decoding cheaper."
    )
    video_backend: Literal["ffmpeg", "pyav"] = Field(
        default="ffmpeg", description="Both values encode with ffmpeg; LeRobot stores pyav."
    )
    extra_options: Options = Field(default_factory=dict, description="Other encoder options.")
    device: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9/_.:-]+$")] | None = Field(
        default=None,
        description="GPU of a hardware encoder: /dev/dri/renderD129 (VAAPI, QSV) or a number (NVENC, Vulkan, D3D12).",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_fields_and_plain_numbers(cls, values: object) -> object:
        """Suggest a field for an unknown name, and convert numpy scalars."""
        if not isinstance(values, Mapping):
            return values
        for name in values:
            if name not in cls.model_fields:
                near = difflib.get_close_matches(str(name), cls.model_fields, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(cls.model_fields)}"
                raise ValueError(f"{cls.__name__} has no field {name!r}; {hint}")
        return _plain(values)

    @field_validator("device", mode="before")
    @classmethod
    def _number_is_text(cls, value: object) -> object:
        # A flag or a YAML file gives the number of a GPU as an integer.
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("extra_options", mode="before")
    @classmethod
    def _absent_means_none(cls, value: object) -> object:
        # LeRobot writes both {} and null for "no options".
        return {} if value is None else value

    @field_validator("extra_options")
    @classmethod
    def _plain_names(cls, options: Options) -> Options:
        for name in options:
            if not name or name.startswith("-") or not name.isprintable() or " " in name:
                raise ValueError(
                    f"{name!r} is not an option name; use the name in FFmpeg's documentation, without the dash"
                )
        return options

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    def was_given(self, field: str) -> bool:
        """Return True if the caller set the field, False if it has its default."""
        return field in self.model_fields_set

    @classmethod
    def from_video_info(cls, info: Mapping[str, Any]) -> Self:
        """Read the config back from the ``info`` block of a video feature in a dataset's ``info.json``.

        ``info.json`` stores the codec and not the encoder.  As in LeRobot (``configs/video.py``, ``from_video_info``), ``"av1"``
        becomes libsvtav1 and other names are unchanged.  A missing or null value becomes the default of its field.

        Args:
            info: keys such as ``video.codec``, ``video.g`` and ``video.extra_options``; other keys are ignored.

        Raises:
            pydantic.ValidationError: a stored value is invalid.
        """
        return cls(**cls._stored_values(info))

    @classmethod
    def _stored_values(cls, info: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {
            field: info[f"video.{field}"]
            for field in _STORED_FIELDS
            if info.get(f"video.{field}") is not None and info[f"video.{field}"] != {}
        }
        codec = info.get("video.codec")
        if codec is not None:
            values["vcodec"] = encoder_for_stored_codec(codec)
        return cls._without_default_crf(values)

    @classmethod
    def from_record(cls, fields: Mapping[str, Any]) -> Self:
        """Read back a config that was stored with all of its fields.

        Raises:
            pydantic.ValidationError: a stored value is invalid.
        """
        return cls.model_validate(cls._without_default_crf(fields))

    @classmethod
    def _without_default_crf(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        # LeRobot stores the default crf even beside lossless options, which a default gives way to but a set crf does not.
        default = cls.model_fields["crf"].default
        return {name: value for name, value in values.items() if name != "crf" or value != default}


def _plain(value: Any) -> Any:
    """Convert numpy scalars to Python numbers, also in dictionaries."""
    numpy = sys.modules.get("numpy")  # a numpy scalar exists only if numpy is loaded already
    if numpy is not None and isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return value


class DepthEncoderConfig(VideoEncoderConfig):
    """Encoder settings of one depth camera, with LeRobot's names and defaults: lossless HEVC of 12-bit codes.

    The quantizer fields are described in `ffenc.depth.DepthQuantizer`.  Frames to encode are codes (layout ``"gray12"``), or
    millimetres (``"gray16"``) if the config does not quantize; the video stores them losslessly.

    LeRobot's defaults need x265 with 12-bit support, which most builds have.  Lossless alternatives, measured on FFmpeg 5.1.9 to
    9.0.2 (the first) and 4.2.2 to 9.0.2 (the second)::

        DepthEncoderConfig(vcodec="libaom-av1", extra_options={"aom-params": "lossless=1"})
        DepthEncoderConfig(vcodec="ffv1", extra_options={})  # into a file that ends in .mov

    Attributes:
        depth_min: depth of code 0.
        depth_max: depth of code 4095.
        shift: added to a depth before the logarithm.
        use_log: logarithmic steps, finer near the camera; False uses equal steps.
    """

    vcodec: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_.-]+$")] = Field(
        default="hevc", description="Encoder name, or codec name (hevc, av1)."
    )
    pix_fmt: Annotated[StrictStr, Field(pattern=r"^[a-z0-9_]+$")] = Field(
        default="gray12le", description="Pixel format of the stream: gray12le for codes, gray16le for millimetres."
    )
    extra_options: Options = Field(
        default_factory=lambda: dict(_LOSSLESS_HEVC), description="Other encoder options; they replace the default."
    )
    depth_min: _Metres = Field(default=DEPTH_MIN_M, description="Depth of code 0, in metres.")
    depth_max: _Metres = Field(default=DEPTH_MAX_M, description="Depth of code 4095, in metres.")
    shift: _Metres = Field(default=SHIFT_M, description="Added to a depth before the logarithm, in metres.")
    use_log: StrictBool = Field(default=True, description="Logarithmic steps; false uses equal steps.")

    @model_validator(mode="after")
    def _scale_exists(self) -> Self:
        _ = self.quantizer
        return self

    @property
    def quantizes(self) -> bool:
        """True if the video stores codes, False if it stores 16-bit millimetres (see `lossless16`)."""
        return self.pix_fmt != _MILLIMETRES

    @property
    def layout(self) -> str:
        """The layout of the frames, a key of `ffenc.frames.LAYOUTS`."""
        return "gray12" if self.quantizes else "gray16"

    @property
    def quantizer(self) -> DepthQuantizer:
        """The quantizer with these parameters."""
        from ffenc.depth import DepthQuantizer  # noqa: PLC0415  it needs numpy, which most configs do without

        return DepthQuantizer(
            depth_min=self.depth_min, depth_max=self.depth_max, shift=self.shift, use_log=self.use_log
        )

    @classmethod
    def lossless16(cls) -> Self:
        """Return a config that stores uint16 millimetres losslessly as FFV1, for a ``.mov`` file.

        LeRobot does not support this mode: it would read the upper 12 bits as codes.
        """
        return cls(vcodec="ffv1", pix_fmt=_MILLIMETRES, crf=None, extra_options={})

    @classmethod
    def _stored_values(cls, info: Mapping[str, Any]) -> dict[str, Any]:
        values = super()._stored_values(info)
        values |= {
            field: info[f"video.{field}"] for field in QUANTIZER_FIELDS if info.get(f"video.{field}") is not None
        }
        if "extra_options" not in values and values.get("vcodec", cls.model_fields["vcodec"].default) != "hevc":
            # The default options are for HEVC only; LeRobot's {} means "not stored" and not "none".
            values["extra_options"] = {}
        return values


ConfigT = TypeVar("ConfigT", bound=VideoEncoderConfig)

PerCamera: TypeAlias = ConfigT | Mapping[str, ConfigT]
"""Settings for all cameras, or by the name of a camera."""
