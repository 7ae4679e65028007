"""``ffenc verify``, ``repair``, ``info`` and ``preview`` of datasets, and repairs that measure videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ffenc import DatasetRecorder, VideoEncoderConfig, VideoReader, preview_dataset, repair_dataset, verify_dataset
from ffenc.cli.main import main
from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.verify.finding_codes import CODES
from ffenc.errors import DatasetError, OutputExistsError
from ffenc.plan.sheet import GAP
from tests.dataset_faults import LAPTOP, METADATA, OTHER_VIDEO, VIDEO, copy_of, cut, info, write
from tests.footage import numbered_frames
from tests.lerobot_data import LEROBOT, needs_av1_decoder, needs_png_encoder

pytestmark = [pytest.mark.integration, pytest.mark.one_build]


@pytest.fixture(autouse=True)
def _plain_output(monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")


def shown(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    status = main([str(word) for word in words])
    return status, capsys.readouterr().out


def shown_json(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, Any]:
    status, text = shown(capsys, *words, "--json")
    return status, json.loads(text)


def test_verify_sets_status_and_names_each_fault(tmp_path, binaries, capsys):
    needs_av1_decoder(binaries)
    root = copy_of("A", tmp_path)
    status, text = shown(capsys, "verify", root, "--level=decode")
    assert (status, text.strip()) == (0, f"{root}: nothing wrong (level decode: 3 episodes, 60 frames, 2 videos)")
    info(total_frames=59)(root)
    cut(VIDEO, 0.7)(root)
    status, text = shown(capsys, "verify", root)
    assert status == 1
    assert "total_frames is 59, but there are 60 frames" in text
    assert LAPTOP in text
    assert "1x video-torn" in text
    assert "2 errors" in text
    status, report = shown_json(capsys, "verify", root, "--level=metadata")
    assert (status, report["ok"], report["counts"]) == (1, False, {"counter-wrong": 1})
    assert report["findings"][0]["path"] == "meta/info.json"


def test_note_does_not_fail_verify(tmp_path, capsys):
    root = copy_of("A", tmp_path)
    info(total_videos=6)(root)
    status, report = shown_json(capsys, "verify", root, "--level=metadata")
    assert (status, report["severities"]) == (0, {"error": 0, "warning": 0, "note": 1})


def test_verify_lists_codes_and_explains_severities(capsys):
    status, listed = shown_json(capsys, "verify", "--codes")
    assert (status, [code["name"] for code in listed["codes"]]) == (0, list(CODES))
    assert main(["verify"]) == 2
    assert main(["verify", "x", "--level=deep"]) == 2


def test_repair_reports_changes_and_remaining_faults(tmp_path, binaries, capsys):
    root = copy_of("A", tmp_path)
    info(total_frames=59)(root)
    write("images/x/frame.png", b"x")(root)
    status, text = shown(capsys, "repair", root, "--dry-run")
    assert status == 1
    assert "would be repaired" in text
    assert load_info(root).total_frames == 59
    status, report = shown_json(capsys, "repair", root)
    assert status == 1
    assert [change["message"] for change in report["changes"]] == ["total_frames from 59 to 60"]
    assert [change["message"] for change in report["refused"]] == ["it has files that may be needed"]
    assert list(report["after"]["counts"]) == ["leftover-images"]
    (root / "images/x/frame.png").unlink()
    assert shown(capsys, "repair", root)[0] == 0


@pytest.mark.parametrize(
    "fault",
    [
        *("no info block", "an info block of another rate", "an info block of another size"),
        *("episodes without statistics of a camera", "episodes without any statistics"),
    ],
)
def test_values_measured_from_videos_are_repaired(tmp_path, binaries, fault):
    needs_av1_decoder(binaries)
    root = copy_of("A", tmp_path)
    METADATA[fault][0](root)
    report = repair_dataset(root, binaries=binaries)
    assert report.after.counts == {}
    assert report.changes
    assert verify_dataset(root, "decode", binaries=binaries).findings == ()


def test_missing_info_block_is_measured_again(tmp_path, binaries):
    root = copy_of("A", tmp_path)
    METADATA["no info block"][0](root)
    repair_dataset(root, binaries=binaries)
    new, old = (load_info(path).features[LAPTOP].info for path in (root, LEROBOT / "A"))
    # Settings of the encoder are not in a stream.
    assert {key: value for key, value in new.items() if key in old} == {key: old[key] for key in new if key in old}
    assert set(old) - set(new) >= {"video.crf", "video.g"}


def test_recomputed_depth_statistics_are_close_to_recorded(tmp_path, binaries):
    needs_av1_decoder(binaries)
    root = copy_of("D", tmp_path)
    METADATA["episodes without any statistics"][0](root)
    assert repair_dataset(root, binaries=binaries).after.counts == {}
    for new, old in zip(
        load_episodes(root, load_info(root)), load_episodes(LEROBOT / "D", load_info(root)), strict=True
    ):
        depth, recorded = (each.statistics[f"{LAPTOP}_depth"] for each in (new, old))
        np.testing.assert_allclose(depth.mean, recorded.mean, rtol=0.01)
        np.testing.assert_allclose(depth.q50, recorded.q50, rtol=0.01)


def test_recorded_dataset_has_no_findings(tmp_path, binaries):
    needs_png_encoder(binaries)
    root = tmp_path / "recorded"
    camera = {"dtype": "video", "shape": (96, 128, 3), "names": ["height", "width", "channels"]}
    features = {
        "action": {"dtype": "float32", "shape": (4,)},
        "pose": {"dtype": "float64", "shape": (2, 3)},
        "open": {"dtype": "bool", "shape": (1,)},
        "words": {"dtype": "string", "shape": (1,)},
        "observation.images.top": camera,
        "observation.images.still": {**camera, "dtype": "image"},
    }
    config = VideoEncoderConfig(vcodec="h264", g=2)
    with DatasetRecorder.create(root, "a/b", 30, features, camera_encoder=config, binaries=binaries) as recorder:
        for number, length in enumerate((6, 9)):
            for step, frame in enumerate(numbered_frames(length, start=10 * number)):
                recorder.add_frame(
                    {
                        "action": np.full(4, step, np.float32),
                        "pose": np.full((2, 3), number + step / 7),
                        "open": np.array([step % 2 == 0]),
                        "words": "go",
                        "observation.images.top": frame,
                        "observation.images.still": frame,
                        "task": f"task {number}",
                    }
                )
            recorder.save_episode(wait=True)
        recorder.finalize()
    assert verify_dataset(root, "decode", binaries=binaries).findings == ()


def test_info_describes_dataset(capsys):
    status, text = shown(capsys, "info", LEROBOT / "D")
    assert status == 0
    for said in (
        "30 frames per second",
        "10 to 14 frames",
        "pick the cube",
        "codec hevc, pix_fmt gray12le",
        "2 episodes",
    ):
        assert said in text
    _, document = shown_json(capsys, "info", LEROBOT / "A")
    assert (document["episodes"], document["frames"], document["duration_s"]) == (3, 60, 2.0)
    assert document["tasks"] == {"pick the cube": 2, "place the cube": 1}
    assert document["files"]["data"]["files"] == 1


def test_sheet_shows_right_frames_of_every_camera(tmp_path, binaries):
    needs_av1_decoder(binaries)
    needs_png_encoder(binaries)
    (sheet,) = preview_dataset(
        LEROBOT / "A", tmp_path / "sheets", episodes=[1], columns=4, width=128, binaries=binaries
    )
    assert (sheet.path.name, sheet.cameras[0], sheet.times_s) == (
        "episode-000001.png",
        LAPTOP,
        (0.0, 8 / 30, 16 / 30, 24 / 30),
    )
    image = np.asarray(Image.open(sheet.path).convert("RGB")).astype(int)
    assert image.shape == (2 * (96 + GAP) + GAP, 4 * (128 + GAP) + GAP, 3)
    for row, name in enumerate((VIDEO, OTHER_VIDEO)):
        frames = VideoReader(LEROBOT / "A" / name, binaries=binaries).frames([20, 28, 36, 44]).astype(int)
        for column in range(4):
            top, left = GAP + row * (96 + GAP), GAP + column * (128 + GAP)
            cell = image[top : top + 96, left : left + 128]
            off = [np.abs(cell - other).mean() for other in frames]
            assert off[column] < 3
            assert min(off) == off[column]


def test_preview_command(tmp_path, binaries, capsys, monkeypatch):
    needs_av1_decoder(binaries)
    needs_png_encoder(binaries)
    monkeypatch.chdir(tmp_path)
    status, document = shown_json(capsys, "preview", LEROBOT / "D", "--columns=30", "--episodes=0,1")
    assert (status, document["output"]) == (0, "D-preview")
    assert [len(sheet["times_s"]) for sheet in document["sheets"]] == [14, 10]
    assert sorted(path.name for path in Path("D-preview").iterdir()) == ["episode-000000.png", "episode-000001.png"]
    with pytest.raises(OutputExistsError):
        preview_dataset(LEROBOT / "D", "D-preview", binaries=binaries)
    with pytest.raises(DatasetError, match="0 to 1, but not"):
        preview_dataset(LEROBOT / "D", "D-preview", episodes=[2], binaries=binaries)
    assert main(["preview", str(LEROBOT / "D"), "--episodes=first"]) == 2
