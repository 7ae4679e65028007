"""A series of parquet files: read with bounded memory, written whole and durable, rolling over by size.

LeRobot: one `write_table` of its recorder is one episode, so a reader fetches an episode by its row group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from ffenc.dataset.format.arrow import pa, pc, pq
from ffenc.dataset.format.frame_columns import conform
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.storage.atomic_file import make_directory, write_atomically
from ffenc.errors import DatasetError, FFencError, OutputError
from ffenc.regular_files import check_regular
from ffenc.video.output import PendingFile

MIB = 1024**2
"""What LeRobot calls a megabyte."""

MOST_GROUPS = 2000
"""Row groups of one file: both who writes and who reads it hold a description of each of them in memory."""

ROOM_FOR_OBJECTS = 8 * MIB
"""For `open_parquet`: in Python, a value takes thirty times as much as in a table."""

_VALUE_BYTES, _MOST_EXPANSION = 8, 100


def save_table(path: Path, table: pa.Table) -> None:
    """Replace a parquet file by one with this table as its only row group.

    Raises:
        OutputError: the file system refused; what was there before is unchanged.
    """
    with write_atomically(path) as temporary, _writing(path):
        pq.write_table(table, temporary, compression="snappy", use_dictionary=True, row_group_size=max(1, len(table)))


def load_table(path: Path) -> pa.Table:
    """Read a whole parquet file.

    Raises:
        DatasetError: it is missing or no parquet file, as after a recorder that was killed.
    """
    with open_parquet(path, room_bytes=ROOM_FOR_OBJECTS) as file:
        return file.read()


def iterate_row_groups(paths: Iterable[Path], *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of some files, one at a time; at most one is in memory.

    Args:
        paths: in reading order, as `DatasetLayout.data_files` gives them.
        columns: only these; None is all.

    Raises:
        DatasetError: a file is missing or no parquet file.
    """
    for path in paths:
        with open_parquet(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=None if columns is None else list(columns))


