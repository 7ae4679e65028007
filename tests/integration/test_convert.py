"""``ffenc convert``: every frame of every clip, image and table, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames
from ffenc.cli.main import main
from ffenc.errors import InputError
from ffenc.video.image_reader import ImageReader
from tests.footage import numbered_frame, numbered_frames, numbers_of

pytestmark = pytest.mark.integration
pq = pytest.importorskip("pyarrow.parquet")

FAST = ["--camera_encoder.vcodec=h264", "--camera_encoder.preset=ultrafast"]
CAMERAS = """--cameras={laptop: "runs/*/laptop.mp4", wrist: "runs/*/wrist"}"""
LAPTOP, WRIST = "observation.images.laptop", "observation.images.wrist"


@dataclass(frozen=True)
class Done:
    """What a command printed."""

    stdout: str
    stderr: str


Convert = Callable[..., Done]


@pytest.fixture
def convert(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Convert:
    """Run the command in a folder, in this process: starting another takes longer than the work."""

    def run(folder: Path, *words: str, status: int = 0) -> Done:
        monkeypatch.chdir(folder)
        returned = main(["convert", "out", "--task=Lift", *FAST, *words])
        out, err = capsys.readouterr()
        assert returned == status, err
        return Done(stdout=out, stderr=err)

    return run


def save_images(folder: Path, count: int, *, start: int) -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(numbered_frames(count, start=start)):
        Image.fromarray(frame).save(folder / f"f-{number:04d}.jpg", quality=95)


def save_clip(path: Path, count: int, binaries: Binaries, *, start: int, fps: int = 30) -> None:
    config = VideoEncoderConfig(vcodec="h264", preset="ultrafast")
    encode_frames(numbered_frames(count, start=start), path, fps=fps, config=config, binaries=binaries)


@pytest.fixture
def runs(tmp_path: Path, binaries: Binaries) -> Path:
    """Two runs of 7 and 5 frames: a clip, a folder of images and a table each; run-10 comes after run-2."""
    for name, count, start in (("run-2", 7, 0), ("run-10", 5, 50)):
        folder = tmp_path / "runs" / name
        save_images(folder / "wrist", count, start=start + 100)
        save_clip(folder / "laptop.mp4", count, binaries, start=start)
        rows = [f"{start + row},{-row},{row / 8}" for row in range(count)]
        (folder / "table.csv").write_text(
            "\n".join(["observation.state:pan.pos,observation.state:lift.pos,action", *rows])
        )
    return tmp_path


def numbers_of_camera(root: Path, camera: str, binaries: Binaries) -> list[int]:
    return [
        number
        for video in sorted((root / "videos" / camera).rglob("*.mp4"))
        for number in numbers_of(VideoReader(video, binaries=binaries))
    ]


def info_of(root: Path) -> Any:
    return json.loads((root / "meta" / "info.json").read_text())


def test_two_cameras_and_tables(convert: Convert, runs: Path, binaries: Binaries) -> None:
    document = json.loads(convert(runs, CAMERAS, "--tables=runs/*/table.csv", "--fps=30", "--json").stdout)
    assert [episode["frames"] for episode in document["episodes"]] == [7, 5]
    root = runs / "out"
    assert numbers_of_camera(root, LAPTOP, binaries) == [*range(7), *range(50, 55)]
    assert numbers_of_camera(root, WRIST, binaries) == [*range(100, 107), *range(150, 155)]
    info = info_of(root)
    assert (info["total_episodes"], info["total_frames"]) == (2, 12)
    assert info["features"]["observation.state"]["names"] == ["pan.pos", "lift.pos"]
    (table,) = [pq.read_table(path) for path in (root / "data").rglob("*.parquet")]
    states = [[start + row, -row] for count, start in ((7, 0), (5, 50)) for row in range(count)]
    assert table["observation.state"].to_pylist() == states
    assert np.ravel(table["action"].to_pylist()).tolist() == [row / 8 for count in (7, 5) for row in range(count)]


@pytest.mark.smoke
def test_clips_behind_the_flags_are_one_camera(convert: Convert, runs: Path, binaries: Binaries) -> None:
    convert(runs, "--camera=top", "--fps", "30", "runs/run-10/laptop.mp4", "runs/run-2/laptop.mp4")
    root = runs / "out"
    assert numbers_of_camera(root, "observation.images.top", binaries) == [*range(50, 55), *range(7)]


def test_a_dry_run_writes_nothing(convert: Convert, runs: Path) -> None:
    done = convert(runs, CAMERAS, "--dry-run")
    assert "nothing was written" in done.stderr
    assert "runs/run-10/wrist" in done.stdout
    assert {path.name for path in runs.iterdir()} == {"runs"}


def break_count(runs: Path, binaries: Binaries) -> None:
    (runs / "runs" / "run-10" / "wrist" / "f-0004.jpg").unlink()


def break_rows(runs: Path, binaries: Binaries) -> None:
    table = runs / "runs" / "run-2" / "table.csv"
    table.write_text(table.read_text() + "\n9,9,9")


def break_columns(runs: Path, binaries: Binaries) -> None:
    table = runs / "runs" / "run-10" / "table.csv"
    table.write_text(table.read_text().replace("action", "reward"))


def break_rate(runs: Path, binaries: Binaries) -> None:
    path = runs / "runs" / "run-10" / "laptop.mp4"
    path.unlink()
    save_clip(path, 5, binaries, start=50, fps=25)


def break_pairs(runs: Path, binaries: Binaries) -> None:
    (runs / "runs" / "run-2" / "laptop.mp4").unlink()


def break_size(runs: Path, binaries: Binaries) -> None:
    folder = runs / "runs" / "run-10" / "wrist"
    for path in folder.iterdir():
        Image.fromarray(numbered_frame(1, width=64, height=64)).save(path)


def break_one_image(runs: Path, binaries: Binaries) -> None:
    path = runs / "runs" / "run-10" / "wrist" / "f-0003.jpg"
    Image.fromarray(numbered_frame(1, width=64, height=64)).save(path)


def tear_one_image(runs: Path, binaries: Binaries) -> None:
    path = runs / "runs" / "run-10" / "wrist" / "f-0003.jpg"
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("harm", "status", "says"),
    [
        (break_count, 1, "5 in runs/run-10/laptop.mp4, 4 in runs/run-10/wrist"),
        (break_rows, 1, "7 in runs/run-2/wrist, 8 in runs/run-2/table.csv"),
        (break_columns, 1, "has other columns than"),
        (break_rate, 1, "has 25 frames per second"),
        (break_pairs, 2, "1 for camera laptop, 2 for camera wrist, 2 for --tables"),
        (break_size, 1, "all episodes of observation.images.wrist need one size"),
        (break_one_image, 1, "runs/run-10/wrist/f-0003.jpg differs from f-0000.jpg: its size is 64x64, not 128x96"),
        (tear_one_image, 1, "runs/run-10/wrist"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_does_not_fit_together_is_refused_and_leaves_nothing(
    convert: Convert, harm: Any, status: int, says: str, runs: Path, binaries: Binaries
) -> None:
    harm(runs, binaries)
    done = convert(runs, CAMERAS, "--tables=runs/*/table.csv", status=status)
    assert says in done.stderr
    assert {path.name for path in runs.iterdir()} == {"runs"}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ([], 2, "give the clips"),
        ([CAMERAS, "runs/run-2/laptop.mp4"], 2, "give the clips"),
        (["""--cameras={a: "nothing/*"}"""], 2, "nothing matches nothing/*"),
        (["--cameras={a: 5}"], 2, "takes a pattern"),
        (["--camera=a/b", "runs/run-2/laptop.mp4"], 2, "cannot be the name of a camera"),
        (["runs/run-2"], 1, "no numbered images"),
        (["no.mp4"], 1, "no.mp4"),
        (["runs/run-2/laptop.mp4", "--camera_encoder.vcodec=libx246"], 1, "did you mean"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes(convert: Convert, words: list[str], status: int, says: str, runs: Path) -> None:
    assert says in convert(runs, *words, status=status).stderr
    assert {path.name for path in runs.iterdir()} == {"runs"}


def test_what_is_there_is_never_replaced(convert: Convert, runs: Path) -> None:
    (runs / "out").mkdir()
    (runs / "out" / "diary.txt").write_text("mine")
    assert "exists already" in convert(runs, CAMERAS, status=1).stderr
    assert [path.name for path in (runs / "out").iterdir()] == ["diary.txt"]


def test_images_come_as_arrays(runs: Path, binaries: Binaries) -> None:
    reader = ImageReader(runs / "runs" / "run-2" / "wrist", fps=30, binaries=binaries)
    assert (len(reader), reader.format.shape) == (7, (96, 128, 3))
    frames = list(reader)
    assert numbers_of(frames) == list(range(100, 107))
    with Image.open(runs / "runs" / "run-2" / "wrist" / "f-0002.jpg") as image:
        assert np.abs(frames[2].astype(int) - np.asarray(image).astype(int)).mean() < 2
    with pytest.raises(InputError, match="not a directory of images"):
        ImageReader(runs / "none", fps=30, binaries=binaries)
