"""The settings with which an option is tested.  An option is ignored only if it changes nothing in any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Settings of an encode without the option.

    Attributes:
        clip: name in `CLIPS`.
        config: fields of `VideoEncoderConfig`.
        options: FFmpeg options, or ``option:key`` for a key of a dictionary option.
        threads: ``encoder_threads``.
    """

    clip: str = "camera"
    config: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = 1


_RATE: dict[str, Any] = {"crf": None}
_VBV = {"maxrate": "60k", "bufsize": "40k"}
# Output is the same for any number of threads.  A number would set ``row-mt``, which is an option to test.
_ANY_THREADS: dict[str, Any] = {"threads": None}


def _beside(**options: Any) -> Context:
    return Context(options={name.replace("_", "-"): str(value) for name, value in options.items()})


def _usual(fast: int | str | None, slow: int | str | None, **more: Any) -> dict[str, Context]:
    """Return the contexts for every encoder; the others are variations of the first."""
    preset = {} if fast is None else {"preset": fast}
    contexts = {
        "base": Context(config={"g": 10, **preset}, **more),
        "g=2": Context(config={"g": 2, **preset}, **more),
        "slow": Context(config={"g": 10, "preset": slow}, **more),
        "long": Context(clip="long", config={"g": 60, **preset}, **more),
        "screen": Context(clip="screen", config={"g": 10, **preset}, **more),
        "rate": Context(config={**_RATE, "g": 10, **preset}, options={"b": "100k"}, **more),
        "vbv": Context(config={"g": 10, **preset}, options=_VBV, **more),
        "rate+vbv": Context(clip="long", config={**_RATE, "g": 60, **preset}, options={"b": "60k", **_VBV}, **more),
        "10 bit": Context(config={"g": 10, "pix_fmt": "yuv420p10le", **preset}, **more),
        "large": Context(clip="large", config={"g": 10, **preset}, **more),
        "2 threads": Context(config={"g": 10, **preset}, threads=2),
    }
    if slow is None:
        del contexts["slow"]
    return contexts


def _with(base: Context, clip: str | None = None, config: Mapping[str, Any] | None = None, **options: Any) -> Context:
    """Return ``base`` with further options; an underscore means a hyphen, two mean the colon before a key."""
    named = {name.replace("__", ":").replace("_", "-"): str(value) for name, value in options.items()}
    return Context(
        clip=clip or base.clip,
        config={**base.config, **(config or {})},
        options={**base.options, **named},
        threads=base.threads,
    )


def _x264() -> dict[str, Context]:
    usual = _usual("medium", "slower")
    base = usual["base"]
    return {
        **usual,
        "ultrafast": _with(base, config={"preset": "ultrafast"}),
        "trellis": _with(usual["slow"], trellis=2),
        "no mbtree": _with(base, x264_params__mbtree=0),
        "large 4 threads": Context(clip="large", config=base.config, threads=4),
    }


def _x265() -> dict[str, Context]:
    usual = _usual("medium", "slower")
    base = usual["base"]
    return {
        **usual,
        "rdoq": _with(base, x265_params__rdoq_level=2),
        "4:4:4": _with(base, config={"pix_fmt": "yuv444p"}),
        "hme": _with(base, clip="tall", x265_params__hme=1),
        "no cutree": _with(base, x265_params__cutree=0),
        "720p": _with(base, clip="hd", config={"preset": "veryfast"}),
        "ultrafast": _with(base, config={"preset": "ultrafast"}),
        "rect": _with(base, x265_params__rect=1, x265_params__limit_modes=1),
        "analysis": _with(base, x265_params__rd=5, x265_params__rskip=2),
        "transform": _with(
            base, x265_params__tskip=1, x265_params__rd=4, x265_params__tu_inter_depth=3, x265_params__tu_intra_depth=3
        ),
    }


def _svt() -> dict[str, Context]:
    usual = _usual(10, 5)
    base, slow, long = usual["base"], usual["slow"], usual["long"]
    key = "svtav1_params__"
    return {
        **usual,
        "default preset": _with(base, config={"preset": 12}),
        "long slow": _with(long, config={"preset": 4}),
        "screen slow": _with(usual["screen"], config={"preset": 5}),
        "large slow": _with(usual["large"], config={"preset": 6}),
        "low delay": _with(base, **{f"{key}pred_struct": 1}),
        "low delay rate": _with(long, config={"crf": None}, b="60k", **{f"{key}pred_struct": 1, f"{key}rc": 2}),
        "quantization matrices": _with(slow, **{f"{key}enable_qm": 1}),
        "variance boost": _with(slow, **{f"{key}enable_variance_boost": 1}),
        "film grain": _with(slow, **{f"{key}film_grain": 20}),
        "superres": _with(slow, **{f"{key}superres_mode": 1, f"{key}superres_denom": 12}),
        "s-frames": _with(long, **{f"{key}sframe_dist": 8, f"{key}pred_struct": 1}),
        "capped crf": _with(long, maxrate="40k"),
        "level": _with(base, level=51),
        "overlays": _with(long, config={"preset": 4}, **{f"{key}enable_overlays": 1}),
        "tune 0": _with(slow, **{f"{key}tune": 0}),
    }


