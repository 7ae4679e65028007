"""Encode a directory of images, and concatenate many clips."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import peers
from footage import frames_of, write_pngs
from measure import Cost, Report, interleaved, run_silently, spread
from quality import quality_of
from settings import Settings

from ffenc import (
    Binaries,
    VideoEncoderConfig,
    concat_videos,
    encode_frames,
    encode_images,
    find_binaries,
    probe_packets,
)

OURS = "ffenc"
PIL = "PIL + PyAV, one image after the other"
PYAV = "PyAV remux"
IMAGES_TARGET = 0.45
CONCAT_TARGET = 1.2


def images(report: Report, settings: Settings) -> None:
    """Encode 300 PNG of 640x480, compared with PIL and PyAV."""
    count = 60 if settings.quick else 300
    frames = frames_of(settings.clip, count, 640, 480)
    directory = settings.scratch / "png"
    write_pngs(frames, directory)
    pngs = sorted(directory.glob("frame-*.png"))
    decode = decode_command(settings.binaries, directory)
    for encoder, preset in (("libx264", None), ("libsvtav1", 12)):
        config = VideoEncoderConfig(vcodec=encoder, preset=preset, crf=30, g=2)
        options = {"g": "2", "crf": "30"} | ({} if preset is None else {"preset": str(preset)})
        paths = {OURS: settings.scratch / "images-ours.mp4", PIL: settings.scratch / "images-pil.mp4"}

        def ours(config: VideoEncoderConfig = config, path: Path = paths[OURS]) -> None:
            encode_images(directory, path, fps=peers.FPS, config=config, overwrite=True, binaries=settings.binaries)

        def theirs(encoder: str = encoder, options: Mapping[str, str] = options, path: Path = paths[PIL]) -> None:
            peers.pyav_images(pngs, path, encoder, options)

        works: dict[str, Callable[[], None]] = {OURS: ours, "limit: ffmpeg decodes them": lambda: run_silently(decode)}
        if "av" in peers.installed():
            works[PIL] = theirs
        costs = interleaved(works, settings.repeats)
        rows = []
        for name, runs in costs.items():
            seen = ["", "", ""]
            if name in paths:
                quality = quality_of(paths[name], frames)
                size = f"{paths[name].stat().st_size / count:.0f}"
                seen = [size, f"{quality.psnr_db:.2f}", f"{quality.ssim:.4f}"]
            rows.append([name, *_seconds(runs), *seen])
        report.table(
            f"{count} PNG of 640x480, {encoder}, crf 30, g 2",
            ["method", "wall s", "CPU s", "bytes/frame", "PSNR dB", "SSIM"],
            rows,
        )
        if PIL in costs:
            section = f"images {encoder}"
            _ratios(report, section, costs[OURS], costs[PIL], IMAGES_TARGET)


def decode_command(binaries: Binaries, directory: Path) -> list[str]:
    """Measure FFmpeg decoding the images only."""
    source = ["-f", "image2", "-i", f"{directory}/frame-%06d.png"]
    return [str(binaries.ffmpeg), "-nostdin", "-v", "error", *source, "-f", "null", "-"]


def concat(report: Report, settings: Settings) -> None:
    """Concatenate 200 clips, compared with PyAV's remux, including the time of the last frame."""
    count = 40 if settings.quick else 200
    clips = clips_of(settings, count)
    frames = sum(probe_packets(clip, binaries=settings.binaries).count for clip in clips[:_KINDS]) * count // _KINDS
    size_mb = sum(clip.stat().st_size for clip in clips) / 1e6
    outputs = {OURS: settings.scratch / "joined-ours.mp4", PYAV: settings.scratch / "joined-pyav.mp4"}
    without = find_binaries(settings.binaries.ffmpeg, "none")
    bare = f"{OURS}, without ffprobe"
    outputs[bare] = settings.scratch / "joined-bare.mp4"

    def join(binaries: Binaries, path: Path) -> None:
        concat_videos(clips, path, overwrite=True, binaries=binaries)

    works: dict[str, Callable[[], None]] = {}
    if settings.binaries.ffprobe is not None:
        works[OURS] = lambda: join(settings.binaries, outputs[OURS])
        works[bare] = lambda: join(without, outputs[bare])
    else:
        works[OURS] = lambda: join(without, outputs[OURS])
    if "av" in peers.installed():
        works[PYAV] = lambda: peers.pyav_concat(clips, outputs[PYAV])
    listing = settings.scratch / "clips.ffconcat"
    listing.write_text("ffconcat version 1.0\n" + "".join(f"file '{clip}'\n" for clip in clips))
    plain = _concat_command(settings.binaries, listing, settings.scratch / "joined-plain.mp4")
    works["limit: ffmpeg's concat, nothing checked"] = lambda: run_silently(plain)
    works["beside: reading every clip, four at once"] = lambda: _probe_all(clips, settings.binaries)
    works["beside: reading the joined file"] = lambda: _probe_all([outputs[OURS]], settings.binaries)
    costs = interleaved(works, settings.repeats)
    report.table(
        f"{count} clips of {frames} frames, {size_mb:.0f} MB, joined",
        ["method", "wall s", "CPU s", "last frame off by"],
        [[name, *_seconds(runs), _drift(outputs.get(name), frames, settings.binaries)] for name, runs in costs.items()],
    )
    if PYAV in costs:
        for name in (OURS, bare):
            if name in costs:
                _ratios(report, f"concat, {name}", costs[name], costs[PYAV], CONCAT_TARGET)
    off_us = [float(abs(_last_off_s(outputs[OURS], frames, settings.binaries) * 1_000_000))]
    report.figure("concat", "last frame off by", off_us, unit="us", at_most=0)


