"""Map profile names of encoders to the names that ffprobe prints for their streams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_H264 = ("Constrained Baseline", "Baseline", "Main", "Constrained High", "High")
_REXT = ("Rext", "Format Range Extensions", "4:4:4", "SCC")

# For H.264 a profile is an upper limit: a stream that uses less of it is labelled with the lower profile.
STORED_PROFILES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "h264": {
            "baseline": _H264[:2],
            "constrainedbaseline": _H264[:1],
            "main": _H264[:3],
            "high": _H264,
            "constrainedhigh": _H264,
            "high10": ("High 10", "High 10 Intra"),
            "high422": ("High 4:2:2", "High 4:2:2 Intra"),
            "high444": ("High 4:4:4 Predictive", "High 4:4:4 Intra", "CAVLC 4:4:4"),
            "high444p": ("High 4:4:4 Predictive", "High 4:4:4 Intra", "CAVLC 4:4:4"),
        },
        "hevc": {
            "main": ("Main",),
            "main10": ("Main 10",),
            "rext": _REXT,
        },
        "av1": {"main": ("Main",), "high": ("High",), "professional": ("Professional",)},
    }
)
"""Codec -> requested profile, in lower case without punctuation -> names that the stream can have."""


def stored_profiles(codec: str, asked: str) -> tuple[str, ...]:
    """Return the profiles that a stream can have if ``asked`` was requested; empty if any is possible."""
    return STORED_PROFILES.get(codec, {}).get(re.sub(r"[^a-z0-9]", "", asked.lower()), ())
