"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import add_encoder_flags, add_job_flags, add_order_flag, command_parser
from ffenc.cli.parsing.values import frame_number, frame_rate, names, picture_size, positive

_ENCODE = """\
Decode every frame of a clip into a numpy array, and encode the arrays at the
clip's rate: the path that camera frames take. Audio is not carried, so a clip
that has some needs --audio=drop. ffenc reencode is faster and can keep it."""


def encode() -> ArgumentParser:
    """Make the parser of ``ffenc encode``."""
    parser = command_parser("encode [options] INPUT OUTPUT", _ENCODE)
    parser.add_argument("input", type=Path, metavar="INPUT", help="a clip with constant frame rate")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write, .mp4 or .mov")
    parser.add_argument("--audio", choices=("drop",), help="needed where the clip has audio, which is not carried")
    add_job_flags(parser)
    add_encoder_flags(parser)
    return parser


_IMAGES = """\
Encode the images of a directory: PNG, JPEG or TIFF, all of one format, size
and orientation; an EXIF orientation is applied. By default they are numbered
without a gap (frame-000000.png, ...). With --order=name they may have any
names, such as timestamps, and image k in the order of names is frame k."""


def images() -> ArgumentParser:
    """Make the parser of ``ffenc images``."""
    parser = command_parser("images [options] DIR OUTPUT --fps=RATE", _IMAGES)
    parser.add_argument("directory", type=Path, metavar="DIR", help="directory with the images")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write, .mp4 or .mov")
    parser.add_argument(
        "--fps", type=frame_rate, default="30", metavar="RATE", help="30 or 30000/1001 (default: %(default)s)"
    )
    add_order_flag(parser)
    add_job_flags(parser)
    add_encoder_flags(parser)
    return parser


_REENCODE = """\
Decode a clip and re-encode it: all of it, or frames START to END - 1.
Frames are counted from 0, and the result starts at time 0. FFmpeg does both;
no picture passes through Python."""


def reencode() -> ArgumentParser:
    """Make the parser of ``ffenc reencode``."""
    parser = command_parser("reencode [options] INPUT OUTPUT", _REENCODE)
    parser.add_argument("input", type=Path, metavar="INPUT", help="a clip with constant frame rate")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write, .mp4 or .mov")
    parser.add_argument("--start", type=frame_number, metavar="FRAME", help="first frame (default: 0)")
    parser.add_argument("--end", type=frame_number, metavar="FRAME", help="frame behind the last one (default: all)")
    parser.add_argument("--audio", choices=("keep", "drop"), help="keep or drop audio; needed if there is any")
    add_job_flags(parser)
    add_encoder_flags(parser)
    return parser


_CONCAT = """\
Join clips in the order given, by stream copy: nothing is encoded again, and
every frame lands at exactly k/fps. Clips that one stream cannot hold are
refused with the reason. Only video is joined; drop audio first."""


def concat() -> ArgumentParser:
    """Make the parser of ``ffenc concat``."""
    parser = command_parser("concat [options] CLIP [CLIP ...] --output=OUTPUT", _CONCAT)
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP", help="clips of one encoder with one setting")
    parser.add_argument(
        "--output", "-o", type=Path, required=True, metavar="OUTPUT", help="file to write, .mp4 or .mov"
    )
    add_job_flags(parser)
    return parser


_INFO = """\
Measure a media file: its header, every packet that is really there, its
keyframes, and the keys that LeRobot stores of it. Nothing is decoded. Settings
of the encoder (video.crf, ...) are not in a file.
Of the directory of a dataset: its episodes, tasks, features and files."""


def info() -> ArgumentParser:
    """Make the parser of ``ffenc info``."""
    parser = command_parser("info [options] FILE|ROOT", _INFO)
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a media file with video, or the directory of a dataset"
    )
    return parser


_PROBE = """\
Find the executables, and try every hardware encoder of this platform and every
software encoder that ffenc knows: each encodes a few frames with the real
command at the given size and rate. Keyframes, size, codec, pixel format,
timestamps and decoded frames are compared with what was sent. That FFmpeg
lists an encoder says only that it was compiled in. "unknown" means that a
trial ran out of time: try again when the machine is less busy."""


def probe() -> ArgumentParser:
    """Make the parser of ``ffenc probe``."""
    parser = command_parser("probe [options]", _PROBE)
    parser.add_argument(
        "--size", type=picture_size, default="640x480", metavar="WxH", help="picture size (default: %(default)s)"
    )
    parser.add_argument(
        "--fps", type=frame_rate, default="30", metavar="RATE", help="30 or 30000/1001 (default: %(default)s)"
    )
    parser.add_argument("--pix_fmt", type=str, metavar="NAME", help="pixel format of the stream (default: yuv420p)")
    parser.add_argument(
        "--cameras",
        type=positive,
        default="1",
        metavar="N",
        help="encodes that must work at the same time; drivers limit their number (default: %(default)s)",
    )
    parser.add_argument(
        "--encoders", type=names, metavar="A,B", help="only these encoders (default: all; then auto's choice is shown)"
    )
    return parser
