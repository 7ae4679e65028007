"""The plan of one encode: where frames come from, what happens to them, and the exact command."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

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
"""``movflags`` of a file that can be read up to its last whole frame wherever writing ends.

A fragment per frame, so that what a crash loses does not depend on ``g``; ``delay_moov``, without which a stream with
B-frames starts one frame late.
"""


MOST_KEY_FRAMES = 8000
"""Keyframes that can be asked for: Linux takes 128 KiB for one argument of a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFrames:
    """Numpy frames written to ffmpeg's standard input."""

    frames: FrameFormat
    fps: Fraction

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.frames.width, self.frames.height


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSequence:
    """Numbered images of one directory, read by ffmpeg itself; all of them are alike.

    Attributes:
        pattern: printf-style path (``/dir/frame-%06d.png``), with every other ``%`` doubled.
        start_number: number of the first image.
        count: images, without a gap.
        size: (width, height) of every image, its orientation applied.
        orientation: EXIF orientation of every image, 1 to 8.
        turned_as: pixel format in which images are turned; it must hold all that they hold.
    """

    pattern: str
    start_number: int
    count: int
    size: tuple[int, int]
    fps: Fraction
    orientation: int = 1
    turned_as: str = "rgb24"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoClip:
    """Frames of one constant-rate video file.

    The command that reads it runs on the clock of the container (``-copyts``), on which ``frames.start_s`` is the time of
    the first frame that is taken; the video is moved to start at 0, other streams are not.

    Attributes:
        frames: which ones, and how they are reached.
        size: (width, height) of the pictures that are encoded, any rotation applied.
        fps: frame rate of the output.
        audio: how its audio is written beside the video; None writes none.
        other_streams: for each stream that is not the video, a text on what is done with it.
        scale_to: (width, height) that the pictures are scaled to; None leaves them.
        key_frames: frames of the output, counted from 0, where the encoder is told to begin again.
    """

    frames: ClipFrames
    size: tuple[int, int]
    fps: Fraction
    audio: AudioPlan | None = None
    other_streams: tuple[str, ...] = ()
    scale_to: tuple[int, int] | None = None
    key_frames: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Frames that are taken."""
        return self.frames.count


Source: TypeAlias = RawFrames | ImageSequence | VideoClip


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodePlan:
    """Everything that is known before a process starts.

    Attributes:
        argv: the command.
        output: the file it writes (a temporary sibling of the final one when a writer runs it).
        source: where the frames come from.
        encoder: the encoder with its checked options.
        muxer: the container.
        selection: the trials that led to the encoder; None for a named software encoder.
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
        """The same plan with another output file."""
        # The output is the last argument; an input before it can be the same file.
        *before, last = self.argv
        assert last == file_url(self.output)
        return replace(self, argv=(*before, file_url(output)), output=output)

    def __str__(self) -> str:
        """The command as one would type it into a shell."""
        return shlex.join(self.argv)


def muxer_for(path: Path | str) -> str:
    """The container a file name asks for.

    Raises:
        InputError: no suffix of `MUXERS`.
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
        config: with a concrete ``vcodec`` or a codec name, not ``auto``.
        source: raw frames, an image sequence, or a range of a video file.
        output: the file the command writes.
        capabilities: of the FFmpeg that will run it.
        muxer: container; None takes it from the suffix of ``output``.
        encoder_threads: see `resolve_encoder`.
        device_node: see `resolve_encoder`.
        selection: how the encoder was found, to be kept with the plan.
        fragmented: write the file in fragments, each as soon as its frame is encoded; see `FRAGMENTS`.

    Raises:
        CapabilityError: see `resolve_encoder`; every refused option is named before anything is encoded.
        InputError: the output's suffix names no container of `MUXERS`.
    """
    output = Path(output)
    muxer = muxer or muxer_for(output)
    if isinstance(config, DepthEncoderConfig):
        _check_depth(config, source)
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
        forced_key_frames=isinstance(source, VideoClip) and any(source.key_frames),
    )
    argv = ffmpeg_argv(
        capabilities.ffmpeg,
        inputs=[source_input(source)],
        video=[
            *([restart_clock(source.fps)] if isinstance(source, VideoClip) else []),
            *_scaling(source, config),
            *picture_filters(encoder.feed_pix_fmt),
            *_upload(encoder),
        ],
        output=file_url(output),
        output_options=[*_output(encoder), *container_options(muxer, fragmented=fragmented), *_clip_options(source)],
        audio=_clip_audio(source),
        global_options=encoder.device_options,
        keep_timestamps=isinstance(source, VideoClip),
    )
    return EncodePlan(argv=argv, output=output, source=source, encoder=encoder, muxer=muxer, selection=selection)


def picture_filters(pix_fmt: str) -> list[Filter]:
    """Convert whatever comes to ``pix_fmt`` in ffenc's colour convention, and say so to the encoder.

    ``scale`` names BT.470BG and SMPTE 170M alike (one matrix, two tags), so ``setparams`` states the tag; from FFmpeg 8
    the encoder's options alone would be refused as a conflict.  Bilinear, as PyAV converts; ``accurate_rnd`` takes away a
    bias of 0.2 levels at no measurable cost.
    """
    full_or_limited = color_range(pix_fmt)
    scale = {"out_range": full_or_limited, "flags": "bilinear+accurate_rnd"}
    tags = {"range": full_or_limited}
    if has_matrix(pix_fmt):
        scale["out_color_matrix"] = MATRIX
        tags["colorspace"] = MATRIX_TAG
    return [("scale", scale), ("format", {"pix_fmts": pix_fmt}), ("setparams", tags)]


