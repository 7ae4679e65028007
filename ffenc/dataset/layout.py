"""Where the files of a dataset lie, and in which order they are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ffenc.dataset.paths import expand_template
from ffenc.dataset.schema import DATA_PATH, VIDEO_PATH, DatasetInfo
from ffenc.errors import DatasetError

_EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_NUMBERED = re.compile(r"chunk-(\d+)/file-(\d+)\.[^./]+")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FileId:
    """The number of a file in its series: of data, of episodes, or of one camera's videos.

    Attributes:
        chunk: number of the directory.
        file: number in the directory.
    """

    chunk: int = 0
    file: int = 0

    def successor(self, chunks_size: int) -> FileId:
        """The next file, in the next directory when this one holds ``chunks_size`` files."""
        if self.file >= chunks_size - 1:
            return FileId(chunk=self.chunk + 1, file=0)
        return FileId(chunk=self.chunk, file=self.file + 1)

    @classmethod
    def of(cls, path: Path) -> FileId:
        """The number that a path says.

        Raises:
            DatasetError: it does not end like ``chunk-000/file-000.parquet``.
        """
        match = _NUMBERED.fullmatch("/".join(path.parts[-2:]))
        if match is None:
            raise DatasetError(f"{path} is not named chunk-NNN/file-NNN, so it belongs to no series", path=path)
        return cls(chunk=int(match[1]), file=int(match[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetLayout:
    """The paths of a dataset.

    Attributes:
        root: its directory.
        data_path, video_path: templates as in ``info.json``.
    """

    root: Path
    data_path: str = DATA_PATH
    video_path: str | None = VIDEO_PATH

    @classmethod
    def of(cls, root: Path, info: DatasetInfo) -> DatasetLayout:
        """The paths as the dataset's own document gives them."""
        return cls(root=root, data_path=info.data_path, video_path=info.video_path)

    @property
    def info(self) -> Path:
        """``meta/info.json``."""
        return self.root / "meta" / "info.json"

    @property
    def stats(self) -> Path:
        """``meta/stats.json``."""
        return self.root / "meta" / "stats.json"

    @property
    def tasks(self) -> Path:
        """``meta/tasks.parquet``."""
        return self.root / "meta" / "tasks.parquet"

    @property
    def own(self) -> Path:
        """``meta/ffenc``: what ffenc keeps beside the dataset; LeRobot does not look there."""
        return self.root / "meta" / "ffenc"

    def data(self, file: FileId) -> Path:
        """A file of frames."""
        return self.root / expand_template(self.data_path, chunk=file.chunk, file=file.file)

    def episodes(self, file: FileId) -> Path:
        """A file of episodes."""
        return self.root / expand_template(_EPISODES_PATH, chunk=file.chunk, file=file.file)

    def video(self, key: str, file: FileId) -> Path:
        """A video of one camera.

        Raises:
            DatasetError: the dataset says that it has no videos.
        """
        if self.video_path is None:
            raise DatasetError(
                f"the info.json in {self.root} gives no video_path, but {key!r} is a video", path=self.root
            )
        return self.root / expand_template(self.video_path, chunk=file.chunk, file=file.file, video_key=key)

    def data_files(self) -> list[Path]:
        """All files of frames, in LeRobot's reading order."""
        return _series(self.data(FileId()))

    def episodes_files(self) -> list[Path]:
        """All files of episodes, in LeRobot's reading order."""
        return _series(self.episodes(FileId()))

    def video_files(self, key: str) -> list[Path]:
        """All videos of one camera."""
        return _series(self.video(key, FileId()))


def _series(example: Path) -> list[Path]:
    # LeRobot: io_utils.load_nested_dataset sorts paths as text, so beyond 999 the order is not that of the numbers.
    try:
        return sorted(example.parent.parent.glob(f"*/*{example.suffix}"))
    except OSError as err:
        raise DatasetError(f"{example.parent.parent} cannot be listed: {err}", path=example.parent.parent) from err
