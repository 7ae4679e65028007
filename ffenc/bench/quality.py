"""Measure the quality of a video against its source with FFmpeg's filters, in the colour space of the video."""

from __future__ import annotations

import functools
import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ffenc.bench.sources import Footage
from ffenc.config import DepthEncoderConfig
from ffenc.errors import OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.plan.compare import plan_comparison
from ffenc.plan.graph import ComparisonFilter, Filter
from ffenc.video.reader import VideoReader
from ffenc.video.run import EncodeResult

_TIMEOUT_S = 3600.0
_FILTER_ROW = re.compile(r"^ [TSC.|]{2,3} +(\S+) +\S+->\S+ ", re.MULTILINE)
_PAIR = re.compile(r"(\w+):\s*(-?(?:inf|nan|[0-9.]+))")
_VMAF_FORMATS = re.compile(r"yuv4(20|22|44)p(10le)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Quality of a video compared with its source.

    None means that this FFmpeg cannot measure a value, or that a PSNR is infinite (see ``identical_frames``).

    Attributes:
        psnr_db: PSNR of the mean squared error over all frames and planes.
        psnr_planes_db: PSNR of each plane, in the order of the pixel format.
        psnr_worst_db: PSNR of the worst frame.
        psnr_p5_db: 5 % of the frames are worse.
        identical_frames: frames without any error.
        ssim: mean over frames, all planes; 1 is identical.
        ssim_p5: 5 % of the frames are worse.
        vmaf: mean over frames, 0 to 100.
        vmaf_p5: 5 % of the frames are worse.
        xpsnr_db: XPSNR of luma, from the mean weighted error over frames.
        frames: number of compared frames.
        missing: metrics that could not be measured, with the reason.
    """

    psnr_db: float | None
    psnr_planes_db: Mapping[str, float | None]
    psnr_worst_db: float | None
    psnr_p5_db: float | None
    identical_frames: int
    ssim: float
    ssim_p5: float
    vmaf: float | None
    vmaf_p5: float | None
    xpsnr_db: float | None
    frames: int
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthError:
    """Absolute error of depth after quantizing, encoding and decoding, in millimetres."""

    p50_mm: float
    p95_mm: float
    max_mm: float


def measure_quality(result: EncodeResult, footage: Footage, *, binaries: Binaries) -> Quality:
    """Compare a file with its source footage, frame by frame.

    Raises:
        OutputError: the number of compared frames is wrong.
        ProcessError: ffmpeg failed.
    """
    listed = comparing_filters(binaries.ffmpeg)
    pix_fmt = result.stream.pix_fmt
    missing = {name: "this FFmpeg was built without it" for name in ("libvmaf", "xpsnr") if name not in listed}
    if "libvmaf" in listed and not _VMAF_FORMATS.fullmatch(pix_fmt):
        missing["libvmaf"] = f"it does not support {pix_fmt}"
    wanted = [name for name in ("psnr", "ssim", "libvmaf", "xpsnr") if name in listed and name not in missing]
    try:
        found = _compare(result, footage, wanted, binaries)
    except ProcessError as err:
        if "libvmaf" not in wanted:
            raise
        # Older builds look for the model of libvmaf in a missing file.
        missing["libvmaf"] = err.stderr_tail.strip().splitlines()[-1] if err.stderr_tail.strip() else str(err)
        found = _compare(result, footage, [name for name in wanted if name != "libvmaf"], binaries)
    return _summary(found, missing, frames=footage.count, path=result.path)


def measure_depth_error(
    result: EncodeResult, footage: Footage, config: DepthEncoderConfig, *, binaries: Binaries
) -> DepthError:
    """Decode a depth video to millimetres and compare them with the source."""
    reader = VideoReader(result.path, layout=config.layout, binaries=binaries)
    errors = []
    for decoded, original in zip(reader, footage.frames, strict=True):
        depth = config.quantizer.dequantize(decoded, unit="mm") if config.quantizes else decoded
        errors.append(np.abs(depth.astype(np.int32) - original))
    p50, p95 = np.percentile(errors, [50, 95])
    return DepthError(p50_mm=float(p50), p95_mm=float(p95), max_mm=float(np.max(errors)))


@functools.lru_cache(maxsize=8)
def comparing_filters(ffmpeg: Path) -> frozenset[str]:
    """Return the comparison filters that this FFmpeg has."""
    listing = run_tool([ffmpeg, "-hide_banner", "-filters"]).stdout.decode(errors="replace")
    return frozenset(_FILTER_ROW.findall(listing)) & {"psnr", "ssim", "libvmaf", "xpsnr"}


def _compare(
    result: EncodeResult, footage: Footage, wanted: Sequence[str], binaries: Binaries
) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
    """Return the values of each filter by name, one per frame."""
    with tempfile.TemporaryDirectory(prefix="ffenc-quality-") as directory:
        logs = {name: Path(directory) / f"{name}.log" for name in wanted}
        comparisons = [
            ComparisonFilter(filter=_filter(name, log), original_first=name == "xpsnr") for name, log in logs.items()
        ]
        argv = plan_comparison(
            binaries.ffmpeg,
            result.path,
            footage.path,
            demuxer=result.stream.container.split(",")[0],
            pix_fmt=result.stream.pix_fmt,
            frames=footage.format,
            fps=footage.fps,
            comparisons=comparisons,
        )
        run_tool(argv, timeout_s=_TIMEOUT_S)
        return {name: _columns(name, log.read_text(encoding="utf-8")) for name, log in logs.items()}


def _filter(name: str, log: Path) -> Filter:
    if name == "libvmaf":
        return name, {"log_fmt": "json", "log_path": str(log), "n_threads": "2"}
    return name, {"stats_file": str(log)}


def _columns(name: str, text: str) -> dict[str, npt.NDArray[np.float64]]:
    rows: list[dict[str, float]]
    if name == "libvmaf":
        rows = [{"vmaf": float(frame["metrics"]["vmaf"])} for frame in json.loads(text)["frames"]]
    else:
        # xpsnr ends with a line about the average, which has no frame number.
        lines = [line.replace("XPSNR ", "") for line in text.splitlines() if line.lstrip().startswith("n:")]
        rows = [{key: float(value) for key, value in _PAIR.findall(line)} for line in lines]
    return {key: np.array([row[key] for row in rows]) for key in (rows[0] if rows else ())}


def _summary(
    found: Mapping[str, Mapping[str, npt.NDArray[np.float64]]], missing: Mapping[str, str], *, frames: int, path: Path
) -> Quality:
    for name, columns in found.items():
        seen = len(next(iter(columns.values()), ()))
        if seen != frames:
            raise OutputError(f"{name} compared {seen} frames of {path}, not {frames}", path=path)
    psnr, ssim = found["psnr"], found["ssim"]
    vmaf = found.get("libvmaf", {}).get("vmaf")
    xpsnr = found.get("xpsnr", {}).get("y")
    planes = [key.removeprefix("psnr_") for key in psnr if key.startswith("psnr_") and key != "psnr_avg"]
    return Quality(
        psnr_db=_mean_db(psnr["psnr_avg"]),
        psnr_planes_db={plane: _mean_db(psnr[f"psnr_{plane}"]) for plane in planes},
        psnr_worst_db=_finite(psnr["psnr_avg"].min()),
        psnr_p5_db=_finite(np.percentile(psnr["psnr_avg"], 5, method="lower")),
        identical_frames=int(np.isinf(psnr["psnr_avg"]).sum()),
        ssim=round(float(ssim["All"].mean()), 6),
        ssim_p5=round(float(np.percentile(ssim["All"], 5)), 6),
        vmaf=None if vmaf is None else round(float(vmaf.mean()), 3),
        vmaf_p5=None if vmaf is None else round(float(np.percentile(vmaf, 5)), 3),
        xpsnr_db=None if xpsnr is None else _mean_db(xpsnr),
        frames=frames,
        missing=dict(missing),
    )


def _mean_db(values: npt.NDArray[np.float64]) -> float | None:
    """Return the PSNR of the mean squared error, which differs from the mean of PSNRs."""
    error = float(np.mean(10 ** (-values / 10)))
    return None if error == 0 else round(-10 * math.log10(error), 3)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
