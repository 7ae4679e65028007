"""Which encoder will do the work: the one that was named, or for ``auto`` the first whose trial succeeds here.

That FFmpeg lists an encoder says only that it was compiled in; a trial encodes a few frames with the real plan, at the
real size, and reads the file back.
"""

from __future__ import annotations

import functools
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.software import SOFTWARE
from ffenc.encoders.spec import EncoderSpec
from ffenc.encoders.table import AUTO, auto_candidates, auto_fallbacks, find_encoder
from ffenc.errors import EncoderUnavailableError, FFencError, ProcessError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.ffmpeg.ffprobe import probe_video_and_packets
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames, plan_encode
from ffenc.plan.picture import accepted_pixel_formats
from ffenc.plan.resolve import candidate_encoders, library_version_patterns
from ffenc.video.output import check_packets
from ffenc.video.run import check_complaints, start_plan

logger = logging.getLogger(__name__)

TRIAL_FRAMES = 6
"""Frames of a trial: enough for two GOPs at LeRobot's g=2 and for any B-frame pattern to start."""

TRIAL_TIMEOUT_S = 10.0
"""Some drivers hang instead of failing (seen: Vulkan on a software rasteriser)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One encoder that was considered.

    Attributes:
        encoder: FFmpeg's name.
        works: the trial succeeded; None if it was not needed any more.
        reason: why not, or what proved it.
        device_node: the device file it works on, if it needs one.
    """

    encoder: str
    works: bool | None
    reason: str
    device_node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The answer to ``auto``, with every candidate's reason.

    Attributes:
        encoder: the encoder that was chosen.
        device_node: the device file it works on, if it needs one.
        candidates: all that were considered, in order; the chosen one is the first that works.
    """

    encoder: str
    device_node: str | None
    candidates: tuple[Candidate, ...]

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """(encoder, reason) of everything that would have been preferred."""
        return tuple((candidate.encoder, candidate.reason) for candidate in self.candidates if candidate.works is False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A config that names one encoder of this machine, and what its plan needs to know."""

    config: VideoEncoderConfig
    capabilities: Capabilities
    device_node: str | None
    selection: Selection | None = None
    """How ``auto`` was settled; None where an encoder was named."""


def prepare(
    config: VideoEncoderConfig,
    *,
    binaries: Binaries,
    frames: FrameFormat,
    fps: Fraction,
    encoder_threads: int | None = None,
    cameras: int = 1,
) -> Prepared:
    """Settle ``auto`` and device files, and ask FFmpeg for just the listings that the plan needs.

    The arguments are those of `select_encoder`.

    Raises:
        EncoderUnavailableError: nothing works, or the hardware that was named has no device here.
    """
    node = selection = None
    if config.vcodec == AUTO:
        selection = select_encoder(
            config, frames=frames, fps=fps, binaries=binaries, cameras=cameras, encoder_threads=encoder_threads
        )
        config, node = config.model_copy(update={"vcodec": selection.encoder}), selection.device_node
    else:
        spec = find_encoder(config.vcodec)
        if spec is not None and spec.device is not None and spec.device.nodes:
            nodes = device_nodes(spec)
            if not nodes:
                raise EncoderUnavailableError(
                    f"{config.vcodec} needs {spec.device.needs}; there is no {' or '.join(spec.device.nodes)} here",
                    requested=config.vcodec,
                )
            node = nodes[0]
    capabilities = capabilities_for(config.vcodec, binaries)
    if not any(
        config.pix_fmt in (accepted_pixel_formats(capabilities, listing, find_encoder(name)) or (config.pix_fmt,))
        for name, listing in capabilities.helps.items()
    ):
        # The plan will refuse it, and can only name encoders that this FFmpeg was asked about.
        capabilities = capabilities_for(config.vcodec, binaries, also=[row.name for row in SOFTWARE])
    return Prepared(config=config, capabilities=capabilities, device_node=node, selection=selection)


def capabilities_for(vcodec: str, binaries: Binaries, *, also: Sequence[str] = ()) -> Capabilities:
    """This FFmpeg's capabilities, with the listings of every encoder that ``vcodec`` may mean, and of others."""
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
) -> Selection:
    """Take the platform's hardware encoders in order, then software; the first whose trial succeeds is it.

    The answer is remembered for this process, because a driver does not come and go between two episodes.

    Args:
        config: the settings of the real job; ``vcodec`` is not looked at.
        frames: size and layout of the real frames.
        fps: frame rate of the real job.
        binaries: the executables; found by `find_binaries` if None.
        cameras: trials that have to succeed at the same time (some drivers limit sessions).
        encoder_threads: as for the real job.

    Raises:
        EncoderUnavailableError: not even a software encoder works; it has every reason.
    """
    binaries = binaries or find_binaries()
    return _select(config, frames, fps, binaries, cameras, encoder_threads)


@functools.lru_cache(maxsize=64)
def _select(
    config: VideoEncoderConfig,
    frames: FrameFormat,
    fps: Fraction,
    binaries: Binaries,
    cameras: int,
    encoder_threads: int | None,
) -> Selection:
    tried: list[Candidate] = []
    for candidate in examine_encoders(
        config, frames=frames, fps=fps, binaries=binaries, cameras=cameras, encoder_threads=encoder_threads
    ):
        tried.append(candidate)
        if candidate.works:
            selection = Selection(encoder=candidate.encoder, device_node=candidate.device_node, candidates=tuple(tried))
            _announce(selection)
            return selection
    raise EncoderUnavailableError(
        f"no encoder of {binaries.ffmpeg} passed its trial at {frames.width}x{frames.height} {config.pix_fmt}",
        requested=AUTO,
        refused=[(candidate.encoder, candidate.reason) for candidate in tried],
    )


