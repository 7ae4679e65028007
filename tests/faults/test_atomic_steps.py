"""A time step is recorded completely or not at all at any interrupt: all cameras, the row and the log agree."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.recording.open_episode import OpenEpisode
from ffenc.dataset.recording.rows import read_log
from ffenc.errors import FFencError, FrameError, OutputError, RecordingError
from ffenc.streaming.episode import Episode
from ffenc.streaming.queueing import POLICIES, QueuePolicy
from tests.interruptions import Interruption
from tests.stub_cameras import StubTarget, open_stub, stub_frame

LONG_S = 30.0
CAMERAS = ("a", "b", "c")
STEP_MODULES = (
    "ffenc.streaming.episode",
    "ffenc.streaming.camera",
    "ffenc.streaming.queueing",
    "ffenc.dataset.recording.open_episode",
    "ffenc.dataset.recording.rows",
    "ffenc.video.recording",
)
FEATURES = {"observation.state": {"dtype": "float32", "shape": (1,), "names": None}}
INFO = DatasetInfo.create(30, FEATURES)

pytestmark = pytest.mark.net


class Recording:
    """Three stub cameras and the log of a dataset, fed as `DatasetRecorder` does."""

    def __init__(self, root: Path, *, policy: QueuePolicy = "block", maxsize: int = 30) -> None:
        self.targets = {name: StubTarget() for name in CAMERAS}
        self.table = OpenEpisode(root, INFO, {}, number=0)
        self.episode = Episode(
            CAMERAS,
            root,
            fps=30,
            policy=policy,
            open_camera=open_stub(self.targets, maxsize=maxsize),
            record=self.table,
        )

    def add(self, number: int, **changed: Any) -> bool:
        frame = {"observation.state": np.array([number], np.float32)}
        self.table.stage(frame, "a task")
        return self.episode.feed({**dict.fromkeys(CAMERAS, stub_frame(number)), **changed}, None)

    def check(self, *, at_least: list[int], at_most: list[int]) -> list[int]:
        """Check that cameras, rows and log recorded the same steps; return these."""
        self.episode.finish().wait(LONG_S)
        self.table.close()
        rows = [int(row.values["observation.state"][0]) for row in self.table.rows.rows]
        for target in self.targets.values():
            assert target.frames == rows
        logged = read_log(self.table.directory.rows, INFO)
        assert [int(row.values["observation.state"][0]) for row in logged.rows.rows] == rows
        assert logged.drops == tuple(self.episode.drops)
        assert set(at_least) <= set(rows) <= set(at_most)
        assert rows == sorted(rows)
        return rows


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Callable[..., Recording]]:
    made: list[Recording] = []

    def make(**options: Any) -> Recording:
        root = tmp_path / str(len(made))
        (root / "meta").mkdir(parents=True)
        made.append(Recording(root, **options))
        return made[-1]

    yield make
    for each in made:
        each.episode.cancel()
        each.table.discard()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("follow_up", ["go on", "save at once"])
def test_interrupt_at_any_instruction_of_a_step(
    recording: Callable[..., Recording], policy: QueuePolicy, follow_up: str
) -> None:
    outcomes = set()
    at, came = POLICIES.index(policy) * 7 + len(follow_up), True
    while came:
        here = recording(policy=policy)
        assert here.add(0)
        interruption = Interruption(at, STEP_MODULES)
        with contextlib.suppress(KeyboardInterrupt):
            interruption.during(lambda here=here: here.add(1))
        came = interruption.came
        sure = [0]
        if follow_up == "go on":
            assert here.add(2)
            assert here.add(3)
            sure += [2, 3]
        rows = here.check(at_least=sure, at_most=[0, 1, 2, 3])
        outcomes.add(1 in rows)
        here.table.discard()
        at += 23  # a step has more than a thousand instructions
    assert outcomes == {True, False}
    assert at > 500  # the trace works


@pytest.mark.parametrize("follow_up", ["go on", "save at once"])
def test_interrupt_at_any_instruction_of_a_dropped_step(recording: Callable[..., Recording], follow_up: str) -> None:
    at, came, outcomes = 0, True, set()
    while came:
        here = recording(policy="drop")
        assert here.add(0)
        full = here.episode.cameras["b"].queue
        full.maxsize = 0
        interruption = Interruption(at, STEP_MODULES)
        with contextlib.suppress(KeyboardInterrupt):
            assert not interruption.during(lambda here=here: here.add(1))
        came = interruption.came
        full.maxsize = 30
        sure = [0]
        if follow_up == "go on":
            assert here.add(2)
            sure.append(2)
        here.check(at_least=sure, at_most=[0, 2])
        outcomes.add(len(here.episode.drops))
        assert [drop.step for drop in here.episode.drops] in ([], [1])
        assert here.episode.steps == len(sure) + len(here.episode.drops)
        here.table.discard()
        at += 19
    assert outcomes == {0, 1}


def test_many_interrupts_in_one_episode(recording: Callable[..., Recording]) -> None:
    here = recording()
    sure = []
    for number in range(120):
        interruption = Interruption(11 * number, STEP_MODULES)
        try:
            interruption.during(lambda number=number: here.add(number))
            sure.append(number)
        except KeyboardInterrupt:
            pass
    here.check(at_least=sure, at_most=list(range(120)))


@pytest.mark.parametrize("order", ["abc", "cab"])
def test_interrupt_while_cameras_are_fed_one_by_one(order: str) -> None:
    at, came, outcomes = 0, True, set()
    while came:
        targets = {name: StubTarget() for name in CAMERAS}
        episode = Episode(CAMERAS, Path("episode"), fps=30, policy="block", open_camera=open_stub(targets, maxsize=30))
        for name in order:
            assert episode.feed_one(name, stub_frame(0), None)
        interruption = Interruption(at, STEP_MODULES)
        with contextlib.suppress(KeyboardInterrupt):
            interruption.during(lambda e=episode: [e.feed_one(name, stub_frame(1), None) for name in order])
        came = interruption.came
        refused = False
        for number in (2, 3):  # the caller continues with the next step, and gives a step up when it is refused
            try:
                for name in order:
                    episode.feed_one(name, stub_frame(number), None)
            except (RecordingError, FrameError):
                refused = True
        episode.finish().wait(LONG_S)
        first, *others = [target.frames for target in targets.values()]
        assert all(frames == first for frames in others), (at, first, others)
        assert first[0] == 0
        outcomes.add(refused)
        at += 13
    assert outcomes == {True, False}


@pytest.mark.parametrize(
    "changed",
    [{"b": stub_frame(1)[1:]}, {"c": stub_frame(1).astype(float)}, {"c": None}],
    ids=["shape", "dtype", "nothing"],
)
def test_invalid_frame_of_a_later_camera_takes_nothing(recording: Callable[..., Recording], changed: Any) -> None:
    here = recording()
    assert here.add(0)
    with pytest.raises(FrameError):
        here.add(1, **changed)
    assert here.add(2)
    assert here.check(at_least=[0, 2], at_most=[0, 2]) == [0, 2]


def test_row_that_cannot_be_written_takes_nothing(
    recording: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = recording()
    assert here.add(0)
    with monkeypatch.context() as patch:

        def full(descriptor: int, data: Any, offset: int) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr("ffenc.video.recording.os.pwrite", full)
        with pytest.raises(OutputError, match="No space left"):
            here.add(1)
    assert here.add(2)
    here.check(at_least=[0, 2], at_most=[0, 2])


def test_partial_row_on_a_full_disk_is_overwritten(
    recording: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = recording()
    assert here.add(0)
    write = os.pwrite
    with monkeypatch.context() as patch:

        def half(descriptor: int, data: Any, offset: int) -> int:
            if len(data) < 10:
                raise OSError(28, "No space left on device")
            return write(descriptor, data[: len(data) // 2], offset)

        patch.setattr("ffenc.video.recording.os.pwrite", half)
        with pytest.raises(OutputError):
            here.add(100)
    assert here.add(2)
    here.check(at_least=[0, 2], at_most=[0, 2])


def test_row_of_another_frame_is_refused(recording: Callable[..., Recording]) -> None:
    here = recording()
    here.add(0)
    here.table.stage({"observation.state": np.array([1], np.float32)}, "a task")
    with pytest.raises(FFencError, match="row 1 does not belong to frame 3"):
        here.table.write(3)
    here.check(at_least=[0], at_most=[0])
    lines = here.table.directory.rows.read_text().splitlines()
    assert [json.loads(line)["frame"] for line in lines] == [0]
