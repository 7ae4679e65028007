"""Find long runs of repeated frames in the drop log, without decoding."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ffenc.dataset.format.provenance import load_provenance, repeated_rows
from ffenc.dataset.verify.checks.subject import Subject

_LONG_S = 1.0


def check_repeats(subject: Subject) -> None:
    """Report each run of rows of a second or more in which a camera had no new frame."""
    try:
        known = load_provenance(subject.root)
    except (OSError, ValueError):
        return  # level `decode` reports it, which depends on more of this file
    info = subject.known_info
    for episode in subject.episodes:
        document = known.get(episode.index, {})
        for camera in (name for name, feature in info.features.items() if feature.is_camera):
            for first, last in _runs(repeated_rows(document, camera)):
                seconds = (last - first + 1) / info.fps
                if seconds >= _LONG_S:
                    subject.findings.add(
                        "camera-repeated",
                        f"frames {first}-{last} repeat frame {first - 1}: the camera gave nothing new for {seconds:.2f} s",
                        episode=episode.place,
                        camera=camera,
                        frame=first,
                        last_frame=last,
                    )


def _runs(rows: Collection[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of consecutive numbers."""
    first = None
    for row in sorted(rows):
        if first is None:
            first = row
        if row + 1 not in rows:
            yield first, row
            first = None
