"""``ffenc probe``: print the FFmpeg build, and test which encoders work on this machine."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from jsonargparse import Namespace
from rich import box
from rich.table import Table
from rich.text import Text

from ffenc.cli.output.results import pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import UsageError, binaries_of, checked_config
from ffenc.config import VideoEncoderConfig
from ffenc.encoders.spec import EncoderSpec
from ffenc.encoders.table import ENCODERS, auto_candidates, auto_fallbacks, platform_rows
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.ffmpeg.listing import parse_version
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames
from ffenc.video.proof_memory import RememberedProof, remembered_proof
from ffenc.video.run_context import RunContext
from ffenc.video.selection import Candidate, examine_encoders, failed_proof, rows_for_device, setup_of

_NEVER_RUN = (
    "The developers of ffenc have never run hardware encoders, because they have no such hardware. For some of these "
    "encoders, no user has sent a proof either. The results above come only from the trials on this machine."
)


_LONG_REASON = 40  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """An encoder, the result of its trial, its last proof here, and why ``auto`` passes over it."""

    spec: EncoderSpec
    listed: bool
    candidate: Candidate
    proof: RememberedProof | None
    doubt: str | None

    @property
    def device(self) -> str:
        return self.spec.device.name if self.spec.device else "software"

    @property
    def never_run(self) -> bool:
        return self.spec.never_run

    @property
    def reason(self) -> str:
        node = self.candidate.device_node
        words = [self.candidate.reason + (f" on {node}" if self.candidate.works and node else "")]
        if self.doubt is not None:
            words.append(f"auto passes over it: {self.doubt}")
        elif self.candidate.works and self.proof is not None and not self.proof.failures:
            words.append(f"proven here on {self.proof.made_at[:10]}")
        return "; ".join(words)


def run(arguments: Namespace, screen: Screen) -> int:
    """Try the encoders, and print the results."""
    wanted = _wanted(arguments)
    binaries = binaries_of(arguments)
    capabilities = probe_capabilities(binaries.ffmpeg)
    fields = ("pix_fmt", "device")
    given = {name: value for name in fields if (value := getattr(arguments, name)) is not None}
    config = checked_config(given, {name: name for name in fields}, VideoEncoderConfig)
    rows = rows_for_device(_rows(wanted, capabilities), config.device, named=wanted is not None)
    if arguments.prove:
        from ffenc.cli.commands.video.prove import run as prove

        return prove(arguments, screen, wanted, config.device)
    cameras = arguments.cameras or 1
    width, height = arguments.size
    source = RawFrames(frames=FrameFormat(width=width, height=height), fps=arguments.fps)
    tried = []
    with screen.progress("trying encoders", total=len(rows), unit="encoders") as progress:
        for each in _trials(rows, source, config, RunContext(binaries=binaries), capabilities, cameras=cameras):
            tried.append(each)
            if progress:
                progress(len(tried), len(rows))
    tools = _tools(binaries, capabilities)
    auto = None if wanted else _choice_of_auto(tried)
    trial = {
        "size": [width, height],
        "fps": str(arguments.fps),
        "pix_fmt": config.pix_fmt,
        "cameras": cameras,
        "device": config.device,
    }
    screen.result(
        {"tools": tools, "trial": trial, "encoders": [_document(each) for each in tried], "auto": auto},
        pairs_table(_tool_rows(tools)),
        Text(),
        _table(tried, title=_trial_text(arguments, config, cameras)),
        *_conclusion(tried, auto, config.device, shows_auto=not wanted),
    )
    return 0


def _wanted(arguments: Namespace) -> tuple[str, ...] | None:
    """Return the names that the user gave, after checking flags that exclude each other; None for all encoders."""
    for flag in ("soak", "output", "overwrite"):
        if getattr(arguments, flag) and not arguments.prove:
            raise UsageError(f"--{flag} is for a proof; add --prove, or leave it out")
    if arguments.names and arguments.encoders:
        raise UsageError("encoders are named twice; leave out --encoders")
    return tuple(arguments.names) or arguments.encoders


def _trials(
    rows: tuple[EncoderSpec, ...],
    source: RawFrames,
    config: VideoEncoderConfig,
    context: RunContext,
    capabilities: Capabilities,
    *,
    cameras: int,
) -> Iterator[_Tried]:
    """Try one encoder after the other, and look up its last proof."""
    candidates = examine_encoders(config, source, context, cameras=cameras, encoders=rows)
    for spec, candidate in zip(rows, candidates, strict=True):
        setup = setup_of(spec, context.binaries, device=candidate.device_node or config.device)
        yield _Tried(
            spec=spec,
            listed=spec.name in capabilities.encoders,
            candidate=candidate,
            proof=remembered_proof(setup),
            doubt=failed_proof(setup, config, context, cameras=cameras),
        )


def _rows(wanted: Sequence[str] | None, capabilities: Capabilities) -> tuple[EncoderSpec, ...]:
    """Return the encoders to try: hardware of this platform in the order of ``auto``, then software; or the wanted ones."""
    if wanted is None:
        return platform_rows(sys.platform)
    rows = []
    for name in wanted:
        listing = capabilities.encoders.get(name)
        if name not in ENCODERS and listing is None:
            near = difflib.get_close_matches(name, [*ENCODERS, *capabilities.encoders], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"neither ffenc nor this FFmpeg has an encoder {name!r}{hint}")
        rows.append(ENCODERS.get(name) or EncoderSpec(name=name, codec=listing.codec if listing else name))
    return tuple(rows)


def _choice_of_auto(tried: Sequence[_Tried]) -> str | None:
    """Return the encoder that `select_encoder` would choose after these trials."""
    works = {each.spec.name for each in tried if each.candidate.works and each.doubt is None}
    order = (*auto_candidates(sys.platform), *auto_fallbacks())
    return next((row.name for row in order if row.name in works), None)


def _tools(binaries: Binaries, capabilities: Capabilities) -> dict[str, dict[str, str | None]]:
    ffprobe: dict[str, str | None] = {"path": None, "version": None, "origin": binaries.ffprobe_origin}
    if binaries.ffprobe is not None:
        ffprobe |= {"path": str(binaries.ffprobe), "version": _version(binaries.ffprobe)}
    ffmpeg: dict[str, str | None] = {
        "path": str(binaries.ffmpeg),
        "version": capabilities.version.text,
        "origin": binaries.ffmpeg_origin,
    }
    return {"ffmpeg": ffmpeg, "ffprobe": ffprobe}


def _version(tool: Path) -> str:
    return parse_version(run_tool((tool, "-version")).stdout.decode(errors="replace"), origin=tool).text


def _tool_rows(tools: Mapping[str, Mapping[str, str | None]]) -> Iterator[tuple[str, str]]:
    for name, tool in tools.items():
        if tool["path"] is None:
            yield name, f"none (ffmpeg is used instead); {tool['origin']}"
        else:
            yield name, f"{tool['version']}  {tool['path']}  (from {tool['origin']})"


def _trial_text(arguments: Namespace, config: VideoEncoderConfig, cameras: int) -> str:
    width, height = arguments.size
    at_once = "" if cameras == 1 else f", {cameras} at the same time"
    device = "" if config.device is None else f", device {config.device}"
    return f"trials at {width}x{height} {config.pix_fmt}, {arguments.fps} per second{at_once}{device}"


def _table(tried: Sequence[_Tried], *, title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("encoder", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("listed", no_wrap=True)
    table.add_column("works", no_wrap=True)
    table.add_column("reason", overflow="fold", ratio=1)
    for _, family in groupby(tried, key=lambda each: each.device):
        first_with: dict[str, str] = {}
        for each in family:
            # A long reason that a family of encoders shares is printed once.
            first = first_with.setdefault(each.reason, each.spec.name)
            repeats = first != each.spec.name and len(each.reason) > _LONG_REASON
            table.add_row(
                Text(each.spec.name),
                each.device,
                "yes" if each.listed else "no",
                _verdict(each),
                Text(f"see {first}" if repeats else each.reason),
            )
        table.add_section()
    return table


def _verdict(each: _Tried) -> Text:
    if each.candidate.works:
        return Text("yes", style="bold green")
    if each.candidate.works is None:
        return Text("unknown", style="yellow")
    return Text("no", style="red" if each.listed else "dim")


def _conclusion(tried: Sequence[_Tried], auto: str | None, device: str | None, *, shows_auto: bool) -> Iterator[Text]:
    flag = "" if device is None else f" --device={device}"
    if shows_auto:
        job = "" if device is None else f" with device={device}"
        if auto is None:
            yield Text(f"auto would find no working encoder{job}.", style="bold red")
        else:
            spec = ENCODERS[auto]
            kind = spec.device.name if spec.device else "software; no hardware encoder passed its trial"
            yield Text.assemble(f"vcodec=auto{job} would choose ", (auto, "bold green"), f" ({kind}).")
    unproven = [each.spec.name for each in tried if each.spec.device and each.candidate.works and each.proof is None]
    if unproven:
        yield Text(f"Never proven on this machine: prove with ffenc probe --prove {' '.join(unproven)}{flag}")
    if any(each.never_run for each in tried):
        yield Text(_NEVER_RUN, style="dim")


def _document(each: _Tried) -> dict[str, object]:
    return {
        "name": each.spec.name,
        "codec": each.spec.codec,
        "device": each.spec.device.name if each.spec.device else None,
        "listed": each.listed,
        "works": each.candidate.works,
        "reason": each.candidate.reason,
        "proof": each.proof,
        "passed_over_by_auto": each.doubt,
        "device_node": each.candidate.device_node,
        "never_run": each.never_run,
    }
