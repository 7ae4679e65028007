"""The recorded value of an option equals the report of x264 and x265 in the stream, on the build under test.

The public writer refuses each case before a frame is sent, or the report in the file equals the metadata.  A value that
differs from the requested one is logged in one line.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, VideoWriter, encode_frames
from ffenc.dataset.format.video_info import video_info
from ffenc.encoders.table import ENCODERS
from ffenc.errors import EncoderOptionError, FFencError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.encoder_report import find_report
from ffenc.plan.effective import compare_with_report
from tests.scenes import moving_scene

pytestmark = pytest.mark.integration

# Fields, options, and for each option that is another one in the file: its value there.
CASES: dict[str, list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]] = {
    "libx264": [
        ({"preset": "fast"}, {"tune": "film", "profile:v": "high", "bf": 2}, {"bf": 1}),
        ({"g": 10}, {"bf": 16}, {"bf": 9}),
        ({"g": 10}, {"keyint_min": 10, "refs": 5}, {"keyint_min": 6}),
        ({}, {"me_range": 32, "qdiff": 2, "qmin": 5, "qmax": 45}, {"me_range": 16}),
        ({}, {"me_range": 64, "motion-est": "umh", "qcomp": 0.75}, {}),
        ({}, {"subq": 10}, {"subq": 9}),
        ({"g": 30}, {"rc-lookahead": 60, "aq-mode": 2}, {"rc-lookahead": 30}),
        ({"g": 30}, {"maxrate": "200k", "bufsize": "400k", "nal-hrd": "vbr", "crf_max": 40}, {}),
        ({"g": 9}, {"b-pyramid": "strict", "b_strategy": 2, "b-bias": 20, "direct-pred": "temporal", "weightb": 0}, {}),
        ({"preset": "ultrafast"}, {"trellis": 2, "8x8dct": 1, "coder": "ac", "mixed-refs": 1, "refs": 2}, {}),
        ({}, {"weightp": 1, "mbtree": 0, "sc_threshold": 20, "noise_reduction": 50, "slices": 2, "fast-pskip": 0}, {}),
        ({"g": 9}, {"x264-params": "bframes=16:ref=2:me=dia:merange=24:min-keyint=8"},
         {"x264-params": "bframes=8:ref=2:me=dia:merange=16:min-keyint=5"}),
        ({}, {"x264-params": {"no-cabac": 1, "subme": 5, "scenecut": 0, "no-dct-decimate": 1, "no-chroma-me": 1}}, {}),
        ({}, {"bluray-compat": 1, "refs": 8, "weightp": 2}, {"refs": 6, "weightp": 1}),
        ({"crf": None}, {"qp": 20, "bf": 0}, {}),
        ({"g": 1}, {"refs": 2}, {"refs": 1}),
    ],
    "libx265": [
        ({}, {"x265-params": {"bframes": 2, "ref": 2, "rd": 4, "subme": 3, "qpmin": 5, "qpmax": 45}}, {}),
        ({"preset": "slow"}, {"x265-params": {"amp": 1, "psy-rdoq": 1.5, "limit-refs": 1, "no-sao": 1}}, {}),
        ({}, {"x265-params": {"ctu": 32, "qg-size": 64, "max-tu-size": 32}}, {"x265-params": {"ctu": 32, "qg-size": 32, "max-tu-size": 32}}),
        ({}, {"x265-params": {"max-merge": 4, "cutree": 0, "strong-intra-smoothing": 0, "rc-lookahead": 10}}, {}),
        ({}, {"maxrate": "200k", "bufsize": "400k"}, {}),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "fields", "given", "changed"), [(name, *case) for name, cases in CASES.items() for case in cases], ids=str
)
def test_recorded_values_equal_encoder_report(
    tmp_path: Path,
    binaries: Binaries,
    capabilities_here: Capabilities,
    caplog: pytest.LogCaptureFixture,
    name: str,
    fields: dict[str, Any],
    given: dict[str, Any],
    changed: dict[str, Any],
) -> None:
    row = ENCODERS[name]
    config = VideoEncoderConfig(vcodec=name, extra_options=given, **{"preset": "medium", **fields})
    with caplog.at_level(logging.WARNING):
        result = encode_frames(moving_scene(3), tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    effective = {**given, **changed}
    assert result.encoder.config.extra_options == effective
    assert video_info(result.stream, result.encoder.config)["video.extra_options"] == effective
    assert [record.message.split("=")[0] for record in caplog.records if record.name.startswith("ffenc")] == [
        sentence.split("=")[0] for sentence in result.encoder.reductions
    ]
    assert all("by its own report" not in sentence for sentence in result.encoder.reductions)
    assert bool(result.encoder.reductions) == bool(changed)
    # The report says the same, and the request was among what is compared with it.
    assert row.report is not None
    report = find_report(result.path, row.report)
    assert report is not None
    assert len(report) > 20
    assert compare_with_report(result.encoder, row, report).reductions == ()
    assert result.encoder.requests


def test_encoder_report_corrects_missing_limits(
    tmp_path: Path, binaries: Binaries, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the limits of the row, the report in the file corrects the recorded value."""
    monkeypatch.setattr("ffenc.plan.effective._left", lambda *_: None)
    config = VideoEncoderConfig(vcodec="libx264", g=10, extra_options={"bf": 16, "me_range": 32, "refs": 4})
    result = encode_frames(moving_scene(3), tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    assert result.encoder.config.extra_options == {"bf": 9, "me_range": 16, "refs": 4}
    assert "bf=9 instead of 16, by its own report" in caplog.text
    assert "refs" not in caplog.text


LOSSLESS = [
    ("libx264", {"qp": 0}, {"pix_fmt": "yuv444p"}),
    ("libx265", {"x265-params": "lossless=1"}, {}),
    ("libaom-av1", {"aom-params": "lossless=1"}, {}),
    ("libvpx-vp9", {"lossless": 1}, {}),
    ("libsvtav1", {"svtav1-params": "lossless=1"}, {"preset": 10}),
]


@pytest.mark.parametrize(("name", "options", "fields"), LOSSLESS, ids=[name for name, _, _ in LOSSLESS])
def test_lossless_is_lossless_and_records_no_crf(
    tmp_path: Path,
    binaries: Binaries,
    capabilities_here: Capabilities,
    name: str,
    options: dict[str, Any],
    fields: dict[str, Any],
) -> None:
    """A grey level that conversion keeps is bit-exact."""
    if name not in capabilities_here.encoders:
        pytest.skip(f"this build has no {name}")
    if ":" not in next(iter(options)) and next(iter(options)) not in capabilities_here.help(name).options:
        pytest.skip(f"this build has no {next(iter(options))}")
    fast = {"libx264": "ultrafast", "libx265": "ultrafast", "libaom-av1": 8, "libvpx-vp9": 8}
    config = VideoEncoderConfig.model_validate(
        {"vcodec": name, "preset": fast.get(name), "extra_options": options, **fields}
    )
    noise = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 1), dtype=np.uint8).repeat(3, axis=3)
    try:
        result = encode_frames(list(noise), tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    except EncoderOptionError as err:
        assert "lossless" in str(err)  # SVT-AV1 before 3 has no such key
        return
    assert result.encoder.config.crf is None
    assert video_info(result.stream, result.encoder.config)["video.crf"] is None
    try:
        decoded = np.stack(list(VideoReader(result.path, binaries=binaries)))
    except FFencError:
        if name == "libsvtav1":
            pytest.skip("this build cannot decode AV1")
        raise
    # Limited range has 220 levels of 256: the grey of two neighbours may be one.
    assert np.abs(decoded.astype(int) - noise).max() <= 2


def test_ffv1_keeps_alpha(tmp_path: Path, binaries: Binaries) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 4), dtype=np.uint8)
    config = VideoEncoderConfig(vcodec="ffv1", pix_fmt="bgra", crf=None)
    path = tmp_path / "a.mov"
    encode_frames(list(frames), path, fps=30, config=config, layout="rgba", binaries=binaries)
    decoded = np.stack(list(VideoReader(path, layout="rgba", binaries=binaries)))
    assert (decoded == frames).all()


@pytest.mark.parametrize(
    ("options", "level"), [({"level": "1"}, "level limit"), ({"level": "1", "refs": 3}, "level limit")], ids=str
)
def test_exceeded_level_ends_recording_immediately(
    tmp_path: Path, binaries: Binaries, options: dict[str, Any], level: str
) -> None:
    config = VideoEncoderConfig(vcodec="libx264", extra_options=options)
    frames = moving_scene(2, width=640, height=480)
    with (
        pytest.raises(EncoderOptionError, match=level),
        VideoWriter(tmp_path / "a.mp4", fps=30, config=config, binaries=binaries) as writer,
    ):
        for number in range(3000):
            writer.write(frames[number % 2])
    assert writer.frames_written < 3000
    assert list(tmp_path.iterdir()) == []