def _aom() -> dict[str, Context]:
    usual = _usual(6, 2, **_ANY_THREADS)
    base, long = usual["base"], usual["long"]
    return {
        **usual,
        "all tools": _with(base, clip="long", config={"preset": 1, "g": 12}),
        "screen slow": _with(usual["screen"], config={"preset": 2}),
        "look-ahead": _with(long, lag_in_frames=19, auto_alt_ref=1),
        "no look-ahead": _with(base, lag_in_frames=0),
        "adaptive quantizer": _with(base, aq_mode=1),
        "denoising": _with(base, denoise_noise_level=25),
        "quantization matrices": _with(base, aom_params__enable_qm=1),
        "delta q": _with(base, aom_params__deltaq_mode=2),
        "real time": _with(base, usage="realtime", lag_in_frames=0, config={"preset": 7}),
        "real time rate": _with(long, usage="realtime", lag_in_frames=0, config={"preset": 7, "crf": None}, b="60k"),
        "all intra": _with(base, usage="allintra", lag_in_frames=0, config={"g": 1}),
        "screen content": _with(usual["screen"], aom_params__tune_content="screen"),
    }


def _vp9() -> dict[str, Context]:
    usual = _usual(4, 1, **_ANY_THREADS)
    base, long = usual["base"], usual["long"]
    real_time = _with(base, deadline="realtime", config={"preset": 7})
    return {
        **usual,
        "look-ahead": _with(long, lag_in_frames=25, auto_alt_ref=1),
        "no look-ahead": _with(base, lag_in_frames=0),
        "adaptive quantizer": _with(base, aq_mode=3),
        "real time": real_time,
        "real time rate": _with(real_time, clip="long", config={"crf": None, "g": 60}, b="60k", lag_in_frames=0),
        "constant rate": _with(long, config={"crf": None}, b="60k", minrate="60k", maxrate="60k"),
        "best": _with(base, deadline="best"),
        # With several threads, libvpx has no tile rows.
        "large 1 thread": Context(clip="large", config=base.config, threads=1),
        "error resilient": _with(base, error_resilient="default"),
    }


def _mpegvideo(more: Mapping[str, Context], **config: Any) -> dict[str, Context]:
    usual = {
        name: Context(
            clip=context.clip, config={**context.config, **config}, options=context.options, threads=context.threads
        )
        for name, context in _usual(None, None).items()
        if name != "10 bit"
    }
    base = usual["base"]
    return {
        **usual,
        "rate-distortion": _with(base, mbd="rd", trellis=1),
        "low q": _with(base, config={"crf": 4}),
        "high q": _with(base, config={"crf": 40}),
        "noise shaping": Context(
            config=base.config, options={"quantizer_noise_shaping": "1", "mbd": "rd", "trellis": "1"}
        ),
        "qmin": _with(usual["rate"], qmin=4, qmax=12),
        **more,
    }


CONTEXTS: Mapping[str, Mapping[str, Context]] = {
    "libx264": _x264(),
    "libx265": _x265(),
    "libsvtav1": _svt(),
    "libaom-av1": _aom(),
    "librav1e": {**_usual(10, 8), "720p": Context(clip="hd", config={"g": 10, "preset": 10})},
    "libvpx-vp9": _vp9(),
    "libopenh264": {
        **_usual(None, None),
        "cabac": Context(config={"g": 10}, options={"profile": "high"}),
    },
    "ffv1": {
        **_usual(None, None),
        "range coder": Context(config={"g": 10}, options={"coder": "range_def"}),
        "version 1": Context(config={"g": 10}, options={"level": "1"}),
        "16 bit": Context(config={"g": 10, "pix_fmt": "gray16le"}),
    },
    "mpeg4": _mpegvideo(
        {
            "four vectors": Context(config={"g": 10}, options={"flags": "+mv4", "mbd": "rd"}),
            "quarter pixel": Context(config={"g": 10}, options={"flags": "+qpel"}),
        }
    ),
    "mjpeg": _mpegvideo({}, g=1, pix_fmt="yuvj420p"),
}
"""Contexts by encoder and readable name; the first is ``base``."""
