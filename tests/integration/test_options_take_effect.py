"""Every requested option changes the file on the build under test; an ignored option is an error.

The fields of the config are in ``test_proof.py``.

The settings of x264 and x265 are read from their streams; other encoders are compared by the encoded bits.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames
from ffenc.encoders import table
from ffenc.encoders.spec import EncoderSpec
from ffenc.encoders.table import ENCODERS
from ffenc.errors import EncoderOptionError, ProcessError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.frames import FrameFormat
from ffenc.plan import option_builder
from ffenc.plan import options as plan_options
from ffenc.plan.encode import EncodePlan, RawFrames, plan_encode
from ffenc.video.run import check_complaints, start_plan
from ffenc.video.run_context import RunContext
from tests.scenes import moving_scene

pytestmark = pytest.mark.integration

SOFTWARE = [row for row in ENCODERS.values() if row.device is None]
ROWS = pytest.mark.parametrize("row", SOFTWARE, ids=lambda row: row.name)
FAST: dict[str, int | str] = {
    "libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": 12, "libaom-av1": 8, "librav1e": 10, "libvpx-vp9": 8,
}  # fmt: skip
# B-frames, trellis and the like are off in the fastest presets.
MEDIUM: dict[str, int | str] = {**FAST, "libx264": "medium", "libx265": "medium", "libsvtav1": 10}

Encode = Callable[..., Path]


@pytest.fixture
def encode(tmp_path: Path, binaries: Binaries, capabilities_here: Capabilities) -> Encode:
    """Run only the plan of a config, with complaints as errors; one process instead of three."""

    def run(frames: list[np.ndarray], *, encoder_threads: int | None = None, **settings: Any) -> Path:
        config = VideoEncoderConfig.model_validate(settings)
        if config.vcodec not in capabilities_here.encoders:
            pytest.skip(f"this build has no {config.vcodec}")
        form = FrameFormat.of(frames[0])
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.{ENCODERS[config.vcodec].muxers[0]}"
        source = RawFrames(frames=form, fps=Fraction(30))
        plan = plan_encode(config, source, path, capabilities_here, encoder_threads=encoder_threads)
        run_plan(plan, frames, binaries)
        return path

    return run


def run_plan(plan: EncodePlan, frames: list[np.ndarray], binaries: Binaries) -> None:
    with start_plan(plan, RunContext(binaries=binaries, stall_timeout_s=20), stdin=True) as process:
        for frame in frames:
            process.write(plan.source.frames.bytes_of(frame))  # type: ignore[union-attr]
        process.finish()
        check_complaints(process, plan)


def settings_of(path: Path) -> frozenset[str]:
    """Return the settings that x264 or x265 writes into the stream."""
    written = re.search(rb"options: ([ -~]+)", path.read_bytes())
    assert written is not None
    return frozenset(written[1].decode().split())


def bits_of(path: Path) -> str:
    """Return a checksum of the file; only x264 and x265 write their settings into it."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def trace_of(path: Path, row: EncoderSpec) -> object:
    """Return a value that changes with the settings of the encoder."""
    return settings_of(path) if row.name in ("libx264", "libx265") else bits_of(path)


