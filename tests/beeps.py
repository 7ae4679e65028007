"""Clips with a flash and a chirp at the same moments, and where both are found in a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ffenc import Binaries, VideoReader, probe_packets
from ffenc.ffmpeg.process import run_tool

COUNT = 100
FLASHES = (14, 47, 81)
CHIRP_S = 0.05

_FRAME = re.compile(r"\bpts:(?P<pts>-?\d+|NOPTS) .*?\brate:(?P<rate>\d+) .*?\bnb_samples:(?P<count>\d+)")
_PHASE = "2*PI*(500*({u})+30000*({u})*({u}))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One audio track of a clip: a chirp where each flash is.

    Attributes:
        codec: FFmpeg's encoder.
        rate, channels: of the samples.
        start_s, end_s: of the track, on the clock of the clip.
        gap_s: (start, stop) of a hole in it.
        layout: channel layout, where the number of channels has more than one.
    """

    codec: str = "aac"
    rate: int = 48000
    channels: int = 1
    start_s: float = 0.0
    end_s: float = COUNT / 30
    gap_s: tuple[float, float] | None = None


def write_clip(
    path: Path,
    *sounds: Sound,
    binaries: Binaries,
    fps: Fraction = Fraction(30),
    video_start_s: float = 0.0,
    video_codec: tuple[str, ...] = ("libx264", "-preset", "ultrafast", "-g", "10"),
    options: tuple[str, ...] = (),
    frames: int = COUNT,
) -> Path:
    """Write a clip of black frames but for `FLASHES`, with audio tracks."""
    scratch = path.with_name(f"{path.name}.parts")
    scratch.mkdir()
    ffmpeg = (str(binaries.ffmpeg), "-hide_banner", "-loglevel", "error", "-y")
    flashes = "+".join(f"eq(n,{flash})" for flash in FLASHES)
    picture = f"color=black:s=64x48:r={fps},drawbox=c=white:t=fill:enable='{flashes}'"
    video = scratch / "v.mkv"
    run_tool([*ffmpeg, "-f", "lavfi", "-i", picture, "-frames:v", str(frames), "-c:v", "rawvideo", str(video)])
    inputs, maps = ["-itsoffset", str(video_start_s), "-i", str(video)], ["-map", "0:v"]
    for number, sound in enumerate(sounds, start=1):
        wave = scratch / f"{number}.wav"
        run_tool(
            [*ffmpeg, "-f", "lavfi", "-i", _wave(sound, fps, video_start_s), "-ac", str(sound.channels), str(wave)]
        )
        inputs += ["-itsoffset", str(sound.start_s), "-i", str(wave)]
        maps += ["-map", f"{number}:a", f"-c:a:{number - 1}", sound.codec]
        if sound.gap_s is not None:
            begin, end = sound.gap_s
            maps += [f"-filter:a:{number - 1}", f"asetnsamples=64,aselect='not(between(t,{begin},{end}))'"]
    strict = ("-strict", "-2", "-copyts")
    run_tool([*ffmpeg, *inputs, *maps, "-c:v", *video_codec, *strict, *options, str(path)])
    return path


def _wave(sound: Sound, fps: Fraction, video_start_s: float) -> str:
    terms = []
    for flash in FLASHES:
        u = f"(t-{float(flash / fps) + video_start_s - sound.start_s:.9f})"
        terms.append(f"between({u},0,{CHIRP_S})*sin({_PHASE.format(u=u)})")
    length = sound.end_s - sound.start_s
    return f"aevalsrc='0.5*({'+'.join(terms)})':s={sound.rate}:d={length}"


def read_audio(path: Path, *, binaries: Binaries, track: int = 0) -> tuple[npt.NDArray[np.float64], int, float]:
    """(samples on the clock of the file, sample rate, when the first of them is heard); gaps are zeros."""
    output = run_tool(
        [
            *(str(binaries.ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-copyts", "-i", str(path)),
            *("-map", f"0:a:{track}", "-af", "ashowinfo", "-ac", "1", "-f", "s16le", "-c:a", "pcm_s16le", "-"),
        ]
    )
    samples = np.frombuffer(output.stdout, "<i2").astype(float)
    found = [(int(m["pts"]), int(m["count"]), int(m["rate"])) for m in _FRAME.finditer(output.stderr)]
    first, rate = found[0][0], found[0][2]
    total = max(pts + count for pts, count, _ in found) - first
    line, taken = np.zeros(total), 0
    for pts, count, _ in found:
        line[pts - first : pts - first + count] = samples[taken : taken + count]
        taken += count
    assert taken == len(samples)
    return line, rate, first / rate


def chirps(path: Path, *, binaries: Binaries, track: int = 0) -> list[float]:
    """When the chirps are heard, on the clock of the file."""
    samples, rate, start_s = read_audio(path, binaries=binaries, track=track)
    u = np.arange(round(CHIRP_S * rate)) / rate
    chirp = np.sin(2 * np.pi * (500 * u + 30000 * u * u))
    size = 1 << int(len(samples) + len(chirp)).bit_length()
    match = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(chirp, size)), size)[: len(samples)]
    found = []
    while match.max() > 0.25 * 16384 * float(chirp @ chirp):
        place = int(match.argmax())
        found.append(start_s + place / rate)
        match[max(0, place - rate // 10) : place + rate // 10] = 0
    return sorted(found)


def flashes(path: Path, *, binaries: Binaries) -> list[float]:
    """When the white frames are shown, on the clock of the file."""
    packets = probe_packets(path, binaries=binaries)
    frames = list(VideoReader(path, binaries=binaries))
    return [float(packets.pts_s(k)) for k, frame in enumerate(frames) if frame.mean() > 128]
