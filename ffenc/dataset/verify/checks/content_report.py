"""Report what frames and rows contain: frozen and blank cameras, equal cameras, constant states and actions."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffenc.dataset.format.provenance import repeated_rows
from ffenc.dataset.verify.checks.frame_content import COLOUR, DEPTH, EpisodeContent, FrameRanges
from ffenc.dataset.verify.checks.row_content import RowContent
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.dataset.verify.content_limits import ContentLimits
from ffenc.dataset.verify.finding_codes import Severity

_RANGES_NAMED = 10
_MOST_REPEATED = 0.9  # share of repeated frames that explains a run


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A finding about one episode, before those of consecutive episodes are merged.

    Attributes:
        code: code of the finding.
        place: the episode.
        camera: camera or feature.
        path: its video, or None.
        text: the message without the frames.
        severity: severity of the finding.
        frames: the frames, such as ``"frames 3-7"``; None means all of them.
        first, last: first and last of the frames.
    """

    code: str
    place: int
    camera: str
    path: Path | None
    text: str
    severity: Severity
    frames: str | None = None
    first: int = 0
    last: int = 0


def report_content(
    subject: Subject,
    contents: Sequence[EpisodeContent],
    rows: RowContent,
    provenance: Mapping[int, Mapping[str, Any]],
) -> None:
    """Report the findings of all cameras and rows, with those about whole consecutive episodes merged."""
    by_place: dict[int, list[EpisodeContent]] = {}
    for content in contents:
        by_place.setdefault(content.place, []).append(content)
    found: list[_Found] = []
    equal: list[_Found] = []
    for place in sorted(by_place):
        cameras = by_place[place]
        document = provenance.get(subject.episodes[place].index, {})
        for content in cameras:
            found += _frozen(subject, content, cameras, rows, document)
            found += _blank(subject, content, rows.limits)
        equal += _equal(subject, cameras)
    for each in found:
        if each.frames is not None:
            _report(subject, each, f"{each.frames} {each.text}", first=each.first, last=each.last)
    _report_merged(subject, (each for each in found if each.frames is None))
    _report_merged(subject, equal, least_s=rows.limits.frozen_s)
    _report_merged(subject, _constant(rows), least_s=rows.limits.frozen_s)


def _frozen(
    subject: Subject,
    content: EpisodeContent,
    cameras: Sequence[EpisodeContent],
    rows: RowContent,
    document: Mapping[str, Any],
) -> Iterator[_Found]:
    repeated = repeated_rows(document, content.camera)
    for first, last in content.frozen.ranges:
        moving = [other.camera for other in cameras if other is not content and not _is_still(other, first, last)]
        rows_move = rows.is_moving(content.place, first, last)
        if rows_move:
            moving.append(" and ".join(rows.features))
        is_known = rows_move is not None or len(cameras) > 1
        severity: Severity | None = None
        explained = len(repeated.intersection(range(first + 1, last + 1))) / max(last - first, 1)
        if explained >= _MOST_REPEATED:
            reason, severity = (
                "the drop log says that the camera gave no new frame, so its last one was repeated",
                "note",
            )
        elif moving:
            reason = f"{', '.join(moving)} changed meanwhile"
        elif is_known:
            reason, severity = "nothing else changed meanwhile, so the scene may have been still", "note"
        else:
            reason = "no other camera, state or action shows whether the scene was still"
        whole = first == 0 and last == content.length - 1
        seconds = "" if whole else f" for {(last - first + 1) / subject.known_info.fps:.2f} s"
        yield _Found(
            code="camera-frozen",
            place=content.place,
            camera=content.camera,
            path=content.path,
            text=f"show the same{seconds}; {reason}",
            severity=severity or "warning",
            frames=None if whole else f"frames {first}-{last}",
            first=first,
            last=last,
        )


def _is_still(content: EpisodeContent, first: int, last: int) -> bool:
    """Return whether a camera does not change in most of a range of frames either."""
    still = [*content.frozen.ranges, *content.blank.ranges]
    return sum(max(0, min(last, end) - max(first, start) + 1) for start, end in still) * 2 > last - first + 1


