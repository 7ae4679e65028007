"""For every software encoder of this build and every field: the *file* changed as asked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ffenc import Binaries, EncodeResult, VideoEncoderConfig, VideoReader, encode_frames, probe_packets
from ffenc.encoders.table import ENCODERS
from ffenc.errors import CapabilityError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.process import run_tool

pytestmark = pytest.mark.integration

COUNT = 16
FASTEST: dict[str, int | str] = {
    "libx264": "ultrafast",
    "libx265": "ultrafast",
    "libsvtav1": 12,
    "libaom-av1": 8,
    "librav1e": 10,
    "libvpx-vp9": 8,
}
FAST: dict[str, int | str] = {
    "libx264": "veryfast",
    "libx265": "superfast",
    "libsvtav1": 8,
    "libaom-av1": 3,
    "librav1e": 8,
    "libvpx-vp9": 3,
}
SOFTWARE = [row.name for row in ENCODERS.values() if row.device is None]


def footage() -> list[npt.NDArray[np.uint8]]:
    """A texture that moves two pixels a frame, with a little noise that does not repeat."""
    rng = np.random.default_rng(7)
    texture = rng.integers(0, 255, (24, 40, 3)).repeat(8, 0).repeat(8, 1)
    y, x = np.mgrid[0:144, 0:192]
    frames = []
    for number in range(COUNT):
        moved = texture[number : number + 144, number * 2 : number * 2 + 192]
        shaded = moved * 0.6 + (x + y)[..., None] * 0.25 + rng.normal(0, 3, (144, 192, 3))
        frames.append(shaded.clip(0, 255).round().astype(np.uint8))
    return frames


FOOTAGE = footage()


class Bench:
    """Encodes the footage with one encoder and tells what is in the file."""

    def __init__(self, name: str, directory: Path, binaries: Binaries) -> None:
        self.name = name
        self.directory = directory
        self.binaries = binaries
        self.base: dict[str, Any] = {"vcodec": name}
        if name in FASTEST:
            self.base["preset"] = FASTEST[name]
        if name == "mjpeg":
            self.base["pix_fmt"] = "yuvj420p"
        self._number = 0

    def encode(self, *, threads: int | None = None, **fields: Any) -> EncodeResult:
        self._number += 1
        config = VideoEncoderConfig.model_validate({**self.base, **fields})
        path = self.directory / f"{self._number}.{ENCODERS[self.name].muxers[0]}"
        return encode_frames(FOOTAGE, path, fps=30, config=config, encoder_threads=threads, binaries=self.binaries)

    def bits(self, result: EncodeResult) -> str:
        """A digest of the coded pictures alone, without the container."""
        command = [str(self.binaries.ffmpeg), "-v", "error", "-i", str(result.path), "-map", "0:v", "-c", "copy"]
        return hashlib.sha256(run_tool([*command, "-f", "data", "pipe:1"]).stdout).hexdigest()

    def coded_bytes(self, result: EncodeResult) -> int:
        return probe_packets(result.path, binaries=self.binaries).size_bytes

    def keyframes(self, result: EncodeResult) -> tuple[int, ...]:
        return probe_packets(result.path, binaries=self.binaries).keyframes

    def decodes(self, result: EncodeResult) -> bool:
        listing = run_tool([str(self.binaries.ffmpeg), "-hide_banner", "-decoders"]).stdout.decode()
        return result.stream.codec != "av1" or any(name in listing for name in ("libdav1d", "libaom-av1", "libgav1"))

    def psnr(self, result: EncodeResult) -> float:
        decoded = np.stack(list(VideoReader(result.path, binaries=self.binaries))).astype(float)
        return float(10 * np.log10(255**2 / ((decoded - np.stack(FOOTAGE)) ** 2).mean()))


@pytest.fixture(params=SOFTWARE)
def bench(request: pytest.FixtureRequest, tmp_path: Path, binaries: Binaries, encoders_here: tuple[str, ...]) -> Bench:
    if request.param not in encoders_here:
        pytest.skip(f"this build has no {request.param}")
    return Bench(request.param, tmp_path, binaries)


@pytest.mark.parametrize("g", [1, 2, 5])
def test_key_frame_every_g_frames(bench: Bench, g: int) -> None:
    if ENCODERS[bench.name].intra_only and g != 1:
        with pytest.raises(CapabilityError, match="every frame is a key frame"):
            bench.encode(g=g)
        return
    try:
        result = bench.encode(g=g)
    except CapabilityError as err:
        assert g == 1, err  # only g=1 may be refused, where this build takes it for "not set"
        assert "not set" in str(err)
        return
    assert bench.keyframes(result) == tuple(range(0, COUNT, g))


def test_unset_g_is_left_to_the_encoder(bench: Bench) -> None:
    expected = tuple(range(COUNT)) if ENCODERS[bench.name].intra_only else None
    keyframes = bench.keyframes(bench.encode(g=None))
    assert keyframes == expected or len(keyframes) < COUNT / 2


def test_lower_crf_is_larger_and_better(bench: Bench) -> None:
    if ENCODERS[bench.name].quality is None:
        with pytest.raises(CapabilityError, match="no crf"):
            bench.encode(crf=20)
        return
    results = [bench.encode(crf=crf) for crf in (12, 30, 48)]
    sizes = [bench.coded_bytes(result) for result in results]
    assert sizes[0] > sizes[1] > sizes[2]
    if bench.decodes(results[0]):
        quality = [bench.psnr(result) for result in results]
        assert quality[0] > quality[1] > quality[2]


def test_preset_changes_the_bits(bench: Bench) -> None:
    if ENCODERS[bench.name].preset is None:
        with pytest.raises(CapabilityError, match="no preset"):
            bench.encode(preset=1)
        return
    fastest, fast = bench.encode(), bench.encode(preset=FAST[bench.name])
    assert bench.bits(fastest) != bench.bits(fast)
    assert fast.encoder.config.preset == FAST[bench.name]


def test_pixel_format_is_that_of_the_stream(bench: Bench, capabilities_here: Capabilities) -> None:
    listed = capabilities_here.help(bench.name).pixel_formats or ()
    for pix_fmt in ("yuv420p", "yuv420p10le", "yuv444p", "yuvj420p"):
        if pix_fmt in listed:
            try:
                result = bench.encode(pix_fmt=pix_fmt)
            except CapabilityError as err:
                assert bench.name == "mjpeg", err  # lists limited range, but is not allowed to write it
                continue
            if bench.name == "librav1e":  # AV1 has no format of its own for full range, only the tag
                assert result.stream.pix_fmt == pix_fmt.replace("yuvj", "yuv")
                assert result.stream.color_range == ("pc" if "yuvj" in pix_fmt else "tv")
            else:
                assert result.stream.pix_fmt == pix_fmt
        else:
            with pytest.raises(CapabilityError, match=pix_fmt):
                bench.encode(pix_fmt=pix_fmt)


def test_fast_decode_changes_the_bits_or_is_refused(bench: Bench) -> None:
    plain = bench.encode(preset=FAST.get(bench.name))
    try:
        fast = bench.encode(preset=FAST.get(bench.name), fast_decode=1)
    except CapabilityError as err:
        assert "fast" in str(err)
        return
    assert bench.bits(plain) != bench.bits(fast)


def test_encoder_threads_are_taken_or_refused(bench: Bench) -> None:
    result = bench.encode(threads=1)
    assert result.frames == COUNT
    assert any("thread" in key or "=1" in text or text == "1" for key, text in result.encoder.options)


EXTRAS = {
    "libx264": {"tune": "grain", "x264-params": {"aq-mode": 3}, "trellis": 2},
    "libx265": {"tune": "grain", "x265-params": {"rd": 4}},
    "libsvtav1": {"svtav1-params": {"film-grain": 10}},
    "libaom-av1": {"enable-cdef": False, "aom-params": {"sharpness": 5}},
    "librav1e": {"tiles": 4},
    "libvpx-vp9": {"deadline": "realtime", "aq-mode": 1},
    "libopenh264": {"loopfilter": 0},
    "ffv1": {"coder": "range_def", "context": 1},
    "mpeg4": {"mpeg_quant": 1, "mbd": "rd"},
    "mjpeg": {"huffman": "default"},
}


def test_extra_options_change_the_bits(bench: Bench, capabilities_here: Capabilities) -> None:
    plain = bench.bits(bench.encode(preset=FAST.get(bench.name)))
    listed = capabilities_here.help(bench.name).options
    for name, value in EXTRAS[bench.name].items():
        if name in listed or name in ENCODERS[bench.name].generic:
            assert bench.bits(bench.encode(preset=FAST.get(bench.name), extra_options={name: value})) != plain, name


@pytest.mark.parametrize(
    ("profile", "expected"), [("baseline", "Constrained Baseline"), ("high", "High"), ("main", "Main")]
)
@pytest.mark.parametrize("option", ["profile", "profile:v"])
def test_profile(tmp_path: Path, binaries: Binaries, profile: str, expected: str, option: str) -> None:
    bench = Bench("libx264", tmp_path, binaries)
    result = bench.encode(preset="veryfast", extra_options={option: profile})
    assert result.stream.profile == expected


@pytest.mark.parametrize("b_frames", [0, 2])
def test_b_frames(tmp_path: Path, binaries: Binaries, b_frames: int) -> None:
    bench = Bench("libx264", tmp_path, binaries)
    result = bench.encode(preset="veryfast", g=12, extra_options={"bf": b_frames})
    assert bool(result.stream.has_b_frames) == bool(b_frames)


def test_key_that_this_library_does_not_know_is_an_error(
    tmp_path: Path, binaries: Binaries, capabilities_here: Capabilities
) -> None:
    """ffmpeg ends with status 0 when SVT-AV1 does not know a key; the line it writes becomes the error."""
    version = capabilities_here.library_versions.get("libsvtav1")
    if version is None or version >= (2,):
        pytest.skip("no SVT-AV1 here that lacks one of its keys")
    bench = Bench("libsvtav1", tmp_path, binaries)
    with pytest.raises(CapabilityError, match="did not take an option"):
        bench.encode(extra_options={"svtav1-params": {"variance-boost-strength": 2}})
    assert list(tmp_path.iterdir()) == []
