"""Hypothesis strategies for what people ask for and what files say."""

from __future__ import annotations

import string
from fractions import Fraction
from pathlib import Path

from hypothesis import strategies as st

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.generic import GENERIC_OPTIONS
from ffenc.encoders.table import ENCODERS
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.frame_rate import MAX_FRAME_RATE
from ffenc.frames import LAYOUTS, FrameFormat
from ffenc.plan.frame_checks import accepted_pixel_formats

RATES = st.fractions(min_value=Fraction(1, 1000), max_value=MAX_FRAME_RATE, max_denominator=10_000)

FORMATS = st.builds(
    FrameFormat, width=st.integers(1, 40), height=st.integers(1, 40), layout=st.sampled_from(sorted(LAYOUTS))
)

_PLAIN = st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=12)
SCALARS = (
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(string.printable, max_size=12)
    | st.sampled_from(
        ["film", "high", "veryfast", "auto", "1M", "+cgop", "/etc/passwd", "a/b", "-y", "file:x", "2", "0,0"]
    )
)

# Options that exist somewhere, options of the program, and whatever people mistype.
KNOWN_NAMES = st.sampled_from(
    sorted(
        {
            *GENERIC_OPTIONS,
            *(name for row in ENCODERS.values() for name in (*row.text_options, *row.refused, *row.parameters)),
        }
        | {
            "crf",
            "g",
            "preset",
            "threads",
            "pix_fmt",
            "flags",
            "aq-mode",
            "tile-columns",
            "psy",
            "weightp",
            "stats",
            "f",
        }
        | {"vf", "map", "i", "y", "r", "ss", "passlogfile", "x264opts", "filter:v", "c:v", "profile:v", "tag"}
    )
)
_KEYS = st.sampled_from(
    sorted(
        {key for row in ENCODERS.values() for found in row.parameters.values() for key in (*found.keys, *found.owned)}
    )
) | st.sampled_from(["stats", "csv", "dump-yuv", "bogus"])
EXTRAS = st.dictionaries(
    KNOWN_NAMES | _PLAIN.filter(lambda name: not name.startswith("-")),
    SCALARS | st.dictionaries(_KEYS, SCALARS, max_size=3),
    max_size=3,
)

CONFIGS = st.builds(
    VideoEncoderConfig,
    vcodec=st.sampled_from(sorted(ENCODERS)) | _PLAIN.filter(lambda name: name[0] not in "-._"),
    pix_fmt=st.sampled_from(["yuv420p", "yuv444p", "yuv420p10le", "gray", "gray12le", "nv12", "yuvj420p", "rgb24"]),
    g=st.none() | st.integers(1, 1000),
    crf=st.none() | st.integers(0, 70) | st.floats(0, 70),
    preset=st.none() | st.integers(-20, 20) | st.sampled_from(["veryfast", "p4", "medium", "speed", "8", "nonsense"]),
    fast_decode=st.integers(0, 2),
    video_backend=st.sampled_from(["ffmpeg", "pyav"]),
    extra_options=EXTRAS,
)


@st.composite
def plausible_extras(draw: st.DrawFn, name: str, capabilities: Capabilities) -> dict[str, object]:
    """Options that this encoder has, mostly with values that it takes."""
    listing, row = capabilities.helps[name], ENCODERS[name]
    names = sorted({*listing.options, *row.generic, *row.parameters, *(["flags"] if row.flags else [])})
    extras: dict[str, object] = {}
    for option in draw(st.lists(st.sampled_from(names), max_size=3, unique=True)) if names else ():
        listed = listing.options.get(option)
        if option in row.parameters:
            keys = st.sampled_from(sorted(row.parameters[option].keys))
            value: st.SearchStrategy[object] = st.dictionaries(
                keys, st.integers(0, 3) | SCALARS, min_size=1, max_size=3
            )
        elif option in row.text_options:
            value = st.from_regex(row.text_options[option], fullmatch=True)
        elif listed is not None:
            value = st.integers(0, 3) | st.booleans() | st.floats(0, 3)
            if listed.choices:
                value |= st.sampled_from([choice.name for choice in listed.choices])
        else:
            value = st.integers(0, 40) | st.sampled_from(["1M", "900k", "satd", "+mv4"])
        extras[option] = draw(value | SCALARS if draw(st.integers(0, 9)) == 0 else value)
    return extras


@st.composite
def plausible_configs(draw: st.DrawFn, capabilities: Capabilities) -> VideoEncoderConfig:
    """Configs that a build could take, with one thing in ten that it does not."""
    name = draw(st.sampled_from(sorted(set(capabilities.helps) & set(ENCODERS))))
    row = ENCODERS[name]
    formats = accepted_pixel_formats(capabilities, capabilities.helps[name], row) or ("yuv420p",)
    values: dict[str, object] = {
        "vcodec": name,
        "pix_fmt": draw(st.sampled_from(formats)),
        "extra_options": draw(plausible_extras(name, capabilities)),
    }
    if row.quality and draw(st.booleans()):
        values["crf"] = draw(st.none() | st.integers(1, 51) | st.floats(1, 51))
    if draw(st.booleans()):
        values["g"] = 1 if row.intra_only else draw(st.none() | st.integers(1, 100))
    if row.preset and draw(st.booleans()):
        values["preset"] = draw(st.sampled_from(row.preset.names or (1, 4, 8, "medium", "speed", "fast")))
    return VideoEncoderConfig.model_validate(values)


@st.composite
def streams(draw: st.DrawFn) -> VideoStreamInfo:
    """A measured stream."""
    fps = draw(RATES)
    return VideoStreamInfo(
        path=Path("a.mp4"),
        container="mov,mp4,m4a,3gp,3g2,mj2",
        codec=draw(st.sampled_from(["h264", "hevc", "av1", "vp9", "ffv1"])),
        codec_tag=None,
        profile=None,
        extradata_hash=None,
        pix_fmt=draw(st.sampled_from(["yuv420p", "yuv444p", "gray12le"])),
        width=draw(st.integers(2, 4000)),
        height=draw(st.integers(2, 4000)),
        channels=draw(st.integers(1, 4)),
        fps=fps,
        is_constant_rate=True,
        time_base=1 / fps,
        start_s=Fraction(0),
        duration_s=None,
        frames_declared=None,
        size_bytes=draw(st.integers(1, 10**9)),
        has_b_frames=0,
        color_range="tv",
        color_space=None,
        color_primaries=None,
        color_transfer=None,
        rotation=0,
        sample_aspect_ratio=None,
        audio=None,
    )
