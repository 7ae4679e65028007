"""Trim episodes of a dataset to ranges of their frames; videos are cut by stream copy, except in the outermost GOPs."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ffenc.dataset.format.provenance import append_operation, provenance_path
from ffenc.dataset.storage.dataset_tree import resolve_root
from ffenc.dataset.transform.edit_job import EditJob, EditResult, KeptRows, complete_rows, known_episodes
from ffenc.dataset.transform.in_place import copy_unchanged, new_form
from ffenc.dataset.transform.source import DatasetSource, reading
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.plan.cut import Range
from ffenc.video.cut import cut_pieces_of
from ffenc.video.run_context import ProgressCallback


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimmedVideo:
    """What trimming does with the frames of one source video.

    Attributes:
        path: the source video.
        copied: number of frames whose encoded bits are kept.
        reencoded: ranges of frames that are re-encoded.
        dropped: number of frames that are left out.
    """

    path: Path
    copied: int
    reencoded: tuple[Range, ...]
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimPlan:
    """What `trim_episodes` would do.

    Attributes:
        root: the dataset.
        lengths: present length of each episode to trim.
        kept: range of its frames that is kept.
        videos: the videos that are cut; all others are copied.
    """

    root: Path
    lengths: Mapping[int, int]
    kept: Mapping[int, Range]
    videos: tuple[TrimmedVideo, ...]


def plan_trim(
    source: str | Path,
    ranges: Mapping[int, Range],
    *,
    follow_links: bool = False,
    binaries: Binaries | None = None,
) -> TrimPlan:
    """Check the arguments of `trim_episodes` and return what it would do; nothing is written.

    If decoding shows that a join is wrong, `trim_episodes` re-encodes more.

    Raises:
        FFencError: see `trim_episodes`.
    """
    binaries = binaries or find_binaries()
    opened = DatasetSource.open(source, follow_links=follow_links)
    kept = trimmed_rows(opened, ranges)
    complete = complete_rows(opened, ranges)
    videos = []
    for video in EditJob.of(opened, [kept], binaries, None).videos(kept):
        if not video.is_complete:
            pieces = cut_pieces_of(video.path, video.ranges, binaries=binaries)
            videos.append(
                TrimmedVideo(
                    path=video.path,
                    copied=sum(piece.count for piece in pieces if piece.copied),
                    reencoded=tuple((piece.first, piece.stop) for piece in pieces if not piece.copied),
                    dropped=opened.videos[video.key][video.file] - video.frames,
                )
            )
    return TrimPlan(
        root=opened.root,
        lengths={number: complete[number][1] for number in sorted(ranges)},
        kept={number: kept[number] for number in sorted(ranges)},
        videos=tuple(videos),
    )


def trim_episodes(
    source: str | Path,
    ranges: Mapping[int, Range],
    output: str | Path | None = None,
    *,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> EditResult:
    """Keep a range of frames of some episodes, in a new dataset or in place; other episodes stay complete.

    A range that begins and ends at keyframes keeps its encoded bits.  Otherwise only the frames up to the next keyframe are
    re-encoded, with the camera's stored settings.  Timestamps start at 0 again, and the statistics of trimmed episodes are
    computed from the kept rows and frames.

    Args:
        source: directory of the dataset.
        ranges: for each episode to trim, the kept frames (first, stop) without ``stop``.
        output: directory of a new dataset; None changes ``source`` in place.
        follow_links: read through symbolic links in the source.  In place, a link is kept if nothing below it changes.
        binaries: the executables; found by `find_binaries` if None.
        progress: called with (video frames done, total), from other threads.

    Raises:
        DatasetError: ``ranges`` is empty, names an unknown episode or frames that it does not have; or the dataset is
            inconsistent.
        OutputExistsError: ``output`` exists.
        DatasetLockedError: another process is writing into the dataset.
        FFencError: a file cannot be written.  After any error the dataset is unchanged and no output exists.
    """
    final = None if output is None else Path(output)
    place = resolve_root(source)
    with new_form(place, final) as building:
        opened = DatasetSource.open(place, follow_links=follow_links)
        kept = trimmed_rows(opened, ranges)
        with reading([opened]):
            job = EditJob.of(opened, [kept], binaries, progress)
            result = job.write(kept, building, final=final or Path(source), link=final is None)
            videos = {path for key in opened.info.videos for path in opened.layout.video_files(key)}
            written = {*opened.layout.tables(), *videos, provenance_path(place)}
            copy_unchanged(place, building, leave=written, link=final is None)
            append_operation(
                building,
                "trim",
                episodes={str(number): list(kept[number]) for number in sorted(ranges)},
                reencoded={str(path): some for path, some in result.reencoded.items()},
            )
    return result


def trimmed_rows(source: DatasetSource, ranges: Mapping[int, Range]) -> KeptRows:
    """Return the kept rows of every episode if some are trimmed to ``ranges``.

    Raises:
        DatasetError: see `trim_episodes`.
    """
    known_episodes(list(ranges), source, "to trim")
    kept = dict(complete_rows(source, range(source.info.total_episodes)))
    for number, given in ranges.items():
        length = kept[number][1]
        try:
            first, stop = (operator.index(value) for value in given)
        except (TypeError, ValueError):
            first = stop = -1
        if not 0 <= first < stop <= length:
            raise DatasetError(
                f"episode {number} of {source.root} has {length} frames, so {_shown(given)} is not a range of them; give "
                f"[first, stop] with 0 <= first < stop <= {length}",
                path=source.root,
            )
        kept[number] = (first, stop)
    return kept


def _shown(given: object) -> str:
    return str(list(given)) if isinstance(given, tuple | list) else repr(given)
