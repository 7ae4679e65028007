"""Every check of a proof fails if its fault is there, and a failed proof is heeded.

The test double in ``tests/fakes/hardware_ffmpeg`` maps an encoder's name to a software encoder with one fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries, VideoEncoderConfig, prove_encoders, select_encoder
from ffenc.bench import recommend
from ffenc.bench.sources import SourceSpec, materialise
from ffenc.encoders.preset_lists import PRESET_LISTS
from ffenc.encoders.table import ENCODERS
from ffenc.errors import EncoderOptionError, EncoderUnavailableError
from ffenc.proof import prove
from ffenc.proof.checks import CHECKS, checks_for
from ffenc.proof.prove import CheckResult, run_checks
from ffenc.proof.subject import FaultError, ProofJob, Subject
from ffenc.video import selection, trial
from ffenc.video.run_context import RunContext
from ffenc.video.selection import capabilities_for

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

Double = Callable[..., Binaries]
SIZE = (160, 128)
BY_NAME = {check.name: check for check in CHECKS}
NVENC, X264 = "h264_nvenc", "libx264"

# check, encoder, faults of the encoders, reason
FAULTS: list[tuple[str, str, dict[str, dict[str, Any]], str]] = [
    ("frames", NVENC, {NVENC: {"fault": "previous"}}, "frame 1 shows frame 0"),
    ("frames", NVENC, {NVENC: {"fault": "frame_missing"}}, "12 frames were sent, but the file has 11"),
    ("frames", NVENC, {NVENC: {"fault": "timestamps"}}, "frame 1 is shown at"),
    ("frames", NVENC, {NVENC: {"fault": "damaged"}}, r"^its stream is damaged: frame \d+ [^;]+$"),
    ("sessions", NVENC, {NVENC: {"fault": "damaged"}}, r"^its stream is damaged: frame \d+ [^;]+$"),
    ("keyframes", NVENC, {NVENC: {"fault": "key_frames"}}, "with g=1 keyframes are at 0, not at every multiple of 1"),
    ("crf", NVENC, {NVENC: {"fault": "fixed_quality"}}, "a higher crf does not make the file smaller"),
    ("bit rate", NVENC, {NVENC: {"fault": "fixed_rate"}}, "a higher bit rate does not make the file larger"),
    ("presets", NVENC, {NVENC: {"fault": "fixed_preset"}}, "every preset gives the same stream"),
    ("pixel formats", NVENC, {NVENC: {"fault": "eight_bits"}}, "with pix_fmt=yuv420p10le the stream is yuv420p"),
    ("threads", X264, {X264: {"fault": "threads"}}, "3 frames were sent, but the file has 2"),
    ("fast_decode", X264, {X264: {"fault": "slow_decode"}}, "fast_decode=2 does not change the stream"),
    ("forced keyframes", NVENC, {NVENC: {"fault": "unforced"}}, "wrote no keyframe at 2 of the frames"),
    ("join", NVENC, {NVENC: {"fault": "changing"}}, "differ|cannot be joined"),
    ("sessions", NVENC, {NVENC: {"limit": 1}}, "OpenEncodeSessionEx failed"),
    ("lost session", NVENC, {NVENC: {}, X264: {"fault": "late"}}, "the device was lost"),
    ("soak", NVENC, {NVENC: {"fault": "tired"}}, r"the encoder failed after 1\.\d s: .*the device was lost"),
    ("soak", NVENC, {NVENC: {"fault": "slow_device"}}, r"\d+ of 120 frames were dropped"),
]


def result_of(check: str, encoder: str, binaries: Binaries, directory: Path) -> CheckResult:
    capabilities = capabilities_for(encoder, binaries)
    subject = Subject(
        row=ENCODERS[encoder],
        capabilities=capabilities,
        context=RunContext(binaries=binaries, stall_timeout_s=20),
        job=ProofJob(
            size=SIZE, fps=Fraction(60 if check == "soak" else 30), cameras=1 if check == "soak" else 2, soak_s=2
        ),
        directory=directory,
    )
    (result,) = run_checks(subject, [BY_NAME[check]])
    return result


@pytest.mark.parametrize(("check", "encoder", "encoders", "reason"), FAULTS)
def test_check_fails_with_its_fault(
    check: str, encoder: str, encoders: dict[str, Any], reason: str, double: Double, tmp_path: Path
) -> None:
    result = result_of(check, encoder, double(**encoders), tmp_path)
    assert result.passed is False, result.detail
    assert re.search(reason, result.detail), result.detail
    assert str(tmp_path) not in result.detail
    assert "/ffenc-trial-" not in result.detail


def test_every_check_has_a_fault() -> None:
    assert {check for check, *_ in FAULTS} == set(BY_NAME)


def test_working_hardware_is_proven(double: Double) -> None:
    binaries = double(h264_nvenc={})
    steps: list[tuple[int, int, str]] = []
    proof = prove_encoders([NVENC], size=SIZE, soak_s=0.5, binaries=binaries, on_step=lambda *step: steps.append(step))
    (one,) = proof.encoders
    assert [check.name for check in one.checks if not check.passed] == []
    assert (one.verdict, one.device, proof.passed) == ("proven", "nvenc", True)
    assert [check.name for check in one.checks] == list(BY_NAME)
    details = {check.name: check.detail for check in one.checks}
    assert "p1, p2, p3" in details["presets"]
    assert "yuv420p10le, yuv420p," in details["pixel formats"]
    assert "gray" not in details["pixel formats"]
    assert "software continued" in details["lost session"]
    assert steps[0] == (0, len(CHECKS), f"{NVENC}: trial")
    assert {total for _, total, _ in steps} == {len(CHECKS)}


GPU = "/dev/dri/renderD250"


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second device file exist, as far as the selection sees."""
    monkeypatch.setattr(selection, "_node_fault", lambda node: None)


