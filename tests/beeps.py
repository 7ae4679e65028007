"""Clips with a flash and a chirp at the same moments, and where both are found in a file."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ffenc import Binaries, probe_packets
from ffenc.ffmpeg.process.ffmpeg_process import run_tool

COUNT = 100
"""Frames of a clip."""

FLASHES = (14, 47, 81)
"""Frames that are white; the others are black."""

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "10")
MJPEG = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")

CHIRP_S = 0.05
SIZE = (64, 48)

_AUDIO_FRAME = re.compile(r"\bpts:(-?\d+) .*?\brate:(\d+) .*?\bnb_samples:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One audio track of a clip: a chirp where each flash is.

    Attributes:
        codec: FFmpeg's encoder.
        rate, channels: of the samples.
        start_s: start of the track, counted from the first frame.
        end_s: its end; None is the end of the frames.
        gap_s: (start, stop) of a hole in it.
        pitch: 1, or another factor of the frequencies, so that tracks can be told apart.
    """

    codec: str = "aac"
    rate: int = 48000
    channels: int = 1
    start_s: float = 0.0
    end_s: float | None = None
    gap_s: tuple[float, float] | None = None
    pitch: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a file shows and lets hear.

    Attributes:
        flashes: numbers of the white frames.
        frames: number of frames.
        samples: of one audio track, with zeros in gaps.
        rate: samples per second.
        start_s: when the first sample is heard.
        frames_start_s: when the first frame is shown.
    """

    flashes: tuple[int, ...]
    frames: int
    samples: npt.NDArray[np.float64]
    rate: int
    start_s: Fraction
    frames_start_s: float

    def chirps_s(self, pitch: float = 1.0) -> list[float]:
        """When the chirps of a pitch are heard."""
        u = np.arange(round(CHIRP_S * self.rate)) / self.rate
        chirp = np.sin(2 * np.pi * pitch * (500 * u + 30000 * u * u))
        size = 1 << (len(self.samples) + len(chirp)).bit_length()
        match = np.fft.irfft(np.fft.rfft(self.samples, size) * np.conj(np.fft.rfft(chirp, size)), size)
        match = match[: len(self.samples)]
        found: list[float] = []
        while match.max() > 0.25 * 16384 * float(chirp @ chirp):
            place = int(match.argmax())
            found.append(float(self.start_s) + place / self.rate)
            match[max(0, place - self.rate // 10) : place + self.rate // 10] = 0
        return sorted(found)


def write_clip(
    path: Path,
    *sounds: Sound,
    binaries: Binaries,
    fps: Fraction = Fraction(30),
    start_s: float = 0.0,
    video: tuple[str, ...] = X264,
    options: tuple[str, ...] = (),
    frames: int = COUNT,
    flashes: tuple[int, ...] = FLASHES,
) -> Path:
    """Write a clip.

    Args:
        path: where.
        sounds: its audio tracks.
        binaries: FFmpeg.
        fps: frame rate.
        start_s: timestamp of the first frame.
        video: encoder of the video.
        options: further options of the output.
        frames: number of frames.
        flashes: those that are white.
    """
    white = "+".join(f"eq(n,{flash})" for flash in flashes)
    flashing = f"color=black:s={SIZE[0]}x{SIZE[1]}:r={fps},drawbox=c=white:t=fill:enable='{white}'"
    inputs = ["-itsoffset", str(start_s), "-f", "lavfi", "-i", flashing]
    outputs = ["-map", "0:v", "-frames:v", str(frames), *video]
    for number, sound in enumerate(sounds):
        inputs += [
            "-itsoffset",
            str(start_s + sound.start_s),
            "-f",
            "lavfi",
            "-i",
            _chirps(sound, fps, frames, flashes),
        ]
        outputs += ["-map", f"{number + 1}:a", f"-c:a:{number}", sound.codec]
        filters = f"aformat=channel_layouts={'mono' if sound.channels == 1 else 'stereo'}"
        if sound.gap_s is not None:
            gap = [start_s + edge for edge in sound.gap_s]
            filters += f",asetnsamples=64,aselect='not(between(t,{gap[0]},{gap[1]}))'"
        outputs += [f"-filter:a:{number}", filters]
    command = [str(binaries.ffmpeg), "-hide_banner", "-loglevel", "error", "-y", "-copyts", *inputs, *outputs]
    run_tool([*command, "-strict", "-2", *options, str(path)])
    return path


def _chirps(sound: Sound, fps: Fraction, frames: int, flashes: tuple[int, ...]) -> str:
    terms = []
    for flash in flashes:
        u = f"(t-({float(flash / fps) - sound.start_s:.9f}))"
        terms.append(f"between({u},0,{CHIRP_S})*sin(2*PI*{sound.pitch}*(500*{u}+30000*{u}*{u}))")
    end_s = float(frames / fps) if sound.end_s is None else sound.end_s
    return f"aevalsrc='0.5*({'+'.join(terms)})':s={sound.rate}:d={end_s - sound.start_s:.6f}"


def hear(path: Path, *, binaries: Binaries, track: int = 0) -> Heard:
    """Decode a file and one of its audio tracks on the same clock, that of the container."""
    with tempfile.TemporaryDirectory() as folder:
        grey = Path(folder) / "frames"
        ffmpeg = (str(binaries.ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-copyts", "-i", str(path))
        video = ("-map", "0:v", "-f", "rawvideo", "-pix_fmt", "gray", str(grey))
        audio = ("-map", f"0:a:{track}", "-af", "ashowinfo", "-ac", "1", "-f", "s16le", "-c:a", "pcm_s16le", "-")
        output = run_tool([*ffmpeg, *video, *audio])
        means = np.fromfile(grey, np.uint8).reshape(-1, SIZE[0] * SIZE[1]).mean(axis=1)
    parts = [tuple(map(int, match.groups())) for match in _AUDIO_FRAME.finditer(output.stderr)]
    first, rate = parts[0][0], parts[0][1]
    decoded = np.frombuffer(output.stdout, "<i2").astype(float)
    samples, taken = np.zeros(max(pts + count for pts, _, count in parts) - first), 0
    for pts, _, count in parts:
        samples[pts - first : pts - first + count] = decoded[taken : taken + count]
        taken += count
    assert taken == len(decoded)
    return Heard(
        flashes=tuple(int(place) for place in np.flatnonzero(means > 128)),
        frames=len(means),
        samples=samples,
        rate=rate,
        start_s=Fraction(first, rate),
        frames_start_s=float(probe_packets(path, binaries=binaries).pts_s(0)),
    )
