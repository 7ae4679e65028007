"""Output and exit status of the commands that make datasets from datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries
from ffenc.cli.main import main
from tests.datasets import copy_of, tree_of
from tests.lerobot_data import LEROBOT, needs_av1_decoder
from tests.numbered_datasets import LEFT, RIGHT, check, record

pytest.importorskip("pyarrow")
from ffenc.dataset.format.documents import load_info

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _av1(binaries: Binaries) -> None:
    needs_av1_decoder(binaries)


A, B = LEROBOT / "A", LEROBOT / "B"
FAST = ("--camera_encoder.vcodec=h264", "--camera_encoder.preset=ultrafast")


@pytest.fixture
def ffenc(binaries: Binaries, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command with the FFmpeg under test; return exit status, JSON or text, and other output."""

    def call(*words: object, as_json: bool = True) -> tuple[int, Any, str]:
        command, *rest = map(str, words)
        first = command.split()
        tools = [f"--ffmpeg={binaries.ffmpeg}", f"--ffprobe={binaries.ffprobe or 'none'}"]
        status = main([*first, *rest, *tools, *(["--json"] if as_json else [])])
        printed = capsys.readouterr()
        return status, json.loads(printed.out) if as_json and status == 0 else printed.out, printed.err

    return call


def test_merge(tmp_path: Path, ffenc: Any) -> None:
    status, plan, _ = ffenc("merge", A, B, f"--output={tmp_path / 'out'}", "--dry_run")
    assert (status, plan["episodes"], plan["frames"], plan["reencoded"]) == (0, 5, 100, [])
    assert list(tmp_path.iterdir()) == []
    status, result, said = ffenc("merge", A, B, f"--output={tmp_path / 'out'}")
    assert (status, result["episodes"], result["frames"], result["videos"]) == (0, 5, 100, 2)
    assert "video.crf" in said
    assert load_info(tmp_path / "out").total_frames == 100
    status, _, said = ffenc("merge", A, B, f"--output={tmp_path / 'out'}")
    assert (status, "exists already" in said) == (1, True)
    status, _, said = ffenc("merge", A, LEROBOT / "D", f"--output={tmp_path / 'other'}")
    assert (status, "features" in said) == (1, True)


def test_delete_and_split(tmp_path: Path, ffenc: Any) -> None:
    status, result, _ = ffenc("delete-episodes", A, "--episodes=0,2", f"--output={tmp_path / 'one'}")
    assert (status, result["episodes"], result["frames"], result["reencoded"]) == (0, 1, 25, {})
    status, made, _ = ffenc("split", A, "--splits={train: 0.7, val: 0.3}", f"--output={tmp_path / 'two'}")
    assert (status, {name: each["episodes"] for name, each in made.items()}) == (0, {"train": 2, "val": 1})
    status, text, _ = ffenc("split", A, "--splits={a: [2]}", f"--output={tmp_path / 'three'}", as_json=False)
    assert (status, "15 frames" in text) == (0, True)
    for words in (["--splits={a: x}"], ["--splits=0.5"], []):
        assert ffenc("split", A, *words, f"--output={tmp_path / 'no'}")[0] == 2
    assert ffenc("delete-episodes", A, "--episodes=1-x", f"--output={tmp_path / 'no'}")[0] == 2
    assert ffenc("delete-episodes", A, "--episodes=9", f"--output={tmp_path / 'no'}")[0] == 1


