"""Sections ``full`` and ``spawn``: duration of calls that must not block."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from control import ffmpeg_pids, load
from measure import Report, in_fresh_process, interleaved, spread
from recorders import QUEUE_MAXSIZE
from settings import Settings

from ffenc import Binaries, FrameFormat, VideoEncoderConfig
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess, Priority
from ffenc.streaming.encoder import StreamingVideoEncoder

ANSWER_MS = 1.0
PARENT_BYTES = 4 * 1024**3

Note = dict[str, float]


def full(report: Report, settings: Settings) -> None:
    """Measure policy ``drop`` with full queues: three cameras with stopped encoders (SIGSTOP)."""
    calls = 100 if settings.quick else 1000
    number = iter(range(1000))

    def work() -> Note:
        directory = settings.scratch / f"full-{next(number)}"
        directory.mkdir()
        return in_fresh_process(_feed_stopped, settings.binaries, directory, calls)

    runs = interleaved({"ffenc": work}, settings.repeats, warm_up=False)["ffenc"]
    report.keep_runs("full", {"ffenc": runs})
    names = ("p50", "p99", "max")
    rows = [[name, spread([run.note[name] for run in runs], 3)] for name in (*names, "steps until full", "load")]
    report.table(f"A full queue, 3 x 640x480, policy drop, {calls} calls", ["", "ms"], rows)
    for name in names:
        values = [run.note[name] for run in runs]
        report.figure("full", f"answer that the step is dropped, {name}", values, unit="ms", at_most=ANSWER_MS)


def _feed_stopped(binaries: Binaries, directory: Path, calls: int) -> Note:
    names = ["camera0", "camera1", "camera2"]
    frame = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    frames = dict.fromkeys(names, frame)
    encoder = StreamingVideoEncoder(
        30,
        camera_encoder=VideoEncoderConfig(vcodec="libx264"),
        queue_maxsize=QUEUE_MAXSIZE,
        policy="drop",
        binaries=binaries,
        stall_timeout_s=120,
    )
    encoder.start_episode(dict.fromkeys(names, FrameFormat(width=640, height=480)), directory)
    encoder.feed_frames(frames)
    stopped = _stop_all(binaries, len(names))
    taken = 1
    try:
        while encoder.feed_frames(frames):
            taken += 1
            time.sleep(0.01)  # the pipe and ffmpeg's own input take some as well
        took = []
        for _ in range(calls):
            before = time.perf_counter()
            was_taken = encoder.feed_frames(frames)
            took.append(1000 * (time.perf_counter() - before))
            assert not was_taken, "a stopped encoder has made room"
            time.sleep(0.003)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        encoder.cancel_episode()
        encoder.close()
    p50, p99, most = np.percentile(took, [50, 99, 100])
    return {"p50": p50, "p99": p99, "max": most, "steps until full": taken, "load": load()}


def _stop_all(binaries: Binaries, count: int) -> list[int]:
    deadline = time.monotonic() + 20
    while len(pids := ffmpeg_pids(binaries.ffmpeg)) < count:
        assert time.monotonic() < deadline, f"{len(pids)} of {count} encoders run"
        time.sleep(0.01)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


def spawn(report: Report, settings: Settings) -> None:
    """Measure the start of ffmpeg from a process with 4 GB of used memory."""
    size = PARENT_BYTES // 16 if settings.quick else PARENT_BYTES
    starts = 5 if settings.quick else 20
    notes = [in_fresh_process(_start_often, settings.binaries, size, starts) for _ in range(settings.few)]
    names = [name for name in notes[0] if name != "load"]
    rows = [[name, spread([note[name] for note in notes]), spread([note["load"] for note in notes])] for name in names]
    report.table(f"ffmpeg started {starts} times by a process of {size / 2**30:g} GiB", ["", "ms", "load"], rows)
    report.figure("spawn", "FFmpegProcess.start, nice 10", [note[names[0]] for note in notes], unit="ms")


def _start_often(binaries: Binaries, size: int, starts: int) -> Note:
    held = np.ones(size, np.uint8)
    argv = [str(binaries.ffmpeg), "-nostdin", "-v", "error", "-f", "lavfi", "-i", "nullsrc=d=60", "-f", "null", "-"]
    ways: dict[str, Callable[[], tuple[float, Callable[[], object]]]] = {
        "ffenc, nice 10": partial(_start_ours, argv, Priority(nice=10)),
        "ffenc, priority as ours": partial(_start_ours, argv, Priority()),
        "subprocess.Popen": partial(_start_popen, argv),
        "subprocess.Popen with preexec_fn (fork)": partial(_start_popen, argv, preexec_fn=_be_nice),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(starts):
        for name, way in ways.items():
            seconds, end = way()
            end()
            took[name].append(1000 * seconds)
            time.sleep(0.05)  # until the one before is gone
    note = {f"{name}, {what}": float(np.percentile(all_ms, percentile))
            for name, all_ms in took.items() for what, percentile in (("median", 50), ("worst", 100))}  # fmt: skip
    assert held[-1] == 1
    return note | {"load": load()}


def _start_ours(argv: list[str], priority: Priority) -> tuple[float, Callable[[], object]]:
    before = time.perf_counter()
    process = FFmpegProcess.start(argv, stdin=True, priority=priority)
    return time.perf_counter() - before, process.abort


def _start_popen(argv: list[str], preexec_fn: Callable[[], None] | None = None) -> tuple[float, Callable[[], object]]:
    before = time.perf_counter()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=preexec_fn,  # noqa: PLW1509  # what it costs is the question
    )
    took = time.perf_counter() - before

    def end() -> None:
        process.kill()
        process.communicate()

    return took, end


def _be_nice() -> None:
    os.nice(10)
