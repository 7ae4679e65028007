"""A proof is remembered for one build, device and driver; only failures that matter to a job count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ffenc.encoders.table import ENCODERS
from ffenc.video import proof_memory
from ffenc.video.proof_memory import Failure, RememberedProof, Setup, driver_versions, remember_proof, remembered_proof

SETUP = Setup(encoder="h264_nvenc", device="0", driver=("nvidia 550.1",), build="abc")
FAILED = RememberedProof(
    made_at="2026-11-26T10:00:00+00:00",
    failures=(Failure(check="presets", reason="the same", field="preset"), Failure(check="join", reason="they differ")),
)
PASSED = RememberedProof(made_at="2026-11-27T10:00:00+00:00", failures=())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FFENC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_later_proof_replaces_the_earlier_one() -> None:
    assert remembered_proof(SETUP) is None
    remember_proof(SETUP, FAILED)
    assert remembered_proof(SETUP) == FAILED
    remember_proof(SETUP, PASSED)
    assert remembered_proof(SETUP) == PASSED


@pytest.mark.parametrize(
    "other", [{"encoder": "hevc_nvenc"}, {"device": "1"}, {"driver": ("nvidia 560",)}, {"build": "abd"}], ids=str
)
def test_proof_counts_for_one_setup(other: dict[str, object]) -> None:
    remember_proof(SETUP, FAILED)
    assert remembered_proof(replace(SETUP, **other)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "[]", '{"identity": 1}', "{"], ids=repr)
def test_damaged_file_counts_as_no_proof(text: str, cache: Path) -> None:
    remember_proof(SETUP, FAILED)
    (file,) = cache.iterdir()
    file.write_text(text, encoding="utf-8")
    assert remembered_proof(SETUP) is None


def test_file_of_another_version_counts_as_no_proof(cache: Path) -> None:
    remember_proof(SETUP, FAILED)
    (file,) = cache.iterdir()
    file.write_text(file.read_text(encoding="utf-8").replace('"reason"', '"why"'), encoding="utf-8")
    assert remembered_proof(SETUP) is None


def test_default_folder_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FFENC_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    remember_proof(SETUP, FAILED)
    assert [file.parent for file in tmp_path.rglob("proof-h264_nvenc-*.json")] == [tmp_path / "xdg" / "ffenc"]


def test_failed_setting_matters_only_to_jobs_that_make_it() -> None:
    only_presets = RememberedProof(made_at="", failures=FAILED.failures[:1])
    assert only_presets.objection({"g", "crf"}) is None
    assert only_presets.objection({"preset"}) == FAILED.failures[0]
    assert FAILED.objection(set()) == FAILED.failures[1]
    assert PASSED.objection({"preset"}) is None


def test_driver_is_read_from_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: str, text: str) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")

    write("devices/pci/gpu/vendor", "0x1002")
    write("devices/pci/gpu/device", "0x73bf")
    write("module/amdgpu/version", "6.3")
    write("module/nvidia/version", "550.1")
    write("devices/usb1/webcam/device/vendor", "0x046d")
    (tmp_path / "bus" / "amdgpu").mkdir(parents=True)
    (tmp_path / "devices/pci/gpu/driver").symlink_to(tmp_path / "bus" / "amdgpu")
    for kind, name in (("drm", "renderD128"), ("video4linux", "video0")):
        (tmp_path / "class" / kind).mkdir(parents=True)
        entry = tmp_path / "class" / kind / name
        if kind == "drm":
            entry.mkdir()
            (entry / "device").symlink_to(tmp_path / "devices/pci/gpu")
        else:
            entry.symlink_to(tmp_path / "devices/usb1/webcam")
    monkeypatch.setattr(proof_memory, "_SYS", tmp_path)
    nvenc, vaapi, v4l2 = (driver_versions(ENCODERS[name], nodes)[1:] for name, nodes in (
        ("h264_nvenc", ["/dev/nvidia0", "/dev/nvidiactl"]), ("h264_vaapi", ["/dev/dri/renderD128"]),
        ("h264_v4l2m2m", ["/dev/video0"]),
    ))  # fmt: skip
    assert nvenc == ("nvidia 550.1",)
    assert vaapi == ("renderD128 amdgpu 0x1002 0x73bf", "amdgpu 6.3")
    assert v4l2 == ()  # a camera on USB, which comes and goes
    assert driver_versions(ENCODERS["libx264"], []) == ()
