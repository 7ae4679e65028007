"""Further columns of ``meta/tasks.parquet``: their rows move with the tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.dataset_tables import load_task_columns
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.transform.source import DatasetSource
from ffenc.errors import MergeError

_NAMES_SHOWN = 3
_LONGEST = 60  # characters of a value in a message

Origins = Mapping[int, Collection[tuple[int, int]]]
"""For a new task, by number: the old tasks whose rows it got, as (number of the source, number of the task)."""


def task_columns(sources: Sequence[DatasetSource], tasks: Sequence[str], renamed: Origins | None = None) -> pa.Table:
    """Return the further columns for the tasks of a new dataset.

    Args:
        sources: the datasets.
        tasks: texts of the new dataset.  A text that a source has keeps its row.
        renamed: origins of the texts that changed.

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
    old_tasks = [(source.root, text) for source in sources for text in source.tasks]
    rows_of: dict[str, list[int]] = {}
    for row, (_, text) in enumerate(old_tasks):
        rows_of.setdefault(text, []).append(row)
    kept = set(tasks)
    chosen: list[int | None] = []
    for number, text in enumerate(tasks):
        same = rows_of.get(text, [])
        origins = sorted(starts[source] + old for source, old in (renamed or {}).get(number, ()))
        # The row of a task that the new dataset does not have would be lost.
        rows = same + [row for row in origins if not same or old_tasks[row][1] not in kept]
        different = _different(together.take(pa.array(rows, pa.int64())))
        if different:
            names = [f"{old!r} of {root}" for root, old in (old_tasks[row] for row in rows)]
            raise MergeError(
                f"{_listed(names)} cannot become the task {text!r}: {path} has different values of "
                f"{'; '.join(different)}; make these values equal, or remove the columns, first",
                path=sources[0].root,
            )
        chosen.append(rows[0] if rows else None)
    return together.take(pa.array(chosen, pa.int64()))


def _different(rows: pa.Table) -> list[str]:
    """Describe each column whose values are not equal."""
    columns = {name: list(dict.fromkeys(map(repr, rows[name].to_pylist()))) for name in rows.column_names}
    return [f"{name!r} ({_listed(map(_shortened, values))})" for name, values in columns.items() if len(values) > 1]


def _listed(texts: Iterable[str]) -> str:
    *first, last = texts
    more = [*first[:_NAMES_SHOWN], "..."] if len(first) > _NAMES_SHOWN else first
    return f"{', '.join(more)} and {last}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
