"""``ffenc probe --prove``: run the checks of a proof, and print a verdict for each encoder."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from jsonargparse import Namespace
from rich import box
from rich.table import Table
from rich.text import Text

from ffenc.cli.output.screen import Screen, visible
from ffenc.cli.parsing.arguments import UsageError, binaries_of
from ffenc.ffmpeg.binaries import Binaries
from ffenc.json_text import dump_json
from ffenc.proof.checks import checks_for
from ffenc.proof.prove import EncoderProof, Proof, prove_encoders
from ffenc.proof.subject import ProofJob
from ffenc.video.output import PendingFile

CAMERAS = 2
"""Simultaneous encodes of a proof, unless the user says otherwise: many drivers fail only in the second."""

_STYLES = {"proven": "bold green", "failed": "bold red", "does not work": "red", "unknown": "yellow"}


def run(arguments: Namespace, screen: Screen, names: tuple[str, ...] | None, device: str | None) -> int:
    """Prove encoders, write the document, and print the verdicts; return 1 unless every encoder is proven."""
    if arguments.pix_fmt is not None:
        raise UsageError("--pix_fmt has no effect with --prove, which tries every pixel format; leave it out")
    binaries = binaries_of(arguments)
    with ExitStack() as stack:
        # Created first, so that a proof of half an hour is not lost because its document cannot be written.
        pending = arguments.output and stack.enter_context(PendingFile(arguments.output, overwrite=arguments.overwrite))
        proof = _prove(arguments, screen, names, device, binaries)
        if pending:
            pending.path.write_bytes(dump_json(proof.to_json(), indent=True))
            pending.commit()
    screen.result(proof.to_json(), *_shown(proof, arguments))
    return 0 if proof.passed else 1


def _prove(
    arguments: Namespace, screen: Screen, names: tuple[str, ...] | None, device: str | None, binaries: Binaries
) -> Proof:
    with screen.steps() as step, _only_errors(verbose=arguments.verbose):
        return prove_encoders(
            names,
            size=arguments.size,
            fps=arguments.fps,
            cameras=arguments.cameras or CAMERAS,
            soak_s=arguments.soak or 0,
            device=device,
            binaries=binaries,
            on_step=step,
        )


@contextmanager
def _only_errors(*, verbose: bool) -> Iterator[None]:
    """Hide the warnings about encoders that a check kills on purpose."""
    logger = logging.getLogger("ffenc")
    level = logger.level
    if not verbose:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _shown(proof: Proof, arguments: Namespace) -> Iterator[Table | Text]:
    if not proof.encoders:
        yield Text("No encoder of this platform passed its trial; ffenc probe prints the reasons.", style="bold red")
        return
    yield Text(_title(proof.job), style="bold")
    yield _table(proof)
    for each in proof.encoders:
        yield from (Text.assemble((each.encoder, "bold"), f": {visible(reason)}") for reason in _reasons(each))
    names = ", ".join(check.name for check in checks_for(proof.job.soak_s))
    yield Text(f"Checks: {names}. docs/hardware.md says what each one proves.", style="dim")
    failed = [each.encoder for each in proof.encoders if each.verdict == "failed"]
    if failed:
        device = [] if proof.job.device is None else [f"--device={proof.job.device}"]
        again = shlex.join(["ffenc", "probe", "--prove", *failed, *device])
        yield Text(
            f"vcodec=auto passes over {', '.join(failed)} on this machine, for jobs with the settings that failed. "
            f"After an update of the driver or FFmpeg, prove again: {again}"
        )
    if any(each.device and each.checks for each in proof.encoders):
        where = arguments.output or "the document of --output=FILE"
        yield Text(f"Few people have this hardware. Please attach {where} to a report: docs/hardware/README.md.")
    if arguments.output:
        yield Text(f"wrote {visible(str(arguments.output))}")


def _title(job: ProofJob) -> str:
    soak = f", {job.soak_s:g} s in real time" if job.soak_s else ""
    device = "" if job.device is None else f", device {job.device}"
    return f"proofs at {job.size[0]}x{job.size[1]}, {job.fps} per second, {job.cameras} at the same time{soak}{device}"


def _table(proof: Proof) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("encoder", "kind", "verdict"):
        table.add_column(heading, no_wrap=True)
    table.add_column("checks", no_wrap=True, justify="right")
    table.add_column("seconds", no_wrap=True, justify="right")
    for each in proof.encoders:
        passed = sum(check.passed is True for check in each.checks)
        table.add_row(
            Text(each.encoder),
            each.device or "software",
            Text(each.verdict, style=_STYLES[each.verdict]),
            f"{passed} of {len(each.checks)}" if each.checks else "",
            f"{each.took_s:.0f}" if each.checks else "",
        )
    return table


def _reasons(each: EncoderProof) -> Iterator[str]:
    if not each.checks:
        yield each.trial
    for check in each.checks:
        if check.passed is False:
            yield f"{check.name}: {check.detail}"
        elif check.passed is None:
            yield f"{check.name}: undecided, {check.detail}"