def iterate_episode_tables(paths: Iterable[Path], *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The frames of one episode at a time, however they lie in row groups and files; memory as `iterate_row_groups`.

    Args:
        paths: of data files, in reading order.
        columns: only these and ``episode_index``; None is all.

    Raises:
        DatasetError: a file is missing or no parquet file, or has no ``episode_index``.
    """
    if columns is not None:
        columns = list(dict.fromkeys([*columns, "episode_index"]))
    begun: list[pa.Table] = []
    for table in iterate_row_groups(paths, columns=columns):
        if "episode_index" not in table.column_names:
            raise DatasetError("a data file has no column 'episode_index'")
        for part in _runs(table):
            if begun and begun[-1]["episode_index"][0] != part["episode_index"][0]:
                yield pa.concat_tables(begun)
                begun = []
            begun.append(part)
    if begun:
        yield pa.concat_tables(begun)


def _runs(table: pa.Table) -> Iterator[pa.Table]:
    if not len(table):
        return
    episodes = table["episode_index"].combine_chunks()
    if not pa.types.is_integer(episodes.type) or episodes.null_count:
        raise DatasetError(
            f"the column 'episode_index' holds {episodes.type} with {episodes.null_count} holes, expected int64"
        )
    changes = pc.not_equal(episodes.slice(1), episodes.slice(0, len(episodes) - 1))
    starts = [0, *(index + 1 for index in pc.indices_nonzero(changes).to_pylist()), len(table)]
    for start, stop in pairwise(starts):
        yield table.slice(start, stop - start)


class SeriesWriter:
    """Writes tables, each as one row group, into numbered files that roll over as LeRobot's do.

    Each file appears when it is complete.  As a context manager: leaving normally completes the last file; on an error the
    file that was being written is removed, the ones before it stay.

    Args:
        path_of: the path of a file by its number, e.g. `DatasetLayout.data`.
        schema: of every table.
        limit_mb: MiB that a file should not reach; a single table that is larger still gets one file.
        chunks_size: files per directory.
        first: the number of the first file.
    """

    def __init__(
        self,
        path_of: Callable[[FileId], Path],
        schema: pa.Schema,
        *,
        limit_mb: float,
        chunks_size: int,
        first: FileId | None = None,
    ) -> None:
        self._path_of = path_of
        self.schema = schema
        self._limit_bytes = limit_mb * MIB
        self._chunks_size = chunks_size
        self._file = first or FileId()
        self._rows = self._groups = 0
        self._open = ExitStack()  # what has to be closed of the file that is being written
        self._writer: Any = None
        self._sink: Any = None
        self._pending: PendingFile | None = None
        self.files: list[FileId] = []
        """The files that are complete."""

    def place(self, rows: int) -> FileId:
        """The file into which a table of so many rows goes, if it is written next; completes the one before.

        LeRobot: a new file begins when the present size and the size that the rows will have, at the mean of those before,
        would reach the limit.  Here also when it has `MOST_GROUPS` row groups.
        """
        if self._rows:
            size = self._sink.tell()
            if size + size / self._rows * rows >= self._limit_bytes or self._groups >= MOST_GROUPS:
                self._complete()
        return self._file

    def write(self, table: pa.Table) -> FileId:
        """Write one row group.

        Returns:
            The file it is in.

        Raises:
            DatasetError: the table does not have the columns of the series.
            OutputError: the file system refused.
        """
        fitting = conform(table, self.schema)
        file = self.place(len(table))
        path = self._path_of(file)
        with _writing(path):
            if self._writer is None:
                self._begin(path)
            self._writer.write_table(fitting, row_group_size=max(1, len(fitting)))
        self._rows += len(fitting)
        self._groups += 1
        return file

    def close(self) -> None:
        """Complete the last file.

        Raises:
            OutputError: the file system refused.
        """
        if self._writer is not None:
            self._complete()

    def __enter__(self) -> SeriesWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._open.close()

    def _begin(self, path: Path) -> None:
        make_directory(path.parent)
        self._pending = self._open.enter_context(PendingFile(path, overwrite=True, keep_suffix=False))
        self._sink = self._open.enter_context(pa.OSFile(str(self._pending.path), "wb"))
        self._writer = pq.ParquetWriter(self._sink, self.schema, compression="snappy", use_dictionary=True)
        self._open.callback(_close_unfinished, self._writer)

    def _complete(self) -> None:
        assert self._pending is not None
        with self._open, _writing(self._pending.final):
            self._writer.close()
            self._sink.close()
            self._pending.commit()
        self._writer, self._rows, self._groups = None, 0, 0
        self.files.append(self._file)
        self._file = self._file.successor(self._chunks_size)


def _close_unfinished(writer: Any) -> None:
    # Otherwise its finalizer would write the footer, into a file that is closed by then.
    with suppress(OSError, pa.ArrowException):
        writer.close()


@contextmanager
def open_parquet(path: Path, *, room_bytes: int = 256 * MIB) -> Iterator[pq.ParquetFile]:
    """A parquet file for reading.

    A run of equal values is stored once, so a small file can claim any number of rows.

    Args:
        path: the file.
        room_bytes: what a row group may take in memory, however small the file is; `ROOM_FOR_OBJECTS` if the rows become
            Python objects. A file may always take a hundred times its own size.

    Raises:
        DatasetError: it is missing, no parquet file, or damaged, or a row group would take far more memory than its file;
            also while it is read inside the block.
    """
    try:
        check_regular(path)
        with pq.ParquetFile(path) as file:
            _check_memory(file.metadata, path, room_bytes)
            file.schema_arrow.names  # noqa: B018  names that are not text are an error here and not later
            yield file
    except FileNotFoundError as err:
        raise DatasetError(f"{path} does not exist", path=path) from err
    except (pa.ArrowException, OSError, UnicodeDecodeError) as err:
        raise DatasetError(
            f"{path} cannot be read as a parquet file: {err}; a recording that was not finished leaves such files",
            path=path,
        ) from err


def _check_memory(metadata: Any, path: Path, room_bytes: int) -> None:
    most = room_bytes + _MOST_EXPANSION * path.stat().st_size
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.num_rows * metadata.num_columns * _VALUE_BYTES > most:
            raise DatasetError(
                f"{path} cannot be read: a row group of {group.num_rows} rows does not fit a file of {path.stat().st_size} "
                "bytes",
                path=path,
            )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except FFencError:
        raise
    except (OSError, pa.ArrowException) as err:
        raise OutputError(f"cannot write {path}: {err}", path=path) from err
