"""Keep some rows of an episode, with its language columns: events belong to a row, other entries have a time in the episode."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.frame_columns import nested_array
from ffenc.dataset.transform.source import DatasetSource
from ffenc.errors import DatasetError

Entry = dict[str, Any]


def keep_rows(table: pa.Table, rows: range, episode: int, *, source: DatasetSource) -> pa.Table:
    """Return some rows of an episode; other columns than those of dtype ``language`` are not changed.

    Raises:
        DatasetError: every n-th row is kept, and a row that is dropped has a language entry of its own.
    """
    languages = [name for name, feature in source.info.columns.items() if feature.dtype == "language"]
    if rows.step > 1:
        for name in languages:
            _check_same(table[name].to_pylist(), rows.step, f"of episode {episode} has a value of {name}", source)
    kept = table.slice(rows.start, rows.stop - rows.start)
    if rows.step > 1:
        kept = kept.take(pa.array(range(0, len(kept), rows.step)))
    for name in languages:
        if (rows.start, rows.stop) != (0, len(table)) and _has_times(table.schema.field(name).type):
            values = _trimmed(kept[name].to_pylist(), rows, source.info.fps)
            place = kept.schema.get_field_index(name)
            kept = kept.set_column(place, kept.schema.field(place), nested_array(values, kept.schema.field(place).type))
    return kept


def _check_same(values: list[Any], every: int, what: str, source: DatasetSource) -> None:
    """Refuse to drop a row whose value differs from that of the row that stays."""
    for number, value in enumerate(values):
        if value and value != values[number - number % every]:
            raise DatasetError(
                f"frame {number} {what} that another fps would drop; keep the frame rate",
                path=source.root,
            )


def _has_times(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_struct(kind.value_type):
        return False
    return bool(kind.value_type.get_field_index("timestamp") >= 0)


def _trimmed(values: list[list[Entry] | None], rows: range, fps: int) -> list[list[Entry] | None]:
    trimmed: list[list[Entry] | None] = []
    for number, entries in enumerate(values):
        # LeRobot repeats the same entries in every row.
        same = number > 0 and entries == values[number - 1]
        trimmed.append(trimmed[-1] if same else entries and _moved(entries, rows.start / fps, rows.stop / fps))
    return trimmed


def _moved(entries: Iterable[Entry], start_s: float, stop_s: float) -> list[Entry]:
    """Return the entries with times from the first kept row on.

    An entry holds until the next one of its style, role and camera.  One that holds in the first kept row begins there.
    Entries that end before it, or begin after the last kept row, are dropped.
    """
    tolerance_s = 1e-4  # times are float32
    moved: list[Entry] = []
    begun: dict[tuple[Any, ...], float] = {}
    for entry in entries:
        time_s = entry["timestamp"] - start_s
        if time_s <= tolerance_s:
            kind = tuple(entry.get(name) for name in ("style", "role", "camera"))
            begun[kind] = max(begun.get(kind, time_s), time_s)
    for entry in entries:
        time_s = entry["timestamp"] - start_s
        kind = tuple(entry.get(name) for name in ("style", "role", "camera"))
        if begun.get(kind) == time_s or tolerance_s < time_s < stop_s - start_s - tolerance_s:
            moved.append({**entry, "timestamp": max(time_s, 0.0)})
    return moved
