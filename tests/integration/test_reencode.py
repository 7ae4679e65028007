"""`reencode_video` writes exactly frames [start, end), from time 0, for any GOP structure of the input."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames, probe_packets, reencode_video
from ffenc.errors import InputError, OutputExistsError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.footage import numbered_frames, numbers_of

pytestmark = pytest.mark.integration

H264 = VideoEncoderConfig(vcodec="h264")
COUNT = 40


@pytest.fixture(params=["g2", "g12-b-frames", "one-gop"])
def clip(request: pytest.FixtureRequest, tmp_path: Path, binaries: Binaries) -> Path:
    config = {
        "g2": VideoEncoderConfig(vcodec="h264"),
        "g12-b-frames": VideoEncoderConfig(vcodec="h264", g=12, extra_options={"bf": 3}),
        "one-gop": VideoEncoderConfig(vcodec="h264", g=1000),
    }[request.param]
    path = tmp_path / "clip.mp4"
    return encode_frames(numbered_frames(COUNT), path, fps="30000/1001", config=config, binaries=binaries).path


@pytest.fixture
def clip_with_audio(tmp_path: Path, binaries: Binaries) -> Path:
    """Return two seconds of numbered frames with a tone."""
    silent = encode_frames(numbered_frames(50), tmp_path / "v.mp4", fps=25, config=H264, binaries=binaries).path
    path = tmp_path / "with-audio.mp4"
    tone = ["-f", "s16le", "-ar", "48000", "-ac", "1", "-i", "/dev/zero"]
    run_tool(
        [
            *(str(binaries.ffmpeg), "-v", "error", "-i", str(silent), *tone, "-map", "0:v", "-map", "1:a"),
            *("-c:v", "copy", "-c:a", "aac", "-t", "2", "-shortest", str(path)),
        ]
    )
    silent.unlink()
    return path


@pytest.mark.parametrize(("start", "end"), [(0, COUNT), (0, 1), (1, 2), (11, 13), (5, COUNT), (COUNT - 1, COUNT)])
def test_exact_range(tmp_path: Path, binaries: Binaries, clip: Path, start: int, end: int) -> None:
    result = reencode_video(clip, tmp_path / "out.mp4", config=H264, start=start, end=end, binaries=binaries)

    assert numbers_of(VideoReader(result.path, binaries=binaries)) == list(range(start, end))
    packets = probe_packets(result.path, binaries=binaries)
    assert [packets.pts_s(k) for k in range(end - start)] == [k / Fraction(30000, 1001) for k in range(end - start)]


def test_settings_of_the_new_config(tmp_path: Path, binaries: Binaries, clip: Path) -> None:
    config = VideoEncoderConfig(vcodec="mpeg4", g=5)
    result = reencode_video(clip, tmp_path / "out.mp4", config=config, binaries=binaries)
    assert result.stream.codec == "mpeg4"
    assert probe_packets(result.path, binaries=binaries).keyframes == tuple(range(0, COUNT, 5))


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 5), (7, 3), (0, COUNT + 1), (COUNT, None)])
def test_range_outside_the_clip(tmp_path: Path, binaries: Binaries, clip: Path, start: int, end: int | None) -> None:
    with pytest.raises(InputError, match=rf"\[0, {COUNT}\)"):
        reencode_video(clip, tmp_path / "out.mp4", config=H264, start=start, end=end, binaries=binaries)
    assert not (tmp_path / "out.mp4").exists()


def test_input_is_replaced_only_with_overwrite(tmp_path: Path, binaries: Binaries, clip: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    with pytest.raises(OutputExistsError):
        reencode_video(copy, copy, config=H264, binaries=binaries)
    assert copy.read_bytes() == clip.read_bytes()
    result = reencode_video(copy, copy, config=H264, overwrite=True, binaries=binaries)
    assert (result.path, result.frames) == (copy, COUNT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "copy.mp4"]


def test_truncated_clip(tmp_path: Path, binaries: Binaries, clip: Path) -> None:
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(clip.read_bytes()[:-400])  # faststart: the header still claims every frame
    with pytest.raises(InputError, match="damaged"):
        reencode_video(torn, tmp_path / "out.mp4", config=H264, binaries=binaries)
    assert not (tmp_path / "out.mp4").exists()


def test_audio_needs_a_choice(tmp_path: Path, binaries: Binaries, clip_with_audio: Path) -> None:
    with pytest.raises(InputError, match="audio='keep' or audio='drop'"):
        reencode_video(clip_with_audio, tmp_path / "out.mp4", config=H264, binaries=binaries)


def test_audio_dropped(tmp_path: Path, binaries: Binaries, clip_with_audio: Path) -> None:
    result = reencode_video(clip_with_audio, tmp_path / "out.mp4", config=H264, audio="drop", binaries=binaries)
    assert result.stream.audio is None
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == list(range(50))


@pytest.mark.parametrize(("start", "end"), [(None, None), (10, 35)], ids=["copied", "cut"])
def test_audio_kept(
    tmp_path: Path, binaries: Binaries, clip_with_audio: Path, start: int | None, end: int | None
) -> None:
    result = reencode_video(
        clip_with_audio, tmp_path / "out.mp4", config=H264, start=start, end=end, audio="keep", binaries=binaries
    )
    assert result.stream.audio is not None
    assert result.stream.audio.codec == "aac"
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == list(range(start or 0, end or 50))


def test_audio_option_without_audio(tmp_path: Path, binaries: Binaries, clip: Path) -> None:
    with pytest.raises(InputError, match="no audio to keep"):
        reencode_video(clip, tmp_path / "out.mp4", config=H264, audio="keep", binaries=binaries)


@pytest.mark.parametrize("name", ["variable.mp4", "hidden-in-its-header.mkv"])
def test_variable_rate_is_refused(tmp_path: Path, binaries: Binaries, clip: Path, name: str) -> None:
    variable = tmp_path / name
    run_tool(
        [
            *(
                str(binaries.ffmpeg),
                "-v",
                "error",
                "-i",
                str(clip),
                "-vf",
                "setpts=PTS+floor(N/7)/10/TB",
                "-c:v",
                "mpeg4",
            ),
            *("-vsync" if "4.2" in probe_version(binaries) else "-fps_mode", "vfr", str(variable)),
        ]
    )
    with pytest.raises(InputError, match="variable frame rate"):
        reencode_video(variable, tmp_path / "out.mp4", config=H264, binaries=binaries)


def test_matroska_input_gives_exact_output(tmp_path: Path, binaries: Binaries, clip: Path) -> None:
    rounded = tmp_path / "rounded.mkv"
    run_tool([str(binaries.ffmpeg), "-v", "error", "-i", str(clip), "-c", "copy", str(rounded)])
    result = reencode_video(rounded, tmp_path / "out.mp4", config=H264, start=3, end=20, binaries=binaries)
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == list(range(3, 20))
    assert result.fps == Fraction(30000, 1001)


def probe_version(binaries: Binaries) -> str:
    return run_tool([str(binaries.ffmpeg), "-version"]).stdout.decode().splitlines()[0]


def test_keyframes_at_requested_frames(tmp_path: Path, binaries: Binaries, clip: Path) -> None:
    config = VideoEncoderConfig(vcodec="h264", g=12, extra_options={"bf": 3})
    made = reencode_video(clip, tmp_path / "out.mp4", config=config, start=2, key_frames=[17, 0, 9], binaries=binaries)
    assert numbers_of(VideoReader(made.path, binaries=binaries)) == list(range(2, COUNT))
    assert {0, 9, 17} <= set(probe_packets(made.path, binaries=binaries).cut_points)


def test_encoder_that_ignores_keyframe_requests(
    tmp_path: Path, binaries: Binaries, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = VideoEncoderConfig(vcodec="ffv1", g=5)
    made = reencode_video(clip, tmp_path / "out.mov", config=config, key_frames=[10, 13], binaries=binaries)
    assert made.frames == COUNT
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "ffv1 wrote no keyframe at 1 of the frames" in warning
    assert "(first: 13)" in warning


def test_keyframes_out_of_range(tmp_path: Path, binaries: Binaries, clip: Path) -> None:
    with pytest.raises(InputError, match=r"key_frames \[10\] are not all within the 10 frames"):
        reencode_video(clip, tmp_path / "out.mp4", config=H264, start=5, end=15, key_frames=[10], binaries=binaries)
    assert not (tmp_path / "out.mp4").exists()