@pytest.mark.parametrize(("encoder", "device"), [("h264_vaapi", GPU), (NVENC, "1")])
def test_every_command_of_a_proof_uses_its_device(
    encoder: str, device: str, double: Double, two_gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("frames", "forced keyframes", "sessions", "lost session")  # one for each way to start an encoder
    monkeypatch.setattr(prove, "checks_for", lambda _: [BY_NAME[name] for name in names])
    binaries = double(**{encoder: {"devices": True}})
    (one,) = prove_encoders([encoder], size=SIZE, device=device, binaries=binaries).encoders
    assert [check.name for check in one.checks if not check.passed] == []
    used = (binaries.ffmpeg.parent / "devices").read_text(encoding="utf-8").split()
    assert len(used) > len(names)
    assert set(used) == {device}
    assert any(device in word for word in one.command)


def test_proof_of_one_device_says_nothing_about_another(double: Double, two_gpus: None, failing: set[str]) -> None:
    binaries = double(h264_nvenc={})
    failing.add("crf")
    assert not prove_encoders([NVENC], size=SIZE, device="1", binaries=binaries).passed
    failing.clear()
    assert prove_encoders([NVENC], size=SIZE, device="0", binaries=binaries).passed
    form, chosen = ProofJob(size=SIZE).frames, {}
    for device in ("0", "1"):
        config = VideoEncoderConfig(vcodec="auto", device=device)
        try:
            chosen[device] = select_encoder(config, frames=form, fps=Fraction(30), binaries=binaries).encoder
        except EncoderUnavailableError as err:
            chosen[device] = dict(err.refused)[NVENC]
    assert chosen["0"] == NVENC
    assert chosen["1"].endswith("prove it again: ffenc probe --prove h264_nvenc --device=1")


def test_device_is_refused_for_a_named_encoder_and_leaves_out_the_others(double: Double, two_gpus: None) -> None:
    binaries = double(h264_nvenc={}, h264_vaapi={})
    with pytest.raises(EncoderOptionError, match="libx264 uses no device"):
        prove_encoders(["libx264"], size=SIZE, device="1", binaries=binaries)
    with pytest.raises(EncoderOptionError, match="h264_nvenc; it takes the number of a GPU"):
        prove_encoders(["h264_vaapi", NVENC], size=SIZE, device=GPU, binaries=binaries)
    with pytest.raises(EncoderOptionError, match="no encoder of this platform and FFmpeg takes device='gpu-1'"):
        prove_encoders(size=SIZE, device="gpu-1", binaries=binaries)


def test_device_without_names_takes_the_encoders_that_have_it(
    double: Double, two_gpus: None, failing: set[str]
) -> None:
    proof = prove_encoders(size=SIZE, device=GPU, binaries=double(h264_nvenc={}, h264_vaapi={}))
    assert [(each.encoder, each.device_node) for each in proof.encoders] == [("h264_vaapi", GPU)]
    assert proof.to_json()["job"]["device"] == GPU


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of checks that fail in every proof from now on; only they and ``crf`` run."""
    names: set[str] = set()

    def judge(name: str, _: Subject) -> str:
        if name in names:
            raise FaultError("it does not")
        return "it does"

    monkeypatch.setattr(
        prove,
        "checks_for",
        lambda _: [replace(BY_NAME[name], run=partial(judge, name)) for name in sorted({"crf", *names})],
    )
    return names


def test_auto_passes_over_an_encoder_whose_proof_failed(double: Double, failing: set[str]) -> None:
    binaries = double(h264_nvenc={}, h264_vaapi={})
    frames = ProofJob(size=SIZE).frames

    def choice(**fields: Any) -> Any:
        config = VideoEncoderConfig(vcodec="auto", **fields)
        return select_encoder(config, frames=frames, fps=Fraction(30), binaries=binaries)

    def is_proven() -> bool:
        return prove_encoders([NVENC], size=SIZE, binaries=binaries).passed

    assert choice().encoder == NVENC
    failing.add("crf")
    assert not is_proven()
    chosen = choice()
    assert chosen.encoder == "h264_vaapi"
    reason = dict(chosen.refused)[NVENC]
    assert "on this machine failed (crf: it does not)" in reason
    assert reason.endswith("prove it again: ffenc probe --prove h264_nvenc")
    # An encoder that the user names is tried; its trial decides.
    named = VideoEncoderConfig(vcodec=NVENC)
    assert select_encoder(named, frames=frames, fps=Fraction(30), binaries=binaries, encoder=NVENC).encoder == NVENC
    # A failed setting matters only to jobs that make it; a later proof counts instead of an earlier one.
    failing.symmetric_difference_update({"crf", "pixel formats"})
    assert not is_proven()
    assert choice().encoder == NVENC
    assert choice(pix_fmt="yuv420p").encoder == "h264_vaapi"
    failing.clear()
    assert is_proven()
    assert choice(pix_fmt="yuv420p").encoder == NVENC


def test_recommend_offers_a_proof_and_leaves_out_a_failed_one(
    double: Double, binaries: Binaries, tmp_path: Path, failing: set[str]
) -> None:
    with_hardware = double(h264_nvenc={}, h264_vaapi={})
    failing.add("crf")
    prove_encoders([NVENC], size=SIZE, binaries=with_hardware)
    footage = materialise(SourceSpec(synthetic="test_pattern", size=SIZE, frames=2), tmp_path, binaries=binaries)
    unproven: list[str] = []
    hardware = tuple(candidate for candidate in PRESET_LISTS["training"] if candidate.is_hardware)
    offered = list(recommend._expanded(hardware, footage, 1, with_hardware, unproven))
    assert [(candidate.fields["vcodec"], bool(doubt)) for candidate, doubt in offered] == [
        (NVENC, True),
        ("h264_vaapi", False),
    ]
    assert "its proof of" in str(offered[0][1])
    assert unproven == ["h264_vaapi"]


def test_a_trial_that_is_too_slow_decides_nothing(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TIME_LIMIT_S", 1.0)
    result = result_of("sessions", NVENC, double(h264_nvenc={"fault": "slow"}), tmp_path)
    assert result.passed is None
    assert "too slow now" in result.detail


def test_an_encoder_that_does_not_work_has_no_checks(double: Double) -> None:
    binaries = double(h264_nvenc={"fault": "green"})
    (one,) = prove_encoders([NVENC], size=SIZE, binaries=binaries).encoders
    assert (one.verdict, one.checks) == ("does not work", ())
    assert "other frames" in one.trial


def test_soak_is_a_check_only_if_asked_for() -> None:
    assert {check.name for check in checks_for(1)} - {check.name for check in checks_for(0)} == {"soak"}
