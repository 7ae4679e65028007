"""Change the tasks of a dataset; its videos are kept."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ffenc.dataset.format.parquet_series import iterate_episode_tables
from ffenc.dataset.transform.rewrite import Rewrite, RewriteResult, rewrite_dataset, table_rewrite
from ffenc.dataset.transform.source import DatasetSource
from ffenc.dataset.transform.task_columns import task_columns
from ffenc.errors import DatasetError


def modify_tasks(
    root: str | Path,
    task: str | None = None,
    *,
    episode_tasks: Mapping[int, str] | None = None,
    replace: Mapping[str, str] | None = None,
    output: str | Path | None = None,
    dry_run: bool = False,
    follow_links: bool = False,
) -> RewriteResult:
    """Change the tasks of a dataset: ``tasks.parquet``, the rows, the episodes and the statistics of ``task_index``.

    ``episode_tasks`` has precedence over ``replace``, and ``replace`` over ``task``.  As in LeRobot, the new tasks are those
    that a row has, in alphabetical order.  Unlike LeRobot, ``replace`` keeps further tasks of an episode.

    Args:
        root: the dataset.
        task: task of every row to which no other argument applies; None keeps their tasks.
        episode_tasks: tasks by episode number.
        replace: new tasks by old task.
        output: directory of a new dataset; None changes the dataset in place.
        dry_run: check everything, and write nothing.
        follow_links: read through symbolic links in the dataset.

    Raises:
        DatasetError: no task is given, or it is empty; an episode or a task to replace does not exist; the dataset is
            inconsistent.
        MergeError: tasks that become one have different values in further columns of ``tasks.parquet``.
        FFencError: see `rewrite_dataset`.
    """
    for text in (*([] if task is None else [task]), *(episode_tasks or {}).values(), *(replace or {}).values()):
        if not isinstance(text, str) or not text.strip():
            raise DatasetError(f"a task must be a text with at least one character, not {text!r}")
        try:
            text.encode()
        except UnicodeEncodeError as err:
            raise DatasetError(f"a task must be text that has a UTF-8 encoding, not {text!r}") from err
    if task is None and not episode_tasks and not replace:
        raise DatasetError(
            "no task is given; use task (--task), episode_tasks (--episode_tasks) or replace (--replace)"
        )
    plan = partial(_plan, task=task, by_episode=dict(episode_tasks or {}), replace=dict(replace or {}))
    return rewrite_dataset(root, "modify tasks", plan, output=output, dry_run=dry_run, follow_links=follow_links)


def _plan(source: DatasetSource, *, task: str | None, by_episode: dict[int, str], replace: dict[str, str]) -> Rewrite:
    known = range(source.info.total_episodes)
    unknown = [number for number in by_episode if isinstance(number, bool) or number not in known]
    if unknown:
        raise DatasetError(
            f"{source.root} has the episodes 0 to {len(known) - 1}, but not {', '.join(map(str, unknown))}",
            path=source.root,
        )
    missing = [text for text in replace if text not in source.tasks]
    if missing:
        raise DatasetError(
            f"{source.root} does not have the task {missing[0]!r}; it has {', '.join(map(repr, source.tasks))}",
            path=source.root,
        )

    def new_task(episode: int, old: str) -> str:
        return by_episode.get(episode) or replace.get(old) or task or old

    used: set[str] = set()
    changes: Counter[tuple[str, str]] = Counter()
    for table in iterate_episode_tables(source.layout.data_files(), columns=["task_index"]):
        episode = table["episode_index"][0].as_py()
        for number in table["task_index"].unique().to_pylist():
            if number is None or not 0 <= number < len(source.tasks):
                raise DatasetError(
                    f"episode {episode} of {source.root} has the task_index {number}, but there are {len(source.tasks)} "
                    f"tasks; `ffenc verify {shlex.quote(str(source.root))}` lists all faults",
                    path=source.root,
                )
            old = source.tasks[number]
            used.add(new_task(episode, old))
            changes[old, new_task(episode, old)] += 1
    changed = {pair: count for pair, count in changes.items() if pair[0] != pair[1]}
    shown = {f"{old!r} -> {new!r}": f"{count} of {len(known)} episodes" for (old, new), count in changed.items()}
    tasks = sorted(used)
    before, after = ({text: number for number, text in enumerate(some)} for some in (source.tasks, tasks))
    origins: dict[int, set[tuple[int, int]]] = {}
    for old, new in changes:
        origins.setdefault(after[new], set()).add((0, before[old]))
    task_columns([source], tasks, origins)  # refuses tasks that cannot become one
    return table_rewrite(source, shown, tasks=tasks, retask=new_task)
