"""Read frames at random through ffenc, torchcodec and PyAV, request by request in turn.

Usage: python benchmarks/reading.py FOOTAGE [--part clips|files|memory|all] [--requests 200] [--frames 100000] [--json FILE]

Makes clips of 640x480 from the footage with the FFmpeg that ffenc finds: AV1 and H.264, a keyframe every 2 or 30 frames.
Prints medians and 95th percentiles in milliseconds, and the ratio of the medians to a peer of the same run.  Peers that are not
installed are left out.  `loading` compares loaders of batches.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ffenc import VideoReader, find_binaries
from ffenc.video.decoder_pool import DECODERS

Read = Callable[[Path, Sequence[int]], object]

CODECS = {"h264": ("libx264", "-bf", "0"), "av1": ("libsvtav1", "-preset", "10")}
GOPS = (2, 30)
FRAMES = 240
FILES = 1000
LEROBOT_CACHE = 100
SIZE = (224, 224)

OURS, OURS_SMALL = "ffenc", "ffenc 224x224"
TORCHCODEC, TORCHCODEC_CACHE, TORCHCODEC_SMALL, PYAV = (
    "torchcodec",
    "torchcodec, cache of 100",
    "torchcodec + resize",
    "PyAV",
)

TARGETS = (
    ("one random frame", OURS, TORCHCODEC, 1.2),
    ("one random frame", OURS, PYAV, 1.0),
    ("six neighbouring frames", OURS, TORCHCODEC, 1.0),
    ("32 random frames", OURS, TORCHCODEC, 1.0),
    ("one frame of 1,000 files", OURS, TORCHCODEC_CACHE, 0.7),
    ("one random frame", OURS_SMALL, TORCHCODEC_SMALL, 0.6),
    ("one frame of 1,000 files", OURS_SMALL, TORCHCODEC_SMALL, 0.6),
)
"""What, of whom, against whom, at most how many times as long."""


def ours(**options: Any) -> Read:
    """Return ffenc's reader; one object for each file, as a dataset keeps them."""
    opened = functools.lru_cache(maxsize=FILES)(functools.partial(VideoReader, **options))
    return lambda path, numbers: opened(path).frames(numbers)


class Torchcodec:
    """torchcodec as LeRobot opens it, with its cache of open decoders."""

    def __init__(self, *, resize: bool = False) -> None:
        self._open = import_module("torchcodec.decoders").VideoDecoder
        self._torch = import_module("torch")
        self._decoders: OrderedDict[Path, Any] = OrderedDict()
        self._resize = resize

    def __call__(self, path: Path, numbers: Sequence[int]) -> object:
        """Read frames."""
        decoder = self._decoders.get(path)
        if decoder is None:
            decoder = self._decoders[path] = self._open(str(path), seek_mode="approximate")
            if len(self._decoders) > LEROBOT_CACHE:
                self._decoders.popitem(last=False)
        self._decoders.move_to_end(path)
        frames = decoder.get_frames_at(list(numbers)).data
        if not self._resize:
            return frames
        resize = self._torch.nn.functional.interpolate
        return resize(frames.float(), SIZE, mode="bilinear", antialias=True)


class PyAV:
    """PyAV with the file open and one thread, as it decodes single frames fastest."""

    def __init__(self) -> None:
        self._av = import_module("av")
        self._files: dict[Path, Any] = {}

    def __call__(self, path: Path, numbers: Sequence[int]) -> object:
        """Read frames."""
        if path not in self._files:
            self._files[path] = self._av.open(str(path))
            self._files[path].streams.video[0].thread_count = 1
        file = self._files[path]
        stream = file.streams.video[0]
        found = {}
        for number in sorted(set(numbers)):
            if number in found:
                continue
            file.seek(int(number / (stream.average_rate * stream.time_base)), stream=stream)
            for frame in file.decode(stream):
                shown = round(Fraction(frame.pts) * stream.time_base * stream.average_rate)
                if shown in numbers:
                    found[shown] = frame.to_ndarray(format="rgb24")
                if shown >= number:
                    break
        return np.stack([found[number] for number in numbers])


def peers() -> dict[str, Read]:
    """Return readers by name: ours, and what is installed."""
    readers: dict[str, Read] = {OURS: ours(), OURS_SMALL: ours(size=SIZE)}
    if find_spec("torchcodec"):
        readers[TORCHCODEC] = Torchcodec()
        readers[TORCHCODEC_SMALL] = Torchcodec(resize=True)
    if find_spec("av"):
        readers[PYAV] = PyAV()
    return readers


