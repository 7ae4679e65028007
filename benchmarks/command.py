"""The command line of all benchmarks: parse, run the requested sections, print.

Slow results do not fail: every figure is printed with its target and the spread of its runs.  Peers come from
``benchmarks/requirements.txt``; missing ones are omitted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from machine import description, give_up_realtime_rights
from measure import Report
from peers import imageio_binary
from settings import Settings

from ffenc import find_binaries

Section = Callable[[Report, Settings], None]


def main(
    about: str, sections: Mapping[str, str], *, add_arguments: Callable[[argparse.ArgumentParser], None] | None = None
) -> None:
    """Parse the command line, measure, and print.

    Args:
        about: what is measured, for ``--help``.
        sections: by name, where each one is, such as ``"files.concat"``; loaded when it is asked for.
        add_arguments: adds options of these sections, which become `Settings` of the same name.
    """
    parser = _parser(about, sections)
    common = set(vars(parser.parse_args([])))
    if add_arguments is not None:
        add_arguments(parser)
    arguments = parser.parse_args()
    chosen = {name: value for name, value in vars(arguments).items() if name not in common}
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
            **chosen,
        )
        for name in arguments.only or sections:
            started = time.monotonic()
            own = Path(scratch) / name
            own.mkdir()
            _section(sections[name])(report, replace(settings, scratch=own))
            load = os.getloadavg()[1]
            report.remark(
                f"section {name} took {time.monotonic() - started:.0f} s; load at its end {load:.2f} (5 minutes)"
            )
            if arguments.json is not None:
                arguments.json.write_text(report.as_json(), encoding="utf-8")
    report.print_figures()


def _section(where: str) -> Section:
    module, _, name = where.partition(".")
    section: Section = getattr(import_module(module), name)
    return section


def _parser(about: str, sections: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames, files and repeats")
    parser.add_argument("--only", action="append", choices=sections, help="one section; may be given more than once")
    parser.add_argument("--repeats", type=int, help="pairs of runs (default 7, quick 3)")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    parser.add_argument("--input", type=Path, help="a clip to take the frames from, instead of synthetic ones")
    parser.add_argument("--ffmpeg", help="default: FFENC_FFMPEG, else that of imageio-ffmpeg, else as ffenc finds it")
    parser.add_argument("--ffprobe", help="default: as ffenc finds it; 'none' to do without")
    parser.add_argument("--scratch", type=Path, help="where to write (default: the system's temporary directory)")
    return parser
