"""Parts of one recording are joined by stream copy if every frame survives, and re-encoded otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames
from ffenc.config import DepthEncoderConfig
from ffenc.errors import ConcatError, FFencError
from ffenc.video.join import frame_hashes, join_parts
from tests.footage import numbered_frames, numbers_of

pytestmark = pytest.mark.integration

H264 = VideoEncoderConfig(vcodec="h264", g=2)


def encode(path: Path, binaries: Binaries, start: int, **settings: object) -> Path:
    config = VideoEncoderConfig.model_validate({"vcodec": "h264", **settings})
    return encode_frames(numbered_frames(6, start=start), path, fps=30, config=config, binaries=binaries).path


def test_equal_parts_are_copied(tmp_path: Path, binaries: Binaries) -> None:
    parts = [encode(tmp_path / f"{number}.mp4", binaries, 6 * number) for number in range(3)]
    output = tmp_path / "a.mp4"
    assert join_parts(parts, output, config=H264, binaries=binaries) is True
    assert numbers_of(VideoReader(output, binaries=binaries)) == list(range(18))
    assert frame_hashes(output, binaries=binaries) == [
        frame_hash for part in parts for frame_hash in frame_hashes(part, binaries=binaries)
    ]


def test_parts_of_two_encoders_keep_every_frame(tmp_path: Path, binaries: Binaries) -> None:
    parts = [
        encode(tmp_path / "0.mp4", binaries, 0, g=2),
        encode(tmp_path / "1.mp4", binaries, 6, g=3, extra_options={"bf": 0, "coder": "vlc"}),
    ]
    output = tmp_path / "a.mp4"
    same_bits = join_parts(parts, output, config=H264, binaries=binaries)
    assert numbers_of(VideoReader(output, binaries=binaries)) == list(range(12))
    if same_bits:
        assert frame_hashes(output, binaries=binaries) == [
            frame_hash for part in parts for frame_hash in frame_hashes(part, binaries=binaries)
        ]


def test_parts_of_two_codecs_are_reencoded(tmp_path: Path, binaries: Binaries) -> None:
    parts = [encode(tmp_path / "0.mp4", binaries, 0), encode(tmp_path / "1.mp4", binaries, 6, vcodec="mpeg4", crf=2)]
    assert join_parts(parts, tmp_path / "a.mp4", config=H264, binaries=binaries) is False
    assert numbers_of(VideoReader(tmp_path / "a.mp4", binaries=binaries)) == list(range(12))


@pytest.mark.parametrize("layout", ["gray12", "gray16"])
def test_reencoded_depth_keeps_every_bit(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    quantized = DepthEncoderConfig(vcodec="ffv1", extra_options={})
    config = quantized if layout == "gray12" else DepthEncoderConfig.lossless16()
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 4096 if layout == "gray12" else 65536, (6, 48, 64), dtype=np.uint16)
    parts = []
    for number in range(2):
        path, some = tmp_path / f"{number}.mov", iter(frames[3 * number : 3 * number + 3])
        parts.append(encode_frames(some, path, fps=30, config=config, layout=layout, binaries=binaries).path)

    def refuse(*_: object, **__: object) -> None:
        raise ConcatError("they differ", path=parts[0])

    monkeypatch.setattr("ffenc.video.join.concat_videos", refuse)
    assert join_parts(parts, tmp_path / "a.mov", config=config, binaries=binaries) is False
    read = VideoReader(tmp_path / "a.mov", layout=layout, binaries=binaries)
    assert np.array_equal(np.stack(list(read)), frames)


def test_unreadable_parts_leave_no_output(tmp_path: Path, binaries: Binaries) -> None:
    good = encode(tmp_path / "0.mp4", binaries, 0)
    (tmp_path / "1.mp4").write_bytes(good.read_bytes()[:300])
    with pytest.raises(FFencError):
        join_parts([good, tmp_path / "1.mp4"], tmp_path / "a.mp4", config=H264, binaries=binaries)
    assert not (tmp_path / "a.mp4").exists()
