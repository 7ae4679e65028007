"""Delays of live cameras and their recording: ``python benchmarks/cameras.py [--quick] [--only SECTION]``; see `command`."""

from __future__ import annotations

import argparse
import fcntl
import multiprocessing
import os
import pty
import select
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, in_fresh_process, interleaved, spread
from settings import Settings

sys.path.append(str(Path(__file__).parents[1]))

from ffenc import Binaries, CameraSource, LiveSource
from ffenc.cli.main import main
from ffenc.dataset.recording.live_recording import record_episode
from ffenc.dataset.recording.recorder import DatasetRecorder
from tests import camera_process, frame_numbers, network_camera, rtsp_camera

ABOUT = """Measure the age of frames, the jitter of ``ffenc record`` with its live view, and how soon a stall is noticed.

The servers of the network cameras run in processes of their own, on this machine and its clock.
"""

SECTIONS = {"age": "cameras.age", "jitter": "cameras.jitter", "stall": "cameras.stall"}

FPS, LOOP_FPS = 30, 29
"""Rates of the cameras and of the loop.  They differ, so that the loop meets every phase of a frame interval."""

AGE_MS = 1000 / FPS + 20
JITTER_OF_PLAIN = 1.1
STALE_AFTER_S, NOTICED_WITHIN_S = 1.0, 0.2

HTTP_MJPEG, HTTP_TS, RTSP, LAVFI = "HTTP MJPEG", "HTTP-TS H.264", "RTSP over TCP H.264", "lavfi"
SERVED = (HTTP_MJPEG, HTTP_TS, RTSP)

_NUMBERS = 256  # the numbers of the frames repeat after these
_OPENING_S = 25  # frames that a server has, beyond those of the loop
_SCALE = ("-vf", "scale=640:480:flags=neighbor")
_NUMBERED_GRAPH = (
    f"nullsrc=size=128x64:rate={FPS},format=gray,geq="
    "lum='if(mod(floor(N/pow(2,floor(X/16)))+floor(Y/32),2),215,40)',scale=640:480:flags=neighbor"
)


def age(report: Report, settings: Settings) -> None:
    """Measure the age of the newest frame at each tick of a loop, by the numbers that the frames show."""
    seconds = settings.seconds or (2 if settings.quick else 5)
    available = len(os.sched_getaffinity(0))
    cases = [_Case(kind=kind, cores=cores) for kind in (*SERVED, LAVFI) for cores in sorted({1, available})]
    # What a decoder does by itself on a machine with 16 cores.
    cases += [_Case(kind=kind, cores=available, threads=16) for kind in (HTTP_TS, RTSP)]
    # What the options that docs/recording.md advises change.
    cases += [
        _Case(kind=HTTP_TS, cores=available, has_lengths=has_lengths, is_parsed=is_parsed)
        for has_lengths, is_parsed in ((False, False), (True, True), (True, False))
    ]
    works = {
        case.name: partial(in_fresh_process, _ages, replace(case, seconds=seconds, binaries=settings.binaries))
        for case in cases
    }
    costs = interleaved(works, settings.repeats, warm_up=False)
    report.keep_runs("age", costs)
    names = list(costs[cases[0].name][0].note)
    report.table(
        f"Age of the newest frame, 640x480 at {FPS} fps, ms: {seconds:g} s, n={settings.repeats}",
        ["", *names],
        [[case, *(spread([run.note[name] for run in runs], 1) for name in names)] for case, runs in costs.items()],
    )
    for case in cases:
        limit = AGE_MS if case.is_default else None
        for name in ("age p50", "age p99"):
            values = [run.note[name] for run in costs[case.name]]
            report.figure("age", f"{name}, {case.name}", values, unit="ms", at_most=limit)