@pytest.mark.parametrize("name", ["libx264", "libx265"])
def test_decoding_can_start_at_every_keyframe(
    tmp_path: Path, binaries: Binaries, encoders_here: object, name: str
) -> None:
    """An open GOP would lose the frames displayed before a keyframe and stored after it."""
    if name not in encoders_here:  # type: ignore[operator]
        pytest.skip(f"this build has no {name}")
    frames = moving_scene(24, width=96, height=64)
    config = VideoEncoderConfig(vcodec=name, g=8, crf=12)
    result = encode_frames(frames, tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    reader = VideoReader(result.path, binaries=binaries)
    assert reader.keyframes == (0, 8, 16)
    for number in (6, 7, 8, 9, 15):
        decoded = reader.frames([number])[0].astype(int)
        errors = [np.abs(decoded - frame).mean() for frame in frames]
        assert int(np.argmin(errors)) == number


def test_fractional_crf_takes_effect(encode: Encode, capabilities_here: Capabilities) -> None:
    frames = moving_scene(5)
    assert settings_of(encode(frames, vcodec="libx264", crf=30.5)) >= {"crf=30.5"}
    library = capabilities_here.library_versions.get("libsvtav1")
    if library is not None and library >= (4,):
        whole, half = (bits_of(encode(frames, vcodec="libsvtav1", crf=crf)) for crf in (30, 30.5))
        assert whole != half


@pytest.mark.parametrize("name", ["libx264", "libx265"])
def test_fast_decode_disables_expensive_tools(encode: Encode, name: str) -> None:
    frames = moving_scene(4)
    off = settings_of(encode(frames, vcodec=name, fast_decode=1))
    assert off & {"cabac=0", "no-sao"}
    assert not settings_of(encode(frames, vcodec=name)) & {"cabac=0", "no-sao"}


# Each with the settings beside which it counts, and a value that is not the default.
RATE: dict[str, Any] = {"crf": None}
BITS = {"b": "150k"}
VBV = {**BITS, "maxrate": "150k", "bufsize": "80k"}
GENERIC: dict[str, dict[str, Any]] = {
    "libx264": {
        "b": ({**RATE}, {}, "300k"), "maxrate": ({}, {"bufsize": "90k"}, "90k"), "bufsize": ({}, {"maxrate": "90k"}, "90k"),
        "bf": ({}, {}, 1), "refs": ({}, {}, 2), "keyint_min": ({}, {}, 3), "qmin": ({}, {}, 20), "qmax": ({}, {}, 40),
        "qdiff": ({}, {}, 9), "qcomp": ({}, {}, 0.7), "i_qfactor": ({}, {}, 0.5), "me_range": ({}, {}, 8), "subq": ({}, {}, 3),
        "trellis": ({}, {}, 2), "slices": ({}, {}, 2),
    },
    "libx265": {
        "b": ({**RATE}, {}, "300k"), "maxrate": ({}, {"bufsize": "90k"}, "90k"), "bufsize": ({}, {"maxrate": "90k"}, "90k"),
        "bf": ({}, {}, 1), "refs": ({}, {}, 2), "keyint_min": ({}, {}, 3), "qmin": ({}, {}, 20), "qmax": ({}, {}, 40),
        "qdiff": ({}, {}, 9), "qcomp": ({}, {}, 0.7), "i_qfactor": ({}, {}, 0.5), "b_qfactor": ({}, {}, 2),
        "rc_init_occupancy": ({}, {"maxrate": "90k", "bufsize": "90k"}, 9000),
    },
    "libsvtav1": {
        "b": ({**RATE}, {}, "900k"), "maxrate": ({}, {}, "60k"), "qmin": ({**RATE}, BITS, 50), "qmax": ({**RATE}, BITS, 20),
        "level": ({}, {}, 51),
    },
    "libaom-av1": {"b": ({**RATE}, {}, "900k"), "qmin": ({**RATE}, BITS, 50), "qmax": ({**RATE}, BITS, 30)},
    "librav1e": {"b": ({**RATE}, {}, "900k")},
    "libvpx-vp9": {
        "b": ({**RATE}, {}, "900k"), "minrate": ({**RATE}, BITS, "140k"), "qmin": ({}, {}, 12), "qmax": ({**RATE}, BITS, 20),
        "maxrate": ({**RATE}, {**BITS, "minrate": "150k"}, "150k"),
        "bufsize": ({**RATE}, {**BITS, "minrate": "150k", "maxrate": "150k"}, "20k"),
    },
    "libopenh264": {"b": ({**RATE}, {}, "900k"), "slices": ({}, {}, 3)},
    "ffv1": {"level": ({}, {}, 1), "slices": ({}, {}, 9)},
    "mpeg4": {
        "b": ({**RATE}, {}, "90k"), "qmin": ({**RATE}, BITS, 12), "qmax": ({}, {}, 4), "trellis": ({}, {}, 1),
        "slices": ({}, {}, 2), "mbd": ({}, {}, "rd"), "cmp": ({}, {}, "satd"), "subcmp": ({}, {}, "satd"),
        "mbcmp": ({}, {"mbd": "simple"}, "satd"), "me_range": ({}, {}, 4), "profile": ({}, {}, 15),
        "level": ({}, {}, 3),
    },
    "mjpeg": {
        "b": ({**RATE}, {}, "900k"), "qmin": ({**RATE}, {"b": "3M"}, 12), "qmax": ({}, {}, 4), "trellis": ({}, {}, 1),
        "slices": ({}, {}, 2),
    },
}  # fmt: skip
# Seen in the bits of longer clips or at slower presets only.
UNTESTED = {"libx264": {"rc_init_occupancy"}, "libsvtav1": {"bufsize"}, "librav1e": {"keyint_min"}}


@ROWS
def test_every_generic_option_of_a_row_takes_effect(
    encode: Encode, capabilities_here: Capabilities, row: EncoderSpec
) -> None:
    cases = GENERIC[row.name]
    if row.codec == "av1" and capabilities_here.version.libavcodec < (59,):
        pytest.skip("libaom 1.0 crashes without a fixed quality")
    assert set(cases) | UNTESTED.get(row.name, set()) == row.generic
    frames = moving_scene(16, width=176, height=144)
    settings = {"vcodec": row.name, "g": 10, "preset": MEDIUM.get(row.name), "encoder_threads": 1}
    if row.intra_only:
        settings |= {"g": 1, "pix_fmt": "yuvj420p"}

    @functools.cache
    def baseline(fields: tuple[tuple[str, Any], ...], beside: tuple[tuple[str, Any], ...]) -> object:
        return trace_of(encode(frames, **{**settings, **dict(fields), "extra_options": dict(beside)}), row)

    silent = []
    for name, (fields, beside, value) in cases.items():
        asked = {**settings, **fields, "extra_options": {**beside, name: value}}
        if capabilities_here.version.libavcodec < row.generic_since.get(name, ()):
            with pytest.raises(EncoderOptionError, match=r"ignores|a key of that name"):
                encode(frames, **asked)
            continue
        alone = {} if name in ("maxrate", "bufsize") and name in row.needs else beside
        if baseline(tuple(fields.items()), tuple(alone.items())) == trace_of(encode(frames, **asked), row):
            silent.append(name)
    assert silent == []


@pytest.mark.parametrize(("name", "flag"), [(row.name, f"+{flag}") for row in SOFTWARE for flag in sorted(row.flags)])
def test_every_flag_of_a_row_takes_effect(encode: Encode, name: str, flag: str) -> None:
    row = ENCODERS[name]
    frames = moving_scene(12)
    plain, flagged = (
        trace_of(encode(frames, vcodec=name, g=12, crf=8, extra_options=o), row) for o in ({}, {"flags": flag})
    )
    assert plain != flagged


def test_b_frames_are_reordered_as_requested(tmp_path: Path, binaries: Binaries) -> None:
    frames = moving_scene(12)
    for bf, expected in ((0, 0), (2, 1)):
        config = VideoEncoderConfig(
            vcodec="libx264", g=12, extra_options={"bf": bf, "x264-params": {"b-pyramid": "none"}}
        )
        result = encode_frames(frames, tmp_path / f"{bf}.mp4", fps=30, config=config, binaries=binaries)
        assert result.stream.has_b_frames == expected


@pytest.mark.parametrize(
    ("options", "profile"),
    [
        ({"profile:v": "baseline", "bf": 0}, "Constrained Baseline"),
        ({"profile": "main"}, "Main"),
        ({"tune": "film", "profile:v": "high", "bf": 2}, "High"),
    ],
    ids=["baseline", "main", "LeRobot's own example"],
)
def test_stream_has_requested_profile(
    tmp_path: Path, binaries: Binaries, options: dict[str, Any], profile: str
) -> None:
    config = VideoEncoderConfig(vcodec="libx264", extra_options=options)
    result = encode_frames(moving_scene(4), tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    assert result.stream.profile == profile


@pytest.mark.parametrize(
    "params", [{"aq-mode": 3, "no-mbtree": True}, "aq-mode=3:no-mbtree"], ids=["dictionary", "text"]
)
def test_parameters_reach_x264_in_both_forms(encode: Encode, params: Any) -> None:
    written = settings_of(
        encode(moving_scene(3), vcodec="libx264", extra_options={"tune": "zerolatency", "x264-params": params})
    )
    assert written >= {"mbtree=0", "bframes=0"}
    assert any(setting.startswith("aq=3") for setting in written)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("libsvtav1", {"svtav1-params": {"film-grain": 20}}),
        ("libsvtav1", {"svtav1-params": {"enable-cdef": 0}}),
        ("libaom-av1", {"aom-params": {"enable-cdef": 0}}),
        ("librav1e", {"rav1e-params": {"tune": "Psnr"}}),
        ("libvpx-vp9", {"aq-mode": 3}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_parameters_change_stream(
    encode: Encode, capabilities_here: Capabilities, name: str, params: dict[str, Any]
) -> None:
    frames = moving_scene(8)
    settings = {"vcodec": name, "preset": MEDIUM[name], "g": 8}
    plain = bits_of(encode(frames, **settings))
    if next(iter(params)) not in capabilities_here.help(name).options:
        with pytest.raises(EncoderOptionError, match="no option"):
            encode(frames, **settings, extra_options=params)
        return
    assert bits_of(encode(frames, **settings, extra_options=params)) != plain


# Values for keys that do not take a 1, or fail with it.
VALUES: dict[str, dict[str, Any]] = {
    "x264-params": {
        "b-adapt": 1, "direct": "auto", "deblock": "0,0", "me": "hex", "merange": 16, "mvrange": 64, "partitions": "all",
        "psy-rd": "1.0,0.0", "qcomp": 0.6, "qpmax": 51, "qpmin": 10, "qpstep": 4, "rc-lookahead": 10, "ref": 3, "subme": 6,
        "scenecut": 40, "ipratio": 1.4, "pbratio": 1.3, "bframes": 2, "slice-max-size": 1500, "slice-max-mbs": 99,
        "slices-max": 4, "deadzone-inter": 21, "deadzone-intra": 11, "min-keyint": 1, "chroma-qp-offset": 1,
        "sliced-threads": 0, "bluray-compat": 0,
    },
    "x265-params": {
        "bframes": 2, "cbqpoffs": 1, "crqpoffs": 1, "ctu": 32, "deblock": "0,0", "hme": 0, "hme-range": "16,32,48",
        "hme-search": "hex,umh,star", "ipratio": 1.4, "pbratio": 1.3, "limit-refs": 1, "lookahead-slices": 2,
        "lookahead-threads": 0, "lossless": 0, "max-merge": 2, "max-tu-size": 16, "mcstf": 0, "me": "hex", "merange": 30,
        "min-cu-size": 8, "psy-rd": 1.0, "psy-rdoq": 0.5, "qcomp": 0.6, "qg-size": 32, "qpmax": 51, "qpmin": 10, "qpstep": 4,
        "rc-lookahead": 10, "rd": 3, "rd-refine": 0, "rdpenalty": 0, "ref": 2, "rskip-edge-threshold": 5, "scenecut": 40,
        "scenecut-bias": 5, "selective-sao": 1, "subme": 2, "temporal-layers": 0, "pmode": 0, "pme": 0, "limit-tu": 0,
        "idr-recovery-sei": 0, "hevc-aq": 0, "hdr10": 0, "cu-lossless": 0, "splitrd-skip": 0, "ssim-rd": 0, "rskip": 2,
    },
    "svtav1-params": {
        "aq-mode": 2, "film-grain": 8, "film-grain-denoise": 0, "hierarchical-levels": 3, "lookahead": 10, "lossless": 0,
        "max-tx-size": 32, "mbr": 200, "mbr-overshoot-pct": 50, "pred-struct": 2, "qm-max": 10, "qm-min": 2, "rtc": 0,
        "sframe-dist": 0, "sframe-mode": 2, "startup-mg-size": 2, "superres-denom": 8, "superres-mode": 0, "tune": 0,
        "variance-octile": 4, "tile-columns": 0, "tile-rows": 0, "enable-overlays": 0, "chroma-qm-min": 2, "ac-bias": 0.5,
    },
    "aom-params": {
        "arnr-maxframes": 3, "cdf-update-mode": 1, "deltaq-mode": 0, "deltaq-strength": 100, "denoise-block-size": 32,
        "denoise-noise-level": 0, "film-grain-test": 0, "gf-max-pyr-height": 3, "gf-min-pyr-height": 0, "lossless": 0,
        "max-gf-interval": 8, "max-intra-rate": 300, "max-partition-size": 64, "max-reference-frames": 4,
        "min-gf-interval": 4, "min-partition-size": 8, "mode-cost-upd-freq": 0, "mv-cost-upd-freq": 0, "qm-max": 10,
        "qm-min": 2, "sb-size": "dynamic", "static-thresh": 100, "tile-columns": 0, "tile-rows": 0, "tune": "psnr",
        "tune-content": "default", "noise-sensitivity": 0,
    },
    "rav1e-params": {
        "low_latency": "true", "min_key_frame_interval": 1, "rdo_lookahead_frames": 10, "tune": "Psychovisual",
    },
}  # fmt: skip
DICTIONARIES = [(row, name) for row in SOFTWARE for name in row.parameters]


def positive(keys: frozenset[str]) -> Iterator[str]:
    """Return the keys without ``no-`` forms, which would undo others."""
    return (key for key in sorted(keys) if not (key.startswith("no-") and key[3:] in keys))


@pytest.mark.parametrize(("row", "name"), DICTIONARIES, ids=[name for _, name in DICTIONARIES])
def test_every_key_is_accepted_or_an_error(
    encode: Encode, capabilities_here: Capabilities, row: EncoderSpec, name: str
) -> None:
    """Keys unknown to this library are removed after each has raised an error."""
    settings = {"vcodec": row.name, "preset": MEDIUM[row.name], "g": 10}
    listing = capabilities_here.helps.get(row.name)
    if listing is None or name not in listing.options:
        pytest.skip(f"this build has no {name}")
    values = {key: VALUES[name].get(key, 1) for key in positive(row.parameters[name].keys)}
    # x265 has a search that it turns off for small frames.
    frames = moving_scene(3, width=640, height=544) if "hme" in values else moving_scene(3)
    refused = []
    for _ in range(len(values)):
        try:
            encode(frames, **settings, extra_options={name: values})
            break
        except (EncoderOptionError, ProcessError) as err:
            text = str(err)
            said = re.search(
                r"(?:parsing option '?|Unknown option: |Invalid value for |Error setting option |ignores '[\w-]+:|option |x265-params:)([\w-]+)",
                text,
            )
            assert said, text
            key = said[1]
            assert key in values, text
            refused.append(key)
            del values[key]
    assert len(values) > len(refused)
    # One of them by itself, and in company: an error each time.
    for key in refused[:2]:
        with pytest.raises((EncoderOptionError, ProcessError), match=key):
            encode(frames, **settings, extra_options={name: {key: VALUES[name].get(key, 1)}})


@pytest.mark.parametrize(("row", "name"), DICTIONARIES, ids=[name for _, name in DICTIONARIES])
def test_unknown_key_is_detected(
    encode: Encode, capabilities_here: Capabilities, monkeypatch: pytest.MonkeyPatch, row: EncoderSpec, name: str
) -> None:
    """A wrong key in the list makes the encoder complain, which is an error."""
    listing = capabilities_here.helps.get(row.name)
    if listing is None or name not in listing.options:
        pytest.skip(f"this build has no {name}")
    wrong = replace(row, parameters={name: replace(row.parameters[name], keys=frozenset({"bogus"}))})
    monkeypatch.setattr(table, "ENCODERS", {**ENCODERS, row.name: wrong})
    with pytest.raises((EncoderOptionError, ProcessError), match="bogus"):
        encode(moving_scene(3), vcodec=row.name, preset=FAST[row.name], extra_options={name: {"bogus": 1}})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("libx264", {"maxrate": "90k"}),
        ("libx264", {"tune": "film,grain"}),
        ("libx265", {"x265-params": {"rd-refine": 1}}),
        ("libvpx-vp9", {"arnr-strength": 99}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_option_that_encoder_reports_as_ignored_is_an_error(
    encode: Encode, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any]
) -> None:
    """The library's messages count even if the plan had no objection."""
    monkeypatch.setattr(option_builder.OptionBuilder, "_check_needs", lambda *_: None)
    monkeypatch.setattr(table, "ENCODERS", {**ENCODERS, name: replace(ENCODERS[name], refused={}, limits=())})
    monkeypatch.setattr(plan_options.InstalledEncoder, "check_measured", lambda *_: None)
    with pytest.raises(EncoderOptionError, match="did not accept"):
        encode(moving_scene(3), vcodec=name, preset=MEDIUM[name], extra_options=options)
