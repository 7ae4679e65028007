"""Every software encoder passes the checks of a proof, which users run for their hardware."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc import Binaries
from ffenc.encoders.spec import EncoderSpec
from ffenc.encoders.table import ENCODERS
from ffenc.proof.checks import CHECKS
from ffenc.proof.prove import run_checks
from ffenc.proof.subject import ProofJob, Subject
from ffenc.video.run_context import RunContext
from ffenc.video.selection import capabilities_for

pytestmark = [pytest.mark.net, pytest.mark.integration]

SOFTWARE = [row for row in ENCODERS.values() if row.device is None]
SETTINGS = ("frames", "keyframes", "crf", "presets", "pixel formats", "threads", "fast_decode")
FILES = ("forced keyframes", "join")
# Other tests measure the bit rate of every software encoder, and sessions are the same for each of them.
SESSIONS = ("bit rate", "sessions", "lost session")
ROWS = pytest.mark.parametrize("row", SOFTWARE, ids=lambda row: row.name)


def prove(row: EncoderSpec, names: tuple[str, ...], binaries: Binaries, directory: Path) -> dict[str, str]:
    """Run checks, and return what each found."""
    capabilities = capabilities_for(row.name, binaries)
    if row.name not in capabilities.encoders:
        pytest.skip(f"this build has no {row.name}")
    subject = Subject(
        row=row,
        capabilities=capabilities,
        context=RunContext(binaries=binaries, stall_timeout_s=20),
        job=ProofJob(size=(160, 128), soak_s=1),
        directory=directory,
    )
    results = list(run_checks(subject, [check for check in CHECKS if check.name in names]))
    assert [(result.name, result.detail) for result in results if not result.passed] == []
    return {result.name: result.detail for result in results}


@ROWS
def test_frames_are_exact_and_settings_take_effect(row: EncoderSpec, binaries: Binaries, tmp_path: Path) -> None:
    found = prove(row, SETTINGS, binaries, tmp_path)
    assert "frames decoded" in found["frames"] or "no decoder" in found["frames"]
    assert "not taken here" not in found["pixel formats"]
    assert ("refused" in found["presets"]) == (row.preset is None)
    assert ("refused" in found["crf"]) == (row.quality is None)


@pytest.mark.one_build
@ROWS
def test_files_are_exact(row: EncoderSpec, binaries: Binaries, tmp_path: Path) -> None:
    found = prove(row, FILES, binaries, tmp_path)
    assert "frames joined" in found["join"]


@pytest.mark.one_build
def test_sessions_side_by_side_lost_and_in_real_time(binaries: Binaries, tmp_path: Path) -> None:
    found = prove(ENCODERS["libx264"], (*SESSIONS, "soak"), binaries, tmp_path)
    assert "2 at the same time" in found["sessions"]
    assert "all 60 frames" in found["lost session"]
    assert found["soak"].startswith("30 frames of 2 cameras in 1 s, none dropped, 16 frames decoded")


def test_these_are_all_checks() -> None:
    assert {*SETTINGS, *FILES, *SESSIONS, "soak"} == {check.name for check in CHECKS}
