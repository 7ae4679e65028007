"""Further columns of ``meta/tasks.parquet``: their rows move with the tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.dataset_tables import load_task_columns
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.transform.source import DatasetSource
from ffenc.errors import MergeError

_NAMES_SHOWN = 3

Origins = Mapping[int, Collection[tuple[int, int]]]
"""For a new task, by number: the old tasks whose rows it got, as (number of the source, number of the task)."""


def task_columns(sources: Sequence[DatasetSource], tasks: Sequence[str], renamed: Origins | None = None) -> pa.Table:
    """Return the further columns for the tasks of a new dataset.

    Args:
        sources: the datasets.
        tasks: texts of the new dataset.  A text that a source has keeps its row.
        renamed: origins of the other texts.

    Raises:
        MergeError: the sources have different columns, or old tasks that become one have different values.
    """
    tables = [load_task_columns(source.root) for source in sources]
    path = DatasetLayout(root=sources[0].root).tasks.relative_to(sources[0].root)
    for source, table in zip(sources, tables, strict=True):
        if not table.schema.equals(tables[0].schema):
            described = (", ".join(f"{each.name} ({each.type})" for each in one.schema) for one in (tables[0], table))
            ours, theirs = (text or "no further columns" for text in described)
            raise MergeError(
                f"{path} has other columns in {source.root} than in {sources[0].root} ({theirs}; {ours}); make them equal first",
                path=source.root,
            )
    together = pa.concat_tables(tables)
    if not together.num_columns:
        return together
    starts = [sum(table.num_rows for table in tables[:number]) for number in range(len(tables))]
    places = [{text: number for number, text in enumerate(source.tasks)} for source in sources]
    chosen: list[int | None] = []
    for number, text in enumerate(tasks):
        same = [start + place[text] for start, place in zip(starts, places, strict=True) if text in place]
        rows = same or sorted(starts[source] + old for source, old in (renamed or {}).get(number, ()))
        values = together.take(pa.array(rows, pa.int64())).to_pylist()
        for name in together.column_names:
            different = list(dict.fromkeys(repr(value[name]) for value in values))
            if len(different) > 1:
                raise MergeError(
                    f"the column {name!r} of {path} has several values for the task {text!r}: "
                    f"{', '.join(different[:_NAMES_SHOWN])}; make them equal, or remove the column, first",
                    path=sources[0].root,
                )
        chosen.append(rows[0] if rows else None)
    return together.take(pa.array(chosen, pa.int64()))
