"""Encode numpy frames: CPU time of this process and its children."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from footage import Frames, frames_of
from machine import child_pids, memory_directory, thread_policies
from measure import Cost, Report, cost_of, in_fresh_process, interleaved, run_silently, spread
from peers import FPS, Write, opencv_writers, pyav_svt_version, pyav_thread_policies, writers
from quality import quality_of
from settings import Settings

from ffenc import Binaries, FFencError, VideoEncoderConfig, VideoWriter, probe_capabilities, probe_packets

OURS, LIMIT = "ffenc", "limit: ffmpeg, raw file in memory"
CPU_TARGET = 1.02
PARENT_MS_TARGET = 0.4


@dataclass(frozen=True, kw_only=True)
class Case:
    """An encoder and a frame size."""

    width: int
    height: int
    encoder: str
    preset: str | int | None
    count: int

    @property
    def name(self) -> str:
        """Return a label such as ``480 libsvtav1 12``."""
        return f"{self.height} {self.encoder}{'' if self.preset is None else f' {self.preset}'}"

    @property
    def config(self) -> VideoEncoderConfig:
        """Return LeRobot's settings: crf 30, g 2."""
        return VideoEncoderConfig(vcodec=self.encoder, preset=self.preset, crf=30, g=2)

    @property
    def options(self) -> dict[str, str]:
        """Return the settings as FFmpeg options."""
        preset = {} if self.preset is None else {"preset": str(self.preset)}
        return {"crf": "30", "g": "2", **preset}


def cases(*, quick: bool) -> list[Case]:
    """Return the cases: LeRobot's default and x264, at two sizes."""
    small, large = (60, 16) if quick else (200, 48)
    return [
        Case(width=640, height=480, encoder="libsvtav1", preset=12, count=small),
        Case(width=640, height=480, encoder="libx264", preset=None, count=small),
        Case(width=1920, height=1080, encoder="libsvtav1", preset=12, count=large),
        Case(width=1920, height=1080, encoder="libx264", preset="ultrafast", count=large),
    ]


def run(report: Report, settings: Settings) -> None:
    """Measure all cases."""
    _show_priorities(report, settings)
    _show_encoders(report, settings)
    opencv, failed = opencv_writers()
    for line in failed:
        report.remark(line)
    for case in cases(quick=settings.quick):
        frames = frames_of(settings.clip, case.count, case.width, case.height)
        _compare(report, settings, case, frames, opencv)


def _compare(report: Report, settings: Settings, case: Case, frames: Frames, opencv: Mapping[str, Write]) -> None:
    raw = memory_directory(frames.nbytes, settings.scratch) / f"ffenc-bench-{case.height}.rgb"
    peers = {**writers(case.encoder, case.options), **opencv}
    paths = {OURS: settings.scratch / "ours.mp4", LIMIT: settings.scratch / "limit.mp4"}
    paths |= {name: settings.scratch / f"peer-{number}.mp4" for number, name in enumerate(peers)}
    pair = _pair(settings, case, frames, raw, paths)
    others = {name: _peer(write, frames, paths[name]) for name, write in peers.items()}
    try:
        frames.tofile(raw)
        costs = interleaved({**pair, **others}, settings.few)
        # Ours and the limit have to be told apart by 2 %, which takes more runs than the peers need.
        more = interleaved(pair, settings.repeats - settings.few, warm_up=False)
        read_back = [cost_of(lambda: _read_back(paths[OURS], settings.binaries)) for _ in range(settings.repeats)]
    finally:
        raw.unlink(missing_ok=True)
    for name in pair:
        costs[name] += more[name]
    _tabulate(report, case, frames, costs, paths)
    _figures(report, case, costs, read_back)


def _pair(
    settings: Settings, case: Case, frames: Frames, raw: Path, paths: Mapping[str, Path]
) -> dict[str, Callable[[], Mapping[str, float] | None]]:
    """Measure ffenc, and then the same command reading a file."""
    argv: list[str] = []

    def ours() -> Mapping[str, float]:
        paths[OURS].unlink(missing_ok=True)
        with VideoWriter(
            paths[OURS], fps=FPS, config=case.config, size=(case.width, case.height), binaries=settings.binaries
        ) as writer:
            before = time.thread_time()
            for frame in frames:
                writer.write(frame)
            feeding_s = time.thread_time() - before
        assert writer.plan is not None
        replaced = {"pipe:0": f"file:{raw}", f"file:{writer.plan.output}": f"file:{paths[LIMIT]}"}
        argv[:] = [replaced.get(part, part) for part in writer.plan.argv]
        usage = writer.result.usage
        return {"feeding_s": feeding_s, "encoder_s": usage.cpu_user_s + usage.cpu_system_s}

    def limit() -> None:
        run_silently(argv)

    return {OURS: ours, LIMIT: limit}