def _blank(subject: Subject, content: EpisodeContent, limits: ContentLimits) -> Iterator[_Found]:
    blank = content.blank
    if blank.count < max(1, limits.blank_s * subject.known_info.fps):
        return
    kind = "depth" if subject.known_info.features[content.camera].is_depth else "colour"
    is_one = blank.count == 1 < content.length
    if content.is_black and kind == "colour":
        text = "is black" if is_one else "are black"
    elif content.is_varied:
        text = f"have one {kind} each, which changes"
    else:
        text = f"{'has' if is_one else 'have'} only one {kind}"
    yield _Found(
        code="camera-blank",
        place=content.place,
        camera=content.camera,
        path=content.path,
        text=text,
        severity="note" if content.is_varied and not content.is_black else "warning",
        first=blank.ranges[0][0],
        last=blank.ranges[-1][1],
        frames=None if blank.count == content.length else _named(blank),
    )


def _named(frames: FrameRanges) -> str:
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in frames.ranges[:_RANGES_NAMED]]
    more = ", ..." if len(frames.ranges) > _RANGES_NAMED else ""
    return f"frame{'s' if frames.count > 1 else ''} {', '.join(texts)}{more}"


def _equal(subject: Subject, cameras: Sequence[EpisodeContent]) -> Iterator[_Found]:
    features = subject.known_info.features
    for one, other in itertools.combinations(cameras, 2):
        shapes = {features[each.camera].shape for each in (one, other)}
        if len(shapes) == 1 and one.shows_the_same(other, DEPTH if features[one.camera].is_depth else COLOUR):
            yield _Found(
                code="cameras-equal",
                place=other.place,
                camera=other.camera,
                path=other.path,
                text=f"show the same as those of {one.camera}",
                severity="warning",
            )


def _constant(rows: RowContent) -> Iterator[_Found]:
    for name, places in rows.constant.items():
        for place in places:
            yield _Found(
                code="values-constant",
                place=place,
                camera=name,
                path=None,
                text=f"have the same {name!r}",
                severity="warning",
            )


def _report_merged(subject: Subject, found: Iterable[_Found], *, least_s: float = 0) -> None:
    """Report findings about all frames of episodes, those of consecutive episodes as one.

    Args:
        subject: the dataset.
        found: the findings.
        least_s: shortest duration of the episodes together.
    """
    for group in _consecutive(found):
        frames = sum(subject.episodes[each.place].length or 0 for each in group)
        if frames >= least_s * subject.known_info.fps:
            text = f"all frames of {_episodes(group)} {group[0].text}"
            _report(subject, group[0], text, last_episode=group[-1].place)


def _report(
    subject: Subject,
    found: _Found,
    text: str,
    *,
    first: int | None = None,
    last: int | None = None,
    last_episode: int | None = None,
) -> None:
    subject.findings.add(
        found.code,
        text,
        episode=found.place,
        camera=found.camera,
        frame=first,
        path=found.path if last_episode in (None, found.place) else None,
        severity=found.severity,
        last_frame=None if last == first else last,
        last_episode=None if last_episode == found.place else last_episode,
    )


def _consecutive(found: Iterable[_Found]) -> Iterator[list[_Found]]:
    """Group findings of consecutive episodes that say the same about the same camera."""

    def key(each: _Found) -> tuple[str, ...]:
        return each.code, each.camera, each.severity, each.text

    for _, alike in itertools.groupby(sorted(found, key=lambda each: (key(each), each.place)), key=key):
        group: list[_Found] = []
        for each in alike:
            if group and each.place != group[-1].place + 1:
                yield group
                group = []
            group.append(each)
        yield group


def _episodes(group: Sequence[_Found]) -> str:
    first, last = group[0].place, group[-1].place
    return f"episode {first}" if first == last else f"episodes {first}-{last}"
