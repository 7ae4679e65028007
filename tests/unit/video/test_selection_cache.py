"""The choice of ``auto`` is kept for a config, and a given value is not the same as a default."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frames import FrameFormat
from ffenc.plan.selection import Candidate
from ffenc.video import selection


def test_given_crf_is_tried_apart_from_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def examine(config: VideoEncoderConfig, **_: object) -> list[Candidate]:
        tried.append(config.was_given("crf"))
        return [Candidate(encoder="libx264", works=True, reason="")]

    monkeypatch.setattr(selection, "examine_encoders", examine)
    selection._select.cache_clear()
    binaries = Binaries(ffmpeg=Path("ffmpeg"), ffprobe=None, ffmpeg_origin="", ffprobe_origin="")
    for config in (VideoEncoderConfig(), VideoEncoderConfig(crf=30), VideoEncoderConfig()):
        selection.select_encoder(config, frames=FrameFormat(width=64, height=64), fps=Fraction(30), binaries=binaries)
    selection._select.cache_clear()
    assert tried == [False, True]
