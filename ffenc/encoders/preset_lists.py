"""The configs that ``ffenc recommend`` tries for each use, from the best to the cheapest.

A later candidate is faster but larger or less similar.  Their values of crf give about the same similarity: see the table
of equivalent values in ``docs/findings.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from ffenc.encoders.software import LIBSVTAV1, LIBX264, LIBX265

Use: TypeAlias = Literal["training", "archive", "live"]
"""``training``: random access to a few frames.  ``archive``: smallest files, read sequentially.  ``live``: watched while
recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One config to try.

    Attributes:
        fields: fields of `VideoEncoderConfig`; without ``vcodec``: for every hardware encoder that works here.
        why: its advantage, for messages.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    why: str

    @property
    def is_hardware(self) -> bool:
        """Whether it is for hardware encoders."""
        return "vcodec" not in self.fields


_AV1, _HEVC, _H264 = LIBSVTAV1.name, LIBX265.name, LIBX264.name
_NOW = {"tune": "zerolatency"}

PRESET_LISTS: Mapping[Use, tuple[Candidate, ...]] = MappingProxyType(
    {
        "training": (
            Candidate(fields={"vcodec": _AV1, "preset": 12, "g": 2, "crf": 30}, why="LeRobot's default"),
            Candidate(fields={"g": 2, "crf": 24}, why="hardware; leaves the processors to the robot"),
            Candidate(
                fields={"vcodec": _H264, "preset": "veryfast", "g": 2, "crf": 21}, why="cheap, and read anywhere"
            ),
            Candidate(fields={"vcodec": _H264, "preset": "superfast", "g": 2, "crf": 21}, why="cheaper, and larger"),
            Candidate(fields={"vcodec": _H264, "preset": "ultrafast", "g": 2, "crf": 21}, why="the cheapest"),
        ),
        "archive": (
            Candidate(fields={"vcodec": _AV1, "preset": 6, "g": 240, "crf": 30}, why="the smallest"),
            Candidate(fields={"vcodec": _AV1, "preset": 8, "g": 240, "crf": 30}, why="small"),
            Candidate(fields={"vcodec": _AV1, "preset": 10, "g": 240, "crf": 30}, why="small and quick"),
            Candidate(
                fields={"vcodec": _HEVC, "preset": "superfast", "g": 240, "crf": 23},
                why="for programs that cannot read AV1",
            ),
            Candidate(
                fields={"vcodec": _H264, "preset": "veryfast", "g": 240, "crf": 21}, why="cheap, and read anywhere"
            ),
            Candidate(fields={"vcodec": _H264, "preset": "ultrafast", "g": 240, "crf": 21}, why="the cheapest"),
        ),
        "live": (
            Candidate(fields={"g": 30, "crf": 24}, why="hardware; leaves the processors to the robot"),
            Candidate(
                fields={"vcodec": _H264, "preset": "veryfast", "g": 30, "crf": 23, "extra_options": _NOW},
                why="a packet for every frame at once",
            ),
            Candidate(
                fields={"vcodec": _H264, "preset": "superfast", "g": 30, "crf": 23, "extra_options": _NOW},
                why="cheaper, and larger",
            ),
            Candidate(
                fields={"vcodec": _H264, "preset": "ultrafast", "g": 30, "crf": 23, "extra_options": _NOW},
                why="the cheapest",
            ),
        ),
    }
)
"""The candidates for each use, best first."""
