"""Any sequence of operations on a dataset keeps every row with its frame.

``FFENC_OPERATIONS=1000`` runs that many operations instead of a few.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq

from ffenc import Binaries, VideoEncoderConfig
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.transform.edit import delete_episodes, split_dataset
from ffenc.dataset.transform.features import add_features, remove_features, rename_features
from ffenc.dataset.transform.images_to_video import convert_images_to_video
from ffenc.dataset.transform.merge import merge_datasets
from ffenc.dataset.transform.pack import pack_dataset
from ffenc.dataset.transform.recompute_stats import recompute_stats
from ffenc.dataset.transform.reencode import reencode_dataset
from ffenc.dataset.transform.tasks import modify_tasks
from ffenc.dataset.transform.trim import trim_episodes
from ffenc.dataset.transform.upgrade import upgrade_dataset
from ffenc.dataset.verify.repair import repair_dataset
from tests.datasets import rows_of
from tests.numbered_datasets import DEPTH, IN_ORDER, LEFT, NUMBERS, RIGHT, STILL, check, record, record_episode
from tests.version21 import version_21_of

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]
if "FFENC_OPERATIONS" in os.environ:
    pytestmark.append(pytest.mark.timeout(0))

STEPS = 10
"""Operations in one sequence."""

ADDED = "copy"
"""A column that is added and removed; its values are the numbers of the frames."""

LARGEST = 8
"""A dataset with more episodes is reduced by deleting some."""


class Operations(RuleBasedStateMachine):
    """A dataset, and the numbers of the frames that each of its episodes must have."""

    binaries: Binaries
    done = 0

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="operations-"))
        self.root = self.home / "set"
        self.episodes: list[list[int]] = []
        self.next = 0
        self.cameras: list[str] = []
        self.columns: list[str] = []
        self.has_images = False

    def teardown(self) -> None:
        shutil.rmtree(self.home)

    def numbers(self, length: int) -> list[int]:
        """Return the numbers of the next frames."""
        found = [number % NUMBERS for number in range(self.next, self.next + length)]
        self.next += length
        return found

    def replace(self, make: Callable[[Path], object], made: str = "out") -> None:
        """Continue with the dataset that an operation writes into another directory."""
        output = self.home / "out"
        make(output)
        new = self.home / "new"
        (self.home / made).rename(new)
        shutil.rmtree(self.root)
        shutil.rmtree(output, ignore_errors=True)
        new.rename(self.root)

    def add_numbers(self, root: Path, numbers: list[int]) -> None:
        """Add the column ``ADDED`` to a dataset."""
        table = self.home.with_suffix(".parquet")
        order = range(len(numbers) - 1, -1, -1)
        pq.write_table(pa.table({"index": list(order), ADDED: [numbers[place] for place in order]}), table)
        add_features(root, table)
        table.unlink()

    def check(self) -> None:
        check(self.root, self.episodes, self.binaries)
        for row in rows_of(self.root):
            assert [row[name] for name in self.columns] == [row["number"]] * len(self.columns)
        assert [path.name for path in self.home.iterdir()] == ["set"]
        type(self).done += 1

    @initialize(
        lengths=st.lists(st.integers(1, 14), min_size=1, max_size=3),
        others=st.sampled_from([(), (STILL,), (DEPTH,), (STILL, DEPTH)]),
    )
    def record(self, lengths: list[int], others: tuple[str, ...]) -> None:
        self.cameras, self.has_images = [LEFT, RIGHT, *others], STILL in others
        self.episodes = [self.numbers(length) for length in lengths]
        record(self.root, self.episodes, self.binaries, cameras=self.cameras)
        self.check()

    @rule(length=st.integers(1, 14), pack=st.booleans())
    def resume(self, length: int, pack: bool) -> None:
        self.episodes.append(self.numbers(length))
        with DatasetRecorder.resume(self.root, binaries=self.binaries) as recorder:
            record_episode(recorder, self.episodes[-1], cameras=self.cameras, columns=self.columns)
            recorder.finalize(pack=pack)
        self.check()

    @rule(data=st.data(), in_place=st.booleans())
    def trim(self, data: st.DataObject, in_place: bool) -> None:
        chosen = data.draw(st.sets(st.integers(0, len(self.episodes) - 1), min_size=1, max_size=3))
        ranges = {}
        for episode in sorted(chosen):
            length = len(self.episodes[episode])
            first = data.draw(st.integers(0, length - 1))
            ranges[episode] = (first, data.draw(st.integers(first + 1, length)))
        if in_place:
            trim_episodes(self.root, ranges, binaries=self.binaries)
        else:
            self.replace(lambda output: trim_episodes(self.root, ranges, output, binaries=self.binaries))
        for episode, (first, stop) in ranges.items():
            self.episodes[episode] = self.episodes[episode][first:stop]
        self.check()

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        count = len(self.episodes)
        least = max(0, count - LARGEST)
        gone = data.draw(st.sets(st.integers(0, count - 1), min_size=least, max_size=max(least, count - 1)))
        if not gone or len(gone) == count:
            return
        self.replace(lambda output: delete_episodes(self.root, gone, output, binaries=self.binaries))
        self.episodes = [numbers for episode, numbers in enumerate(self.episodes) if episode not in gone]
        self.check()

    @rule(data=st.data())
    def split_and_merge(self, data: st.DataObject) -> None:
        count = len(self.episodes)
        if count < 2:
            return
        cut = data.draw(st.integers(1, count - 1))
        parts = {"b": list(range(cut, count)), "a": list(range(cut))}
        split_dataset(self.root, parts, self.home / "parts", binaries=self.binaries)
        sources = [self.home / "parts" / name for name in parts]
        self.replace(lambda output: merge_datasets(sources, output, on_mismatch="reencode", binaries=self.binaries))
        shutil.rmtree(self.home / "parts")
        self.episodes = self.episodes[cut:] + self.episodes[:cut]
        self.check()

    @rule(length=st.integers(1, 9), first=st.booleans(), concatenate=st.booleans())
    def merge_with_another(self, length: int, first: bool, concatenate: bool) -> None:
        if len(self.episodes) >= LARGEST:
            return
        numbers = self.numbers(length)
        record(self.home / "other", [numbers], self.binaries, cameras=self.cameras)
        if STILL in self.cameras and not self.has_images:
            convert_images_to_video(self.home / "other", camera_encoder=IN_ORDER, binaries=self.binaries)
        if self.columns:
            self.add_numbers(self.home / "other", numbers)
        order = [self.home / "other", self.root] if first else [self.root, self.home / "other"]
        self.replace(
            lambda output: merge_datasets(
                order,
                output,
                concatenate_videos=concatenate,
                concatenate_data=concatenate,
                on_mismatch="reencode",
                binaries=self.binaries,
            )
        )
        shutil.rmtree(self.home / "other")
        self.episodes = [numbers, *self.episodes] if first else [*self.episodes, numbers]
        self.check()

    @rule()
    def pack(self) -> None:
        pack_dataset(self.root, binaries=self.binaries)
        self.check()

    @rule(crf=st.integers(16, 22), g=st.sampled_from([2, 5, 9]), camera=st.sampled_from([LEFT, RIGHT]))
    def reencode(self, crf: int, g: int, camera: str) -> None:
        preset = "veryfast" if camera == LEFT else "ultrafast"
        config = VideoEncoderConfig(vcodec="h264", preset=preset, crf=crf, g=g)
        reencode_dataset(self.root, camera_encoder=config, cameras=[camera], binaries=self.binaries)
        self.check()

    @rule()
    def images_to_video(self) -> None:
        if self.has_images:
            convert_images_to_video(self.root, camera_encoder=IN_ORDER, binaries=self.binaries)
            self.has_images = False
        self.check()

    @rule(in_place=st.booleans())
    def downgrade_and_upgrade(self, in_place: bool) -> None:
        old = version_21_of(self.root, self.home / "old", self.binaries)
        shutil.rmtree(self.root)
        if in_place:
            old.rename(self.root)
            upgrade_dataset(self.root, binaries=self.binaries)
        else:
            upgrade_dataset(old, self.root, binaries=self.binaries)
            shutil.rmtree(old)
        self.check()

    @rule()
    def add_or_remove_a_column(self) -> None:
        if self.columns:
            remove_features(self.root, [ADDED])
            self.columns = []
        else:
            self.add_numbers(self.root, [number for numbers in self.episodes for number in numbers])
            self.columns = [ADDED]
        self.check()

    @rule()
    def remove_a_camera(self) -> None:
        if len(self.cameras) > 2:
            gone = self.cameras.pop()
            self.has_images &= gone != STILL
            remove_features(self.root, [gone])
        self.check()

    @rule(camera=st.sampled_from([LEFT, RIGHT, STILL, DEPTH]))
    def rename_there_and_back(self, camera: str) -> None:
        camera = camera if camera in self.cameras else LEFT
        rename_features(self.root, {camera: "observation.images.renamed", "number": "count"})
        rename_features(self.root, {"observation.images.renamed": camera, "count": "number"})
        self.check()

    @rule(number=st.integers(0, 2))
    def modify_tasks_there_and_back(self, number: int) -> None:
        old = f"task {number}"
        if any(value // 8 % 3 == number for numbers in self.episodes for value in numbers):
            modify_tasks(self.root, replace={old: "another"})
            modify_tasks(self.root, replace={"another": old})
        self.check()

    @rule()
    def repair(self) -> None:
        path = self.root / "meta" / "info.json"
        path.write_text(
            path.read_text().replace(f'"total_frames": {sum(map(len, self.episodes))}', '"total_frames": 1')
        )
        assert repair_dataset(self.root, binaries=self.binaries).after.ok
        self.check()

    @rule()
    def recompute(self) -> None:
        recompute_stats(self.root, binaries=self.binaries)
        self.check()


def test_rows_and_frames_stay_together(binaries: Binaries) -> None:
    wanted = int(os.environ.get("FFENC_OPERATIONS", "0"))
    Operations.binaries = binaries
    few = settings(
        max_examples=3,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not wanted,
        database=None,
        phases=[Phase.generate],  # shrinking would run thousands of operations
        suppress_health_check=list(HealthCheck),
    )
    while True:
        run_state_machine_as_test(Operations, settings=few)
        if Operations.done >= wanted:
            break
    print(f"{Operations.done} operations")
