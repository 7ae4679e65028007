"""What belongs to the rows of an episode follows them if only some rows are kept: language entries, drops and ties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ffenc.dataset.format.provenance import rows_document
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.transform.language_rows import keep_rows
from ffenc.dataset.transform.source import DatasetSource
from ffenc.errors import DatasetError

LENGTH, FPS = 20, 10
_LANGUAGE = {"dtype": "language", "shape": (1,), "names": None}
_ENTRY = pa.struct([("style", pa.string()), ("content", pa.string()), ("timestamp", pa.float32())])
_EVENT = pa.struct([("content", pa.string())])
SOURCE = DatasetSource(
    root=Path("set"),
    info=DatasetInfo.model_validate({"fps": FPS, "features": {"persistent": _LANGUAGE, "events": _LANGUAGE}}),
    tasks=("move",),
    videos={},
    digest="",
)


def table_of(entries: list[tuple[str, str, float]] | None) -> pa.Table:
    """Return the rows of an episode with the same entries in every row, and an event in every fifth row."""
    persistent = entries and [{"style": s, "content": c, "timestamp": t} for s, c, t in entries]
    events = [[{"content": f"at {row}"}] if row % 5 == 0 else [] for row in range(LENGTH)]
    return pa.table(
        {
            "persistent": pa.array([persistent] * LENGTH, pa.list_(_ENTRY)),
            "events": pa.array(events, pa.list_(_EVENT)),
            "row": pa.array(range(LENGTH)),
        }
    )


@pytest.mark.parametrize(
    ("entries", "kept"),
    [
        ([("subtask", "a", 0.0)], [("a", 0.0)]),
        ([("subtask", "a", 0.0), ("subtask", "b", 0.3)], [("b", 0.0)]),
        ([("subtask", "a", 0.0), ("subtask", "b", 0.5), ("subtask", "c", 0.6)], [("b", 0.0), ("c", 0.1)]),
        ([("subtask", "a", 0.0), ("plan", "p", 0.2), ("plan", "q", 1.4)], [("a", 0.0), ("p", 0.0), ("q", 0.9)]),
        ([("subtask", "a", 0.2), ("subtask", "also a", 0.2)], [("a", 0.0), ("also a", 0.0)]),
        ([("subtask", "a", 0.0), ("subtask", "b", 1.5), ("subtask", "c", 1.9)], [("a", 0.0)]),
        ([], []),
        (None, None),
    ],
    ids=str,
)
def test_language_entries_keep_their_frames(entries: Any, kept: Any) -> None:
    trimmed = keep_rows(table_of(entries), range(5, 15), 0, source=SOURCE)
    assert trimmed.schema == table_of(entries).schema
    for row in trimmed["persistent"].to_pylist():
        seen = None if row is None else [(each["content"], pytest.approx(each["timestamp"], abs=1e-6)) for each in row]
        assert seen == kept
    assert trimmed["row"].to_pylist() == list(range(5, 15))
    events = [(row, each[0]["content"]) for row, each in enumerate(trimmed["events"].to_pylist()) if each]
    assert events == [(0, "at 5"), (5, "at 10")]


def test_complete_and_thinned_rows_keep_their_times() -> None:
    table = table_of([("subtask", "a", 0.0), ("subtask", "b", 0.5)])
    assert keep_rows(table, range(LENGTH), 0, source=SOURCE) == table
    with pytest.raises(DatasetError, match="of episode 0 has a value of events that another fps would drop"):
        keep_rows(table, range(0, LENGTH, 2), 0, source=SOURCE)
    quiet = table.set_column(1, "events", pa.array([[]] * LENGTH, pa.list_(_EVENT)))
    thinned = keep_rows(quiet, range(0, LENGTH, 2), 0, source=SOURCE)
    assert thinned["persistent"].to_pylist() == quiet["persistent"].to_pylist()[::2]
    assert thinned["row"].to_pylist() == list(range(0, LENGTH, 2))


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.data())
def test_drops_stay_between_the_same_frames(recorded: list[bool], data: st.DataObject) -> None:
    frames = sum(recorded)
    if not frames:
        return
    first = data.draw(st.integers(0, frames - 1))
    stop = data.draw(st.integers(first + 1, frames))
    steps = [step for step, is_frame in enumerate(recorded) if is_frame]
    begin = steps[first] if first else 0
    end = steps[stop - 1] + 1 if stop < frames else len(recorded)
    drops = [{"step": step} for step, is_frame in enumerate(recorded) if not is_frame]
    repeats = [{"step": step} for step in range(0, len(recorded), 3)]
    document = {"frames": frames, "steps": len(recorded), "drops": drops, "ties": {str(k): k for k in range(frames)}}
    document |= {"repeats": repeats, "captured_ms": {"a": list(range(frames))}}
    kept = rows_document(document, range(first, stop))
    assert kept["steps"] == end - begin
    inside = [step for step in range(begin, end) if not recorded[step]]
    assert [drop["step"] + begin for drop in kept["drops"]] == inside
    assert [each["step"] + begin for each in kept["repeats"]] == [step for step in range(begin, end) if step % 3 == 0]
    assert kept["captured_ms"] == {"a": list(range(first, stop))}
    assert kept["frames"] == stop - first == kept["steps"] - len(kept["drops"])
    assert kept["ties"] == {str(k - first): k for k in range(first, stop)}


@pytest.mark.parametrize("document", [{}, {"frames": None}, {"frames": 9}, {"frames": 9, "ties": [1]}], ids=str)
def test_documents_of_other_programs_are_kept(document: dict[str, Any]) -> None:
    kept = rows_document(document, range(2, 5))
    assert kept == ({**document, "frames": 3} if document.get("frames") else document)
