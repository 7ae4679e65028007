"""The choice of ``auto`` is cached by config unless a trial ran out of time; a given value differs from a default."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frames import FrameFormat
from ffenc.plan.selection import Candidate
from ffenc.video import selection

BINARIES = Binaries(ffmpeg=Path("ffmpeg"), ffprobe=None, ffmpeg_origin="", ffprobe_origin="")


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    selection._select.cache_clear()
    yield
    selection._select.cache_clear()


def select(config: VideoEncoderConfig) -> str:
    size = FrameFormat(width=64, height=64)
    return selection.select_encoder(config, frames=size, fps=Fraction(30), binaries=BINARIES).encoder


def test_given_crf_is_tried_apart_from_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def examine(config: VideoEncoderConfig, *_: object, **__: object) -> list[Candidate]:
        tried.append(config.was_given("crf"))
        return [Candidate(encoder="libx264", works=True, reason="")]

    monkeypatch.setattr(selection, "examine_encoders", examine)
    for config in (VideoEncoderConfig(), VideoEncoderConfig(crf=30), VideoEncoderConfig()):
        select(config)
    assert tried == [False, True]


@pytest.mark.parametrize(("first", "later"), [(None, "h264_nvenc"), (False, "libx264")])
def test_trial_that_ran_out_of_time_is_repeated(
    monkeypatch: pytest.MonkeyPatch, first: bool | None, later: str
) -> None:
    outcomes = [first, True]

    def examine(config: VideoEncoderConfig, *_: object, **__: object) -> list[Candidate]:
        hardware = Candidate(encoder="h264_nvenc", works=outcomes.pop(0), reason="")
        return [hardware, Candidate(encoder="libx264", works=True, reason="")]

    monkeypatch.setattr(selection, "examine_encoders", examine)
    config = VideoEncoderConfig(vcodec="auto")
    # Cameras that open one after the other get the same encoder.
    assert [select(config), select(config)] == ["libx264", "libx264"]
    monkeypatch.setattr(selection, "RETRY_AFTER_S", 0.0)
    assert select(config) == later
