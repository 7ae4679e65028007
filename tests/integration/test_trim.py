"""`trim_episodes` keeps the right rows, frames and encoded bits, and recomputes everything that depends on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, cut_video, encode_frames
from ffenc.config import VideoEncoderConfig
from ffenc.errors import DatasetError, OutputExistsError
from ffenc.statistics import FrameSampler, vector_statistics
from tests.datasets import copy_of, encoded_with, frames_of, rows_of, tree_of
from tests.footage import numbered_frame, numbered_frames, numbers_of
from tests.numbered_datasets import HEIGHT, LEFT, RIGHT, STILL, WIDTH, check, record

pytest.importorskip("pyarrow")
from ffenc import VideoReader
from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.format.provenance import load_provenance
from ffenc.dataset.transform.edit import delete_episodes
from ffenc.dataset.transform.merge import merge_datasets
from ffenc.dataset.transform.reencode import reencode_dataset
from ffenc.dataset.transform.trim import plan_trim, trim_episodes

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

EPISODES = [range(30), range(30, 55), range(60, 84)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    return record(tmp_path_factory.mktemp("trim") / "set", EPISODES, binaries)


def kept(ranges: dict[int, tuple[int, int]]) -> list[range]:
    return [numbers[slice(*ranges.get(episode, (None, None)))] for episode, numbers in enumerate(EPISODES)]


@pytest.mark.parametrize(
    "ranges",
    [
        {1: (6, 18)},  # keyframes of both cameras
        {1: (7, 17)},
        {0: (5, 30), 2: (0, 7)},  # one frame before a keyframe, one after another
        {0: (29, 30), 1: (0, 1), 2: (23, 24)},  # single frames
        {0: (0, 30), 1: (12, 25)},
    ],
    ids=str,
)
def test_kept_frames_belong_to_their_rows(
    recorded: Path, tmp_path: Path, binaries: Binaries, ranges: dict[int, tuple[int, int]]
) -> None:
    before = tree_of(recorded)
    plan = plan_trim(recorded, ranges, binaries=binaries)
    result = trim_episodes(recorded, ranges, tmp_path / "out", binaries=binaries)
    check(tmp_path / "out", kept(ranges), binaries)
    assert tree_of(recorded) == before
    assert result.frames == sum(map(len, kept(ranges)))
    planned = {video.path: video.reencoded for video in plan.videos if video.reencoded}
    if ranges != {0: (29, 30), 1: (0, 1), 2: (23, 24)}:  # there, nothing of the B-frames can be copied
        assert result.reencoded == planned
    for video in plan.videos:
        encoded = sum(stop - first for first, stop in video.reencoded)
        assert (video.copied + encoded, video.dropped) == (result.frames, sum(map(len, EPISODES)) - result.frames)


def test_cut_at_keyframes_copies_every_packet(recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    result = trim_episodes(recorded, {1: (6, 18)}, tmp_path / "out", binaries=binaries)
    assert result.reencoded == {}
    before, after = frames_of(recorded, binaries), frames_of(tmp_path / "out", binaries)
    for key in (LEFT, RIGHT):
        assert [episode[key] for episode in after] == [before[0][key], before[1][key][6:18], before[2][key]]


def test_only_frames_outside_of_complete_gops_are_encoded(recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    result = trim_episodes(recorded, {0: (3, 16)}, tmp_path / "out", binaries=binaries)
    by_camera = {path.parts[-3]: ranges for path, ranges in result.reencoded.items()}
    assert by_camera == {LEFT: ((3, 6), (12, 16)), RIGHT: ((3, 6),)}
    before, after = frames_of(recorded, binaries), frames_of(tmp_path / "out", binaries)
    assert after[0][LEFT][3:9] == before[0][LEFT][6:12]
    assert after[0][RIGHT][3:] == before[0][RIGHT][6:16]
    assert after[1:] == before[1:]


def test_statistics_are_those_of_the_kept_frames(recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    root = trim_episodes(recorded, {1: (5, 15)}, tmp_path / "out", binaries=binaries).root
    episode = load_episodes(root, load_info(root))[1]
    numbers = list(EPISODES[1])[5:15]
    state = vector_statistics(np.array([[number, -number] for number in numbers], np.float32))
    assert episode.statistics["observation.state"].to_json() == state.to_json()
    left, still = FrameSampler(), FrameSampler()
    for number in numbers:
        frame = numbered_frame(number, width=WIDTH, height=HEIGHT)
        left.add(frame)
        still.add(frame + 25)
    assert episode.statistics[STILL].to_json() == still.statistics().to_json()
    for name, seen in episode.statistics[LEFT].to_json().items():
        np.testing.assert_allclose(seen, left.statistics().to_json()[name], atol=0.1, err_msg=name)
    stats = load_stats(root)
    assert stats is not None
    assert stats["number"].min.item() == 0
    assert stats["index"].max.item() == load_info(root).total_frames - 1


def test_in_place_and_bad_ranges(recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    root = Path(shutil.copytree(recorded, tmp_path / "set"))
    (root / "README.md").write_text("mine")
    before = tree_of(root)
    for ranges, said in (
        ({1: (0, 26)}, r"episode 1 of .* has 25 frames, so \[0, 26\]"),
        ({1: (5, 5)}, "25 frames"),
        ({1: (-1, 5)}, "25 frames"),
        ({1: (1.5, 5)}, "25 frames"),
        ({1: 7}, "25 frames"),
        ({1: (1, 2, 3)}, "25 frames"),
        ({3: (0, 5)}, "episodes 0 to 2, but not 3"),
        ({True: (0, 5)}, "True"),
        ({}, "no episodes to trim"),
    ):
        for make in (trim_episodes, plan_trim):
            with pytest.raises(DatasetError, match=said):
                make(root, ranges, binaries=binaries)  # type: ignore[operator]
    with pytest.raises(OutputExistsError):
        trim_episodes(root, {1: (0, 5)}, root, binaries=binaries)
    assert tree_of(root) == before
    trim_episodes(root, {0: (4, 20)}, binaries=binaries)
    trim_episodes(root, {0: (3, 15), 2: (2, 9)}, binaries=binaries)
    check(root, [EPISODES[0][4:20][3:15], EPISODES[1], EPISODES[2][2:9]], binaries)
    assert (root / "README.md").read_text() == "mine"
    lines = (root / "meta/ffenc/operations.jsonl").read_text().splitlines()
    assert [json.loads(line)["episodes"] for line in lines] == [{"0": [4, 20]}, {"0": [3, 15], "2": [2, 9]}]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_ties_move_with_their_frames(recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    root = trim_episodes(recorded, {0: (3, 17)}, tmp_path / "out", binaries=binaries).root
    old, new = load_provenance(recorded)[0], load_provenance(root)[0]
    assert new["ties"] == {"1": old["ties"]["4"], "5": old["ties"]["8"], "13": old["ties"]["16"]}
    assert (new["frames"], new["steps"]) == (14, 14)
    slower = reencode_dataset(recorded, fps=15, output=tmp_path / "slower", binaries=binaries).root
    assert list(load_provenance(slower)[0]["ties"]) == ["0", "1", "2", "4", "8"]


def test_other_edits_work_on_the_result(recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    trimmed = trim_episodes(recorded, {0: (3, 16), 1: (1, 25)}, tmp_path / "trimmed", binaries=binaries).root
    merged = merge_datasets([trimmed, recorded], tmp_path / "merged", binaries=binaries).root
    result = delete_episodes(merged, [1, 3], tmp_path / "fewer", binaries=binaries)
    assert result.reencoded == {}  # trimmed episodes begin at keyframes
    check(result.root, [EPISODES[0][3:16], EPISODES[2], EPISODES[1], EPISODES[2]], binaries)


def test_depth_is_exact_after_the_cut(tmp_path: Path, binaries: Binaries) -> None:
    depth = "observation.images.laptop_depth"
    settings = {"vcodec": "hevc", "pix_fmt": "gray12le", "g": 10, "crf": None}
    lossless = {"extra_options": {"x265-params": "lossless=1"}}
    source = encoded_with(copy_of("D", tmp_path), settings | lossless, binaries)
    length = load_episodes(source, load_info(source))[0].length
    result = trim_episodes(source, {0: (3, length - 1)}, tmp_path / "out", binaries=binaries)
    before, after = frames_of(source, binaries), frames_of(result.root, binaries)
    assert after[0][depth] == before[0][depth][3:-1]
    assert after[1] == before[1]
    rows = rows_of(result.root)
    assert [row["frame_index"] for row in rows[: length - 4]] == list(range(length - 4))


@pytest.mark.parametrize("short", [1, 2, 3])
@pytest.mark.parametrize("vcodec", ["libx264", "libx265"])
def test_piece_shorter_than_the_delay_takes_a_gop(
    tmp_path: Path, binaries: Binaries, caplog: pytest.LogCaptureFixture, vcodec: str, short: int
) -> None:
    config = VideoEncoderConfig(vcodec=vcodec, g=10)
    source = encode_frames(numbered_frames(50), tmp_path / "in.mp4", fps=30, config=config, binaries=binaries).path
    ranges = [(10 - short, 30), (40, 50)]
    result = cut_video(source, tmp_path / "out.mp4", ranges, config=config, binaries=binaries)
    assert result.reencoded == ((10 - short, 20 if short < 3 else 10),)
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == [*range(10 - short, 30), *range(40, 50)]
    assert caplog.text == ""
