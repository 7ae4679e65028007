"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import add_encoder_flags, add_job_flags, add_order_flag, command_parser
from ffenc.cli.parsing.values import frame_number, frame_rate, names, picture_size, positive

_ENCODE = """\
Decode every frame of a clip into a numpy array and encode the arrays, as camera
frames are encoded. A clip with audio needs --audio=drop. ffenc reencode is
faster and can keep audio."""


def encode() -> ArgumentParser:
    """Make the parser of ``ffenc encode``."""
    parser = command_parser("encode [options] INPUT OUTPUT", _ENCODE)
    parser.add_argument("input", type=Path, metavar="INPUT", help="a clip with constant frame rate")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write, .mp4 or .mov")
    parser.add_argument("--audio", choices=("drop",), help="required if the clip has audio, which is dropped")
    add_job_flags(parser)
    add_encoder_flags(parser)
    return parser


_IMAGES = """\
Encode a directory of PNG, JPEG or TIFF images of the same format, size and
orientation. The EXIF orientation is applied. File names must be numbered
without a gap (frame-000000.png, ...), unless --order=name sorts them by name."""


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
Decode a clip and re-encode it: all frames, or frames START to END - 1, counted
from 0. The result starts at time 0. FFmpeg does both steps; no frame passes
through Python."""


def reencode() -> ArgumentParser:
    """Make the parser of ``ffenc reencode``."""
    parser = command_parser("reencode [options] INPUT OUTPUT", _REENCODE)
    parser.add_argument("input", type=Path, metavar="INPUT", help="a clip with constant frame rate")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write, .mp4 or .mov")
    parser.add_argument("--start", type=frame_number, metavar="FRAME", help="first frame (default: 0)")
    parser.add_argument(
        "--end", type=frame_number, metavar="FRAME", help="frame after the last one (default: end of the clip)"
    )
    parser.add_argument("--audio", choices=("keep", "drop"), help="keep or drop audio; required if the clip has audio")
    add_job_flags(parser)
    add_encoder_flags(parser)
    return parser


_CONCAT = """\
Concatenate clips in the given order by stream copy. Nothing is re-encoded, and
frame k is at exactly k/fps. Clips that do not fit into one stream are refused.
Clips with audio are refused; drop the audio first."""


def concat() -> ArgumentParser:
    """Make the parser of ``ffenc concat``."""
    parser = command_parser("concat [options] CLIP [CLIP ...] --output=OUTPUT", _CONCAT)
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP", help="clips of the same encoder and settings")
    parser.add_argument(
        "--output", "-o", type=Path, required=True, metavar="OUTPUT", help="file to write, .mp4 or .mov"
    )
    add_job_flags(parser)
    return parser


_INFO = """\
Show the header of a media file, the packets and keyframes that it really
contains, and the keys that LeRobot stores for it. Nothing is decoded. Encoder
settings (video.crf, ...) cannot be read from a file.
For a dataset directory, show its episodes, tasks, features and files."""


def info() -> ArgumentParser:
    """Make the parser of ``ffenc info``."""
    parser = command_parser("info [options] FILE|ROOT", _INFO)
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a media file with video, or the directory of a dataset"
    )
    return parser


_PROBE = """\
Find the executables, and test every hardware encoder of this platform and every
software encoder that ffenc knows. Each encodes a few frames of the given size
and rate. Keyframes, size, codec, pixel format, timestamps and decoded frames
are compared with the input. An encoder that FFmpeg lists may still not work:
the list shows only what was compiled in. "unknown" means that a test timed
out; repeat it when the machine is less busy."""


def probe() -> ArgumentParser:
    """Make the parser of ``ffenc probe``."""
    parser = command_parser("probe [options]", _PROBE)
    parser.add_argument(
        "--size", type=picture_size, default="640x480", metavar="WxH", help="frame size (default: %(default)s)"
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
        help="number of simultaneous encodes, which drivers limit (default: %(default)s)",
    )
    parser.add_argument(
        "--encoders", type=names, metavar="A,B", help="only these encoders (default: all, and the choice of auto)"
    )
    return parser
