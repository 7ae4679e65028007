"""Damage to ``meta/ffenc/episodes.jsonl`` is a finding if frames of an episode cannot be compared with its rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffenc import Binaries
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.provenance import provenance_path
from ffenc.dataset.verify.checks.decoded_frames import check_decoded_frames
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.dataset.verify.findings import Finding, Findings
from tests.lerobot_data import LEROBOT

NOT_RUN = Binaries(ffmpeg=Path("/not/run"), ffprobe=None, ffmpeg_origin="test", ffprobe_origin="test")
LINES = [json.dumps({"episode_index": number, "frames": 20}) for number in range(3)]
CUT_OFF = '{"episode_index": 1, "fra'


def findings_of(root: Path, content: str | None) -> list[Finding]:
    """Return the findings for a dataset of three episodes without videos; None makes the file a directory."""
    (root / "meta").mkdir()
    (root / "meta/info.json").write_bytes((LEROBOT / "A/meta/info.json").read_bytes())
    path = provenance_path(root)
    if content is None:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir()
        path.write_text(content)
    subject = Subject(root=root, findings=Findings(root=root), info=load_info(root))
    check_decoded_frames(subject, binaries=NOT_RUN)
    return list(subject.findings.kept)


@pytest.mark.parametrize(
    ("content", "episode", "message"),
    [
        (None, None, "Is a directory: '"),
        ("\n".join([LINES[0], CUT_OFF, LINES[2]]), 1, "line 2 cannot be read, and nothing is known of 1 episodes"),
        ("\n".join([LINES[0], "{}", "[]"]), 1, "lines 2-3 cannot be read, and nothing is known of 2 episodes"),
        ("not JSON", 0, "line 1 cannot be read, and nothing is known of 3 episodes"),
    ],
    ids=["a directory", "a line that is cut off", "lines without a number", "not JSON"],
)
def test_unreadable_provenance_is_a_finding(
    tmp_path: Path, content: str | None, episode: int | None, message: str
) -> None:
    (finding,) = findings_of(tmp_path, content)
    assert (finding.code, finding.severity, finding.episode) == ("provenance-unreadable", "warning", episode)
    assert finding.path == Path("meta/ffenc/episodes.jsonl")
    assert message in finding.message


@pytest.mark.parametrize(
    "lines",
    [LINES, LINES[:1], [LINES[0], CUT_OFF, *LINES[1:]], [*LINES, json.dumps({"episode_index": 7, "frames": 20})]],
    ids=["all episodes", "episodes of another program", "a damaged line that was written again", "a missing episode"],
)
def test_provenance_of_every_known_episode_is_not_a_finding(tmp_path: Path, lines: list[str]) -> None:
    assert findings_of(tmp_path, "\n".join(lines)) == []