def test_trim(tmp_path: Path, ffenc: Any) -> None:
    source = copy_of("A", tmp_path)
    before = tree_of(source)
    wanted = ["--episodes={0: [4, 12], 2: [0, 9]}", f"--output={tmp_path / 'out'}"]
    status, plan, _ = ffenc("trim", source, *wanted, "--dry-run")
    assert (status, plan["kept"], plan["lengths"]) == (0, {"0": [4, 12], "2": [0, 9]}, {"0": 20, "2": 15})
    assert all(video["copied"] and video["dropped"] == 18 for video in plan["videos"])
    status, text, _ = ffenc("trim", source, *wanted, "--dry-run", as_json=False)
    assert (status, "[4, 12)" in text) == (0, True)
    assert [path.name for path in tmp_path.iterdir()] == ["A"]
    status, result, _ = ffenc("trim", source, '--episodes={"0": [4, 12], "2": [0, 9]}', f"--output={tmp_path / 'out'}")
    assert (status, result["episodes"], result["frames"], result["kept"]) == (0, 3, 42, plan["kept"])
    status, _, said = ffenc("trim", source, "--episodes={0: [4, 21]}")
    assert (status, "episode 0" in said, "20 frames" in said) == (1, True, True)
    for words in (
        [],
        ["--episodes={0: 4}"],
        ["--episodes={a: [1, 2]}"],
        ["--episodes={0: [1, true]}"],
        ["--episodes=[1]"],
        ["--idle", "--episodes={0: [1, 2]}"],
        ["--idle", "--threshold=1"],
        ["--yes"],
    ):
        assert ffenc("trim", source, *words)[0] == 2, words
    assert tree_of(source) == before


def test_idle_ends_are_trimmed_only_with_yes(tmp_path: Path, ffenc: Any, binaries: Binaries) -> None:
    source = record(
        tmp_path / "set", [[*[7] * 20, *range(7, 20), *[20] * 18], range(30, 60)], binaries, cameras=(LEFT, RIGHT)
    )
    before = tree_of(source)
    for idle_from, threshold in (("state", 0.02), ("observation.state", 0.02), ("frames", 0.1)):
        words = [f"--idle-from={idle_from}", f"--threshold={threshold}", "--min_idle_s=0.4"]
        status, plan, _ = ffenc("trim", source, "--idle", *words)
        assert (status, plan["kept"]) == (0, {"0": [20, 34] if idle_from == "frames" else [21, 33]})
        assert plan["lengths"] == {"0": 51}
    status, text, said = ffenc("trim", source, "--idle", as_json=False)
    assert (status, "[21, 33)" in text, "--yes" in said) == (0, True, True)
    assert tree_of(source) == before
    assert ffenc("trim", source, "--idle", "--yes", "--dry-run")[0] == 0
    assert tree_of(source) == before
    status, result, _ = ffenc("trim", source, "--idle", "--yes")
    assert (status, result["frames"], result["kept"]) == (0, 42, {"0": [21, 33]})
    check(source, [range(8, 20), range(30, 60)], binaries)
    status, text, _ = ffenc("trim", source, "--idle", "--yes", as_json=False)
    assert (status, text) == (0, "no episode has an idle end\n")


def test_reencode_directly_or_as_jobs(tmp_path: Path, ffenc: Any) -> None:
    source = copy_of("A", tmp_path)
    before = tree_of(source)
    status, plan, _ = ffenc("reencode-dataset", source, *FAST, "--resize=64x48", "--dry_run")
    assert (status, [job["arguments"]["size"] for job in plan["jobs"]]) == (0, [[64, 48]] * 2)
    status, result, _ = ffenc("reencode-dataset", source, *FAST, f"--output={tmp_path / 'here'}")
    assert (status, result["frames"], result["videos"]) == (0, 60, 2)
    assert tree_of(source) == before

    work = tmp_path / "work"
    status, lines, _ = ffenc("jobs plan", source, f"--work={work}", *FAST, as_json=False)
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text(lines)
    assert (status, len(lines.splitlines())) == (0, 2)
    status, _, said = ffenc("jobs commit", work, f"--output={tmp_path / 'there'}")
    assert (status, "2 of 2 jobs are not done" in said) == (1, True)
    for shard in ("1/2", "2/2"):
        assert ffenc("jobs run", jobs, f"--shard={shard}")[0] == 0
    status, result, _ = ffenc("jobs commit", work, f"--output={tmp_path / 'there'}")
    assert (status, result["frames"]) == (0, 60)
    here, there = tree_of(tmp_path / "here"), tree_of(tmp_path / "there")
    for tree in (here, there):
        del tree["meta/ffenc/operations.jsonl"]  # it has the names of the files
    assert {name for name in here if here[name] != there[name]} <= {name for name in here if name.endswith(".mp4")}
    assert ffenc("jobs commit", tmp_path)[0] == 1
    assert ffenc("reencode-dataset", source)[0] == 2
