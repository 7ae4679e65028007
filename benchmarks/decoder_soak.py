"""Kill decoder processes at random while frames are read, and compare every frame with a sequential decode.

Usage: python benchmarks/decoder_soak.py CLIP... [--minutes 20] [--kill-every-s 0.5] [--pause-s 0] [--nice 10]

All frames of a clip must differ, so that each identifies its own number.  A wrong frame ends the run with status 1.  A request
that fails because two decoders in a row were killed is counted.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

from ffenc import VideoReader
from ffenc.errors import ProcessError
from ffenc.video.decoder_pool import DECODERS

_THREADS = 2
_REPORT_S = 60.0


def decoder_pids() -> list[int]:
    """Processes that this one has started, in use or not."""
    pids: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            pids += map(int, (task / "children").read_text().split())
        except FileNotFoundError:  # the thread has ended
            continue
    return pids


def kill_at_random(every_s: float, done: threading.Event, counts: dict[str, int]) -> None:
    """Kill one decoder after the other until told to stop."""
    while not done.wait(random.expovariate(1 / every_s)):
        if pids := decoder_pids():
            try:
                os.kill(random.choice(pids), signal.SIGKILL)
                counts["kills"] += 1
            except ProcessLookupError:
                continue


def read_at_random(
    clips: list[tuple[VideoReader, list[bytes]]], done: threading.Event, counts: dict[str, int], pause_s: float
) -> None:
    """Read frames until told to stop, or until one is wrong."""
    generator = np.random.default_rng()
    while not done.wait(pause_s):
        reader, wanted = clips[generator.integers(len(clips))]
        numbers = generator.integers(len(reader), size=generator.choice([1, 1, 1, 2, 6, 32])).tolist()
        counts["requests"] += 1
        try:
            frames = reader.frames(numbers)
        except ProcessError as err:
            counts["failed requests"] += 1
            if counts["failed requests"] == 1:
                sys.stdout.write(f"first failed request: {str(err).splitlines()[0]}\n")
            continue
        for number, frame in zip(numbers, frames, strict=True):
            counts["frames"] += 1
            if (content := frame.tobytes()) != wanted[number]:
                counts["wrong frames"] += 1
                seen = wanted.index(content) if content in wanted else "none of the clip"
                sys.stdout.write(f"{reader.path}: asked for frame {number}, got {seen}\n")


def main() -> int:
    """Run the soak; 1 if a frame was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--kill-every-s", type=float, default=0.5)
    parser.add_argument("--pause-s", type=float, default=0.0, help="of each thread between two requests")
    parser.add_argument("--nice", type=int, default=10, help="leave the cores to other programs")
    arguments = parser.parse_args()
    os.nice(arguments.nice)
    clips = []
    for path in arguments.clips:
        wanted = [frame.tobytes() for frame in VideoReader(path, method="process", size=(96, 128))]
        if len(set(wanted)) < len(wanted):
            parser.error(f"{path} has equal frames; a frame would not identify its number")
        clips.append((VideoReader(path, size=(96, 128)), wanted))
    counts = dict.fromkeys(("requests", "frames", "wrong frames", "failed requests", "kills"), 0)
    done = threading.Event()
    work = [
        threading.Thread(target=kill_at_random, args=(arguments.kill_every_s, done, counts)),
        *(
            threading.Thread(target=read_at_random, args=(clips, done, counts, arguments.pause_s))
            for _ in range(_THREADS)
        ),
    ]
    for thread in work:
        thread.start()
    start = time.monotonic()
    reported = start
    while time.monotonic() - start < arguments.minutes * 60 and not counts["wrong frames"]:
        time.sleep(1)
        if time.monotonic() - reported > _REPORT_S:
            reported = time.monotonic()
            sys.stdout.write(f"{(reported - start) / 60:.1f} min: {counts}\n")
            sys.stdout.flush()
    done.set()
    for thread in work:
        thread.join()
    methods = {reader.method for reader, _ in clips}
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    resident = Path("/proc/self/status").read_text().split("VmRSS:")[1].split("\n")[0].strip()
    sys.stdout.write(
        f"{(time.monotonic() - start) / 60:.1f} min: {counts}; methods {sorted(methods)}, {len(DECODERS)} decoders, "
        f"{descriptors} descriptors, {resident}\n"
    )
    return int(counts["wrong frames"] > 0)


if __name__ == "__main__":
    sys.exit(main())