def make_clip(footage: Path, codec: str, gop: int, directory: Path, *, size: tuple[int, int] = (640, 480)) -> Path:
    """Encode a clip of (width, height)."""
    encoder, *options = CODECS[codec]
    path = directory / f"{codec}-g{gop}-{size[0]}.mp4"
    command = [str(find_binaries().ffmpeg), "-v", "error", "-y", "-stream_loop", "-1", "-i", str(footage), "-an"]
    command += ["-vf", f"scale={size[0]}:{size[1]},fps=30", "-frames:v", str(FRAMES), "-pix_fmt", "yuv420p"]
    command += ["-c:v", encoder, *options, "-g", str(gop), str(path)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return path


def in_turn(readers: dict[str, Read], requests: Sequence[tuple[Path, list[int]]]) -> dict[str, list[float]]:
    """Return milliseconds of every request through every reader, after one request that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in readers}
    for place, (path, numbers) in enumerate((requests[0], *requests)):
        for name, read in readers.items():
            start = time.perf_counter()
            read(path, numbers)
            if place:
                times[name].append(1000 * (time.perf_counter() - start))
    return times


def draw(paths: Sequence[Path], kind: str, count: int) -> list[tuple[Path, list[int]]]:
    """Draw requests."""
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(count):
        path = paths[rng.integers(len(paths))]
        first = int(rng.integers(FRAMES - 6))
        numbers = {"six": range(first, first + 6), "32": rng.integers(FRAMES, size=32).tolist()}
        drawn.append((path, list(numbers.get(kind, [first]))))
    return drawn


def show(what: str, times: dict[str, list[float]], rows: list[dict[str, Any]]) -> None:
    """Print a table of one kind of request, and keep it."""
    sys.stdout.write(f"\n{what}\n")
    medians = {name: float(np.median(values)) for name, values in times.items()}
    for name, values in times.items():
        p95 = float(np.percentile(values, 95))
        rows.append({"what": what, "reader": name, "p50_ms": medians[name], "p95_ms": p95, "requests": len(values)})
        sys.stdout.write(f"  {name:26} p50 {medians[name]:8.2f}  p95 {p95:8.2f}\n")
    for kind, our, peer, target in TARGETS:
        if what.endswith(kind) and {our, peer} <= medians.keys():
            ratio = medians[our] / medians[peer]
            verdict = "met" if ratio <= target else "not met"
            sys.stdout.write(f"  {our} / {peer}: {ratio:.2f} (target {target}: {verdict})\n")
    sys.stdout.flush()


def measure_clip(clip: Path, requests: int, rows: list[dict[str, Any]]) -> None:
    """Requests of one frame, of neighbours and of a batch."""
    readers = peers()
    show(f"{clip.stem}: one random frame", in_turn(readers, draw([clip], "one", requests)), rows)
    show(f"{clip.stem}: six neighbouring frames", in_turn(readers, draw([clip], "six", requests // 4)), rows)
    show(f"{clip.stem}: 32 random frames", in_turn(readers, draw([clip], "32", requests // 20)), rows)


def measure_many_files(clip: Path, directory: Path, requests: int, rows: list[dict[str, Any]]) -> None:
    """One frame of one of 1,000 files."""
    paths = [directory / f"{number:04}.mp4" for number in range(FILES)]
    for path in paths:
        os.link(clip, path)
    readers = peers()
    readers.pop(PYAV, None)
    if TORCHCODEC in readers:
        readers[TORCHCODEC_CACHE] = readers.pop(TORCHCODEC)
    for path in paths:  # every file is known, as after an epoch
        readers[OURS](path, [0])
        readers[OURS_SMALL](path, [0])
    drawn = draw(paths, "one", requests)
    show(f"{clip.stem}: one frame of 1,000 files", in_turn(readers, drawn), rows)


def measure_memory(clip: Path, directory: Path, frames: int, rows: list[dict[str, Any]]) -> None:
    """Read random frames of 1,000 files, and show what this process and its decoders keep."""
    paths = [directory / f"small-{number:04}.mp4" for number in range(FILES)]
    for path in paths:
        os.link(clip, path)
    read = ours(size=(96, 128))
    for path in paths:
        read(path, [0])
    sys.stdout.write(f"\n{frames} random frames of 1,000 files\n")
    for done, (path, numbers) in enumerate(draw(paths, "one", frames + 1)):
        if done % max(1, frames // 5) == 0:
            decoders = sum(_resident_mb(str(pid)) for pid in DECODERS.pids)
            descriptors = len(list(Path("/proc/self/fd").iterdir()))
            row = {"frames": done, "memory_mb": _resident_mb(), "decoders_mb": decoders, "descriptors": descriptors}
            rows.append({"what": "memory", **row, "decoders": len(DECODERS)})
            sys.stdout.write(
                f"  after {done:6} frames: {row['memory_mb']:.1f} MB, {descriptors} descriptors; {len(DECODERS)} decoders "
                f"with {decoders:.0f} MB\n"
            )
            sys.stdout.flush()
        read(path, numbers)


def _resident_mb(process: str = "self") -> float:
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("footage", type=Path)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--part", choices=("clips", "files", "memory", "all"), default="all")
    parser.add_argument("--frames", type=int, default=100_000, help="of the part memory")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    sys.stdout.write(f"load at the start: {os.getloadavg()}\n")
    if find_spec("torch"):
        import_module("torch").set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for codec in CODECS if arguments.part in ("clips", "all") else ():
            for gop in GOPS:
                measure_clip(make_clip(arguments.footage, codec, gop, directory), arguments.requests, rows)
        if arguments.part in ("files", "all"):
            measure_many_files(make_clip(arguments.footage, "av1", 2, directory), directory, arguments.requests, rows)
        if arguments.part in ("memory", "all"):
            small = make_clip(arguments.footage, "h264", 2, directory, size=(128, 96))
            measure_memory(small, directory, arguments.frames, rows)
    sys.stdout.write(f"load at the end: {os.getloadavg()}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
