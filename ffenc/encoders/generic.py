"""The accepted generic encoder options of FFmpeg, with useful types and ranges.

FFmpeg prints them only in its full help, which takes 25 to 400 ms, and they hardly changed from 4.2 to 9.0.  Many printed
ranges are those of a C integer: ``bf=99`` is accepted, and the encoder clamps it to 16.  An encoder's row lists which of
them (and of the names of ``flags``) it reads.  Options that change which frames are encoded (``r``, ``t``, ``vf``, ...) are
not encoder options and are never accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

_COMPARISONS = (
    "sad", "sse", "satd", "dct", "psnr", "bit", "rd", "zero", "vsad", "vsse", "nsse", "dctmax", "chroma", "msad",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericOption:
    """One option of FFmpeg's ``AVCodecContext`` class.

    Attributes:
        kind: ``rate`` is an integer number of bits, with an optional k, M or G.
        low, high: range of a number.
        choices: names accepted instead of a number.
    """

    kind: Literal["int", "float", "rate", "choice"]
    low: float = 0
    high: float = 2**31 - 1
    choices: tuple[str, ...] = ()


_QP = GenericOption(kind="int", low=0, high=255)
_FACTOR = GenericOption(kind="float", low=0.1, high=10)
_RATE = GenericOption(kind="rate", low=1, high=2**40)
_COMPARISON = GenericOption(kind="choice", choices=_COMPARISONS)

GENERIC_OPTIONS: Mapping[str, GenericOption] = MappingProxyType(
    {
        "b": _RATE,
        "maxrate": _RATE,
        "minrate": _RATE,
        "bufsize": _RATE,
        "bf": GenericOption(kind="int", low=0, high=16),
        "refs": GenericOption(kind="int", low=1, high=16),
        "keyint_min": GenericOption(kind="int", low=1, high=1_000_000),
        "qmin": _QP,
        "qmax": _QP,
        "qdiff": GenericOption(kind="int", low=1, high=50),
        "qcomp": GenericOption(kind="float", low=0, high=1),
        "i_qfactor": _FACTOR,
        "b_qfactor": _FACTOR,
        "rc_init_occupancy": GenericOption(kind="rate", low=1, high=2**31 - 1),
        "trellis": GenericOption(kind="int", low=0, high=2),
        "me_range": GenericOption(kind="int", low=4, high=1023),
        "subq": GenericOption(kind="int", low=0, high=11),
        "mbd": GenericOption(kind="int", low=0, high=2, choices=("simple", "bits", "rd")),
        "cmp": _COMPARISON,
        "subcmp": _COMPARISON,
        "mbcmp": _COMPARISON,
        "slices": GenericOption(kind="int", low=1, high=256),
        "level": GenericOption(kind="int", low=0, high=255),
        "profile": GenericOption(kind="int", low=0, high=1000),
        "compression_level": GenericOption(kind="int", low=-1, high=32767),
    }
)
"""By FFmpeg's option name, without a stream specifier."""
