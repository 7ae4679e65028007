"""Kept audio stays in sync, in every container, codec and range: a chirp marks each flash."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, EncodeResult, VideoEncoderConfig, reencode_video
from ffenc.errors import InputError, ProcessError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.beeps import CHIRP_S, COUNT, FLASHES, MJPEG, X264, Sound, hear, write_clip

pytestmark = pytest.mark.integration

H264 = VideoEncoderConfig(vcodec="h264", preset="ultrafast", crf=20)
NTSC = Fraction(30000, 1001)

EXACT_S = 0.0002
"""Where the container's timestamps are exact."""

ROUNDED_S = 0.0015
"""Where they are rounded to milliseconds, twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A kind of source; ``start_s`` is the timestamp of its first frame."""

    suffix: str
    sound: Sound
    output: str = ".mp4"
    fps: Fraction = Fraction(30)
    start_s: float = 0.0
    video: tuple[str, ...] = X264


CLIPS = {
    "aac": Clip(suffix=".mp4", sound=Sound()),
    "aac-early": Clip(suffix=".mp4", sound=Sound(start_s=-0.5, rate=44100), start_s=0.5),
    "aac-late": Clip(suffix=".mp4", sound=Sound(start_s=0.4, channels=2), fps=NTSC),
    "aac-late-in-mov": Clip(suffix=".mov", sound=Sound(start_s=0.4, rate=16000), output=".mov"),
    "aac-early-in-mkv": Clip(suffix=".mkv", sound=Sound(start_s=-0.5, rate=44100), start_s=0.5, fps=NTSC),
    "aac-late-in-ts": Clip(suffix=".ts", sound=Sound(start_s=0.4)),
    "aac-early-in-ts": Clip(suffix=".ts", sound=Sound(start_s=-0.5, channels=2), start_s=0.5, output=".mov"),
    "mp3-early": Clip(suffix=".mp4", sound=Sound(codec="libmp3lame", start_s=-0.5, rate=44100), start_s=0.5),
    "opus-late": Clip(suffix=".mkv", sound=Sound(codec="libopus", start_s=0.4)),
    "opus-early": Clip(suffix=".mkv", sound=Sound(codec="libopus", start_s=-0.5, channels=2), start_s=0.5),
    "opus-in-mp4": Clip(suffix=".mp4", sound=Sound(codec="libopus"), fps=NTSC, output=".mov"),
    "pcm-in-avi": Clip(suffix=".avi", sound=Sound(codec="pcm_s16le", rate=16000), video=MJPEG),
    "pcm-early": Clip(suffix=".mov", sound=Sound(codec="pcm_s16le", start_s=-0.5), start_s=0.5, output=".mov"),
    "pcm-late": Clip(suffix=".mov", sound=Sound(codec="pcm_s24le", start_s=0.4, channels=2), output=".mov"),
    "flac-early": Clip(suffix=".mkv", sound=Sound(codec="flac", start_s=-0.5, rate=96000), start_s=0.5),
    "ac3-late": Clip(suffix=".ts", sound=Sound(codec="ac3", start_s=0.4)),
    "ac3-early": Clip(suffix=".mp4", sound=Sound(codec="ac3", start_s=-0.5), start_s=0.5, output=".mov"),
    "vorbis-late": Clip(suffix=".mkv", sound=Sound(codec="vorbis", channels=2, start_s=0.4)),
    "short-gap": Clip(suffix=".mkv", sound=Sound(codec="pcm_s16le", gap_s=(0.7, 0.75))),
    "long-gap": Clip(suffix=".mkv", sound=Sound(gap_s=(1.8, 2.5)), output=".mov"),
    "ends-early": Clip(suffix=".mp4", sound=Sound(end_s=0.7)),
    "ends-late": Clip(suffix=".mkv", sound=Sound(end_s=5.0)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audio")


@pytest.mark.parametrize("name", CLIPS)
def test_kept_audio_stays_in_sync(folder: Path, binaries: Binaries, name: str) -> None:
    clip = CLIPS[name]
    source = folder / f"{name}{clip.suffix}"
    write_clip(source, clip.sound, binaries=binaries, fps=clip.fps, start_s=clip.start_s, video=clip.video)
    apart = _apart(clip, source, binaries)
    assert tuple(apart) == tuple(flash for flash in FLASHES if _sounds(clip, flash))

    for first, stop in ((0, COUNT), (30, 90)):
        result = reencode_video(
            source,
            folder / f"{name}-{first}{clip.output}",
            config=H264,
            start=first,
            end=stop,
            audio="keep",
            binaries=binaries,
        )

        heard = hear(result.path, binaries=binaries)
        flashes = [flash for flash in FLASHES if first <= flash < stop]
        assert (heard.flashes, heard.frames) == (tuple(flash - first for flash in flashes), stop - first)
        assert (heard.start_s, heard.frames_start_s) == (0, 0)
        assert 0 <= len(heard.samples) - round(result.duration_s * heard.rate) < 1024
        expected = [float((flash - first) / clip.fps) + apart[flash] for flash in flashes if flash in apart]
        assert heard.chirps_s() == pytest.approx(expected, abs=ROUNDED_S if clip.suffix == ".mkv" else EXACT_S)


def _apart(clip: Clip, source: Path, binaries: Binaries) -> dict[int, float]:
    """Return the delay of each chirp of a source after its flash; old muxers lose the codec delay."""
    if clip.suffix == ".ts":
        _skip_without_ts(source, binaries)
    heard = hear(source, binaries=binaries)
    apart = {}
    for chirp_s in heard.chirps_s():
        late = {flash: chirp_s - heard.frames_start_s - float(flash / clip.fps) for flash in FLASHES}
        nearest = min(late, key=lambda flash: abs(late[flash]))
        assert abs(late[nearest]) < 0.03
        apart[nearest] = late[nearest]
    return apart


def _skip_without_ts(source: Path, binaries: Binaries) -> None:
    try:
        run_tool([str(binaries.ffmpeg), "-v", "error", "-i", str(source), "-t", "0", "-f", "null", "-"])
    except ProcessError as err:
        if err.returncode != -signal.SIGSEGV:
            raise
        pytest.skip("this FFmpeg crashes when it reads MPEG-TS: iconv in a static executable")


def _sounds(clip: Clip, flash: int) -> bool:
    begin, end = float(flash / clip.fps), float(flash / clip.fps) + CHIRP_S
    sound, gap = clip.sound, clip.sound.gap_s or (0.0, 0.0)
    return sound.start_s <= begin and (sound.end_s is None or end <= sound.end_s) and not gap[0] <= begin < gap[1]


def keep(source: Path, output: str, binaries: Binaries, start: int = 0, end: int = COUNT) -> EncodeResult:
    return reencode_video(
        source, source.with_name(output), config=H264, start=start, end=end, audio="keep", binaries=binaries
    )


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libmp3lame"), (".mkv", "aac"), (".avi", "pcm_s16le")])
def test_cut_far_from_the_start_stays_in_sync(tmp_path: Path, binaries: Binaries, suffix: str, codec: str) -> None:
    """Reading begins at a seek."""
    source = tmp_path / f"long{suffix}"
    sound = Sound(codec=codec, rate=44100, end_s=35)
    write_clip(source, sound, binaries=binaries, frames=1200, flashes=(900,), video=MJPEG if suffix == ".avi" else X264)
    heard = hear(keep(source, "cut.mp4", binaries, 890, 920).path, binaries=binaries)
    assert heard.flashes == (10,)
    assert heard.chirps_s() == pytest.approx([1 / 3], abs=0.03 if codec == "libmp3lame" else ROUNDED_S)

    silent = hear(keep(source, "after-the-end.mp4", binaries, 1180, 1200).path, binaries=binaries)
    assert not silent.samples.any()
    assert 0 <= len(silent.samples) - 20 * 44100 // 30 < 1024


def test_cut_before_the_audio_starts(tmp_path: Path, binaries: Binaries) -> None:
    source = write_clip(tmp_path / "late.mp4", Sound(start_s=2.0, end_s=3.0), binaries=binaries)
    heard = hear(keep(source, "cut.mp4", binaries, 10, 20).path, binaries=binaries)
    assert not heard.samples.any()
    assert (heard.start_s, heard.frames) == (0, 10)


def test_all_tracks_are_kept_and_other_streams_listed(tmp_path: Path, binaries: Binaries) -> None:
    tracks = (Sound(), Sound(codec="libopus", start_s=0.3, channels=2, pitch=0.4), Sound(codec="flac", rate=22050))
    source = write_clip(tmp_path / "tracks.mkv", *tracks, binaries=binaries)
    words, chapters, full = tmp_path / "words.srt", tmp_path / "chapters.txt", tmp_path / "full.mkv"
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=one\n")
    inputs = ["-i", str(source), "-i", str(words), "-i", str(chapters)]
    copy = ["-map", "0", "-map", "1", "-map_chapters", "2", "-c", "copy", str(full)]
    run_tool([str(binaries.ffmpeg), "-v", "error", *inputs, *copy])

    result = keep(full, "out.mp4", binaries)

    assert result.other_streams == (
        "audio track 1 (aac, 48000 Hz, mono): encoded as aac",
        "audio track 2 (opus, 48000 Hz, stereo): encoded as aac",
        "audio track 3 (flac, 22050 Hz, mono): encoded as aac",
        "subtitle (subrip): dropped",
    )
    assert [track.channels for track in result.stream.audio_tracks] == [1, 2, 1]
    assert result.stream.other_streams == ()
    expected = [flash / 30 for flash in FLASHES]
    for number, sound in enumerate(tracks):
        heard = hear(result.path, binaries=binaries, track=number)
        assert heard.chirps_s(sound.pitch) == pytest.approx(expected, abs=0.02)
        assert not heard.chirps_s(0.4 if sound.pitch == 1 else 1)


def test_pcm_in_mov_keeps_its_samples(tmp_path: Path, binaries: Binaries) -> None:
    source = write_clip(tmp_path / "pcm.avi", Sound(codec="pcm_s16le"), binaries=binaries, video=MJPEG)
    result = keep(source, "out.mov", binaries, 30, 90)
    assert result.other_streams[0].endswith("kept as pcm_s16le")
    before, after = hear(source, binaries=binaries), hear(result.path, binaries=binaries)
    assert np.array_equal(after.samples, before.samples[48000 : 3 * 48000])


def test_unsupported_aac_rate_is_resampled_and_reported(tmp_path: Path, binaries: Binaries) -> None:
    source = write_clip(tmp_path / "pcm.avi", Sound(codec="pcm_s16le", rate=14000), binaries=binaries, video=MJPEG)
    result = keep(source, "out.mp4", binaries)
    assert result.other_streams == (
        "audio track 1 (pcm_s16le, 14000 Hz, 1 channel): encoded as aac, resampled to 16000 Hz",
    )
    assert hear(result.path, binaries=binaries).chirps_s() == pytest.approx([f / 30 for f in FLASHES], abs=0.002)


def test_too_many_channels_for_aac(tmp_path: Path, binaries: Binaries) -> None:
    source = write_clip(tmp_path / "one.mov", Sound(codec="pcm_s16le"), binaries=binaries)
    many = tmp_path / "many.mov"
    wide = ["-af", "pan=hexadecagonal|" + "|".join(f"c{k}=c0" for k in range(16)), "-c:a", "pcm_s16le"]
    run_tool([str(binaries.ffmpeg), "-v", "error", "-i", str(source), "-c:v", "copy", *wide, str(many)])
    with pytest.raises(InputError, match=r"at most 8 channels; say audio='drop' \(--audio=drop\)"):
        keep(many, "out.mp4", binaries)
    kept = keep(many, "out.mov", binaries).stream.audio
    assert kept is not None
    assert (kept.codec, kept.channels) == ("pcm_s16le", 16)
