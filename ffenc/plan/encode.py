"""Plan one encode: where frames come from, which filters they pass, and the exact command."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.errors import InputError, PixelFormatError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.frames import FrameFormat
from ffenc.plan.audio import AudioPlan, audio_input, audio_options
from ffenc.plan.clip_frames import ClipFrames
from ffenc.plan.frame_checks import FULL_CHROMA, MATRIX, MATRIX_TAG, color_range, has_matrix, upright_filters
from ffenc.plan.graph import Filter, Input, Option, ffmpeg_argv, file_url, restart_clock
from ffenc.plan.resolve import ResolvedEncoder, resolve_encoder
from ffenc.plan.selection import Selection

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}
"""Containers by file suffix.  Others (Matroska, AVI) cannot hold every k/fps exactly and are refused."""

FRAGMENTS = "+frag_every_frame+delay_moov+default_base_moof"
"""``movflags`` of a file that is always readable up to its last complete frame.

One fragment per frame: a crash loses the same for any ``g``.  Without ``delay_moov`` a stream with B-frames starts one
frame late.
"""

MOST_KEY_FRAMES = 8000
"""Most keyframes that can be forced: Linux limits one argument of a command to 128 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(ABC):
    """Where the frames of an encode come from.

    Attributes:
        fps: frame rate of the output.
    """

    fps: Fraction

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """(width, height) of the encoded frames, any rotation applied."""

    @property
    def count(self) -> int | None:
        """Number of frames; None if it is not known yet."""
        return None

    @property
    def key_frames(self) -> tuple[int, ...]:
        """Frames of the output, counted from 0, at which a keyframe is forced."""
        return ()

    @property
    def other_streams(self) -> tuple[str, ...]:
        """For each stream that is not the video, a text on what is done with it."""
        return ()

    @abstractmethod
    def input(self) -> Input:
        """Return the ffmpeg input; the demuxer is always named, so that no file is read as a playlist."""

    def depth_fault(self, config: DepthEncoderConfig) -> str | None:
        """Return which frames would be converted, and so have other depths, in a video of this config."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFrames(Source):
    """Numpy frames written to ffmpeg's standard input."""

    frames: FrameFormat

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.frames.width, self.frames.height

    def input(self) -> Input:
        """Return standard input; without the last two options ffmpeg reads ahead before it encodes."""
        return Input(url="pipe:0", options=(*self.input_options(), ("probesize", "32"), ("analyzeduration", "0")))

    def input_options(self) -> tuple[Option, ...]:
        """Return the options that describe raw frames, for any input."""
        size = ("s", f"{self.frames.width}x{self.frames.height}")
        return (("f", "rawvideo"), ("pix_fmt", self.frames.pix_fmt), size, ("framerate", str(self.fps)))

    def depth_fault(self, config: DepthEncoderConfig) -> str | None:
        """Refuse frames of another pixel format."""
        wrong = self.frames.pix_fmt != config.pix_fmt
        return f"frames of layout {self.frames.layout!r} ({self.frames.pix_fmt})" if wrong else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSequence(Source):
    """Numbered images of one directory, all of one size and format, read by ffmpeg itself.

    Attributes:
        pattern: printf-style path (``/dir/frame-%06d.png``), with every other ``%`` doubled.
        start_number: number of the first image.
        count: number of images, without a gap.
        size: (width, height) of every image, its orientation applied.
        orientation: EXIF orientation of every image, 1 to 8.
        turned_as: pixel format for rotating images; it must keep all of their information.
    """

    pattern: str
    start_number: int
    count: int
    size: tuple[int, int]
    orientation: int = 1
    turned_as: str = "rgb24"

    def input(self) -> Input:
        """Return the image sequence, rotated by its orientation."""
        options: list[Option] = [
            ("protocol_whitelist", "file"),
            # Otherwise ffmpeg rescales a frame of another size or format silently; this turns it into a warning.
            ("reinit_filter", "0"),
            *(("f", "image2"), ("pattern_type", "sequence"), ("start_number", str(self.start_number))),
            ("framerate", str(self.fps)),
            # FFmpeg versions differ in the orientations that they apply; see `upright_filters`.
            ("noautorotate", None),
        ]
        if not self.pattern.lower().endswith((".tif", ".tiff")):
            # FFmpeg's TIFF decoder treats the resolution unit that its own encoder writes as damage.
            options.insert(1, ("err_detect", "explode"))
        upright = upright_filters(self.orientation, self.turned_as)
        return Input(url=f"file:{self.pattern}", options=tuple(options), filters=upright)

    def depth_fault(self, config: DepthEncoderConfig) -> str | None:
        """Refuse images where codes are encoded."""
        return "image files, which hold no codes," if config.quantizes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoClip(Source):
    """Frames of one constant-rate video file.

    The command keeps the timestamps of the container (``-copyts``): its first frame is at ``frames.start_s``.  Only the
    video is moved to start at 0.

    Attributes:
        frames: which ones, and how they are reached.
        size: (width, height) of the encoded frames, any rotation applied.
        audio: how its audio is written beside the video; None writes none.
        other_streams, key_frames: see `Source`.
        scale_to: (width, height) to scale frames to; None leaves them.
    """

    frames: ClipFrames
    size: tuple[int, int]
    audio: AudioPlan | None = None
    other_streams: tuple[str, ...] = ()
    scale_to: tuple[int, int] | None = None
    key_frames: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.frames.count

    def input(self) -> Input:
        """Return the input that reads these frames."""
        return self.frames.input()

    def audio_input(self) -> Input | None:
        """Return the input for the audio, if it is kept."""
        return None if self.audio is None else audio_input(self.audio, self.frames.path, self.frames.demuxer)

    def filters(self, config: VideoEncoderConfig) -> list[Filter]:
        """Return filters that restart the timestamps and scale the frames."""
        if self.scale_to is None:
            return [restart_clock(self.fps)]
        width, height = map(str, self.scale_to)
        # Never interpolate depth: it would invent surfaces.
        how = "neighbor" if isinstance(config, DepthEncoderConfig) else FULL_CHROMA
        scale: Filter = ("scale", {"w": width, "h": height, "flags": how})
        return [restart_clock(self.fps), scale, ("setsar", {"sar": "1"})]

    def output_options(self) -> list[Option]:
        """Return options for the rate, forced keyframes and audio."""
        # A quarter of a frame early: FFmpeg takes the first frame at or after each time, in a clock that may round.
        times = [float((number - Fraction(1, 4)) / self.fps) for number in self.key_frames if number > 0]
        forced = ",".join(f"{time:.6f}" for time in times[:MOST_KEY_FRAMES])
        return [
            ("r", str(self.fps)),
            ("map_chapters", "-1"),  # FFmpeg would copy chapters with the times of the source clip
            *([("force_key_frames", forced)] if forced else []),
            *audio_options(self.audio),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodePlan:
    """Everything that is known before a process starts.

    Attributes:
        argv: the command.
        output: the file it writes (a temporary sibling of the final one when a writer runs it).
        source: where the frames come from.
        encoder: the encoder with its checked options.
        muxer: the container.
        selection: the trials by which the encoder was chosen; None for a named software encoder.
    """

    argv: tuple[str, ...]
    output: Path
    source: Source
    encoder: ResolvedEncoder
    muxer: str
    selection: Selection | None = None

    @property
    def fps(self) -> Fraction:
        """Frame rate of the output."""
        return self.source.fps

    def writing_to(self, output: Path) -> EncodePlan:
        """Return the same plan with another output file."""
        # The output is the last argument; an input before it can be the same file.
        *before, last = self.argv
        assert last == file_url(self.output)
        return replace(self, argv=(*before, file_url(output)), output=output)

    def __str__(self) -> str:
        """Return the command as typed into a shell."""
        return shlex.join(self.argv)


def muxer_for(path: Path | str) -> str:
    """Return the container for the suffix of a file name.

    Raises:
        InputError: the suffix is not in `MUXERS`.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in MUXERS:
        raise InputError(
            f"cannot write {path}: the name must end in {', '.join(MUXERS)} (other containers round timestamps)",
            path=Path(path),
        )
    return MUXERS[suffix]


def plan_encode(
    config: VideoEncoderConfig,
    source: Source,
    output: Path | str,
    capabilities: Capabilities,
    *,
    muxer: str | None = None,
    encoder_threads: int | None = None,
    device_node: str | None = None,
    selection: Selection | None = None,
    fragmented: bool = False,
) -> EncodePlan:
    """Turn a config and a source into one checked command.  Pure: nothing is started, read or written.

    Args:
        config: encoder settings; ``vcodec`` is an encoder or a codec name, not ``auto``.
        source: raw frames, an image sequence, or a range of a video file.
        output: the file the command writes.
        capabilities: of the FFmpeg that will run it.
        muxer: container; None takes it from the suffix of ``output``.
        encoder_threads, device_node: see `resolve_encoder`.
        selection: the trials by which the encoder was chosen, kept with the plan.
        fragmented: write one fragment per frame; see `FRAGMENTS`.

    Raises:
        CapabilityError: see `resolve_encoder`.
        InputError: the suffix of ``output`` is not in `MUXERS`.
    """
    output = Path(output)
    muxer = muxer or muxer_for(output)
    if isinstance(config, DepthEncoderConfig) and (fault := source.depth_fault(config)):
        raise PixelFormatError(
            f"{fault} cannot become depth video of {config.pix_fmt}: the conversion would change every depth.  Encode codes "
            "(ffenc.quantize_depth) with layout='gray12' as gray12le, or millimetres with layout='gray16' as gray16le "
            "(DepthEncoderConfig.lossless16())",
            pix_fmt=config.pix_fmt,
        )
    clip = source if isinstance(source, VideoClip) else None
    width, height = source.size
    encoder = resolve_encoder(
        config,
        capabilities,
        width=width,
        height=height,
        fps=source.fps,
        muxer=muxer,
        encoder_threads=encoder_threads,
        device_node=device_node,
        forced_key_frames=any(source.key_frames),
    )
    argv = ffmpeg_argv(
        capabilities.ffmpeg,
        inputs=[source.input()],
        video=[
            *(clip.filters(config) if clip else ()),
            *color_filters(encoder.feed_pix_fmt),
            *((name, {}) for name in encoder.upload_filters),
        ],
        output=file_url(output),
        output_options=[
            *_output(encoder),
            *container_options(muxer, fragmented=fragmented),
            *(clip.output_options() if clip else ()),
        ],
        audio=clip.audio_input() if clip else None,
        global_options=encoder.device_options,
        keep_timestamps=clip is not None,
    )
    return EncodePlan(argv=argv, output=output, source=source, encoder=encoder, muxer=muxer, selection=selection)


def color_filters(pix_fmt: str) -> list[Filter]:
    """Return filters that convert any frame to ``pix_fmt`` in ffenc's colour convention and tag it.

    ``scale`` has one name for BT.470BG and SMPTE 170M (one matrix, two tags), so ``setparams`` sets the tag.  From FFmpeg 8
    on, tags in the encoder's options alone are refused as a conflict.  Bilinear, as PyAV converts; ``accurate_rnd`` removes
    a bias of 0.2 levels at no measurable cost.
    """
    full_or_limited = color_range(pix_fmt)
    scale = {"out_range": full_or_limited, "flags": "bilinear+accurate_rnd"}
    tags = {"range": full_or_limited}
    if has_matrix(pix_fmt):
        scale["out_color_matrix"] = MATRIX
        tags["colorspace"] = MATRIX_TAG
    return [("scale", scale), ("format", {"pix_fmts": pix_fmt}), ("setparams", tags)]


def _output(encoder: ResolvedEncoder) -> list[Option]:
    options: list[Option] = [("c:v", encoder.name)]
    if not encoder.upload_filters:
        # The plus sign turns automatic conversion off: a format that the encoder does not take is an error.
        options.append(("pix_fmt", f"+{encoder.feed_pix_fmt}"))
    options.append(("color_range", color_range(encoder.feed_pix_fmt)))
    if has_matrix(encoder.feed_pix_fmt):
        options.append(("colorspace", MATRIX_TAG))
    return options + [(f"{name}:v", text) for name, text in encoder.options]


def container_options(muxer: str, *, fragmented: bool) -> list[Option]:
    """Return the options of the muxer."""
    if fragmented:
        return [("movflags", FRAGMENTS), ("flush_packets", "1"), ("f", muxer)]
    # With the index at the front, players and network readers start at once.
    return [("movflags", "+faststart"), ("f", muxer)]