_KINDS = 5
_LENGTHS = (60, 75, 90, 100, 113)


def clips_of(settings: Settings, count: int) -> list[Path]:
    """Write files of five lengths with LeRobot's settings."""
    directory = settings.scratch / "clips"
    directory.mkdir()
    frames = frames_of(settings.clip, max(_LENGTHS), 640, 480)
    for number, length in enumerate(_LENGTHS):
        encode_frames(
            frames[:length],
            directory / f"{number:06d}.mp4",
            fps=peers.FPS,
            config=VideoEncoderConfig(preset=12),
            binaries=settings.binaries,
        )
    for number in range(_KINDS, count):
        shutil.copyfile(directory / f"{number % _KINDS:06d}.mp4", directory / f"{number:06d}.mp4")
    return sorted(directory.glob("*.mp4"))


def _concat_command(binaries: Binaries, listing: Path, output: Path) -> list[str]:
    source = ["-f", "concat", "-safe", "0", "-i", str(listing)]
    return [
        *(str(binaries.ffmpeg), "-nostdin", "-v", "error", "-y"),
        *(*source, "-c", "copy", "-movflags", "+faststart", str(output)),
    ]


def _probe_all(clips: list[Path], binaries: Binaries) -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        for _ in pool.map(lambda clip: probe_packets(clip, binaries=binaries), clips):
            pass


def _drift(path: Path | None, frames: int, binaries: Binaries) -> str:
    if path is None:
        return ""
    found = probe_packets(path, binaries=binaries).count
    missing = f", {found} of {frames} frames" if found != frames else ""
    return f"{float(_last_off_s(path, frames, binaries) * 1000):+.4f} ms{missing}"


def _last_off_s(path: Path, frames: int, binaries: Binaries) -> Fraction:
    """Return the delay of the last frame in seconds."""
    packets = probe_packets(path, binaries=binaries)
    return packets.pts_s(packets.count - 1) - Fraction(frames - 1, peers.FPS)


def _seconds(runs: list[Cost]) -> list[str]:
    return [spread([run.wall_s for run in runs]), spread([run.cpu_s for run in runs])]


def _ratios(report: Report, section: str, ours: list[Cost], theirs: list[Cost], wall_target: float) -> None:
    their_wall = [run.wall_s for run in theirs]
    report.ratio(section, "wall / PyAV", [run.wall_s for run in ours], their_wall, at_most=wall_target)
    report.ratio(section, "CPU / PyAV", [run.cpu_s for run in ours], [run.cpu_s for run in theirs])
