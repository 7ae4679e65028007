"""`concat_videos` copies the encoded bits of all clips without drift and refuses mismatched clips first."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from ffenc import (
    Binaries,
    VideoEncoderConfig,
    VideoReader,
    concat_videos,
    cut_video,
    encode_frames,
    probe_packets,
    probe_video,
)
from ffenc.errors import ConcatError, InputError, OutputExistsError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.footage import numbered_frames, numbers_of

pytestmark = pytest.mark.integration

MakeClip = Callable[..., Path]


@pytest.fixture
def make_clip(tmp_path: Path, binaries: Binaries) -> MakeClip:
    def make(name: str, count: int, *, start: int = 0, fps: str = "30", **settings: object) -> Path:
        size = settings.pop("size", (128, 96))
        config = VideoEncoderConfig.model_validate({"vcodec": "h264", **settings})
        frames = numbered_frames(count, start=start, width=size[0], height=size[1])
        return encode_frames(frames, tmp_path / name, fps=fps, config=config, binaries=binaries).path

    return make


@pytest.mark.parametrize("fps", ["30", "30000/1001", "24000/1001", "50"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_joined_clips_have_no_drift(
    tmp_path: Path, binaries: Binaries, make_clip: MakeClip, fps: str, b_frames: int
) -> None:
    lengths = [7, 10, 13] * 3
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    clips = [
        make_clip(f"{number}.mp4", length, start=start, fps=fps, g=6, extra_options={"bf": b_frames})
        for number, (length, start) in enumerate(zip(lengths, starts, strict=True))
    ]
    result = concat_videos(clips, tmp_path / "all.mp4", binaries=binaries)

    total = sum(lengths)
    packets = probe_packets(result.path, binaries=binaries)
    assert [packets.pts_s(k) for k in range(total)] == [k / Fraction(fps) for k in range(total)]
    assert result.offsets == tuple(starts)
    assert result.stream == probe_video(result.path, binaries=binaries)
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == list(range(total))
    parts = [probe_packets(clip, binaries=binaries).size_bytes for clip in clips]
    # Parameter sets may be repeated in band at a join, nothing else is added.
    assert sum(parts) <= packets.size_bytes <= sum(parts) + 200 * len(clips)


def test_single_clip_and_special_file_names(tmp_path: Path, binaries: Binaries, make_clip: MakeClip) -> None:
    names = ["it's.mp4", "new\nline.mp4", "#1:x.mp4", " lead.mp4", "-n %03d.mp4"]
    clips = [make_clip(name, 5, start=5 * number) for number, name in enumerate(names)]
    assert concat_videos(clips[:1], tmp_path / "one.mp4", binaries=binaries).frames == 5
    result = concat_videos(clips, tmp_path / "all.mp4", binaries=binaries)
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == list(range(25))


@pytest.mark.parametrize(
    ("odd", "property_name"),
    [
        pytest.param({"vcodec": "mpeg4"}, "codec", id="codec"),
        pytest.param({"size": (160, 96)}, "width", id="size"),
        pytest.param({"fps": "25"}, "frame rate", id="frame-rate"),
        pytest.param({"pix_fmt": "yuv444p"}, "pixel format", id="pixel-format"),
        pytest.param({"extra_options": {"profile": "baseline"}}, "profile", id="profile"),
        pytest.param({"g": 12, "extra_options": {"bf": 0}}, "B-frames", id="b-frames"),
    ],
)
def test_mismatched_clips_are_refused_before_writing(
    tmp_path: Path, binaries: Binaries, make_clip: MakeClip, odd: dict[str, object], property_name: str
) -> None:
    clips = [make_clip("a.mp4", 6, g=12), make_clip("b.mp4", 6, g=12), make_clip("odd.mp4", 6, **{"g": 12, **odd})]
    with pytest.raises(ConcatError) as caught:
        concat_videos(clips, tmp_path / "all.mp4", binaries=binaries)
    values = caught.value.disagreements[property_name]
    assert values[0] == values[1] != values[2]
    assert property_name in str(caught.value)
    assert not (tmp_path / "all.mp4").exists()


def test_damaged_and_missing_clips(tmp_path: Path, binaries: Binaries, make_clip: MakeClip) -> None:
    good, torn = make_clip("a.mp4", 12), make_clip("b.mp4", 12)
    torn.write_bytes(torn.read_bytes()[:-300])
    with pytest.raises(InputError, match=r"b\.mp4 is damaged"):
        concat_videos([good, torn], tmp_path / "all.mp4", binaries=binaries)
    with pytest.raises(Exception, match=r"nowhere\.mp4"):
        concat_videos([good, tmp_path / "nowhere.mp4"], tmp_path / "all.mp4", binaries=binaries)
    with pytest.raises(InputError, match="no clips"):
        concat_videos([], tmp_path / "all.mp4", binaries=binaries)
    assert not (tmp_path / "all.mp4").exists()


def test_existing_output_is_kept(tmp_path: Path, binaries: Binaries, make_clip: MakeClip) -> None:
    clip = make_clip("a.mp4", 3)
    with pytest.raises(OutputExistsError):
        concat_videos([clip], clip, binaries=binaries)
    assert numbers_of(VideoReader(clip, binaries=binaries)) == [0, 1, 2]


@pytest.mark.parametrize(
    "join", [concat_videos, lambda clips, output, **how: cut_video(clips[0], output, [(1, 4)], **how)]
)
def test_codec_unsupported_by_container_is_named(
    tmp_path: Path, binaries: Binaries, join: Callable[..., object]
) -> None:
    clip = tmp_path / "a.mov"
    source = ("-f", "lavfi", "-i", "testsrc=d=0.2:r=30:s=64x64", "-c:v", "prores", "-pix_fmt", "yuv422p10le")
    run_tool([str(binaries.ffmpeg), "-v", "error", "-nostdin", *source, str(clip)], timeout_s=60)
    with pytest.raises(InputError, match=r"is prores, which a file named \.mp4 cannot hold.* ends in \.mov"):
        join([clip], tmp_path / "b.mp4", binaries=binaries)
    assert list(tmp_path.iterdir()) == [clip]
    config = VideoEncoderConfig(vcodec="h264")
    assert cut_video(clip, tmp_path / "b.mp4", [(1, 4)], config=config, binaries=binaries).reencoded == ((1, 4),)
