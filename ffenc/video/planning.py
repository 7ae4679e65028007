"""Plan an encode on this machine: choose the encoder, probe FFmpeg, and build the command."""

from __future__ import annotations

from pathlib import Path

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.software import SOFTWARE
from ffenc.encoders.table import AUTO, encoder_row, find_encoder
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.frames import FrameFormat
from ffenc.plan.encode import EncodePlan, RawFrames, Source, plan_encode
from ffenc.plan.frame_checks import accepted_pixel_formats
from ffenc.plan.resolve import name_encoder
from ffenc.plan.selection import Selection
from ffenc.video.run_context import RunContext
from ffenc.video.selection import capabilities_for, device_nodes, select_encoder


def plan_for(
    config: VideoEncoderConfig | None,
    source: Source,
    output: Path | str | None,
    context: RunContext,
    *,
    cameras: int = 1,
    fragmented: bool = False,
) -> EncodePlan:
    """Return the command that encodes ``source`` here; trials run first for ``auto`` and for named hardware.

    Args:
        config: encoder settings; LeRobot's defaults if None.
        source: frames, an image sequence or a clip.
        output: file to write; None plans for ``video`` with the suffix that the encoder prefers.
        context: the executables and the number of threads.
        cameras: hardware encodes that have to work at the same time.
        fragmented: see `plan_encode`.

    Raises:
        EncoderUnavailableError: no encoder works, or the named hardware fails its trial.
        CapabilityError: this FFmpeg cannot do what the config asks for.
        InputError: the output's suffix names no container of `MUXERS`.
    """
    config = config or VideoEncoderConfig()
    selection = _select(config, source, context, cameras)
    if selection is not None:
        config = config.model_copy(update={"vcodec": selection.encoder})
    capabilities = capabilities_for(config.vcodec, context.binaries)
    if not any(
        config.pix_fmt in (accepted_pixel_formats(capabilities, listing, encoder_row(name)) or (config.pix_fmt,))
        for name, listing in capabilities.helps.items()
    ):
        # The plan refuses the pixel format, and suggests only encoders whose listings it has.
        capabilities = capabilities_for(config.vcodec, context.binaries, also=[row.name for row in SOFTWARE])
    if output is None:
        spec = find_encoder(name_encoder(config.vcodec, capabilities))
        output = f"video.{spec.muxers[0] if spec else 'mp4'}"
    return plan_encode(
        config,
        source,
        output,
        capabilities,
        encoder_threads=context.encoder_threads,
        device_node=None if selection is None else selection.device_node,
        selection=selection,
        fragmented=fragmented,
    )


def _select(config: VideoEncoderConfig, source: Source, context: RunContext, cameras: int) -> Selection | None:
    """Resolve ``auto`` or try named hardware; return None for a named software encoder."""
    spec = None
    if config.vcodec != AUTO:
        spec = find_encoder(config.vcodec)
        if spec is None or spec.device is None or spec.name not in probe_capabilities(context.binaries.ffmpeg).encoders:
            return None
        # Settings that the encoder does not take are the plan's error, not a failed trial.
        plan_encode(
            config,
            source,
            f"video.{spec.muxers[0]}",
            capabilities_for(spec.name, context.binaries),
            encoder_threads=context.encoder_threads,
            device_node=next(iter(device_nodes(spec)), "/dev/null"),
        )
    width, height = source.size
    return select_encoder(
        config,
        frames=source.frames if isinstance(source, RawFrames) else FrameFormat(width=width, height=height),
        fps=source.fps,
        binaries=context.binaries,
        cameras=cameras,
        encoder_threads=context.encoder_threads,
        encoder=None if spec is None else spec.name,
    )