def jitter(report: Report, settings: Settings) -> None:
    """Compare the delays of the steps of ``ffenc record`` on a terminal, with and without its live view and keys."""
    seconds = settings.seconds or (4 if settings.quick else 20)
    shown, plain = "with view and keys", "without"
    works = {
        shown: partial(_delays_on_terminal, settings, seconds=seconds, is_shown=True),
        plain: partial(_delays_on_terminal, settings, seconds=seconds, is_shown=False),
    }
    costs = interleaved(works, settings.repeats, warm_up=False)
    report.keep_runs("jitter", costs)
    names = list(costs[shown][0].note)
    report.table(
        f"Delay of a step, 1 camera 640x480, x264 ultrafast, ms: {seconds:g} s, n={settings.repeats}",
        ["", *names],
        [[case, *(spread([run.note[name] for run in runs]) for name in names)] for case, runs in costs.items()],
    )
    p99 = {case: [run.note["p99"] for run in runs] for case, runs in costs.items()}
    report.ratio("jitter", "p99 with view and keys / without", p99[shown], p99[plain], at_most=JITTER_OF_PLAIN)


def stall(report: Report, settings: Settings) -> None:
    """Measure the time from the last frame that a server wrote to the end of the episode."""
    works = {
        kind: partial(in_fresh_process, _stall, _Case(kind=kind, seconds=4, binaries=settings.binaries))
        for kind in SERVED
    }
    costs = interleaved(works, settings.repeats, warm_up=False)
    report.keep_runs("stall", costs)
    for kind, runs in costs.items():
        values = [run.note["noticed after"] for run in runs]
        at_most = STALE_AFTER_S + NOTICED_WITHIN_S
        report.figure("stall", f"{kind}, stale_after_s {STALE_AFTER_S:g}", values, unit="s", at_most=at_most)


@dataclass(frozen=True, kw_only=True)
class _Case:
    """A camera and the machine that FFmpeg sees; it is pickled.

    Attributes:
        kind: kind of source.
        cores: processors that this process and its children may use; None for all.
        threads: decoding threads that hold frames back, as FFmpeg's own default does; None leaves them to ffenc.
        has_lengths: whether packets of MPEG-TS state their length.
        is_parsed: whether FFmpeg's parser looks for the ends of frames.
        seconds: length of the loop.
        binaries: the executables.
    """

    kind: str
    cores: int | None = None
    threads: int | None = None
    has_lengths: bool = False
    is_parsed: bool = True
    seconds: float = 0
    binaries: Binaries | None = None

    @property
    def name(self) -> str:
        if self.threads is not None:
            return f"{self.kind}, {self.threads} decoding threads"
        if not self.is_default:
            return self.kind + ", lengths stated" * self.has_lengths + ", not parsed" * (not self.is_parsed)
        return f"{self.kind}, {self.cores} core" + "s" * (self.cores != 1)

    @property
    def is_default(self) -> bool:
        return self.threads is None and self.is_parsed and not self.has_lengths

    def source(self, url: str) -> LiveSource:
        if self.kind == LAVFI:
            return LiveSource(source=url, format="lavfi")
        options = {} if self.threads is None else {"threads": str(self.threads), "flags": "-low_delay"}
        options |= {} if self.is_parsed else {"fflags": "noparse+nofillin"}
        return LiveSource(source=url, options=options)


class _Log:
    """Times of the frames of a server, by ``time.monotonic``, shared between two processes.

    Attributes:
        due, begun, written: for each frame, when it was due, when the server began to write it, and when it had written it.
        is_silent: set to make the server fall silent.
    """

    def __init__(self, seconds: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.count = round((seconds + _OPENING_S) * FPS)
        self.due, self.begun, self.written = (context.Array("d", self.count, lock=False) for _ in range(3))
        self.is_silent = context.Event()

    def age_s(self, number: int, now: float) -> float:
        """Return the age of the newest frame with this number that the server had begun to write."""
        begun = np.array(self.begun[number::_NUMBERS])
        return now - float(begun[(begun > 0) & (begun <= now)].max())


@dataclass(eq=False)
class _Frames(Sequence[Sequence[bytes]]):
    """Parts of the frames of a server, which log when they are written."""

    parts: Sequence[Sequence[bytes]]
    log: _Log
    _start: float = 0

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: Any) -> Sequence[bytes]:
        while self.log.is_silent.is_set():
            time.sleep(0.05)
        now = time.monotonic()
        if number == 0:  # of a new client
            self._start = now
        self.log.due[number], self.log.begun[number] = self._start + number / FPS, now
        return _Parts(self.parts[number], partial(self._wrote, number))

    def _wrote(self, number: int) -> None:
        self.log.written[number] = time.monotonic()


