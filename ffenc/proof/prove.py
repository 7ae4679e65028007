"""Prove encoders on this machine: try each, run the checks, remember the result, and describe the setup."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ffenc.bench.machine import describe_machine
from ffenc.config import VideoEncoderConfig
from ffenc.encoders.spec import EncoderSpec
from ffenc.encoders.table import ENCODERS, encoder_row, platform_rows
from ffenc.errors import EncoderUnavailableError, FFencError, FrameSizeError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess, run_tool
from ffenc.frame_rate import FrameRate, parse_frame_rate
from ffenc.json_text import as_json
from ffenc.plan.encode import RawFrames
from ffenc.plan.frame_checks import chroma_steps
from ffenc.plan.options import nearest_name
from ffenc.proof.checks import Check, checks_for
from ffenc.proof.subject import ProofJob, Subject, UndecidedError, reason_of, texture
from ffenc.video.proof_memory import Failure, RememberedProof, remember_proof
from ffenc.video.run_context import RunContext
from ffenc.video.selection import (
    Candidate,
    capabilities_for,
    examine_encoders,
    forget_choices,
    rows_for_device,
    setup_of,
)

STALL_TIMEOUT_S = 20.0
"""Longest time without progress in a check."""

FORMAT = 1
"""Version of the JSON document."""

Verdict: TypeAlias = Literal["proven", "failed", "does not work", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: name of the check.
        passed: None if this FFmpeg cannot decide it.
        detail: what was found, or the reason for the failure.
        took_s: duration in seconds.
    """

    name: str
    passed: bool | None
    detail: str
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderProof:
    """The proof of one encoder.

    Attributes:
        encoder: FFmpeg's name.
        codec: the bitstream standard that it writes.
        device: kind of hardware; None for software.
        device_node: the device file that it used, if the command names one.
        driver: versions of the driver, as far as the system reports them.
        verdict: ``proven``; ``failed``: a check failed; ``does not work``: it did not pass its trial; ``unknown``: its trial
            ran out of time.
        trial: what the trial proved, or why it failed.
        checks: results of the checks, in order; empty if the trial failed.
        command: a command of the proof; files are temporary.
        listing: what FFmpeg lists about the encoder.
        log: what FFmpeg and the driver print while they encode a few frames.
    """

    encoder: str
    codec: str
    device: str | None
    device_node: str | None
    driver: tuple[str, ...]
    verdict: Verdict
    trial: str
    checks: tuple[CheckResult, ...] = ()
    command: tuple[str, ...] = ()
    listing: str = ""
    log: str = ""

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def took_s(self) -> float:
        """Duration of all checks in seconds."""
        return round(sum(check.took_s for check in self.checks), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The proofs of several encoders on one machine.

    Attributes:
        made_at: date and time in UTC, ISO 8601.
        machine: processor, memory, system, and versions of packages.
        ffmpeg: version, configuration and libraries, as FFmpeg prints them.
        ffprobe: version of ffprobe; None without it.
        job: size, rate, cameras and duration of the soak.
        encoders: one proof for each encoder, in the order in which they ran.
    """

    made_at: str
    machine: dict[str, str]
    ffmpeg: str
    ffprobe: str | None
    job: ProofJob
    encoders: tuple[EncoderProof, ...]

    @property
    def passed(self) -> bool:
        """Whether there is an encoder, and every one is proven."""
        return bool(self.encoders) and all(each.verdict == "proven" for each in self.encoders)

    def to_json(self) -> dict[str, Any]:
        """Return the document that can be attached to a report: plain JSON values, without names of users or hosts."""
        return {"format": FORMAT, **as_json(self)}


def prove_encoders(
    encoders: Sequence[str] | None = None,
    *,
    size: tuple[int, int] = (640, 480),
    fps: FrameRate = 30,
    cameras: int = 2,
    soak_s: float = 0,
    device: str | None = None,
    binaries: Binaries | None = None,
    on_step: Callable[[int, int, str], None] | None = None,
) -> Proof:
    """Prove on this machine that encoders do what their settings say.

    Each encoder that passes its trial encodes small clips, and the files are examined; see `ffenc.proof.checks.CHECKS`.  The
    result is remembered for this FFmpeg, device and driver: ``vcodec="auto"`` passes over an encoder whose proof failed.  The
    encoders that a check kills on purpose are logged as warnings.

    Args:
        encoders: FFmpeg's names; None proves every encoder of this platform that passes its trial.
        size: (width, height) of the frames.
        fps: frame rate.
        cameras: encodes that have to work at the same time.
        soak_s: seconds of encoding in real time, for drivers that fail only after minutes; 0: none.
        device: the GPU, as `VideoEncoderConfig.device`; only encoders that take it are proved.  None: for each encoder the
            first on which its trial succeeds.
        binaries: the executables; found by `find_binaries` if None.
        on_step: called with (checks done, number of checks, name of the current one).

    Raises:
        EncoderUnavailableError: neither ffenc nor this FFmpeg knows a name.
        EncoderOptionError: a named encoder, or every encoder, does not take the device.
        FrameSizeError: the size does not fit video with shared chroma samples.
        ValueError: a wrong frame rate or number.
    """
    binaries = binaries or find_binaries()
    job = replace(_checked_job(size, fps, cameras, soak_s), device=VideoEncoderConfig(device=device).device)
    rows = rows_for_device(_rows(encoders, binaries), job.device, named=encoders is not None)
    checks = checks_for(job.soak_s)
    total, proofs = len(rows) * len(checks), []
    for number, row in enumerate(rows):
        done = number * len(checks)

        def tell(count: int, label: str, *, done: int = done, name: str = row.name) -> None:
            if on_step is not None:
                on_step(done + count, total, f"{name}: {label}")

        proof = _prove(row, job, checks, binaries, tell)
        if encoders is not None or proof.checks:
            proofs.append(proof)
    forget_choices()
    return Proof(
        made_at=_now(),
        machine=describe_machine(),
        ffmpeg=_printed(binaries.ffmpeg, "-version"),
        ffprobe=_printed(binaries.ffprobe, "-version").partition("\n")[0] if binaries.ffprobe else None,
        job=job,
        encoders=tuple(proofs),
    )


def _checked_job(size: tuple[int, int], fps: FrameRate, cameras: int, soak_s: float) -> ProofJob:
    if isinstance(cameras, bool) or not isinstance(cameras, int) or cameras < 1:
        raise ValueError(f"cameras must be a whole number of at least 1, got {cameras!r}")
    if isinstance(soak_s, bool) or not isinstance(soak_s, int | float) or not 0 <= soak_s < float("inf"):
        raise ValueError(f"soak_s must be a number of seconds from 0 on, got {soak_s!r}")
    job = ProofJob(size=size, fps=parse_frame_rate(fps), cameras=cameras, soak_s=soak_s)
    (width, height), pix_fmt = (job.frames.width, job.frames.height), VideoEncoderConfig.model_fields["pix_fmt"].default
    across, down = chroma_steps(pix_fmt)
    if width % across or height % down:
        raise FrameSizeError(
            f"{width}x{height} does not fit {pix_fmt}: its width must be a multiple of {across} and its height of {down}",
            width=width,
            height=height,
        )
    return job


def _rows(names: Sequence[str] | None, binaries: Binaries) -> tuple[EncoderSpec, ...]:
    listed = probe_capabilities(binaries.ffmpeg).encoders
    if names is None:
        return tuple(row for row in platform_rows(sys.platform) if row.name in listed)
    known = [*ENCODERS, *listed]
    for name in names:
        if name not in known:
            near = nearest_name(name, known)
            hint = f"; did you mean {near}?" if near else ""
            raise EncoderUnavailableError(
                f"neither ffenc nor this FFmpeg has an encoder {name!r}{hint}", requested=name
            )
    rows = (encoder_row(name) for name in dict.fromkeys(names))
    return tuple(replace(row, codec=row.codec or listed[row.name].codec) for row in rows)


def _prove(
    row: EncoderSpec, job: ProofJob, checks: Sequence[Check], binaries: Binaries, tell: Callable[[int, str], None]
) -> EncoderProof:
    context = RunContext(binaries=binaries, stall_timeout_s=STALL_TIMEOUT_S)
    tell(0, "trial")
    with tempfile.TemporaryDirectory(prefix="ffenc-proof-") as directory:
        capabilities = capabilities_for(row.name, binaries)
        if row.name not in capabilities.encoders:
            absent = Candidate(encoder=row.name, works=False, reason="not compiled into this FFmpeg")
            return _without_checks(row, absent, job, binaries)
        row = row.as_listed(capabilities.help(row.name).options)
        subject = Subject(row=row, capabilities=capabilities, context=context, job=job, directory=Path(directory))
        source = RawFrames(frames=job.frames, fps=job.fps)
        (candidate,) = examine_encoders(subject.config(), source, context, encoders=(row,))
        if not candidate.works:
            return _without_checks(row, candidate, job, binaries)
        subject = replace(subject, device_node=candidate.device_node)
        results = tuple(run_checks(subject, checks, tell))
        proof = replace(
            _without_checks(row, candidate, job, binaries),
            verdict="failed" if any(result.passed is False for result in results) else "proven",
            checks=results,
            command=_anonymous(subject, subject.plan(job.frames).argv),
            listing=_printed(binaries.ffmpeg, "-h", f"encoder={row.name}"),
            log=_log(subject),
        )
    fields = {check.name: check.field for check in checks}
    failures = (Failure(check=each.name, reason=each.detail, field=fields[each.name]) for each in proof.failures)
    setup = setup_of(row, binaries, device=candidate.device_node or job.device)
    remember_proof(setup, RememberedProof(made_at=_now(), failures=tuple(failures)))
    return proof


def run_checks(
    subject: Subject, checks: Sequence[Check], tell: Callable[[int, str], None] = lambda *_: None
) -> Iterator[CheckResult]:
    """Run checks, and yield the result of each.

    Args:
        subject: the encoder; its directory is for the files of all checks.
        checks: rows of `ffenc.proof.checks.CHECKS`.
        tell: called with the number of finished checks and the name of the current one.
    """
    for number, check in enumerate(checks):
        tell(number, check.name)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=subject.directory) as directory:
            own = replace(
                subject,
                directory=Path(directory),
                tell=lambda label, number=number: tell(number, label),  # type: ignore[misc]
            )
            passed: bool | None = True
            try:
                detail = check.run(own)
            except UndecidedError as err:
                passed, detail = None, str(err)
            except FFencError as err:
                passed, detail = False, reason_of(err, own.directory)
        took_s = round(time.monotonic() - started, 2)
        yield CheckResult(name=check.name, passed=passed, detail=detail, took_s=took_s)


def _without_checks(row: EncoderSpec, candidate: Candidate, job: ProofJob, binaries: Binaries) -> EncoderProof:
    return EncoderProof(
        encoder=row.name,
        codec=row.codec,
        device=row.device.name if row.device else None,
        device_node=candidate.device_node,
        driver=setup_of(row, binaries, device=candidate.device_node or job.device).driver,
        verdict="unknown" if candidate.works is None else "does not work",
        trial=candidate.reason,
    )


def _anonymous(subject: Subject, argv: Sequence[str]) -> tuple[str, ...]:
    executable, *arguments = argv
    return (Path(executable).name, *(argument.replace(f"{subject.directory}/", "") for argument in arguments))


def _printed(executable: Path, *question: str) -> str:
    output = run_tool((executable, *(("-hide_banner",) if "-h" in question else ()), *question), check=False)
    return output.stdout.decode(errors="replace").strip()


def _log(subject: Subject) -> str:
    """Return what FFmpeg prints about itself, the driver and the encoder while it encodes a few frames."""
    plan = subject.plan(subject.job.frames)
    argv = [
        "verbose" if before == "-loglevel" else word for before, word in zip(("", *plan.argv), plan.argv, strict=False)
    ]
    frame = subject.job.frames.bytes_of(texture(1, subject.job.frames)[0])
    try:
        # The driver names itself in the first lines, and a process keeps only its last ones and those that match.
        with FFmpegProcess.start(
            argv, stdin=True, stdout="progress", stall_timeout_s=STALL_TIMEOUT_S, stderr_errors=[re.compile(".")]
        ) as process:
            for _ in range(5):
                process.write(frame)
            text = "\n".join(process.finish().stderr_matches)
    except FFencError as err:
        text = str(err)
    return text.replace(f"{subject.directory}/", "").replace(str(subject.context.binaries.ffmpeg), "ffmpeg")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
