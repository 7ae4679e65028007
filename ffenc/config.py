"""What a person asks for: one frozen, typed description of how a camera's frames become video."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

import numpy as np
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

from ffenc.depth import DEPTH_MAX_M, DEPTH_MIN_M, SHIFT_M, DepthQuantizer
from ffenc.encoders.table import DEFAULT_ENCODER, encoder_for_stored_codec
from ffenc.frames import plain_frame_rate

if TYPE_CHECKING:
    from typing_extensions import Self

OptionValue: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr
"""One FFmpeg option value as it comes from Python, JSON or YAML."""

Options: TypeAlias = dict[str, OptionValue | dict[str, OptionValue]]
"""FFmpeg options; ``*-params`` options also take a dictionary of their keys."""

FrameRateValue: TypeAlias = Annotated[StrictInt | StrictStr, BeforeValidator(plain_frame_rate)]
"""A frame rate in a document; a float that is whole becomes the whole number."""

_STORED_FIELDS = ("pix_fmt", "g", "crf", "preset", "fast_decode", "video_backend", "extra_options")

QUANTIZER_FIELDS = ("depth_min", "depth_max", "shift", "use_log")
"""Fields of `DepthEncoderConfig` that make its quantizer, in the order in which LeRobot stores them."""

_MILLIMETRES = "gray16le"
_LOSSLESS_HEVC: Options = {"x265-params": "lossless=1"}

_Metres: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]


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
        g: a keyframe every ``g`` frames (GOP size); None leaves it to the encoder.
        crf: abstract quality, lower is better, mapped per encoder; None leaves it to the encoder.
        preset: speed preset in the encoder's own terms; None means 12 for libsvtav1 (LeRobot's default) and the
            encoder's own default otherwise.
        fast_decode: 0 to 2; libsvtav1's fast-decode level, or ``tune=fastdecode`` for x264 and x265 when above 0.
        video_backend: ``"ffmpeg"``, or ``"pyav"`` as LeRobot's datasets carry it; both encode through ffmpeg here.
        extra_options: further options of the encoder, merged last; they cannot override the fields above.
        device: which GPU a hardware encoder uses: ``"/dev/dri/renderD129"`` for VA-API and QSV, a number for NVENC and
            Vulkan; None takes the first on which a trial succeeds.  A setting of ffenc: no dataset's ``info.json`` has it.

    Raises:
        pydantic.ValidationError: a value that is wrong on every machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    vcodec: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = DEFAULT_ENCODER
    """Encoder name, codec name (h264, hevc, av1, vp9) or auto."""
    pix_fmt: Annotated[StrictStr, Field(pattern=r"^[a-z0-9_]+$")] = "yuv420p"
    """Pixel format of the stream."""
    g: Annotated[StrictInt, Field(ge=1)] | None = 2
    """A keyframe every g frames; null leaves it to the encoder."""
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
    device: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9/_.:-]+$")] | None = None
    """GPU of a hardware encoder: /dev/dri/renderD129 (VAAPI, QSV) or a number (NVENC, Vulkan)."""

    @model_validator(mode="before")
    @classmethod
    def _known_fields_and_plain_numbers(cls, values: object) -> object:
        """Name the nearest field for an unknown one, and take numpy's numbers for Python's."""
        if not isinstance(values, Mapping):
            return values
        for name in values:
            if name not in cls.model_fields:
                near = difflib.get_close_matches(str(name), cls.model_fields, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(cls.model_fields)}"
                raise ValueError(f"{cls.__name__} has no field {name!r}; {hint}")
        return _plain(values)

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
                    f"{name!r} is not an option name; write it as FFmpeg's documentation does, without the dash"
                )
        return options

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    def was_given(self, field: str) -> bool:
        """True if the field was set by the caller, False if it stands at its default."""
        return field in self.model_fields_set

    @classmethod
    def from_video_info(cls, info: Mapping[str, Any]) -> Self:
        """Read the config back from the ``info`` block of a video feature in a dataset's ``info.json``.

        The encoder is not stored there, only the codec, so the result is the encoder that LeRobot takes for the
        codec (``configs/video.py``, ``from_video_info``): ``"av1"`` becomes libsvtav1, other names stay as they are.
        A missing or null value becomes the default of its field.

        Args:
            info: keys such as ``video.codec``, ``video.g``, ``video.extra_options``; others are left alone.

        Raises:
            pydantic.ValidationError: a stored value that no config can have.
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
        """Read a config back that was stored with all of its fields.

        Raises:
            pydantic.ValidationError: a stored value that no config can have.
        """
        return cls.model_validate(cls._without_default_crf(fields))

    @classmethod
    def _without_default_crf(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        # LeRobot stores its default beside a lossless switch, to which a default steps back and a given crf does not.
        default = cls.model_fields["crf"].default
        return {name: value for name, value in values.items() if name != "crf" or value != default}


def _plain(value: Any) -> Any:
    """Return the value with numpy scalars as Python's own numbers, in dictionaries too."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return value


class DepthEncoderConfig(VideoEncoderConfig):
    """Encoder settings of one depth camera, with LeRobot's names and defaults: lossless HEVC of 12-bit codes.

    The four fields of the quantizer are in metres; see `ffenc.depth.DepthQuantizer` for what they do and what is lost.
    The frames that are encoded must already be codes (layout ``"gray12"``), or millimetres (``"gray16"``) where the
    config does not quantize: the video itself changes no bit of them.

    LeRobot's defaults need an x265 with 12 bits, which most builds have.  Where it has 8 bits only, these were found to
    be lossless too (FFmpeg 5.1.9 to 9.0.2 for the first, 4.2.2 to 9.0.2 for the second)::

        DepthEncoderConfig(vcodec="libaom-av1", extra_options={"aom-params": "lossless=1"})
        DepthEncoderConfig(vcodec="ffv1", extra_options={})  # into a file that ends in .mov

    Attributes:
        depth_min: depth of code 0.
        depth_max: depth of code 4095.
        shift: added to a depth before its logarithm is taken.
        use_log: logarithmic steps, finer near the camera; False makes them equal.
    """

    vcodec: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_.-]+$")] = "hevc"
    """Encoder name, or codec name (hevc, av1)."""
    pix_fmt: Annotated[StrictStr, Field(pattern=r"^[a-z0-9_]+$")] = "gray12le"
    """Pixel format of the stream: gray12le for codes, gray16le for millimetres."""
    extra_options: Options = Field(default_factory=lambda: dict(_LOSSLESS_HEVC))
    """Further encoder options, merged last; given ones replace the default."""
    depth_min: _Metres = DEPTH_MIN_M
    """Depth of code 0, in metres."""
    depth_max: _Metres = DEPTH_MAX_M
    """Depth of code 4095, in metres."""
    shift: _Metres = SHIFT_M
    """Added to a depth before its logarithm is taken, in metres."""
    use_log: StrictBool = True
    """Logarithmic steps; false makes them equal."""

    @model_validator(mode="after")
    def _scale_exists(self) -> Self:
        _ = self.quantizer
        return self

    @property
    def quantizes(self) -> bool:
        """True if the video holds codes; False if it holds 16-bit millimetres as they came (see `lossless16`)."""
        return self.pix_fmt != _MILLIMETRES

    @property
    def layout(self) -> str:
        """The layout of the frames to write and to read, a key of `ffenc.frames.LAYOUTS`."""
        return "gray12" if self.quantizes else "gray16"

    @property
    def quantizer(self) -> DepthQuantizer:
        """Depth to codes and back with these parameters; it costs nothing to make."""
        return DepthQuantizer(
            depth_min=self.depth_min, depth_max=self.depth_max, shift=self.shift, use_log=self.use_log
        )

    @classmethod
    def lossless16(cls) -> Self:
        """Store uint16 millimetres bit by bit instead of codes: FFV1, into a file that ends in ``.mov``.

        LeRobot has no such mode: it would take the upper 12 bits for codes.
        """
        return cls(vcodec="ffv1", pix_fmt=_MILLIMETRES, crf=None, extra_options={})

    @classmethod
    def _stored_values(cls, info: Mapping[str, Any]) -> dict[str, Any]:
        values = super()._stored_values(info)
        values |= {
            field: info[f"video.{field}"] for field in QUANTIZER_FIELDS if info.get(f"video.{field}") is not None
        }
        if "extra_options" not in values and values.get("vcodec", cls.model_fields["vcodec"].default) != "hevc":
            # Our default is for one codec; LeRobot's {} means "not stored" and not "none".
            values["extra_options"] = {}
        return values


ConfigT = TypeVar("ConfigT", bound=VideoEncoderConfig)

PerCamera: TypeAlias = ConfigT | Mapping[str, ConfigT]
"""Settings for all cameras, or by the name of a camera."""