def _check_depth(config: DepthEncoderConfig, source: Source) -> None:
    """Depth must reach the encoder bit by bit; a conversion would scale it like brightness."""
    if isinstance(source, RawFrames) and source.frames.pix_fmt != config.pix_fmt:
        came = f"frames of layout {source.frames.layout!r} ({source.frames.pix_fmt})"
    elif isinstance(source, ImageSequence) and config.quantizes:
        came = "image files, which hold no codes,"
    else:
        return
    raise PixelFormatError(
        f"{came} cannot become depth video of {config.pix_fmt}: the conversion would change every depth.  Encode codes "
        "(ffenc.quantize_depth) with layout='gray12' as gray12le, or millimetres with layout='gray16' as gray16le "
        "(DepthEncoderConfig.lossless16())",
        pix_fmt=config.pix_fmt,
    )


def source_input(source: Source) -> Input:
    """How ffmpeg opens a source.

    The demuxer is always named, so that no file is taken for a playlist.
    """
    rate = ("framerate", str(source.fps))
    if isinstance(source, RawFrames):
        # There is nothing to detect; without the last two ffmpeg reads ahead before it encodes.
        options = (*raw_input_options(source), ("probesize", "32"), ("analyzeduration", "0"))
        return Input(url="pipe:0", options=options)
    if isinstance(source, VideoClip):
        return source.frames.input()
    strict: tuple[Option, ...] = (
        ("protocol_whitelist", "file"),
        ("err_detect", "explode"),
        # A picture of another size or format then shows up as a warning instead of being rescaled in silence.
        ("reinit_filter", "0"),
    )
    series = (
        *(("f", "image2"), ("pattern_type", "sequence"), ("start_number", str(source.start_number)), rate),
        # Builds differ in which orientations they apply by themselves; see `upright_filters`.
        ("noautorotate", None),
    )
    if source.pattern.lower().endswith((".tif", ".tiff")):
        # FFmpeg's decoder then takes the unit of resolution, which its encoder writes, for damage.
        strict = tuple(option for option in strict if option[0] != "err_detect")
    upright = upright_filters(source.orientation, source.turned_as)
    return Input(url=f"file:{source.pattern}", options=(*strict, *series), filters=upright)


def raw_input_options(source: RawFrames) -> tuple[Option, ...]:
    """How ffmpeg is told what raw frames are."""
    form = source.frames
    size = ("s", f"{form.width}x{form.height}")
    return (("f", "rawvideo"), ("pix_fmt", form.pix_fmt), size, ("framerate", str(source.fps)))


def _scaling(source: Source, config: VideoEncoderConfig) -> list[Filter]:
    if not isinstance(source, VideoClip) or source.scale_to is None:
        return []
    width, height = source.scale_to
    # Never interpolate depth: it would invent surfaces.
    how = "neighbor" if isinstance(config, DepthEncoderConfig) else FULL_CHROMA
    return [("scale", {"w": str(width), "h": str(height), "flags": how}), ("setsar", {"sar": "1"})]


def _upload(encoder: ResolvedEncoder) -> list[Filter]:
    return [(name, {}) for name in encoder.upload_filters]


def _output(encoder: ResolvedEncoder) -> list[Option]:
    options: list[Option] = [("c:v", encoder.name)]
    if not encoder.upload_filters:
        # The plus sign turns automatic conversion off: a format the encoder does not take becomes an error.
        options.append(("pix_fmt", f"+{encoder.feed_pix_fmt}"))
    options.append(("color_range", color_range(encoder.feed_pix_fmt)))
    if has_matrix(encoder.feed_pix_fmt):
        options.append(("colorspace", MATRIX_TAG))
    return options + [(f"{name}:v", text) for name, text in encoder.options]


def container_options(muxer: str, *, fragmented: bool) -> list[Option]:
    """The muxer and how it writes."""
    if fragmented:
        return [("movflags", FRAGMENTS), ("flush_packets", "1"), ("f", muxer)]
    # The index in front lets players and network readers start at once; it is written out of place, see video.output.
    return [("movflags", "+faststart"), ("f", muxer)]


def _clip_options(source: Source) -> list[Option]:
    if not isinstance(source, VideoClip):
        return []
    # FFmpeg would copy chapters, with the times that they have in the clip.
    return [("r", str(source.fps)), ("map_chapters", "-1"), *_key_frames(source), *audio_options(source.audio)]


def _clip_audio(source: Source) -> Input | None:
    if not isinstance(source, VideoClip) or source.audio is None:
        return None
    return audio_input(source.audio, source.frames.path, source.frames.demuxer)


def _key_frames(source: VideoClip) -> list[Option]:
    """Times a quarter of a frame early: FFmpeg takes the first frame that is not before one, in a clock that may round."""
    times = [float((number - Fraction(1, 4)) / source.fps) for number in source.key_frames if number > 0]
    return [("force_key_frames", ",".join(f"{time:.6f}" for time in times[:MOST_KEY_FRAMES]))] if times else []


def frames_expected(source: Source) -> int | None:
    """Frames that must be in the output; None while they are still being written."""
    return None if isinstance(source, RawFrames) else source.count
