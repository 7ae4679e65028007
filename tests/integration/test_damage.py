"""No encoder damages frames: decoded frames equal sent ones, in every pixel format, at both ends of crf.

A sample of the combinations runs; ``FFENC_EVERY_CRF=1`` tests every pixel format at every crf of `CRFS`.
"""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ffenc import Binaries, VideoEncoderConfig
from ffenc.encoders import table
from ffenc.encoders.lerobot_names import DEFAULT_ENCODER
from ffenc.encoders.spec import EncoderSpec
from ffenc.encoders.table import ENCODERS
from ffenc.errors import EncoderOptionError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.plan.frame_checks import accepted_pixel_formats, bit_depth, color_range, has_alpha
from ffenc.plan.resolve import resolve_encoder

pytestmark = [pytest.mark.net, pytest.mark.integration]

EVERY = bool(os.environ.get("FFENC_EVERY_CRF"))
SOFTWARE = [row for row in ENCODERS.values() if row.device is None]
ROWS = pytest.mark.parametrize("row", SOFTWARE, ids=lambda row: row.name)
FRAMES = 8
# Share of the crf range, and the mean error of the worst frame, in levels of 255, that is still right there.
CRFS = {0.0: 2.0, 0.5: 12.0, 1.0: 60.0}
FAST: dict[str, int | str] = {
    "libx264": "veryfast", "libx265": "ultrafast", "libaom-av1": 8, "librav1e": 10, "libvpx-vp9": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> functools._lru_cache_wrapper[Path]:
    """Return moving raw frames of a size and pixel format, every second one negated."""
    folder = tmp_path_factory.mktemp("scene")

    @functools.cache
    def raw(size: str, pix_fmt: str) -> Path:
        path = folder / f"{size}-{pix_fmt}.raw"
        source = (
            f"testsrc2=s={size}:r=30,negate=enable='mod(n,2)',scale=out_range={color_range(pix_fmt)},format={pix_fmt}"
        )
        source_options = ["-f", "lavfi", "-i", source, "-frames:v", str(FRAMES)]
        run_tool([str(binaries.ffmpeg), "-v", "error", *source_options, "-f", "rawvideo", str(path)], timeout_s=120)
        return path

    return raw


def samples(data: bytes, pix_fmt: str) -> npt.NDArray[np.float64]:
    """Return the samples of each frame, from 0 to 255."""
    bits = bit_depth(pix_fmt)
    whole = 65535 if pix_fmt.startswith(("p0", "p2", "p4")) else 2**bits - 1
    words = np.frombuffer(data, np.uint8 if bits == 8 else np.dtype("<u2"))
    return words.reshape(FRAMES, -1).astype(float) * (255 / whole)


def worst_error(
    raw: Path, output: Path, config: VideoEncoderConfig, capabilities: Capabilities, *, size: str
) -> float | None:
    """Return the mean error of the worst frame; None if the stream does not decode to as many frames."""
    width, height = map(int, size.split("x"))
    spec = ENCODERS[config.vcodec]
    encoder = resolve_encoder(config, capabilities, width=width, height=height, muxer=spec.muxers[0])
    ffmpeg = [str(capabilities.ffmpeg), "-v", "error", "-y"]
    levels = color_range(config.pix_fmt)
    source_options = ("-f", "rawvideo", "-pix_fmt", config.pix_fmt, "-s", size, "-framerate", "30", "-i", str(raw))
    source_options = (*source_options, "-vf", f"setparams=range={levels}", "-color_range", levels)
    options = (part for name, text in encoder.options for part in (f"-{name}:v", text))
    run_tool(
        [*ffmpeg, *source_options, "-c:v", encoder.name, "-pix_fmt", f"+{config.pix_fmt}", *options, str(output)],
        timeout_s=120,
    )
    decoded = run_tool(
        [*ffmpeg, "-i", str(output), "-f", "rawvideo", "-pix_fmt", config.pix_fmt, "-"], check=False, timeout_s=120
    ).stdout
    sent = raw.read_bytes()
    if len(decoded) != len(sent):
        return None
    return float(np.abs(samples(decoded, config.pix_fmt) - samples(sent, config.pix_fmt)).mean(axis=1).max())


@functools.cache
def decoders(binaries: Binaries) -> str:
    return run_tool([str(binaries.ffmpeg), "-hide_banner", "-decoders"]).stdout.decode()


def skip_without(row: EncoderSpec, capabilities: Capabilities, binaries: Binaries) -> None:
    if row.name not in capabilities.encoders:
        pytest.skip(f"this build has no {row.name}")
    if row.codec == "av1" and "libdav1d" not in decoders(binaries) and "libaom-av1" not in decoders(binaries):
        pytest.skip("this build cannot decode AV1")


def crfs_of(row: EncoderSpec, *, every: bool) -> list[tuple[float | None, float]]:
    if row.quality is None:
        return [(None, 0.0)]
    low, high = max(row.quality.crf[0], row.quality.unset_below), row.quality.crf[1]
    return [(round(low + (high - low) * share), limit) for share, limit in CRFS.items() if every or share == 0]


@ROWS
def test_decoded_frames_match_sent_frames(
    row: EncoderSpec,
    tmp_path: Path,
    binaries: Binaries,
    capabilities_here: Capabilities,
    scene: functools._lru_cache_wrapper[Path],
) -> None:
    skip_without(row, capabilities_here, binaries)
    accepted = accepted_pixel_formats(capabilities_here, capabilities_here.help(row.name), row) or ()
    formats = [name for name in accepted if not name.endswith("be") and (row.keeps_alpha or not has_alpha(name))]
    if not EVERY:
        formats = [name for name in formats if name in SAMPLE] or formats[:2]
    if (capabilities_here.version.release or (0, 0)) < (5, 0):
        # Grey H.264 comes back as yuv420p10le without a range, and this FFmpeg converts that to grey in another way.
        formats = [name for name in formats if (row.codec, name) != ("h264", "gray10le")]
    wrong = {}
    for pix_fmt in formats:
        for crf, limit in crfs_of(row, every=EVERY or pix_fmt == formats[0]):
            config = VideoEncoderConfig(
                vcodec=row.name, pix_fmt=pix_fmt, crf=crf, preset=FAST.get(row.name), g=1 if row.intra_only else 2
            )
            output = tmp_path / f"a.{row.muxers[0]}"
            error = worst_error(scene("128x96", pix_fmt), output, config, capabilities_here, size="128x96")
            if error is None or error > limit:
                wrong[pix_fmt, crf] = error
    assert wrong == {}


SAMPLE = (
    "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "gbrp", "gray", "yuv420p10le", "yuv444p10le", "yuv420p12le", "gray10le",
    "gray12le", "bgra", "gray16le",
)  # fmt: skip


def svt(capabilities: Capabilities, binaries: Binaries) -> EncoderSpec:
    row = table.find_encoder(DEFAULT_ENCODER)
    assert row is not None
    skip_without(row, capabilities, binaries)
    return row


@pytest.mark.parametrize("g", [2, 30])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_default_preset_damages_no_frame_at_any_crf(
    tmp_path: Path,
    binaries: Binaries,
    capabilities_here: Capabilities,
    scene: functools._lru_cache_wrapper[Path],
    pix_fmt: str,
    g: int,
) -> None:
    row = svt(capabilities_here, binaries)
    errors = {}
    for crf in (1, 2, 4, 8, 20) if EVERY else (1, 8):
        config = VideoEncoderConfig(vcodec=row.name, pix_fmt=pix_fmt, crf=crf, g=g)
        errors[crf] = worst_error(
            scene("640x480", pix_fmt), tmp_path / "a.mp4", config, capabilities_here, size="640x480"
        )
    assert all(error is not None and error < 2 for error in errors.values()), errors


def test_damage_listed_in_row_occurs_and_is_refused(
    tmp_path: Path,
    binaries: Binaries,
    capabilities_here: Capabilities,
    scene: functools._lru_cache_wrapper[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row that lists too much damage would refuse fast presets needlessly."""
    row = svt(capabilities_here, binaries)
    damage = next(damage for damage in row.damage if damage.bits == 10)
    fastest = damage.fastest_preset.at(capabilities_here.library_versions.get(row.name))
    if fastest is None:
        pytest.skip("this version is free of it")
    config = VideoEncoderConfig(vcodec=row.name, pix_fmt="yuv420p10le", crf=1, preset=fastest + 1)
    raw = scene("640x480", "yuv420p10le")
    with pytest.raises(EncoderOptionError, match="damages frames"):
        worst_error(raw, tmp_path / "a.mp4", config, capabilities_here, size="640x480")
    monkeypatch.setattr(table, "ENCODERS", {**ENCODERS, row.name: replace(row, damage=())})
    error = worst_error(raw, tmp_path / "a.mp4", config, capabilities_here, size="640x480")
    assert error is None or error > 10
