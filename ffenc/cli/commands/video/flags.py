"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import add_encoder_flags, add_flag, add_job_flags, add_order_flag, command
from ffenc.cli.parsing.values import duration, frame_number, frame_rate, frame_size, names, positive

_CLIP = "a clip with constant frame rate"
_OUTPUT = "file to write, .mp4 or .mov"


@command("encode [options] INPUT OUTPUT")
def encode(parser: ArgumentParser) -> None:
    """Decode the frames of a clip into numpy arrays, and encode the arrays.

    Camera frames are encoded in the same way. A clip with audio needs --audio=drop.
    ffenc reencode is faster and can keep audio.
    """
    add_flag(parser, "input", Path, _CLIP)
    add_flag(parser, "output", Path, _OUTPUT)
    add_flag(parser, "--audio", ("drop",), "required if the clip has audio, which is dropped")
    add_job_flags(parser)
    add_encoder_flags(parser)


@command("images [options] DIR OUTPUT --fps=RATE")
def images(parser: ArgumentParser) -> None:
    """Encode a directory of PNG, JPEG or TIFF images into a video.

    The images must have the same format, size and orientation. The EXIF orientation
    is applied. File names must be numbered without a gap (frame-000000.png, ...),
    unless --order=name sorts them by name.
    """
    add_flag(parser, "directory", Path, "directory with the images", metavar="DIR")
    add_flag(parser, "output", Path, _OUTPUT)
    add_flag(parser, "--fps", frame_rate, "30 or 30000/1001", default="30")
    add_order_flag(parser)
    add_job_flags(parser)
    add_encoder_flags(parser)


@command("reencode [options] INPUT OUTPUT")
def reencode(parser: ArgumentParser) -> None:
    """Decode a clip and re-encode it: all frames, or frames START to END - 1.

    Frames are counted from 0. The result starts at time 0. FFmpeg does both steps;
    no frame passes through Python.
    """
    add_flag(parser, "input", Path, _CLIP)
    add_flag(parser, "output", Path, _OUTPUT)
    add_flag(parser, "--start", frame_number, "first frame (default: 0)")
    add_flag(parser, "--end", frame_number, "frame after the last one (default: end of the clip)")
    add_flag(parser, "--audio", ("keep", "drop"), "keep or drop audio; required if the clip has audio")
    add_job_flags(parser)
    add_encoder_flags(parser)


@command("concat [options] CLIP [CLIP ...] --output=OUTPUT")
def concat(parser: ArgumentParser) -> None:
    """Concatenate clips in the given order by stream copy.

    Nothing is re-encoded, and frame k is at exactly k/fps. Clips that do not fit
    into one stream are refused. Clips with audio are refused; drop the audio first.
    """
    add_flag(parser, "clips", Path, "clips of the same encoder and settings", nargs="+", metavar="CLIP")
    add_flag(parser, "--output", Path, _OUTPUT, "-o", required=True, metavar="OUTPUT")
    add_job_flags(parser)


@command("info [options] FILE|ROOT")
def info(parser: ArgumentParser) -> None:
    """Show the contents of a media file or a dataset; nothing is decoded.

    For a file, this is its header, the packets and keyframes that it really
    contains, and the keys that LeRobot stores for it. Encoder settings (video.crf,
    ...) cannot be read from a file.
    For a dataset directory, this is its episodes, tasks, features and files.
    """
    add_flag(parser, "file", Path, "a media file with video, or the directory of a dataset")


@command("probe [options] [ENCODER ...]")
def probe(parser: ArgumentParser) -> None:
    """Find the executables, and test the encoders of this machine.

    These are the named encoders, or all hardware encoders of this platform and all
    software encoders that ffenc knows. Each encodes a few frames of the given size
    and rate. Keyframes, size, codec, pixel format, timestamps and decoded frames
    are compared with the input. An encoder that FFmpeg lists may still not work:
    the list shows only what was compiled in. "unknown" means that a test timed out;
    repeat it when the machine is less busy.

    With --prove, each encoder that passes is examined further, for up to a minute:
    every setting takes effect in the file, several sessions work at once, and
    software continues if a session is lost. auto passes over an encoder whose proof
    failed. The exit status is 1 unless every encoder is proven.
    """
    encoders = "encoder to test (default: all, and the choice of auto)"
    add_flag(parser, "names", str, encoders, nargs="*", metavar="ENCODER")
    add_flag(parser, "--size", frame_size, "frame size", default="640x480")
    add_flag(parser, "--fps", frame_rate, "30 or 30000/1001", default="30")
    add_flag(parser, "--pix_fmt", str, "pixel format of the stream (default: yuv420p)")
    device = "GPU: /dev/dri/renderD129 (VAAPI, QSV) or a number (NVENC, Vulkan, D3D12); only encoders that take it are tested"
    add_flag(parser, "--device", str, device, metavar="GPU")
    cameras = "number of simultaneous encodes, which drivers limit (default: 1; with --prove 2)"
    add_flag(parser, "--cameras", positive, cameras)
    add_flag(parser, "--encoders", names, "the same encoders as a list; use either form", metavar="A,B")
    proof = parser.add_argument_group("proof")
    add_flag(proof, "--prove", None, "prove that the encoders do what their settings say")
    add_flag(proof, "--soak", duration, "also encode in real time that long, for example 90s, 30m or 1h")
    add_flag(proof, "--output", Path, "JSON document to attach to a report", "-o", metavar="OUTPUT")
    add_flag(proof, "--overwrite", None, "replace the output if it exists")
