"""The trial accepts every working encoder, at both ends of every scale."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries, FrameFormat, VideoEncoderConfig, VideoReader, encode_frames
from ffenc.encoders.software import SOFTWARE
from ffenc.encoders.spec import EncoderSpec
from ffenc.errors import ProcessError
from ffenc.plan.encode import RawFrames, plan_encode
from ffenc.video.run_context import RunContext
from ffenc.video.selection import capabilities_for
from ffenc.video.similarity import find_wrong_frame
from ffenc.video.trial import MOST_FRAMES, TrialScene, lowest_psnr_db, trial_length, try_encoder
from tests.recordings import recorded

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

FAST: dict[str, int | str] = {
    "libx264": "veryfast",
    "libx265": "veryfast",
    "libaom-av1": 8,
    "librav1e": 10,
    "libvpx-vp9": 8,
}
LOSSY = [row for row in SOFTWARE if row.quality is not None]


def config_of(row: EncoderSpec, **fields: Any) -> VideoEncoderConfig:
    base: dict[str, Any] = {"vcodec": row.name}
    if row.name in FAST:
        base["preset"] = FAST[row.name]
    if row.pixel_formats and "yuv420p" not in row.pixel_formats:
        base["pix_fmt"] = row.pixel_formats[0]
    return VideoEncoderConfig(**base, **fields)


@pytest.mark.parametrize("side", [(64, 64), (160, 128)], ids=["64x64", "160x128"])
@pytest.mark.parametrize("coarse", [False, True], ids=["default crf", "coarsest crf"])
@pytest.mark.parametrize("row", LOSSY, ids=lambda row: row.name)
def test_lowest_quality_passes_trial(
    row: EncoderSpec,
    coarse: bool,
    side: tuple[int, int],
    binaries: Binaries,
    encoders_here: tuple[str, ...],
    tmp_path: Path,
) -> None:
    if row.name not in encoders_here:
        pytest.skip("not in this build")
    assert row.quality is not None
    form = FrameFormat(width=side[0], height=side[1])
    scene = TrialScene(form)
    for g in (2, 30) if not row.intra_only else (1,):
        config = config_of(row, g=g, **({"crf": row.quality.crf[1]} if coarse else {}))
        sent = [scene.frame(number) for number in range(min(2 * g + 1, 31))]
        path = tmp_path / f"{g}.mp4"
        result = encode_frames(sent, path, fps=30, config=config, binaries=binaries)
        plan = plan_encode(config, RawFrames(frames=form, fps=Fraction(30)), path, capabilities_for(row.name, binaries))
        assert result.encoder.expected == plan.encoder.expected
        try:
            shown = list(VideoReader(path, binaries=binaries))
        except ProcessError:
            pytest.skip("this build has no decoder for it")
        key_frames = VideoReader(path, binaries=binaries).keyframes
        for number, frame in enumerate(shown):
            wrong = find_wrong_frame(
                sent,
                frame,
                number,
                largest=255,
                lowest_db=lowest_psnr_db(plan),
                is_key_frame=number in key_frames,
            )
            assert wrong is None


@pytest.mark.parametrize(
    ("g", "size", "count"),
    [
        (1, (640, 480), 5),
        (2, (640, 480), 5),
        (30, (640, 480), MOST_FRAMES),
        (250, (640, 480), MOST_FRAMES),
        (30, (3840, 2160), 14),
        (None, (640, 480), 10),
    ],
)
def test_hardware_trial_reaches_third_keyframe_within_limit(g: int | None, size: tuple[int, int], count: int) -> None:
    form = FrameFormat(width=size[0], height=size[1])
    plan = plan_encode(
        VideoEncoderConfig(vcodec="h264_nvenc", g=g),
        RawFrames(frames=form, fps=Fraction(30)),
        "trial.mp4",
        recorded("9.0.2"),
    )
    assert trial_length(plan) == count


@pytest.mark.parametrize("layout", ["rgb", "bgr", "rgba", "gray"])
def test_every_layout_passes_trial(layout: str, binaries: Binaries) -> None:
    proof = try_encoder(
        VideoEncoderConfig(vcodec="libx264", preset="veryfast"),
        RawFrames(frames=FrameFormat(width=160, height=128, layout=layout), fps=Fraction(30000, 1001)),
        RunContext(binaries=binaries),
        capabilities=capabilities_for("libx264", binaries),
    )
    assert proof == "its trial succeeded"
