"""The tables in docs/hardware.md and the list of encoders that were run are those of the proofs in docs/hardware."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ffenc.encoders import spec
from ffenc.encoders.hardware import HARDWARE
from tools.hardware_table import MODULE, PAGE, load_proofs, module_text, page_text, proofs_table


def proof(encoder: str, **fields: Any) -> dict[str, Any]:
    checks = [{"name": "crf", "passed": True}, {"name": "join", "passed": fields.pop("join", True)}]
    one = {"encoder": encoder, "driver": ["Linux 6.1", "amdgpu 1.2"], "checks": checks, **fields}
    job = {"size": [640, 480], "fps": "30", "cameras": 2, "soak_s": 1800.0}
    return {"format": 1, "ffmpeg": "ffmpeg version 8.1.2 Copyright (c) ...", "job": job, "encoders": [one]}


def test_page_and_module_are_up_to_date() -> None:
    """If this fails, run: make hardware-table."""
    proofs = load_proofs()
    page = PAGE.read_text(encoding="utf-8")
    assert page_text(page, proofs) == page
    assert module_text(proofs) == MODULE.read_text(encoding="utf-8")


def test_proof_becomes_a_row_and_an_encoder_that_was_run(monkeypatch: pytest.MonkeyPatch) -> None:
    proofs = {"a.json": proof("h264_vaapi"), "b.json": proof("h264_nvenc", join=False)}
    *_, first, second = proofs_table(proofs).splitlines()
    assert first == (
        "| h264_vaapi | Linux 6.1; amdgpu 1.2 | 8.1.2 | 640x480 at 30, 2 at once, 1800 s | proven | [a.json](hardware/a.json) |"
    )
    assert "| failed: join |" in second
    module: dict[str, Any] = {}
    exec(module_text(proofs), module)  # noqa: S102
    assert module["RUN"] == {"h264_nvenc", "h264_vaapi"}
    monkeypatch.setattr(spec, "RUN", module["RUN"])
    assert {row.name for row in HARDWARE if not row.never_run} == {"h264_nvenc", "h264_vaapi"}


def test_software_and_encoders_that_did_not_work_are_left_out() -> None:
    proofs = {"a.json": proof("libx264"), "b.json": proof("h264_nvenc", checks=[])}
    assert proofs_table(proofs) == "No user has sent a proof yet.\n"
    assert "frozenset()" in module_text(proofs)


@pytest.mark.parametrize("document", [[], {"format": 2}, {"format": 1, "encoders": []}], ids=str)
def test_other_documents_are_refused(document: object, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.json is not a proof of format 1"):
        load_proofs(tmp_path)
