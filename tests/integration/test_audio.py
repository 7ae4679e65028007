"""Audio that is kept: a chirp stays where its flash is, in every container, codec and range."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from ffenc import Binaries, VideoEncoderConfig, reencode_video
from ffenc.errors import ProcessError
from ffenc.ffmpeg.process import run_tool
from tests.beeps import CHIRP_S, COUNT, FLASHES, Sound, hear, write_clip

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
    "pcm-in-avi": Clip(suffix=".avi", sound=Sound(codec="pcm_s16le", rate=16000)),
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
def test_a_chirp_stays_at_its_flash(folder: Path, binaries: Binaries, name: str) -> None:
    clip = CLIPS[name]
    source = folder / f"{name}{clip.suffix}"
    write_clip(source, clip.sound, binaries=binaries, fps=clip.fps, start_s=clip.start_s)
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
    """How much later than its flash each chirp of a source is heard, by flash: old muxers forget the delay of codecs."""
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
