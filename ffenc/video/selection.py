"""Select an encoder: try candidates in order with `ffenc.video.trial` and take the first that works here."""

from __future__ import annotations

import functools
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.spec import EncoderSpec
from ffenc.encoders.table import auto_candidates, auto_fallbacks, find_encoder
from ffenc.errors import EncoderUnavailableError, FFencError, ProcessError, ProcessTimeoutError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames
from ffenc.plan.options import option_error
from ffenc.plan.resolve import candidate_encoders, library_version_patterns
from ffenc.plan.selection import Candidate, Selection
from ffenc.video.proof_memory import Setup, driver_versions, remembered_proof
from ffenc.video.run_context import RunContext
from ffenc.video.trial import TrialTooSlowError, try_encoder

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 60.0
"""Seconds for which a choice is kept if a trial ran out of time: cameras that open together get the same encoder."""

__all__ = ["Candidate", "Selection", "capabilities_for", "device_nodes", "examine_encoders", "select_encoder"]


def capabilities_for(vcodec: str, binaries: Binaries, *, also: Sequence[str] = ()) -> Capabilities:
    """Return this FFmpeg's capabilities, with the listings of every encoder for ``vcodec``, and of others."""
    return probe_capabilities(
        binaries.ffmpeg,
        encoders=(*candidate_encoders(vcodec), *also),
        library_versions=library_version_patterns(vcodec),
    )


def select_encoder(
    config: VideoEncoderConfig,
    *,
    frames: FrameFormat,
    fps: Fraction,
    binaries: Binaries | None = None,
    cameras: int = 1,
    encoder_threads: int | None = None,
    encoder: str | None = None,
) -> Selection:
    """Return the first encoder whose trial succeeds: the platform's hardware in order, then software.

    The result is cached for this process, because a driver does not come and go between two episodes.  If a trial ran out
    of time, the result is cached only for `RETRY_AFTER_S`.

    Args:
        config: settings of the real job; its ``vcodec`` is ignored.
        frames: size and layout of the real frames.
        fps: frame rate of the real job.
        binaries: the executables; found by `find_binaries` if None.
        cameras: hardware encodes that have to work at the same time (some drivers limit sessions).
        encoder_threads: as for the real job.
        encoder: try only this one; None tries all that ``auto`` considers.

    Raises:
        EncoderUnavailableError: no encoder works; it has the reason of each.
    """
    given = frozenset(config.model_fields_set)
    context = RunContext(binaries=binaries or find_binaries(), encoder_threads=encoder_threads)
    select = functools.partial(_select, config, given, RawFrames(frames=frames, fps=fps), context, cameras, encoder)
    selection, made_at = select()
    undecided = any(candidate.works is None for candidate in selection.candidates)
    if undecided and time.monotonic() - made_at > RETRY_AFTER_S:
        _select.cache_clear()
        selection, _ = select()
    return selection


@functools.lru_cache(maxsize=64)
def _select(
    config: VideoEncoderConfig,
    _given: frozenset[str],  # for the cache: configs with a default and with the same value given are equal
    source: RawFrames,
    context: RunContext,
    cameras: int,
    named: str | None,
) -> tuple[Selection, float]:
    """Return the selection and when its trials ended."""
    spec = None if named is None else find_encoder(named)
    tried: list[Candidate] = []
    rows = None if spec is None else (spec,)
    for candidate in examine_encoders(
        config, source, context, cameras=cameras, encoders=rows, heed_proofs=named is None
    ):
        tried.append(candidate)
        if candidate.works:
            selection = Selection(encoder=candidate.encoder, device_node=candidate.device_node, candidates=tuple(tried))
            _announce(selection)
            return selection, time.monotonic()
    where = f"at {source.frames.width}x{source.frames.height} {config.pix_fmt}"
    if named is None:
        message = f"no encoder of {context.binaries.ffmpeg} passed its trial {where}"
    else:
        message = f"{config.vcodec} did not pass its trial on this machine {where}"
    raise EncoderUnavailableError(
        message,
        requested=config.vcodec,
        refused=tuple((candidate.encoder, candidate.reason) for candidate in tried),
    )


def examine_encoders(
    config: VideoEncoderConfig,
    source: RawFrames,
    context: RunContext,
    *,
    cameras: int = 1,
    encoders: tuple[EncoderSpec, ...] | None = None,
    heed_proofs: bool = False,
) -> Iterator[Candidate]:
    """Try encoders in order, and yield the result of each; see `select_encoder` for the other arguments.

    Args:
        encoders: rows to try; None means all that ``auto`` considers on this platform.
        heed_proofs: do not try an encoder whose proof on this machine failed.
    """
    rows = encoders if encoders is not None else (*auto_candidates(sys.platform), *auto_fallbacks())
    listed = probe_capabilities(context.binaries.ffmpeg).encoders

    def try_on(row: EncoderSpec, node: str | None) -> str:
        return try_encoder(
            config.model_copy(update={"vcodec": row.name}),
            source,
            context,
            capabilities=capabilities_for(row.name, context.binaries),
            device_node=node,
            # Only hardware limits its sessions.
            cameras=cameras if row.device else 1,
        )

    def doubt(row: EncoderSpec, node: str | None) -> str | None:
        setup = setup_of(row, context.binaries, device=node or config.device)
        return failed_proof(setup, config, context, cameras=cameras)

    for row in rows:
        if row.name not in listed:
            yield Candidate(encoder=row.name, works=False, reason="not compiled into this FFmpeg")
        else:
            yield _examine(row, config.device, try_on, doubt if heed_proofs else lambda *_: None)