def _peer(write: Write, frames: Frames, path: Path) -> Callable[[], None]:
    def work() -> None:
        path.unlink(missing_ok=True)
        write(frames, path)

    return work


def _read_back(path: Path, binaries: Binaries) -> None:
    probe_packets(path, binaries=binaries)


def _tabulate(
    report: Report, case: Case, frames: Frames, costs: Mapping[str, list[Cost]], paths: Mapping[str, Path]
) -> None:
    rows = []
    for name, runs in costs.items():
        try:
            quality = quality_of(paths[name], frames)
            seen = [f"{quality.psnr_db:.2f}", f"{quality.ssim:.4f}"]
        except FFencError as err:
            report.remark(f"{case.name}, {name}: not compared with its source: {str(err).splitlines()[0]}")
            seen = ["-", "-"]
        rows.append(
            [
                name,
                spread([1000 * run.cpu_s / case.count for run in runs]),
                spread([1000 * run.wall_s / case.count for run in runs]),
                f"{paths[name].stat().st_size / case.count:.0f}",
                *seen,
                str(len(runs)),
            ]
        )
    report.table(
        f"{case.name}, crf 30, g 2, {case.count} frames",
        ["method", "CPU ms/frame, parent + child", "wall ms/frame", "bytes/frame", "PSNR dB", "SSIM", "n"],
        rows,
    )


def _figures(report: Report, case: Case, costs: Mapping[str, list[Cost]], read_back: Sequence[Cost]) -> None:
    section = f"write {case.name}"
    ours, limit = costs[OURS], costs[LIMIT]
    limit_s = [cost.cpu_s for cost in limit]
    reading_s = statistics.median(cost.cpu_s for cost in read_back)
    report.ratio(section, "CPU, writing", [cost.cpu_s - reading_s for cost in ours], limit_s, at_most=CPU_TARGET)
    report.ratio(section, "CPU, writing and reading back", [cost.cpu_s for cost in ours], limit_s, at_most=CPU_TARGET)
    report.ratio(section, "CPU of the encoder process alone", [cost.note["encoder_s"] for cost in ours], limit_s)
    report.ratio(section, "wall, all of it", [cost.wall_s for cost in ours], [cost.wall_s for cost in limit])

    def per_frame(name: str, seconds: Sequence[float]) -> None:
        values = [1000 * each / case.count for each in seconds]
        report.figure(section, name, values, unit="ms", at_most=PARENT_MS_TARGET if case.height == 480 else None)

    per_frame("parent CPU a frame, all threads", [cost.own_cpu_s for cost in ours])
    per_frame("parent CPU a frame, in write()", [cost.note["feeding_s"] for cost in ours])
    beyond = [our.cpu_s - their.cpu_s for our, their in zip(ours, limit, strict=True)]
    report.figure(
        section, "CPU beyond the limit a frame, all of it", [1000 * each / case.count for each in beyond], unit="ms"
    )
    report.figure(section, "CPU of reading back, once", [1000 * cost.cpu_s for cost in read_back], unit="ms")
    for name, runs in costs.items():
        if name not in (OURS, LIMIT) and not name.startswith("OpenCV"):
            few = len(runs)
            report.ratio(section, f"CPU, all of it / {name}", [c.cpu_s for c in ours[:few]], [c.cpu_s for c in runs])


def _show_priorities(report: Report, settings: Settings) -> None:
    """Return the scheduling of running SVT-AV1 threads, of FFmpeg and of PyAV."""
    case = cases(quick=True)[0]
    frames = frames_of(None, 40, case.width, case.height)
    writer = VideoWriter(settings.scratch / "priority.mp4", fps=FPS, config=case.config, binaries=settings.binaries)
    for frame in frames:
        writer.write(frame)
    seen = "; ".join(thread_policies(pid) for pid in child_pids())
    writer.abort()
    report.remark(f"threads of a running SVT-AV1 encode under ffenc: {seen}")
    report.remark(f"threads of this process during one inside PyAV: {pyav_thread_policies(frames, case.options)}")


def _show_encoders(report: Report, settings: Settings) -> None:
    capabilities = probe_capabilities(
        settings.binaries.ffmpeg, library_versions={"libsvtav1": r"SVT-AV1 Encoder Lib v(\S+)"}
    )
    svt = ".".join(str(part) for part in capabilities.library_versions.get("libsvtav1", ("?",)))
    report.remark(
        f"ffenc, the limit and imageio-ffmpeg use ffmpeg {capabilities.version.text} with SVT-AV1 {svt}; "
        f"PyAV brings SVT-AV1 {in_fresh_process(pyav_svt_version)}"
    )
