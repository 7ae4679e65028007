"""Files are numbered and listed as in LeRobot."""

from __future__ import annotations

import pytest

from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.errors import DatasetError
from tests.lerobot_data import DATASETS


def test_file_number_continues_in_the_next_directory():
    ids = [FileId()]
    for _ in range(4):
        ids.append(ids[-1].successor(2))
    assert [(one.chunk, one.file) for one in ids] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert ids == sorted(ids)
    assert FileId(file=7).successor(3) == FileId(chunk=1)


@DATASETS
def test_files_of_lerobot_datasets_are_found(root):
    info = load_info(root)
    layout = DatasetLayout.of(root, info)
    assert layout.data_files() == [layout.data(FileId())]
    assert layout.episodes_files() == [layout.episodes(FileId())]
    for key in info.videos:
        assert layout.video_files(key) == [layout.video(key, FileId())]
    found = [layout.info, layout.stats, layout.tasks, *layout.data_files(), *layout.episodes_files()]
    found += [path for key in info.videos for path in layout.video_files(key)]
    assert sorted(found) == sorted(path for path in root.rglob("*") if path.is_file())


def test_files_are_listed_in_reading_order(tmp_path):
    layout = DatasetLayout(root=tmp_path)
    ids = [FileId(chunk=1), FileId(file=10), FileId(file=2)]
    for one in ids:
        layout.data(one).parent.mkdir(parents=True, exist_ok=True)
        layout.data(one).touch()
    assert list(map(layout.data_number, layout.data_files())) == [FileId(file=2), FileId(file=10), FileId(chunk=1)]
    assert layout.episodes_files() == []


@pytest.mark.parametrize(
    "name",
    ["file-000.parquet", "chunk-000/file-x.parquet", "chunk-0/.file-000.parquet.a.part", "chunk-0/file-000.parquet"],
)
def test_path_that_does_not_match_the_template_has_no_number(name, tmp_path):
    layout = DatasetLayout(root=tmp_path)
    assert layout.data_number(tmp_path / "data" / name) is None
    assert layout.data_number(tmp_path / "data/chunk-000/file-1000.parquet") == FileId(file=1000)


def test_dataset_without_video_path_has_no_videos(tmp_path):
    with pytest.raises(DatasetError, match="video_path"):
        DatasetLayout(root=tmp_path, video_path=None).video("cam", FileId())
