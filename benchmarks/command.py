"""ffenc measured against its peers and against the limit that FFmpeg sets.

Only ffenc's public names are used.  Nothing here fails because something is slow: every figure is printed beside its
target, with the spread of its pairs of runs.  Peers come from ``benchmarks/requirements.txt``; one that is not there is
left out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import files
import startup
import writing
from machine import description, give_up_realtime_rights
from measure import Report
from peers import imageio_binary
from settings import Settings

from ffenc import find_binaries

SECTIONS: dict[str, Callable[[Report, Settings], None]] = {
    "write": writing.run,
    "images": files.images,
    "concat": files.concat,
    "import": startup.imports,
    "probe": startup.probe,
    "memory": startup.memory,
}


def main() -> None:
    """Parse, measure, print."""
    arguments = _arguments()
    give_up_realtime_rights()
    ffmpeg = arguments.ffmpeg or os.environ.get("FFENC_FFMPEG") or imageio_binary()
    binaries = find_binaries(ffmpeg, arguments.ffprobe)
    os.environ["IMAGEIO_FFMPEG_EXE"] = str(binaries.ffmpeg)
    probing = binaries.ffprobe.name if binaries.ffprobe else "none"
    tools = {"ffmpeg": binaries.ffmpeg.name, "ffprobe": f"{probing} ({binaries.ffprobe_origin})"}
    report = Report(description() | tools)
    with tempfile.TemporaryDirectory(prefix="ffenc-bench-", dir=arguments.scratch) as scratch:
        settings = Settings(
            binaries=binaries,
            clip=arguments.input,
            scratch=Path(scratch),
            repeats=arguments.repeats or (3 if arguments.quick else 7),
            quick=arguments.quick,
        )
        for name in arguments.only or SECTIONS:
            started = time.monotonic()
            SECTIONS[name](report, settings)
            report.remark(f"section {name} took {time.monotonic() - started:.0f} s")
    report.print_figures()
    if arguments.json is not None:
        arguments.json.write_text(report.as_json(), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames, files and repeats: about two minutes")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="one section; may be given more than once")
    parser.add_argument("--repeats", type=int, help="pairs of runs (default 7, quick 3)")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    parser.add_argument("--input", type=Path, help="a clip to take the frames from, instead of synthetic ones")
    parser.add_argument("--ffmpeg", help="default: FFENC_FFMPEG, else that of imageio-ffmpeg, else as ffenc finds it")
    parser.add_argument("--ffprobe", help="default: as ffenc finds it; 'none' to do without")
    parser.add_argument("--scratch", type=Path, help="where to write (default: the system's temporary directory)")
    return parser.parse_args()
