"""Read a series of parquet files with bounded memory, and write one atomically with a size limit per file.

As in LeRobot's recorder, one row group of a data file is one episode.
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
"""The unit of LeRobot's ``..._size_in_mb`` settings."""

MOST_GROUPS = 500
"""Largest number of row groups in one file; writer and reader keep the metadata of all of them in memory."""

ROOM_FOR_OBJECTS = 8 * MIB
"""Limit of `open_parquet` for rows that become Python objects, which take about 30 times the memory of a table."""

_VALUE_BYTES, _MOST_EXPANSION = 8, 100


def save_table(path: Path, table: pa.Table) -> None:
    """Replace a parquet file by one with this table as its only row group.

    Raises:
        OutputError: it cannot be written; ``path`` is unchanged.
    """
    with write_atomically(path) as temporary, _writing(path), pa.OSFile(str(temporary), "wb") as sink:
        # A sink of our own, because after an error pyarrow leaves the file open that it opened.
        pq.write_table(table, sink, compression="snappy", use_dictionary=True, row_group_size=max(1, len(table)))


def load_table(path: Path) -> pa.Table:
    """Read a parquet file.

    Raises:
        DatasetError: it is missing or not a parquet file, for example after a killed recorder.
    """
    with open_parquet(path, room_bytes=ROOM_FOR_OBJECTS) as file:
        return file.read()


def iterate_row_groups(paths: Iterable[Path], *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the row groups of several files; one is in memory at a time.

    Raises:
        DatasetError: a file is missing or not a parquet file.
    """
    for path in paths:
        with open_parquet(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=None if columns is None else list(columns))


def iterate_episode_tables(paths: Iterable[Path], *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the rows of one episode at a time, independent of row groups and files; ``episode_index`` is always read.

    Raises:
        DatasetError: a file is missing, not a parquet file, or has no valid ``episode_index``.
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
            f"the column 'episode_index' is {episodes.type} with {episodes.null_count} missing values; expected int64"
        )
    changes = pc.not_equal(episodes.slice(1), episodes.slice(0, len(episodes) - 1))
    starts = [0, *(index + 1 for index in pc.indices_nonzero(changes).to_pylist()), len(table)]
    for start, stop in pairwise(starts):
        yield table.slice(start, stop - start)


class SeriesWriter:
    """Write tables as row groups into numbered files, starting new files as LeRobot does.

    Each file appears when it is complete.  As a context manager, it completes the last file; after an error it removes the
    unfinished file and keeps the others.

    Args:
        path_of: returns the path of a file number, e.g. `DatasetLayout.data`.
        schema: schema of every table.
        limit_mb: size limit of a file in MiB; a larger table gets its own file.
        chunks_size: files per directory.
        first: number of the first file; None starts at 0.
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
        self._open = ExitStack()  # closes the unfinished file
        self._writer: Any = None
        self._sink: Any = None
        self._pending: PendingFile | None = None
        self.files: list[FileId] = []
        """The complete files."""

    def place(self, rows: int) -> FileId:
        """Return the file for a table with ``rows`` rows that is written next; complete the current file if it is full.

        As in LeRobot, a file is full if the rows would reach the limit at the mean size of the previous rows.  It is also full
        with `MOST_GROUPS` row groups.
        """
        if self._rows:
            size = self._sink.tell()
            if size + size / self._rows * rows >= self._limit_bytes or self._groups >= MOST_GROUPS:
                self._complete()
        return self._file

    def write(self, table: pa.Table) -> FileId:
        """Write one row group and return its file.

        Raises:
            DatasetError: the table does not have the columns of the series.
            OutputError: it cannot be written.
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
            OutputError: it cannot be written.
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
    # Otherwise its finalizer would write the footer into a closed file.
    with suppress(OSError, pa.ArrowException):
        writer.close()


@contextmanager
def open_parquet(path: Path, *, room_bytes: int = 256 * MIB) -> Iterator[pq.ParquetFile]:
    """Open a parquet file, and refuse one that needs too much memory.

    A run of equal values is stored once, so a small file can claim any number of rows.

    Args:
        path: the file.
        room_bytes: memory limit of a row group, in addition to 100 times the file size; use `ROOM_FOR_OBJECTS` if the rows
            become Python objects.

    Raises:
        DatasetError: it is missing, damaged or not a parquet file, or needs too much memory; also while reading in the block.
    """
    try:
        check_regular(path)
        with pq.ParquetFile(path) as file:
            _check_memory(file.metadata, path, room_bytes)
            file.schema_arrow.names  # noqa: B018  raise here if names are not valid text
            yield file
    except FileNotFoundError as err:
        raise DatasetError(f"{path} does not exist", path=path) from err
    except (pa.ArrowException, OSError, UnicodeDecodeError) as err:
        raise DatasetError(
            f"{path} cannot be read as a parquet file: {err}; an interrupted recording leaves such files",
            path=path,
        ) from err


def _check_memory(metadata: Any, path: Path, room_bytes: int) -> None:
    most = room_bytes + _MOST_EXPANSION * path.stat().st_size
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.num_rows * metadata.num_columns * _VALUE_BYTES > most:
            raise DatasetError(
                f"{path} cannot be read: a row group claims {group.num_rows} rows in a file of {path.stat().st_size} bytes",
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
