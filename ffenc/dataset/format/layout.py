"""Paths of a dataset's files, and the order in which the files are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ffenc.dataset.format.paths import FixedPath, expand_template, file_numbers, glob_pattern, numbers_files
from ffenc.dataset.format.schema import DATA_PATH, VIDEO_PATH, DatasetInfo
from ffenc.dataset.storage.local_root import check_local
from ffenc.errors import DatasetError

_EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FileId:
    """The number of a data file, an episodes file or a video of one camera.

    Attributes:
        chunk: number of its directory.
        file: number within the directory.
    """

    chunk: int = 0
    file: int = 0

    def successor(self, chunks_size: int) -> FileId:
        """Return the next number; a directory has ``chunks_size`` files."""
        if self.file >= chunks_size - 1:
            return FileId(chunk=self.chunk + 1, file=0)
        return FileId(chunk=self.chunk, file=self.file + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetLayout:
    """The paths of a dataset.

    Attributes:
        root: its directory.
        data_path, video_path: templates from ``info.json``.
    """

    root: Path
    data_path: str = DATA_PATH
    video_path: str | None = VIDEO_PATH

    info = FixedPath("meta/info.json")
    stats = FixedPath("meta/stats.json")
    tasks = FixedPath("meta/tasks.parquet")
    own = FixedPath("meta/ffenc")
    """``meta/ffenc``, the directory for files of ffenc, which LeRobot does not read."""

    def __post_init__(self) -> None:
        """Refuse a URL, because every reader of a dataset starts here."""
        check_local(self.root)

    @classmethod
    def of(cls, root: Path, info: DatasetInfo) -> DatasetLayout:
        """Return the paths of a dataset with this document."""
        return cls(root=root, data_path=info.data_path, video_path=info.video_path)

    def data(self, file: FileId) -> Path:
        """Return the path of a data file."""
        return self.root / expand_template(self.data_path, chunk=file.chunk, file=file.file)

    def episodes(self, file: FileId) -> Path:
        """Return the path of an episodes file."""
        return self.root / expand_template(_EPISODES_PATH, chunk=file.chunk, file=file.file)

    def video(self, key: str, file: FileId) -> Path:
        """Return the path of a video.

        Raises:
            DatasetError: ``info.json`` has no ``video_path``.
        """
        if self.video_path is None:
            raise DatasetError(f"{self.info} has no video_path, but {key!r} is a video feature", path=self.root)
        return self.root / expand_template(self.video_path, chunk=file.chunk, file=file.file, video_key=key)

    def tables(self) -> set[Path]:
        """Return all files that `write_tables` of `ffenc.dataset.transform` writes."""
        return {*self.data_files(), *self.episodes_files(), self.stats, self.tasks, self.info}

    def data_files(self) -> list[Path]:
        """Return all data files in LeRobot's reading order, which ignores ``data_path``."""
        return _nested(self.root / "data")

    def episodes_files(self) -> list[Path]:
        """Return all episodes files in LeRobot's reading order."""
        return _nested(self.root / "meta/episodes")

    def video_files(self, key: str) -> list[Path]:
        """Return all videos of one camera, sorted by path."""
        if self.video_path is None:
            return []
        found = self.root.glob(glob_pattern(self.video_path, video_key=key))
        return sorted(path for path in found if self.video_number(key, path) is not None)

    def data_number(self, path: Path) -> FileId | None:
        """Return the number of a data file, or None if its path does not match ``data_path``."""
        return self._number(self.data_path, path)

    def episodes_number(self, path: Path) -> FileId | None:
        """Return the number of an episodes file, or None if its path does not match LeRobot's template."""
        return self._number(_EPISODES_PATH, path)

    def video_number(self, key: str, path: Path) -> FileId | None:
        """Return the number of a video, or None if its path does not match ``video_path``."""
        return None if self.video_path is None else self._number(self.video_path, path, video_key=key)

    def check_growing(self) -> None:
        """Refuse path templates to which no file can be added.

        Raises:
            DatasetError: two file numbers share a path, or LeRobot would not find the data files.
        """
        for name, template in (("data_path", self.data_path), ("video_path", self.video_path)):
            if template is not None and not numbers_files(template):
                raise DatasetError(
                    f"{name} in {self.info} is {template!r}; without chunk_index and file_index no file can be added. Copy "
                    "the dataset with `ffenc merge` first",
                    path=self.root,
                )
        if not self.data(FileId()).match("data/*/*.parquet") or self.data(FileId()).parents[2] != self.root:
            raise DatasetError(
                f"data_path in {self.info} is {self.data_path!r}, but LeRobot reads data/*/*.parquet only",
                path=self.root,
            )

    def _number(self, template: str, path: Path, *, video_key: str | None = None) -> FileId | None:
        relative = path.absolute().relative_to(self.root.absolute())
        numbers = file_numbers(template, relative, video_key=video_key)
        return None if numbers is None else FileId(chunk=numbers[0], file=numbers[1])


def _nested(folder: Path) -> list[Path]:
    # LeRobot's io_utils.load_nested_dataset sorts paths as text, so numbers above 999 are not in numeric order.
    try:
        return sorted(folder.glob("*/*.parquet"))
    except OSError as err:
        raise DatasetError(f"cannot list {folder}: {err}", path=folder) from err
