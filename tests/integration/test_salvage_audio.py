"""Fragmented MP4 files with audio, truncated anywhere, give an exact prefix with aligned audio, or a reason."""

from __future__ import annotations

import shlex
from fractions import Fraction
from pathlib import Path

import pytest

from ffenc import Binaries, probe_packets, salvage_video
from ffenc.errors import InputError, OutputError
from ffenc.ffmpeg.mp4.fragments import FragmentIndex
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.beeps import COUNT, FLASHES, Sound, hear, write_clip

pytestmark = pytest.mark.integration

NO_B_FRAMES = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "15")
B_FRAMES = (*NO_B_FRAMES, "-bf", "2", "-b_strategy", "0")
LATE = Sound(start_s=0.3)

RECORDINGS = {
    "delay-moov": (NO_B_FRAMES, "frag_keyframe+delay_moov", Sound()),
    "delay-moov-b-frames": (B_FRAMES, "frag_keyframe+delay_moov", Sound(rate=44100, channels=2)),
    "delay-moov-late": (B_FRAMES, "frag_keyframe+delay_moov+default_base_moof", LATE),
    "empty-moov-b-frames": (B_FRAMES, "frag_keyframe+empty_moov", Sound()),
    "empty-moov-late": (NO_B_FRAMES, "frag_keyframe+empty_moov", LATE),
    "separate-moofs": (B_FRAMES, "frag_keyframe+delay_moov+separate_moof", Sound()),
}


def record(path: Path, name: str, binaries: Binaries) -> Path:
    video, flags, sound = RECORDINGS[name]
    return write_clip(path, sound, binaries=binaries, video=video, options=("-movflags", flags))


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("where", ["in-moof", "in-mdat", "nowhere"])
def test_prefix_with_aligned_audio(tmp_path: Path, binaries: Binaries, name: str, where: str) -> None:
    source = record(tmp_path / "whole.mp4", name, binaries)
    ends = FragmentIndex(source).update().ends
    data = source.read_bytes()
    cut = {"in-moof": ends[-2] + 30, "in-mdat": ends[-1] - 5, "nowhere": len(data)}[where]
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(data[:cut])

    result = salvage_video(torn, tmp_path / "out.mp4", audio="keep", binaries=binaries)

    assert result.frames == COUNT if where == "nowhere" else COUNT - 40 < result.frames <= COUNT
    packets = probe_packets(result.path, binaries=binaries)
    assert packets.first_off_grid(Fraction(30)) is None
    assert decoded(result.path, binaries) == decoded(source, binaries)[: result.frames]
    heard = hear(result.path, binaries=binaries)
    assert heard.flashes == tuple(flash for flash in FLASHES if flash < result.frames)
    assert heard.start_s == 0
    played = hear(source, binaries=binaries)
    apart = [chirp - played.frames_start_s for chirp in played.chirps_s()]
    expected = [late for late in apart if late < result.frames / 30 - 0.6]
    assert heard.chirps_s()[: len(expected)] == pytest.approx(expected, abs=0.0002)
    assert result.other_streams[0].endswith("encoded as aac")


def decoded(path: Path, binaries: Binaries) -> list[str]:
    """Return checksums of the frames of a file."""
    command = [str(binaries.ffmpeg), "-v", "error", "-i", str(path), "-map", "0:v", "-f", "framemd5", "-"]
    lines = run_tool(command).stdout.decode().splitlines()
    return [line.rpartition(",")[2] for line in lines if not line.startswith("#")]


def test_audio_needs_a_choice(tmp_path: Path, binaries: Binaries) -> None:
    source = record(tmp_path / "whole.mp4", "delay-moov", binaries)
    with pytest.raises(InputError, match=r"whole.mp4 has audio \(aac, .*--audio=keep or --audio=drop"):
        salvage_video(source, tmp_path / "out.mp4", binaries=binaries)
    result = salvage_video(source, tmp_path / "out.mp4", audio="drop", binaries=binaries)
    assert (result.stream.audio, result.frames) == (None, COUNT)
    assert result.other_streams == ("audio track 1 (aac, 48000 Hz, mono): dropped",)


def test_off_grid_frames_are_described_with_working_command(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "f.mp4"
    write_clip(source, Sound(), binaries=binaries, video=NO_B_FRAMES, options=("-movflags", "frag_keyframe+empty_moov"))
    with pytest.raises(OutputError, match=r"frame 1 is shown \d+\.\d ms late") as caught:
        salvage_video(source, tmp_path / "out.mp4", audio="keep", binaries=binaries)
    assert not (tmp_path / "out.mp4").exists()

    monkeypatch.chdir(tmp_path)
    command = shlex.split(str(caught.value).rpartition(": ")[2])
    run_tool([str(binaries.ffmpeg), *command[1:]])
    packets = probe_packets("f-regular.mp4", binaries=binaries)
    assert (packets.count, packets.first_off_grid(Fraction(30))) == (COUNT, None)


def test_unfragmented_file_is_refused(tmp_path: Path, binaries: Binaries) -> None:
    plain = write_clip(tmp_path / "plain.mp4", Sound(), binaries=binaries)
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(plain.read_bytes()[:-500])
    other = write_clip(tmp_path / "other.mkv", Sound(), binaries=binaries)
    for path, reason in (
        (torn, "ended before its index"),
        (plain, "needs no salvage"),
        (other, "is not an MP4 or MOV file"),
    ):
        with pytest.raises(InputError, match=reason):
            salvage_video(path, tmp_path / "out.mp4", audio="keep", binaries=binaries)