class _Parts(list[bytes]):
    """Parts of a frame; tells when the last one was consumed."""

    def __init__(self, parts: Sequence[bytes], on_end: Callable[[], None]) -> None:
        super().__init__(parts)
        self._on_end = on_end

    def __iter__(self) -> Iterator[bytes]:
        yield from super().__iter__()
        self._on_end()


@contextmanager
def _served(case: _Case, log: _Log) -> Iterator[str]:
    """Run the server of a camera in a process; yield its URL."""
    if case.kind == LAVFI:
        yield _NUMBERED_GRAPH
        return
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(case, log, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(case: _Case, log: _Log, pipe: Any) -> None:
    with _server(case, log) as url:
        pipe.send(url if isinstance(url, str) else url.url)
        with suppress(EOFError):
            pipe.recv()


def _server(case: _Case, log: _Log) -> AbstractContextManager[Any]:
    assert case.binaries is not None
    if case.kind == RTSP:
        units = rtsp_camera.access_units(case.binaries, log.count, *_SCALE)
        return rtsp_camera.serving_rtsp(_Frames(units, log), fps=FPS)
    if case.kind == HTTP_TS:
        packets = _transport_stream(case.binaries, log.count, has_lengths=case.has_lengths)
        return network_camera.serving(partial(_respond, _Frames(packets, log)), "video/mp2t")
    jpegs = network_camera.jpegs(case.binaries, log.count, *_SCALE)
    return network_camera.serving(partial(_respond, _Frames([[network_camera.part(jpeg)] for jpeg in jpegs], log)))


def _respond(frames: _Frames, send: network_camera.Send, stopped: threading.Event) -> None:
    start = time.monotonic()
    for number in range(len(frames)):
        if stopped.wait(max(0.0, start + number / FPS - time.monotonic())):
            return
        for part in frames[number]:
            send(part)


def _transport_stream(binaries: Binaries, count: int, *, has_lengths: bool) -> list[list[bytes]]:
    """Return numbered frames as MPEG-TS: the packets of each frame."""
    lengths = ("-omit_video_pes_length", str(int(not has_lengths)))
    stream = network_camera.encoded(binaries, count, *_SCALE, *network_camera.H264, "-f", "mpegts", *lengths)
    frames = camera_process.transport_stream(stream)
    assert len(frames) == count
    return [[frame] for frame in frames]


@dataclass
class _Taker:
    """Takes the steps of an episode: the time of each, and its frame in a smaller size."""

    taken: list[tuple[float, Any]] = field(default_factory=list)

    def add_frame(self, frame: Mapping[str, Any], /) -> bool:
        now = time.monotonic()
        self.taken.append((now, frame["camera"][::16, ::16].copy()))
        return True


def _ages(case: _Case) -> dict[str, float]:

    log, taker = _Log(case.seconds), _Taker()
    with _served(case, log) as url:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: case.cores])
        with CameraSource(case.source(url), binaries=case.binaries) as camera:
            record_episode(
                taker, {"camera": camera}, task="", fps=LOOP_FPS, duration_s=Fraction(case.seconds), on_stale="continue"
            )
    times = np.array([now for now, _ in taker.taken])
    numbers = [frame_numbers.read(frame) for _, frame in taker.taken]
    assert frame_numbers.UNREADABLE not in numbers
    if case.kind == LAVFI:
        # FFmpeg does not tell when a frame is due; the promptest frame of the run has age 0.
        ages = times - np.unwrap(numbers, period=_NUMBERS) / FPS
        ages, server = ages - ages.min(), np.zeros(1)
    else:
        ages = np.array([log.age_s(number, now) for number, now in zip(numbers, times, strict=True)])
        written = np.array(log.written)
        during = (written >= times[0]) & (written <= times[-1])
        server = (written - np.array(log.due))[during]
    percentiles = {"age p50": (ages, 50), "age p99": (ages, 99), "server p50": (server, 50), "server p99": (server, 99)}
    return {name: 1000 * float(np.percentile(*each)) for name, each in percentiles.items()}