def setup_of(row: EncoderSpec, binaries: Binaries, *, device: str | None) -> Setup:
    """Return what a proof of this encoder counts for."""
    used = [device] if device and row.device and row.device.takes_node else device_nodes(row)
    return Setup(
        encoder=row.name,
        device=device or "",
        driver=driver_versions(row, used),
        build=probe_capabilities(binaries.ffmpeg).version.digest,
    )


def rows_for_device(rows: Sequence[EncoderSpec], device: str | None, *, named: bool) -> tuple[EncoderSpec, ...]:
    """Return the encoders that take a device; all of them if it is None.

    Args:
        rows: encoders.
        device: as `VideoEncoderConfig.device`.
        named: the user named these encoders, so that none may be left out.

    Raises:
        EncoderOptionError: a named encoder, or every encoder, does not take the device.
    """
    if device is None:
        return tuple(rows)
    refusals = {row.name: reason for row in rows if (reason := row.device_refusal(device)) is not None}
    taken = tuple(row for row in rows if row.name not in refusals)
    if refusals and (named or not taken):
        name, reason = next(iter(refusals.items()))
        if not named:
            reason = (
                f"no encoder of this platform and FFmpeg takes device={device!r}; it is a device file, such as "
                "/dev/dri/renderD128, or the number of a GPU, such as 0"
            )
        raise option_error(name, "device", device, reason)
    return taken


def failed_proof(setup: Setup, config: VideoEncoderConfig, context: RunContext, *, cameras: int) -> str | None:
    """Return why ``auto`` passes over an encoder for a job: its proof on this machine failed; None otherwise."""
    proof = remembered_proof(setup)
    settings = {*config.model_fields_set}
    settings |= {"encoder_threads"} if context.encoder_threads is not None else set()
    settings |= {"cameras"} if cameras > 1 else set()
    failure = None if proof is None else proof.objection(settings)
    if proof is None or failure is None:
        return None
    return (
        f"its proof of {proof.made_at[:10]} on this machine failed ({failure.check}: {failure.reason}); after an update, "
        f"prove it again: ffenc probe --prove {setup.encoder}{f' --device={setup.device}' if setup.device else ''}"
    )


def forget_choices() -> None:
    """Make the next `select_encoder` try the encoders again."""
    _select.cache_clear()


def device_nodes(spec: EncoderSpec) -> list[str]:
    """Return the device files that an encoder's hardware may use, sorted."""
    patterns = spec.device.nodes if spec.device else ()
    return sorted(str(node) for pattern in patterns for node in Path("/").glob(pattern.lstrip("/")))


def _examine(
    row: EncoderSpec,
    device: str | None,
    try_on: Callable[[EncoderSpec, str | None], str],
    doubt: Callable[[EncoderSpec, str | None], str | None],
) -> Candidate:
    nodes: list[str | None] = [None]
    if row.device is not None and row.device.nodes and sys.platform == "linux":
        found = device_nodes(row)
        if not found:
            missing = " or ".join(row.device.nodes)
            return Candidate(encoder=row.name, works=False, reason=f"no {missing}; it needs {row.device.needs}")
        # Other device files can be tried only if the command names them.
        if row.device.takes_node:
            nodes = list(found) if device is None else [device]
    reasons, too_slow = [], False
    for node in nodes:
        if node is not None and (fault := _node_fault(node)):
            reasons.append(fault)
            continue
        if reason := doubt(row, node):
            reasons.append(reason)
            continue
        try:
            proof = try_on(row, node)
        except FFencError as err:
            too_slow = too_slow or isinstance(err, TrialTooSlowError)
            reasons.append(_short_reason(err, node))
        else:
            return Candidate(encoder=row.name, works=True, reason=proof, device_node=node)
    return Candidate(encoder=row.name, works=None if too_slow else False, reason="; ".join(reasons))


def _node_fault(node: str) -> str | None:
    """Return why a device file cannot be opened, or None."""
    if not Path(node).exists():
        return f"{node} does not exist"
    if not os.access(node, os.R_OK | os.W_OK):
        return f"no permission to open {node}; add this user to the group that owns it (usually render or video)"
    return None


def _short_reason(err: FFencError, node: str | None) -> str:
    where = f"{node}: " if node else ""
    if isinstance(err, ProcessTimeoutError):
        return f"{where}it hung: {str(err).splitlines()[0]}"
    if isinstance(err, ProcessError) and err.stderr_tail:
        return where + _first_error_line(err.stderr_tail)
    return where + str(err).splitlines()[0]


def _first_error_line(tail: str) -> str:
    """Return the first error line, which names the cause; later lines are consequences."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    errors = [line for line in lines if not line.startswith(("Svt[info]", "x265 [info]", "Guessed"))]
    return (errors or lines)[0]


def _announce(selection: Selection) -> None:
    spec = find_encoder(selection.encoder)
    if spec is not None and spec.device is None:
        logger.warning(
            "no hardware encoder works here, encoding with %s (why: -v, or EncodeResult.selection)", selection.encoder
        )
    elif len(selection.candidates) > 1 or selection.refused:
        logger.info("auto chose %s", selection.encoder)
    for encoder, reason in selection.refused:
        logger.info("%s was not chosen: %s", encoder, reason)
