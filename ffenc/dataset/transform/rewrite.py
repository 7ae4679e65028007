"""Change the tables of a dataset and keep its videos, in a new dataset or in place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ffenc.dataset.format.provenance import append_operation
from ffenc.dataset.format.schema import DATA_PATH, DatasetInfo
from ffenc.dataset.storage.dataset_tree import resolve_root
from ffenc.dataset.storage.new_directory import check_new
from ffenc.dataset.storage.swap_directory import link_or_copy
from ffenc.dataset.transform.companions import companions
from ffenc.dataset.transform.in_place import copy_unchanged, new_form
from ffenc.dataset.transform.source import DatasetSource, reading
from ffenc.dataset.transform.write_tables import EpisodeSelection, write_tables

logger = logging.getLogger(__name__)

_TEXTS = (".json", ".jsonl", ".yaml", ".yml", ".md", ".txt", ".toml")
_LONGEST_TEXT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteResult:
    """A dataset whose tables were changed.

    Attributes:
        root: its directory.
        episodes, frames, tasks: its counts.
        features: its features, in order.
        changes: the changes, for example the old and the new task with the number of episodes.
        written: False after a dry run.
    """

    root: Path
    episodes: int
    frames: int
    tasks: int
    features: tuple[str, ...]
    changes: Mapping[str, str]
    written: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A checked change of the tables of a dataset.

    Attributes:
        info: document of the new dataset.
        changes: see `RewriteResult`.
        replaced: files of the source that the new dataset does not have, or that ``write`` writes.
        write: writes files into the directory of the new dataset, and returns its document.
    """

    info: DatasetInfo
    changes: Mapping[str, str]
    replaced: Collection[Path]
    write: Callable[[Path], DatasetInfo]


def rewrite_dataset(
    root: str | Path,
    operation: str,
    plan: Callable[[DatasetSource], Rewrite],
    *,
    output: str | Path | None,
    dry_run: bool,
    follow_links: bool,
) -> RewriteResult:
    """Change the tables of a dataset, atomically into a new dataset or in place.

    Args:
        root: the dataset.
        operation: its name in ``meta/ffenc/operations.jsonl``.
        plan: checks the change.
        output: directory of a new dataset; None changes the dataset in place.
        dry_run: check the change, and write and lock nothing.
        follow_links: read through symbolic links in the dataset.

    Raises:
        OutputExistsError: ``output`` exists.
        DatasetLockedError: another process is writing into the dataset.
        FFencError: the change is refused, or a file cannot be written.  After any error the dataset is unchanged and there is
            no output.
    """
    final = None if output is None else Path(output)
    place = resolve_root(root)
    if dry_run:
        if final is not None:
            check_new(final)
        source = DatasetSource.open(place, follow_links=follow_links)
        with reading([source]):
            rewrite = plan(source)
        return _result(final or Path(root), rewrite, rewrite.info, written=False)
    with new_form(place, final) as building:
        source = DatasetSource.open(place, follow_links=follow_links)
        with reading([source]):
            rewrite = plan(source)
            copy_unchanged(source.root, building, leave=rewrite.replaced, link=final is None)
            info = rewrite.write(building)
        append_operation(building, operation, changes=dict(rewrite.changes))
    return _result(final or Path(root), rewrite, info, written=True)


def _result(root: Path, rewrite: Rewrite, info: DatasetInfo, *, written: bool) -> RewriteResult:
    return RewriteResult(
        root=root,
        episodes=info.total_episodes,
        frames=info.total_frames,
        tasks=info.total_tasks,
        features=tuple(info.features),
        changes=rewrite.changes,
        written=written,
    )


def table_rewrite(
    source: DatasetSource,
    changes: Mapping[str, str],
    *,
    info: DatasetInfo | None = None,
    tasks: Collection[str] | None = None,
    names: Mapping[str, str | None] | None = None,
    **selected: object,
) -> Rewrite:
    """Return a change that rewrites all rows; files of the videos of renamed cameras move.

    Args:
        source: the dataset.
        changes: see `RewriteResult`.
        info: the new document; None keeps that of the source.
        tasks: the new tasks; None keeps those of the source.
        names: new names of features; None for a removed one.
        selected: further attributes of the `EpisodeSelection`.
    """
    old, names = source.layout, names or {}
    texts = list(source.tasks if tasks is None else tasks)
    new = (info or source.info).model_copy(update={"data_path": DATA_PATH, "total_tasks": len(texts)})
    moved = {path: key for key in names if key in source.videos for path in old.video_files(key)}
    selection = EpisodeSelection(source=source, videos=None, names=names, **selected)  # type: ignore[arg-type]

    def write(building: Path) -> DatasetInfo:
        layout = old.__class__.of(building, new)
        for path, key in moved.items():
            name, file = names[key], old.video_number(key, path)
            if name is not None and file is not None:
                link_or_copy(path, layout.video(name, file))
        return write_tables(building, new, [selection], texts, separate_data=True)

    return Rewrite(info=new, changes=changes, replaced={*old.tables(), *moved}, write=write)


def warn_of_names(source: DatasetSource, names: Collection[str]) -> None:
    """Log the other files and the unknown keys of ``info.json`` that contain the name of a feature; they are not changed."""
    texts = {
        str(path): (source.root / path).read_text(encoding="utf-8", errors="replace")
        for path in companions(source)
        if path.suffix in _TEXTS and (source.root / path).stat().st_size <= _LONGEST_TEXT
    }
    texts |= {f"the key {key} of info.json": str(value) for key, value in (source.info.model_extra or {}).items()}
    for where, text in texts.items():
        found = [name for name in names if name in text]
        if found:
            logger.warning("%s contains the name %s; it is kept unchanged, so correct it", where, ", ".join(found))
