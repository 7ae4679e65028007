"""Every file name that the file system accepts works as input and output of every command."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ffenc import Binaries, VideoEncoderConfig, VideoReader, cut_video, encode_frames
from ffenc.cli.main import main
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.video.recording import RecordingFile
from ffenc.video.writer import VideoWriter
from tests.footage import numbered_frame, numbers_of

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

FAST = ["--camera_encoder.vcodec=h264", "--camera_encoder.preset=ultrafast", "--camera_encoder.g=1"]
COUNT = 3
LONGEST = 255

NAMES = {
    "latin-1": os.fsdecode(b"caf\xe9"),
    "lone-bytes": os.fsdecode(b"\xff\xfe\x80"),
    "longest": "n" * (LONGEST - 4),
    "longest-in-utf-8": "ä" * ((LONGEST - 5) // 2),
    "leading-dash": "-y",
    "blanks": " a  b ",
    "quotes": 'it\'s "q" `x` $HOME',
    "newline": "new\nline",
    "escape": "\x1b[31mred",
    "percent": "100%d%05d",
    "colon": "file:a:b",
    "pipe": "pipe:1",
    "pattern": "a*[b]?{c}",
    "emoji": "🤖",
    "fragment": "a#b?c&d\\e",
}


@pytest.fixture
def ffenc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command in an empty folder, and return its JSON output."""
    monkeypatch.chdir(tmp_path)

    def run(command: str, *words: str) -> Any:
        assert main([*command.split(), "--json", *words]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize("name", ["newline", "lone-bytes", "quotes", "percent"])
def test_cut_copies_in_folder_with_any_name(name: str, tmp_path: Path, binaries: Binaries) -> None:
    folder = tmp_path / NAMES[name]
    folder.mkdir()
    config = VideoEncoderConfig(vcodec="h264", preset="ultrafast", g=2)
    frames = map(numbered_frame, range(10))
    clip = encode_frames(frames, folder / "a.mp4", fps=30, config=config, binaries=binaries).path
    result = cut_video(clip, folder / "b.mp4", [(1, 8)], config=config, binaries=binaries)
    assert result.reencoded == ((1, 2),)
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == list(range(1, 8))
    assert sorted(entry.name for entry in folder.iterdir()) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("name", NAMES)
def test_clips(name: str, ffenc: Callable[..., Any], binaries: Binaries) -> None:
    clip = f"{NAMES[name]}.mp4"
    encode_frames(
        map(numbered_frame, range(COUNT)), "in.mp4", fps=30,
        config=VideoEncoderConfig(vcodec="h264", preset="ultrafast", g=1), binaries=binaries,
    )  # fmt: skip
    made = ffenc("reencode", *FAST, "--", "in.mp4", clip)
    assert os.fsencode(made["path"]) == os.fsencode(clip)
    assert os.fsencode(ffenc("info", "--", clip)["stream"]["path"]).endswith(os.fsencode(clip))
    Path("x").mkdir()
    for command in ("reencode", "encode"):
        ffenc(command, *FAST, "--", clip, f"x/{command}.mp4")
        assert numbers_of(VideoReader(f"x/{command}.mp4", binaries=binaries)) == list(range(COUNT))
    ffenc("concat", f"--output=x/{clip}", "--", clip, clip)
    assert numbers_of(VideoReader(f"x/{clip}", binaries=binaries)) == [*range(COUNT), *range(COUNT)]
    Path("y").mkdir()
    job = {"kind": "reencode", "inputs": [str(Path(clip).absolute())], "output": str(Path("y", clip).absolute())}
    Path("jobs.jsonl").write_text(json.dumps(job | {"arguments": {"config": {"vcodec": "h264", "g": 1}}}))
    ffenc("jobs run", "jobs.jsonl", "--executor=threads:1")
    assert numbers_of(VideoReader(f"y/{clip}", binaries=binaries)) == list(range(COUNT))
    # Nothing but what was asked for, and the hidden record of the job.
    assert sorted(entry.name for entry in Path().iterdir()) == sorted([clip, "in.mp4", "jobs.jsonl", "x", "y"])
    assert sum(entry.name.endswith(".job.json") for entry in Path("y").iterdir()) == 1
    assert len(list(Path("y").iterdir())) == 2


@pytest.mark.one_build
@pytest.mark.parametrize("name", NAMES)
def test_images_and_datasets(name: str, ffenc: Callable[..., Any], binaries: Binaries) -> None:
    pytest.importorskip("pyarrow")
    folder = Path(f"{NAMES[name]}.d")
    folder.mkdir()
    for number in range(COUNT):
        image = f"{NAMES[name]}"[: LONGEST - 20] if name != "longest-in-utf-8" else "ä" * 110
        Image.fromarray(numbered_frame(number)).save(folder / f"{image}{number}.jpg", "JPEG", quality=95)
    for order in ("number", "name"):
        ffenc("images", *FAST, f"--order={order}", "--", str(folder), f"{order}.mp4")
        assert numbers_of(VideoReader(f"{order}.mp4", binaries=binaries)) == list(range(COUNT))
    ffenc("convert", *FAST, "--task=Lift", "--fps=30.0", "--", "dataset", str(folder))
    (video,) = Path("dataset").rglob("*.mp4")
    assert numbers_of(VideoReader(video, binaries=binaries)) == list(range(COUNT))


@pytest.mark.one_build
@pytest.mark.parametrize("name", NAMES)
def test_salvage(name: str, ffenc: Callable[..., Any], binaries: Binaries) -> None:
    clip = Path(f"{NAMES[name]}.mp4")
    config = VideoEncoderConfig(vcodec="h264", preset="ultrafast", g=1)
    with VideoWriter(clip, fps=30, config=config, durable=True, binaries=binaries) as writer:
        for number in range(COUNT):
            writer.write(numbered_frame(number))
    assert numbers_of(VideoReader(clip, binaries=binaries)) == list(range(COUNT))
    recording = RecordingFile(clip.absolute())
    recording.release()
    fragments = ["-c", "copy", "-f", "mp4", "-movflags", "+frag_every_frame+delay_moov+default_base_moof"]
    whole = ["-v", "error", "-nostdin", "-y", "-i", f"file:{clip.absolute()}"]
    run_tool([str(binaries.ffmpeg), *whole, *fragments, f"file:{recording.path}"])
    clip.unlink()
    saved = Path(ffenc("salvage", "--", str(recording.path))["path"])
    assert numbers_of(VideoReader(saved, binaries=binaries)) == list(range(COUNT))
    if not name.startswith("longest"):  # those are shortened
        assert os.fsencode(saved.name) == os.fsencode(clip)


@pytest.mark.one_build
@pytest.mark.parametrize("name", NAMES)
def test_messages_name_the_file(name: str, ffenc: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    del ffenc
    for words in (["info"], ["reencode"], ["concat", "-o", "x.mp4"], ["images"], ["salvage"]):
        output = [] if words[0] in ("info", "concat", "salvage") else ["out.mp4"]
        assert main([*words, "--", f"{NAMES[name]}.mp4", *output]) == 1
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert "\x1b" not in said
        assert NAMES[name][:3].encode("ascii", "ignore").decode().strip("\x1b\n ") in said