def _stall(case: _Case) -> dict[str, float]:

    log = _Log(case.seconds)
    with _served(case, log) as url, CameraSource(case.source(url), binaries=case.binaries) as camera:
        silence = threading.Timer(case.seconds / 4, log.is_silent.set)
        silence.start()
        episode = record_episode(
            _Taker(), {"camera": camera}, task="", fps=FPS, duration_s=case.seconds, stale_after_s=STALE_AFTER_S
        )
        noticed = time.monotonic()
    assert episode.stale == "camera"
    return {"noticed after": noticed - max(log.written)}


def _delays_on_terminal(settings: Settings, *, seconds: float, is_shown: bool) -> dict[str, float]:
    ours, theirs = pty.openpty()
    printed: list[bytes] = []
    has_ended = threading.Event()

    def read() -> None:
        while not has_ended.is_set():
            if select.select([ours], [], [], 0.05)[0]:
                printed.append(os.read(ours, 65536))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        root = settings.scratch / f"set-{time.monotonic_ns()}"
        switches = [f"--{name}={str(is_shown).lower()}" for name in ("display_data", "keys")]
        delays = in_fresh_process(_delays, os.ttyname(theirs), root, settings.binaries.ffmpeg, seconds, switches)
    finally:
        has_ended.set()
        reader.join()
        os.close(ours)
        os.close(theirs)
    assert (b"right arrow: next" in b"".join(printed)) == is_shown
    return {name: float(np.percentile(delays, rank)) for name, rank in (("p50", 50), ("p99", 99), ("max", 100))}


def _delays(terminal: str, root: Path, ffmpeg: Path, seconds: float, switches: Sequence[str]) -> list[float]:
    """Record on a terminal, and return the delay of each step against the promptest one, in ms."""
    _take_terminal(terminal)
    times: list[float] = []
    add_frame = DatasetRecorder.add_frame

    def timed(self: DatasetRecorder, frame: Mapping[str, Any], /, **capture: Any) -> bool:
        times.append(time.monotonic())
        return add_frame(self, frame, **capture)

    DatasetRecorder.add_frame = timed  # type: ignore[method-assign]
    camera = f"{{a: {{type: ffmpeg, source: testsrc2, format: lavfi, width: 640, height: 480, fps: {FPS}}}}}"
    status = main(
        [
            "record",
            "--dataset.repo_id=me/jitter",
            f"--dataset.root={root}",
            "--dataset.single_task=look",
            "--dataset.num_episodes=1",
            f"--dataset.episode_time_s={seconds}",
            "--dataset.camera_encoder.vcodec=h264",
            "--dataset.camera_encoder.preset=ultrafast",
            f"--cameras={camera}",
            "--on_stale=continue",  # a step with a repeated frame is not held
            f"--ffmpeg={ffmpeg}",
            "--ffprobe=none",
            *switches,
        ]
    )
    assert status == 0
    assert len(times) == round(seconds * FPS)
    delays = np.array(times) - np.arange(len(times)) / FPS
    return [1000 * float(delay) for delay in delays - delays.min()]


def _take_terminal(path: str) -> None:
    """Make a terminal the controlling one of this process, and its standard streams."""
    os.setsid()
    descriptor = os.open(path, os.O_RDWR)
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
    for stream in range(3):
        os.dup2(descriptor, stream)
    # The old objects may belong to files, or to none.
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    os.environ |= {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, help="length of a loop (age: 5, quick 2; jitter: 20, quick 4)")


if __name__ == "__main__":
    # Not at the top: the fresh interpreters of a run read this file again and are to load no more than they measure.
    from command import main as run_sections

    run_sections(ABOUT, SECTIONS, add_arguments=_add_arguments)