def examine_encoders(
    config: VideoEncoderConfig,
    *,
    frames: FrameFormat,
    fps: Fraction,
    binaries: Binaries,
    cameras: int = 1,
    encoder_threads: int | None = None,
    encoders: tuple[EncoderSpec, ...] | None = None,
) -> Iterator[Candidate]:
    """Try encoders one after the other; the arguments are those of `select_encoder`.

    Args:
        encoders: rows to try; None means all that ``auto`` considers on this platform.

    Yields:
        What came out for each, in order; the caller stops when it has seen enough.
    """
    rows = encoders if encoders is not None else (*auto_candidates(sys.platform), *auto_fallbacks())
    listed = probe_capabilities(binaries.ffmpeg).encoders

    def try_on(name: str, node: str | None) -> None:
        named = config.model_copy(update={"vcodec": name})
        capabilities = capabilities_for(name, binaries)
        trial = functools.partial(
            _trial, named, capabilities, frames, fps, binaries, encoder_threads=encoder_threads, node=node
        )
        _run_at_once(trial, cameras)

    for row in rows:
        yield _examine(row, row.name in listed, try_on)


def device_nodes(spec: EncoderSpec) -> list[str]:
    """Device files that an encoder's hardware could be behind, sorted."""
    patterns = spec.device.nodes if spec.device else ()
    return sorted(str(node) for pattern in patterns for node in Path("/").glob(pattern.lstrip("/")))


def _examine(row: EncoderSpec, is_listed: bool, try_on: Callable[[str, str | None], None]) -> Candidate:
    if not is_listed:
        return Candidate(encoder=row.name, works=False, reason="not compiled into this FFmpeg")
    nodes: list[str | None] = [None]
    if row.device is not None and row.device.nodes:
        found = device_nodes(row)
        if not found:
            missing = " or ".join(row.device.nodes)
            return Candidate(encoder=row.name, works=False, reason=f"no {missing}; it needs {row.device.needs}")
        # Only where the command names the device can another one be tried.
        names_node = any("{node}" in text for _, text in row.device.init)
        nodes = list(found) if names_node else [found[0]]
    reasons = []
    for node in nodes:
        try:
            try_on(row.name, node)
        except FFencError as err:
            reasons.append(_short_reason(err, node))
        else:
            return Candidate(encoder=row.name, works=True, reason="its trial succeeded", device_node=node)
    return Candidate(encoder=row.name, works=False, reason="; ".join(reasons))


def _trial(
    config: VideoEncoderConfig,
    capabilities: Capabilities,
    frames: FrameFormat,
    fps: Fraction,
    binaries: Binaries,
    *,
    encoder_threads: int | None,
    node: str | None,
) -> None:
    """Encode a few frames with the real plan and read them back; returning means that it works."""
    with tempfile.TemporaryDirectory(prefix="ffenc-trial-") as directory:
        spec = find_encoder(config.vcodec)
        output = Path(directory) / f"trial.{spec.muxers[0] if spec else 'mp4'}"
        plan = plan_encode(
            config,
            RawFrames(frames=frames, fps=fps),
            output,
            capabilities,
            encoder_threads=encoder_threads,
            device_node=node,
        )
        with start_plan(plan, stdin=True, stall_timeout_s=TRIAL_TIMEOUT_S) as process:
            for number in range(TRIAL_FRAMES):
                process.write(_trial_frame(frames, number))
            process.finish(timeout_s=TRIAL_TIMEOUT_S)
            check_complaints(process, plan)
        _, packets = probe_video_and_packets(output, binaries=binaries)
        check_packets(packets, path=output, fps=fps, frames=TRIAL_FRAMES)


def _trial_frame(frames: FrameFormat, number: int) -> memoryview:
    """A moving ramp, so that there is something to predict."""
    ramp = np.arange(int(np.prod(frames.shape)), dtype=np.int64).reshape(frames.shape) * 3 + number * 16
    return frames.bytes_of((ramp % frames.largest_sample).astype(frames.dtype))


def _run_at_once(trial: Callable[[], None], count: int) -> None:
    if count == 1:
        trial()
        return
    with ThreadPoolExecutor(max_workers=count) as pool:
        for future in [pool.submit(trial) for _ in range(count)]:
            future.result()


def _short_reason(err: FFencError, node: str | None) -> str:
    where = f"{node}: " if node else ""
    if isinstance(err, ProcessError) and err.stderr_tail:
        return where + _telling_line(err.stderr_tail)
    return where + str(err).splitlines()[0]


def _telling_line(tail: str) -> str:
    """The first complaint, which names the cause; later lines only say that everything after it failed too."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Svt[info]", "x265 [info]", "Guessed"))]
    return (telling or lines)[0]


def _announce(selection: Selection) -> None:
    spec = find_encoder(selection.encoder)
    if spec is not None and spec.device is None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in selection.refused)
        logger.warning("no hardware encoder works here, encoding with %s (%s)", selection.encoder, reasons)
    else:
        logger.info("auto chose %s", selection.encoder)
