"""Delete episodes of a dataset or split it into several, always into new datasets; videos are cut by stream copy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from ffenc.dataset.storage.new_directory import build_dataset, check_new
from ffenc.dataset.transform.companions import copy_companions
from ffenc.dataset.transform.edit_job import EditJob, EditResult, KeptRows, complete_rows, known_episodes
from ffenc.dataset.transform.source import DatasetSource, reading
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.video.names import check_path_part
from ffenc.video.run_context import ProgressCallback


def delete_episodes(
    source: str | Path,
    episodes: Collection[int],
    output: str | Path,
    *,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> EditResult:
    """Write a copy of a dataset without some episodes.

    Videos are cut at keyframes by stream copy; recorded episodes always start at one.  If an episode does not, its frames up to
    the next keyframe are re-encoded with the dataset's own settings.  The remaining episodes are renumbered, and unused tasks
    are removed.  Other files, such as ``README.md``, are copied.

    Args:
        source: directory of the dataset; it is only read.
        episodes: numbers of the episodes to delete.
        output: directory of the new dataset; must not exist.
        follow_links: read through symbolic links in the source, for example those of a download cache.
        binaries: the executables; found by `find_binaries` if None.
        progress: called with (video frames done, total), from other threads.

    Raises:
        DatasetError: ``episodes`` is empty, names every episode or one that does not exist; or the dataset is inconsistent.
        OutputExistsError: ``output`` exists.
        FFencError: a file cannot be written.  After any error nothing is left.
    """
    check_new(Path(output))
    opened = DatasetSource.open(source, follow_links=follow_links)
    deleted = known_episodes(episodes, opened, "to delete")
    kept = complete_rows(opened, set(range(opened.info.total_episodes)) - deleted)
    if not kept:
        raise DatasetError(
            f"all {len(deleted)} episodes of {source} would be deleted; keep at least one", path=opened.root
        )
    with build_dataset(Path(output)) as building, reading([opened]):
        return _write_new(EditJob.of(opened, [kept], binaries, progress), kept, building, final=Path(output))


def split_dataset(
    source: str | Path,
    splits: Mapping[str, float | Sequence[int]],
    output: str | Path,
    *,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> dict[str, EditResult]:
    """Split a dataset into several, each in its own directory below ``output``; see `delete_episodes`.

    Args:
        source: directory of the dataset; it is only read.
        splits: for each name, either its episode numbers or its share.  As in LeRobot, shares are taken in order, rounded down
            to complete episodes, and the last split gets the rest.
        output: parent directory of the new datasets; must not exist.
        follow_links: see `delete_episodes`.
        binaries: the executables; found by `find_binaries` if None.
        progress: see `delete_episodes`.

    Returns:
        The new dataset of each name.

    Raises:
        DatasetError: the shares do not add up to 1, a split is empty, an episode is in two splits or does not exist; or the
            dataset is inconsistent.
        UnsafePathError: a name cannot be that of a directory.
        OutputExistsError: ``output`` exists.
        FFencError: a file cannot be written.  After any error nothing is left.
    """
    output = Path(output)
    check_new(output)
    for name in splits:
        check_path_part(name, "the name of a split, which becomes a directory")
    opened = DatasetSource.open(source, follow_links=follow_links)
    chosen = {name: complete_rows(opened, episodes) for name, episodes in plan_splits(splits, opened).items()}
    with build_dataset(output) as building, reading([opened]):
        job = EditJob.of(opened, list(chosen.values()), binaries, progress)
        made = {}
        for name, kept in chosen.items():
            (building / name).mkdir()
            made[name] = _write_new(job, kept, building / name, final=output / name)
        return made


def _write_new(job: EditJob, kept: KeptRows, root: Path, *, final: Path) -> EditResult:
    """Write a new dataset, with the other files of its source."""
    result = job.write(kept, root, final=final)
    copy_companions(job.source, root)
    return result


def plan_splits(splits: Mapping[str, float | Sequence[int]], source: DatasetSource) -> dict[str, list[int]]:
    """Return the episodes of each split, ascending.

    Raises:
        DatasetError: see `split_dataset`.
    """
    total = source.info.total_episodes
    shares = {name: share for name, share in splits.items() if isinstance(share, int | float)}
    if not splits or (shares and len(shares) != len(splits)):
        raise DatasetError("give either a share or a list of episodes for every split", path=source.root)
    if shares:
        chosen = _by_share(shares, total)
    else:
        listed = {name: episodes for name, episodes in splits.items() if not isinstance(episodes, int | float)}
        chosen = {name: sorted(known_episodes(episodes, source, f"of {name!r}")) for name, episodes in listed.items()}
    empty = [name for name, episodes in chosen.items() if not episodes]
    if empty:
        raise DatasetError(f"the split {empty[0]!r} has no episodes; {source.root} has {total}", path=source.root)
    everything = [number for episodes in chosen.values() for number in episodes]
    twice = sorted({number for number in everything if everything.count(number) > 1})
    if twice:
        raise DatasetError(f"episode {twice[0]} is in more than one split", path=source.root)
    return chosen


def _by_share(shares: Mapping[str, float], total: int) -> dict[str, list[int]]:
    # Exact decimals: 0.29 of 100 episodes is 29, but int(0.29 * 100) is 28.
    exact = {name: Fraction(str(share)) for name, share in shares.items()}
    if sum(exact.values()) != 1 or min(exact.values()) < 0:
        raise DatasetError(
            f"the shares {', '.join(map(str, shares.values()))} must be positive and add up to 1; in total they are "
            f"{float(sum(exact.values()))}"
        )
    chosen, first = {}, 0
    for number, (name, share) in enumerate(exact.items(), start=1):
        stop = total if number == len(exact) else first + int(total * share)
        chosen[name] = list(range(first, stop))
        first = stop
    return chosen
