"""When decoded frames are reported as different from their recorded statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ffenc.dataset.verify.checks.decoded_frames import _report, _Seen
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.dataset.verify.findings import Findings


def seen(place: int, *, decoded: float, recorded: float, camera: str = "top", side: int = 480) -> _Seen:
    rows = [np.array([[mean, mean, mean], [0.2, 0.2, 0.2]]) for mean in (decoded, recorded)]
    return _Seen(place=place, camera=camera, path=Path(f"{place}.mp4"), side=side, decoded=rows[0], recorded=rows[1])


def found(*some: _Seen) -> list[int | None]:
    subject = Subject(root=Path(), findings=Findings(root=Path()))
    _report(subject, list(some))
    assert set(subject.findings.counts) <= {"pictures-foreign"}
    return [finding.episode for finding in subject.findings.kept]


def test_effects_of_lossy_coding_are_accepted():
    assert found(seen(0, decoded=0.503, recorded=0.5), seen(1, decoded=0.497, recorded=0.5)) == []


def test_frames_far_from_their_statistics_are_reported():
    good = [seen(place, decoded=0.501, recorded=0.5) for place in (1, 2)]
    assert found(seen(0, decoded=0.52, recorded=0.5), *good) == [0]


def test_strong_compression_changes_all_episodes():
    changed = [seen(place, decoded=0.5 + 0.01 * place, recorded=0.5) for place in (1, 2, 3, 4)]
    assert found(*changed) == []
    assert found(*changed, seen(5, decoded=0.6, recorded=0.5)) == [5]


def test_single_episode_is_compared_with_the_effect_of_usual_compression():
    assert found(seen(0, decoded=0.507, recorded=0.5)) == []
    assert found(seen(0, decoded=0.51, recorded=0.5)) == [0]
    assert found(seen(0, decoded=0.52, recorded=0.5, side=16)) == []


def test_small_frames_may_differ_more():
    good = [seen(place, decoded=0.5, recorded=0.5, side=48) for place in (1, 2)]
    assert found(seen(0, decoded=0.512, recorded=0.5, side=48), *good) == []
    assert found(seen(0, decoded=0.512, recorded=0.5, side=480), *good) == [0]


def test_exchanged_videos_are_reported():
    assert found(seen(0, decoded=0.506, recorded=0.5), seen(1, decoded=0.5, recorded=0.506)) == [0, 1]


def test_one_sided_similarity_is_not_an_exchange():
    assert found(seen(0, decoded=0.506, recorded=0.5), seen(1, decoded=0.506, recorded=0.506)) == []


def test_cameras_of_different_shapes_are_not_compared():
    depth = _Seen(
        place=1, camera="depth", path=Path("d.mp4"), side=480, decoded=np.zeros((2, 1)), recorded=np.zeros((2, 1))
    )
    assert found(seen(0, decoded=0.5, recorded=0.5), depth) == []
