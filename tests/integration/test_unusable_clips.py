"""The error for a file that is not a clip names its kind, and its command makes a clip."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames
from ffenc.errors import FFencError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.footage import numbered_frame, numbers_of

pytestmark = pytest.mark.integration

FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    """Return a clip whose frames show their numbers, with B-frames."""
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    config = VideoEncoderConfig(vcodec="h264", g=12, crf=10, extra_options={"bf": 2})
    encode_frames(map(numbered_frame, range(FRAMES)), path, fps=30, config=config, binaries=binaries)
    return path


def made(binaries: Binaries, clip: Path, path: Path, *how: str) -> Path:
    argv = [str(binaries.ffmpeg), "-v", "error", "-nostdin", "-y", "-i", str(clip), *how, str(path)]
    run_tool(argv)
    return path


@pytest.mark.parametrize(
    ("name", "how", "says"),
    [
        pytest.param("a.h264", ("-c", "copy"), "a raw video stream", id="h264-with-b-frames"),
        pytest.param("a.m2v", ("-c:v", "mpeg2video", "-q:v", "2"), "a raw video stream", id="mpeg2"),
        pytest.param("a.m4v", ("-c:v", "mpeg4", "-q:v", "2", "-f", "m4v"), "a raw video stream", id="mpeg4"),
        pytest.param("a.mjpeg", ("-c:v", "mjpeg", "-q:v", "2"), "raw MJPEG", id="mjpeg"),
        pytest.param("a.gif", (), "a GIF", id="gif"),
        pytest.param("a.y4m", (), "a Y4M file", id="y4m"),
        pytest.param("a.mxf", ("-c:v", "mpeg2video", "-q:v", "2"), "an MXF file", id="mxf"),
        pytest.param("a.avi", ("-c", "copy"), "no presentation time, as with B-frames in AVI", id="avi-with-b-frames"),
        pytest.param("a.mpg", ("-c:v", "mpeg2video", "-q:v", "2", "-bf", "2"), "ASF and MPEG-PS", id="mpeg-ps"),
        pytest.param("it's 1; #.mp4", ("-c", "copy", "-f", "h264"), "a raw video stream", id="h264-named-mp4"),
    ],
)
def test_command_in_message_makes_a_clip(
    tmp_path: Path, binaries: Binaries, clip: Path, name: str, how: tuple[str, ...], says: str
) -> None:
    path = made(binaries, clip, tmp_path / name, *how)
    with pytest.raises(FFencError) as caught:
        VideoReader(path, binaries=binaries)
    message = str(caught.value)
    assert says in message
    program, *arguments = shlex.split(message.splitlines()[-1])
    assert program == "ffmpeg"
    run_tool([str(binaries.ffmpeg), "-v", "error", "-nostdin", *arguments])
    assert numbers_of(VideoReader(Path(arguments[-1]), binaries=binaries)) == list(range(FRAMES))


def test_truncated_file_keeps_complete_frames(tmp_path: Path, binaries: Binaries, clip: Path) -> None:
    whole = made(binaries, clip, tmp_path / "whole.mkv", "-c:v", "mpeg4", "-q:v", "2", "-g", "1")
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    with pytest.raises(FFencError) as caught:
        VideoReader(path, binaries=binaries)
    message = str(caught.value)
    assert "None" not in message
    assert "damaged" in message
    _, *arguments = shlex.split(message.splitlines()[-1])
    run_tool([str(binaries.ffmpeg), "-v", "error", "-nostdin", *arguments], check=False)
    kept = numbers_of(VideoReader(Path(arguments[-1]), binaries=binaries))
    assert kept[:6] == list(range(6))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(40), "a single image; ffenc images"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(40), "a JPEG file"),
        ("a.mp4", b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\n/etc/passwd\n", "a playlist, which names other files"),
        ("a.mpd", b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', "a playlist"),
        ("a.ffconcat", b"ffconcat version 1.0\nfile 'x'\n", "a playlist"),
        ("a.wav", b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "an audio file, which has no video"),
        ("a.flac", b"fLaC" + bytes(60), "an audio file"),
        ("a.txt", b"hello, this is text\n" * 9, "a text file"),
        ("a.mp4", b"", "is empty"),
    ],
)
def test_file_without_frames_is_named(tmp_path: Path, binaries: Binaries, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FFencError, match=says):
        VideoReader(tmp_path / name, binaries=binaries)


def test_directory_is_named(tmp_path: Path, binaries: Binaries) -> None:
    with pytest.raises(FFencError, match="is a directory; name a media file in it"):
        VideoReader(tmp_path, binaries=binaries)


def test_audio_alone(tmp_path: Path, binaries: Binaries) -> None:
    path = tmp_path / "a.m4a"
    run_tool([str(binaries.ffmpeg), "-v", "error", "-nostdin", "-f", "lavfi", "-i", "sine=d=0.2", str(path)])
    with pytest.raises(FFencError, match="has no video stream"):
        VideoReader(path, binaries=binaries)
