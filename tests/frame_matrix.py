"""Video files that show in every frame which one it is: containers x codecs x GOPs x start times x edits x rates.

A `MatrixInput` is only a recipe; `Maker` makes files of it with the FFmpeg under test, each encoded stream once.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ffenc.ffmpeg.process.child import child_environment
from tests.frame_numbers import HEIGHT, WIDTH, draw, draw_all, read_all, split

FRAMES = 48
SECOND = 128
"""Frame k of a second video stream shows ``SECOND + k``."""

_SUBTITLE = "1\n00:00:00,000 --> 00:00:00,800\nfirst\n\n2\n00:00:01,000 --> 00:00:01,500\nsecond\n"
_X265 = "log-level=error:pools=1:frame-threads=1"

STREAMS: dict[str, tuple[str, ...]] = {
    "h264": ("-c:v", "libx264", "-crf", "8", "-g", "10", "-bf", "0"),
    "h264-b": ("-c:v", "libx264", "-crf", "8", "-g", "10"),
    "h264-g2": ("-c:v", "libx264", "-crf", "8", "-g", "2"),
    "h264-open": ("-c:v", "libx264", "-crf", "8", "-g", "10", "-x264-params", "open-gop=1:bframes=3:b-adapt=0"),
    "h264-open-p": ("-c:v", "libx264", "-crf", "8", "-g", "10", "-x264-params", "open-gop=1:bframes=0:ref=4"),
    "h264-refresh": ("-c:v", "libx264", "-crf", "8", "-g", "12", "-x264-params", "intra-refresh=1:bframes=0"),
    "h264-fields": ("-c:v", "libx264", "-crf", "8", "-g", "10", "-flags", "+ildct+ilme", "-x264-params", "tff=1"),
    "hevc": ("-c:v", "libx265", "-crf", "8", "-x265-params", f"{_X265}:keyint=10:open-gop=0:bframes=3"),
    "hevc-open": ("-c:v", "libx265", "-crf", "8", "-x265-params", f"{_X265}:keyint=10:open-gop=1:bframes=4:b-adapt=0"),
    "vp9": ("-c:v", "libvpx-vp9", "-crf", "10", "-b:v", "0", "-g", "10", "-deadline", "realtime", "-cpu-used", "8"),
    "vp9-hidden": (
        *("-c:v", "libvpx-vp9", "-crf", "10", "-b:v", "0", "-g", "16", "-deadline", "good", "-cpu-used", "5"),
        *("-lag-in-frames", "12", "-auto-alt-ref", "1"),
    ),
    "av1": ("-c:v", "libsvtav1", "-crf", "12", "-g", "10", "-preset", "12"),
    "mpeg4": ("-c:v", "mpeg4", "-q:v", "2", "-g", "10"),
    "mpeg4-b": ("-c:v", "mpeg4", "-q:v", "2", "-g", "10", "-bf", "2"),
    "mpeg2": ("-c:v", "mpeg2video", "-q:v", "2", "-g", "10"),
    "mpeg2-b": ("-c:v", "mpeg2video", "-q:v", "2", "-g", "10", "-bf", "2"),
    "mjpeg": ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"),
}

CONTAINERS: dict[str, tuple[str, ...]] = {
    "mp4": ("-f", "mp4"),
    "mov": ("-f", "mov"),
    "fragmented": ("-f", "mp4", "-movflags", "+frag_keyframe+delay_moov+default_base_moof"),
    "empty-moov": ("-f", "mp4", "-movflags", "+frag_keyframe+empty_moov"),
    "mkv": ("-f", "matroska"),
    "webm": ("-f", "webm"),
    "ts": ("-f", "mpegts"),
    "avi": ("-f", "avi"),
}
_SUFFIX = {"fragmented": "mp4", "empty-moov": "mp4"}
_TAKES = {
    "webm": ("vp9", "av1"),
    "ts": ("h264", "hevc", "mpeg2", "mpeg4"),
    "avi": ("h264", "mpeg4", "mpeg2", "mjpeg"),
    "mov": ("h264", "hevc", "mpeg4", "mpeg2", "mjpeg"),
    "fragmented": ("h264", "hevc", "vp9", "av1", "mpeg4"),
    "empty-moov": ("h264", "hevc", "av1"),
}

VIDEO, AUDIO, TEXT, OTHER, COVER = "VIDEO", "AUDIO", "TEXT", "OTHER", "COVER"

# What stands before the output: inputs by name, each with options, then maps and options of the output.
LAYOUTS: dict[str, tuple[str, ...]] = {
    "plain": (VIDEO, "-map", "0:v"),
    "audio-first": ("-itsoffset", "0.5", VIDEO, AUDIO, "-map", "0:v", "-map", "1:a"),
    "audio-close": ("-itsoffset", "0.023", VIDEO, AUDIO, "-map", "0:v", "-map", "1:a"),
    "audio-later": (VIDEO, "-itsoffset", "0.5", AUDIO, "-map", "0:v", "-map", "1:a"),
    "audio-stream-0": ("-itsoffset", "0.3", VIDEO, AUDIO, "-map", "1:a", "-map", "0:v"),
    "subtitle-first": ("-itsoffset", "0.7", VIDEO, TEXT, "-map", "0:v", "-map", "1:s"),
    "second-earlier": ("-itsoffset", "0.4", VIDEO, OTHER, "-map", "0:v", "-map", "1:v"),
    "second-later": (VIDEO, "-itsoffset", "0.4", OTHER, "-map", "0:v", "-map", "1:v"),
    "cover-first": (
        "-itsoffset",
        "0.2",
        VIDEO,
        COVER,
        "-map",
        "1:v",
        "-map",
        "0:v",
        "-disposition:v:0",
        "attached_pic",
    ),
    "timecode": (VIDEO, "-map", "0:v", "-timecode", "01:00:00:00"),
    "late": (VIDEO, "-map", "0:v", "-output_ts_offset", "10"),
    "late-with-audio": ("-itsoffset", "0.5", VIDEO, AUDIO, "-map", "0:v", "-map", "1:a", "-output_ts_offset", "10"),
    "high": (VIDEO, "-map", "0:v", "-output_ts_offset", "95443"),
    "early": ("-itsoffset", "-0.1", VIDEO, AUDIO, "-map", "0:v", "-map", "1:a", "-avoid_negative_ts", "disabled"),
    "trimmed": ("-ss", "0.5", VIDEO, "-map", "0:v"),
    "trimmed-audio": ("-ss", "0.5", VIDEO, AUDIO, "-map", "0:v", "-map", "1:a"),
    "trimmed-copyts": ("-ss", "0.5", VIDEO, "-map", "0:v", "-copyts"),
    "shortened": (VIDEO, "-map", "0:v", "-t", "1.01"),
    "milliseconds": (VIDEO, "-map", "0:v", "-video_track_timescale", "1000"),
    "rotated": (VIDEO, "-map", "0:v", "-metadata:s:v:0", "rotate=180"),
}
_ONLY_IN = {
    "subtitle-first": ("mp4", "mov", "mkv"),
    "timecode": ("mp4", "mov"),
    "cover-first": ("mp4",),
    "milliseconds": ("mp4", "mov", "fragmented"),
    "trimmed-copyts": ("mp4", "mov", "ts", "mkv"),
    "rotated": ("mp4", "mov"),
    "early": ("mp4", "mov", "mkv", "fragmented"),
}
DAMAGES = ("start-cut", "end-cut", "hole", "no-key-table", "other-size", "other-format", "variable")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixInput:
    """The recipe of one file.

    Attributes:
        stream: a key of `STREAMS`.
        container: a key of `CONTAINERS`.
        layout: a key of `LAYOUTS`.
        rate: frames per second.
        damage: one of `DAMAGES`; None for a healthy file.
    """

    stream: str
    container: str
    layout: str = "plain"
    rate: str = "30"
    damage: str | None = None

    @property
    def name(self) -> str:
        """Such as ``h264-b/mkv/audio-first/30``."""
        parts = (self.stream, self.container, self.layout, self.rate.replace("/", ":"), self.damage)
        return " ".join(part for part in parts if part)


def full_matrix() -> tuple[MatrixInput, ...]:
    """Every input."""
    return tuple(dict.fromkeys((*_plain(), *_laid_out(), *_at_rates(), *_damaged())))


def _laid_out() -> Iterator[MatrixInput]:
    for streams, containers in (
        (("h264-b", "h264-open", "hevc-open"), ("mp4", "mkv", "ts")),
        (("h264",), ("mkv",)),
        (("h264-b",), ("mov",)),
        (("h264-b", "av1"), ("fragmented",)),
        (("mpeg4",), ("avi",)),
        (("vp9-hidden",), ("mkv",)),
    ):
        for stream, container, layout in product(streams, containers, LAYOUTS):
            if container in _ONLY_IN.get(layout, (container,)):
                yield MatrixInput(stream=stream, container=container, layout=layout)


def _at_rates() -> Iterator[MatrixInput]:
    codecs, containers = ("h264-b", "hevc-open", "mpeg2-b"), ("mp4", "mkv", "ts")
    for rate, stream, container, layout in product(
        ("30000/1001", "240", "25"), codecs, containers, ("plain", "audio-first")
    ):
        if (stream, rate) != ("mpeg2-b", "240"):  # MPEG-2 knows eight rates
            yield MatrixInput(stream=stream, container=container, layout=layout, rate=rate)


def _damaged() -> Iterator[MatrixInput]:
    for damage, stream, container in product(DAMAGES, ("h264-b", "hevc-open"), ("mp4", "mkv", "ts")):
        yield MatrixInput(stream=stream, container=container, damage=damage)


def _plain() -> Iterator[MatrixInput]:
    for stream in STREAMS:
        for container in CONTAINERS:
            if takes(container, stream):
                yield MatrixInput(stream=stream, container=container)


def takes(container: str, stream: str) -> bool:
    """Whether a container can hold a codec."""
    codec = stream.partition("-")[0]
    return codec in _TAKES.get(container, (codec,))


class CannotMakeError(Exception):
    """This FFmpeg has no encoder or muxer for an input, or refuses the combination."""


class Maker:
    """Makes inputs in a directory."""

    def __init__(self, ffmpeg: Path, directory: Path) -> None:
        self._ffmpeg = ffmpeg
        self._directory = directory
        self._streams: dict[tuple[str, ...], Path | None] = {}

    def make(self, wanted: MatrixInput) -> Path:
        """Return the file of an input.

        Raises:
            CannotMakeError: not with this FFmpeg.
        """
        suffix = _SUFFIX.get(wanted.container, wanted.container)
        path = self._directory / f"{wanted.name.replace(' ', '_').replace(':', '-')}.{suffix}"
        kind = "variable" if wanted.damage == "variable" else ""
        base = "avi" if wanted.container == "avi" else "mp4"  # a copy from MP4 into AVI gets another frame rate
        video = self._stream(wanted.stream, wanted.rate, 0, kind, base)
        if wanted.damage in ("other-size", "other-format"):
            video = self._changing(video, wanted)
        inputs = {
            VIDEO: ("-i", str(video)),
            AUDIO: ("-f", "lavfi", "-i", "sine=d=1.8"),
            TEXT: ("-i", str(self._text())),
        }
        layout = LAYOUTS[wanted.layout]
        if OTHER in layout:
            inputs[OTHER] = ("-i", str(self._stream(wanted.stream, wanted.rate, SECOND, "", base)))
        if COVER in layout:
            inputs[COVER] = ("-i", str(self._cover()))
        self._run(
            *(argument for part in layout for argument in inputs.get(part, (part,))),
            *("-c:v", "copy", "-c:s", "srt" if wanted.container == "mkv" else "mov_text"),
            *("-c:a", "pcm_s16le" if wanted.container == "avi" else "aac"),
            *CONTAINERS[wanted.container],
            str(path),
        )
        self._damage(path, wanted.damage)
        return path

    def truth(self, path: Path) -> list[int] | None:
        """Return what every frame shows, read from start to end without a seek; None if FFmpeg fails."""
        frames = self.decoded(path, (WIDTH, HEIGHT))
        return None if frames is None else read_all(frames)

    def decoded(self, path: Path, size: tuple[int, int]) -> Sequence[npt.NDArray[np.uint8]] | None:
        """Return every frame, read from start to end without a seek; None if FFmpeg fails."""
        for passthrough in (("-fps_mode", "passthrough"), ("-vsync", "0")):
            command = [str(self._ffmpeg), "-v", "error", "-nostdin", "-i", str(path), "-map", "0:V:0", *passthrough]
            command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
            done = subprocess.run(command, capture_output=True, check=False, env=child_environment())
            if b"nrecognized option" not in done.stderr:
                break
        if done.returncode != 0 or len(done.stdout) % (size[0] * size[1] * 3):
            return None
        return split(done.stdout, size)

    def _stream(self, stream: str, rate: str, offset: int, kind: str, base: str) -> Path:
        key = (stream, rate, str(offset), kind, base)
        if key not in self._streams:
            path = self._directory / f"{stream}_{rate.replace('/', '-')}_{offset}{kind}.{base}"
            frames = draw_all(range(offset, offset + FRAMES))
            variable = ("-vf", "setpts=(N+0.4*mod(N\\,3))/(30*TB)") if kind == "variable" else ()
            try:
                self._encode(frames, rate, (*variable, *STREAMS[stream], str(path)))
            except CannotMakeError:
                self._streams[key] = None
            else:
                self._streams[key] = path
        made = self._streams[key]
        if made is None:
            raise CannotMakeError(stream)
        return made

    def _encode(self, frames: bytes, rate: str, arguments: Sequence[str], size: str = f"{WIDTH}x{HEIGHT}") -> None:
        pix_fmt = () if "-pix_fmt" in arguments else ("-pix_fmt", "yuv420p")
        raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", rate, "-i", "-")
        self._run(*raw, *pix_fmt, *arguments, stdin=frames)

    def _changing(self, video: Path, wanted: MatrixInput) -> Path:
        """A stream of 24 frames, and then as many of another size or format."""
        codec = wanted.stream.partition("-")[0]
        if codec not in ("h264", "hevc"):
            raise CannotMakeError("joined as raw streams")
        joined = video.with_suffix(f".{wanted.damage}.{codec}")
        other = ("-vf", "scale=192:96") if wanted.damage == "other-size" else ()
        pix_fmt = "yuv444p" if wanted.damage == "other-format" else "yuv420p"
        content = b""
        for number, extra in enumerate(((), (*other, "-pix_fmt", pix_fmt))):
            part = joined.with_suffix(f".{number}.{codec}")
            numbers = range(24 * number, 24 * number + 24)
            # Without B-frames, because a raw stream does not say when frames are shown.
            options = [*STREAMS[wanted.stream.partition("-")[0]], "-bf", "0"]
            if codec == "hevc":
                options[options.index("-x265-params") + 1] += ":bframes=0"
            self._encode(draw_all(numbers), wanted.rate, (*options, *extra, "-f", codec, str(part)))
            content += part.read_bytes()
        joined.write_bytes(content)
        made = joined.with_suffix(".mp4")
        self._run("-fflags", "+genpts", "-r", wanted.rate, "-i", str(joined), "-c", "copy", str(made))
        return made

    def _text(self) -> Path:
        path = self._directory / "text.srt"
        path.write_text(_SUBTITLE)
        return path

    def _cover(self) -> Path:
        path = self._directory / "cover.jpg"
        if not path.exists():
            self._encode(draw(77).tobytes(), "1", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-f", "image2", str(path)))
        return path

    def _damage(self, path: Path, damage: str | None) -> None:
        content = path.read_bytes()
        if damage == "start-cut":
            if path.suffix != ".ts":
                raise CannotMakeError("only MPEG-TS can begin anywhere")
            path.write_bytes(content[len(content) // 188 // 3 * 188 :])
        elif damage == "end-cut":
            path.write_bytes(content[: len(content) * 3 // 4])
        elif damage == "no-key-table":
            if b"stss" not in content:
                raise CannotMakeError("only MP4 has a table of keyframes")
            path.write_bytes(content.replace(b"stss", b"free"))  # all frames then pass for keyframes
        elif damage == "hole":
            middle = len(content) * 2 // 5
            path.write_bytes(content[:middle] + bytes(400) + content[middle + 400 :])

    def _run(self, *arguments: str, stdin: bytes = b"") -> None:
        command = [str(self._ffmpeg), "-v", "error", "-y", *(() if stdin else ("-nostdin",)), *arguments]
        done = subprocess.run(command, input=stdin or None, capture_output=True, check=False)
        if done.returncode != 0:
            raise CannotMakeError(done.stderr.decode(errors="replace")[-300:])
