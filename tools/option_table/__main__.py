"""``python -m tools.option_table``: measure what is missing for one FFmpeg build, save it, and write the page of all builds."""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ffenc.encoders.option_effects import (
    MEASURED,
    MeasuredBuild,
    MeasuredEncoder,
    acts,
    load_build,
    outcomes_text,
    save_build,
)
from ffenc.encoders.software import SOFTWARE
from ffenc.ffmpeg.binaries import find_ffmpeg
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.capability_probe import probe_capabilities
from tools.option_table.clips import CLIPS
from tools.option_table.contexts import CONTEXTS
from tools.option_table.measure import Measurement
from tools.option_table.page import PAGE, page
from tools.option_table.values import options_to_try

SAVE_EVERY_S = 5.0


def main() -> None:
    """Measure a build, save its tables and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tools.option_table", description=__doc__)
    parser.add_argument("--ffmpeg", type=Path, help="executable to measure (default: the one that ffenc finds)")
    parser.add_argument("--all", action="store_true", help="repeat measurements made with the same contexts")
    parser.add_argument("--encoder", action="append", help="measure only this encoder; repeatable")
    parser.add_argument("--option", action="append", help="measure only this option; repeatable")
    parser.add_argument("--jobs", type=int, default=2, help="number of parallel encodes (default: 2)")
    parser.add_argument(
        "--page-only", action="store_true", help="write the page from the saved tables; measure nothing"
    )
    args = parser.parse_args()
    if not args.page_only:
        _measure_build(args)
    PAGE.write_text(page(), encoding="utf-8")
    _say(f"{PAGE} written")


def _measure_build(args: argparse.Namespace) -> None:
    ffmpeg = args.ffmpeg or find_ffmpeg()
    capabilities = probe_capabilities(
        ffmpeg,
        encoders=[row.name for row in SOFTWARE],
        library_versions={row.name: row.library_version for row in SOFTWARE if row.library_version},
    )
    path = MEASURED / f"{build_name(capabilities)}.json"
    build = load_build(path) if path.exists() else _empty(capabilities)
    with tempfile.TemporaryDirectory() as folder:
        for name, clip in CLIPS.items():
            clip.save(Path(folder) / name)
        for row in SOFTWARE:
            if row.name in capabilities.helps and (not args.encoder or row.name in args.encoder):
                measurement = Measurement(row, capabilities, Path(folder))
                for encoder in _measure_encoder(measurement, build.encoders.get(row.name), args):
                    # Another run may have saved other encoders of this build.
                    build = load_build(path) if path.exists() else build
                    save_build(replace(build, encoders={**build.encoders, row.name: encoder}), path)


def _measure_encoder(
    measurement: Measurement, before: MeasuredEncoder | None, args: argparse.Namespace
) -> Iterator[MeasuredEncoder]:
    """Yield the encoder's table each time it has new results."""
    name = measurement.spec.name
    wanted = options_to_try(measurement.spec, measurement.capabilities.help(name))
    setup = setup_digest(name)
    same_contexts = before is not None and before.setup == setup
    known = {
        option: outcomes
        for option, outcomes in (before.options if before else {}).items()
        if option in wanted and (same_contexts or acts(outcomes) or args.option) and not args.all
    }
    missing = [option for option, values in wanted.items() if tuple(known.get(option, ())) != values]
    if args.option:
        missing = [option for option in args.option if option in wanted]
    if not missing:
        _say(f"{name}: {len(known)} options, none missing")
        return
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(measurement.plain, measurement.contexts))
    contexts = tuple(measurement.usable_contexts())
    library = measurement.capabilities.library_versions.get(name)
    started = saved = time.monotonic()
    with ThreadPoolExecutor(args.jobs) as pool:
        found = measurement.outcomes({option: wanted[option] for option in missing}, pool)
        for done, (option, outcomes) in enumerate(found, start=1):
            known[option] = outcomes
            _say(f"{name} {done}/{len(missing)} {option}: {outcomes_text(outcomes)}")
            if time.monotonic() - saved > SAVE_EVERY_S or done == len(missing):
                saved = time.monotonic()
                yield MeasuredEncoder(
                    library=library, setup=setup, contexts=contexts, options=dict(sorted(known.items()))
                )
    _say(f"{name}: {len(missing)} options measured in {time.monotonic() - started:.0f} s, in {', '.join(contexts)}")


def build_name(capabilities: Capabilities) -> str:
    """Return the name of a build in the tables: its version number, or else that of its libavcodec."""
    number = capabilities.version.text.removeprefix("n").split("-")[0].split("+")[0]
    if number[:1].isdigit():
        return number
    return "libavcodec-" + ".".join(map(str, capabilities.version.libavcodec))


def setup_digest(encoder: str) -> str:
    """Return a digest that changes whenever the contexts of an encoder change."""
    clips = [(name, clip.width, clip.height, clip.count) for name, clip in CLIPS.items()]
    return hashlib.sha1(repr((CONTEXTS[encoder], clips)).encode(), usedforsecurity=False).hexdigest()[:8]


def _empty(capabilities: Capabilities) -> MeasuredBuild:
    return MeasuredBuild(name=build_name(capabilities), libavcodec=capabilities.version.libavcodec, encoders={})


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
