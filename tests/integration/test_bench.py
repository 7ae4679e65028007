"""The benchmark measures, resumes and refuses correctly with real encoders.  No test judges time."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from ffenc.bench import recommend as advising
from ffenc.bench.equivalence import equivalents_of
from ffenc.bench.machine import ffmpeg_build
from ffenc.bench.measure import encode_trial, first_packet_s
from ffenc.bench.quality import comparing_filters, measure_quality
from ffenc.bench.reading import measure_reading
from ffenc.bench.rows import load_rows, summary
from ffenc.bench.run import run_sweep
from ffenc.bench.sources import Footage, SourceSpec, materialise
from ffenc.bench.sweep import SweepSpec, Trial
from ffenc.cli.main import main
from ffenc.config import VideoEncoderConfig
from ffenc.errors import CapabilityError, InputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.video.encode import encode_frames
from tests.footage import number_of, numbered_frames
from tests.integration.test_colour import can_decode_av1
from tests.lerobot_data import LEROBOT

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

LOSSLESS = {"vcodec": "libx264", "crf": 0, "preset": "ultrafast", "pix_fmt": "yuv444p"}


@pytest.fixture(scope="module")
def scene(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Footage:
    spec = SourceSpec.of("moving_texture", size=(96, 64), frames=24, fps="30000/1001")
    return materialise(spec, tmp_path_factory.mktemp("scene"), binaries=binaries)


def trial(footage: Footage, **fields) -> Trial:
    return Trial(fields=fields, encoder_threads=None, cameras=1, footage=footage)


def spec_of(**fields) -> SweepSpec:
    source = {"synthetic": "moving_texture", "size": (96, 64), "frames": 12}
    return SweepSpec.model_validate({"sources": [source], "repeats": 2, "reads": 2, **fields})


def test_lossless_video_is_identical_in_every_frame_at_an_inexact_rate(scene, binaries, tmp_path):
    (camera,) = encode_trial(trial(scene, **LOSSLESS), tmp_path, binaries=binaries).cameras
    quality = measure_quality(camera.result, scene, binaries=binaries)
    assert (quality.identical_frames, quality.frames) == (24, 24)
    assert (quality.ssim, quality.psnr_db, quality.psnr_worst_db) == (1, None, None)
    assert (quality.vmaf is None) == ("libvmaf" in quality.missing)
    assert (quality.xpsnr_db is None or "xpsnr" not in quality.missing) == (quality.xpsnr_db is None)


def test_similarity_falls_with_crf_and_worst_frame_is_found(scene, binaries, tmp_path):
    measured = []
    for crf in (15, 35):
        (camera,) = encode_trial(trial(scene, vcodec="libx264", crf=crf), tmp_path, binaries=binaries).cameras
        measured.append(measure_quality(camera.result, scene, binaries=binaries))
    good, bad = measured
    assert good.ssim > bad.ssim
    assert good.psnr_db > bad.psnr_db > bad.psnr_worst_db
    assert set(good.psnr_planes_db) == {"y", "u", "v"}
    spoilt = [frame.copy() for frame in scene.frames]
    spoilt[7] = 255 - spoilt[7]
    config = VideoEncoderConfig(**LOSSLESS)
    result = encode_frames(spoilt, tmp_path / "s.mp4", fps=scene.fps, config=config, binaries=binaries)
    quality = measure_quality(result, scene, binaries=binaries)
    assert quality.identical_frames == 23
    assert quality.psnr_worst_db < 20


def test_quality_filters_of_build_are_found(binaries):
    assert {"psnr", "ssim"} <= comparing_filters(binaries.ffmpeg)


def test_reading_returns_requested_frames_and_counts_decoded_ones(scene, binaries, tmp_path):
    results = {
        g: encode_trial(trial(scene, vcodec="libx264", g=g), tmp_path, binaries=binaries)
        .cameras[0]
        .result.path.rename(tmp_path / f"g{g}.mp4")
        for g in (1, 12)
    }
    for g, path in results.items():
        reads = measure_reading(path, binaries=binaries, requests=3, windows={"half": (-0.5, 0)})["ffmpeg"]
        assert set(reads) == {"1_frame", "2_frames", "2_frames_4_space", "6_frames", "half", "random_files"}
        assert [one.wrong for one in reads.values()] == [0] * 6
        assert all(len(one.times_ms) == 3 and min(one.times_ms) > 0 for one in reads.values())
        assert (reads["1_frame"].decoded_per_wanted == 1) == (g == 1)


def test_lookahead_delays_first_packet(scene, binaries):
    # It looks ahead as far as the next keyframe; at this rate that is a second away.
    quick = first_packet_s(trial(scene, vcodec="libx264", extra_options={"tune": "zerolatency"}), binaries=binaries)
    late = first_packet_s(trial(scene, vcodec="libx264", g=30, extra_options={"rc-lookahead": 40}), binaries=binaries)
    assert 0 < quick < late
    assert late > 0.9


def test_sweep_resumes_where_it_stopped(binaries, tmp_path):
    path = tmp_path / "r.jsonl"
    spec = spec_of(
        base={"vcodec": "libx264", "preset": "ultrafast"}, vary={"crf": [20, 40], "preset": ["ultrafast", "no"]}
    )
    seen: list[str] = []

    class StoppedError(Exception):
        pass

    def stop_after_three(done: int, total: int, label: str) -> None:
        seen.append(label)
        if len(seen) > 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_sweep(spec, path, binaries=binaries, on_step=stop_after_three)
    stopped = {row["key"]: row for row in load_rows(path)}
    assert [row["status"] for row in stopped.values()].count("planned") == len(stopped) - 3
    rows = run_sweep(spec, path, binaries=binaries)
    assert [row["status"] for row in rows] == ["done", "refused", "done", "refused"]
    assert "preset" in rows[1]["reason"]
    assert [len(row["timing"]) for row in rows if row["status"] == "done"] == [2, 2]
    # What was known was not measured again.
    assert rows[0]["timing"][0] == stopped[rows[0]["key"]]["timing"][0]
    before = path.read_bytes()
    run_sweep(spec, path, binaries=binaries, on_step=lambda done, total, label: seen.append(label))
    assert path.read_bytes() == before
    assert seen[4:] == ["done"]
    good = [summary(row) for row in rows if row["status"] == "done"]
    assert good[0]["size_bytes"] > good[1]["size_bytes"]
    assert good[0]["ssim"] > good[1]["ssim"]
    assert all(one["realtime"] > 0 and one["cpu_ms_per_frame"] > 0 and one["first_packet_s"] > 0 for one in good)
    assert all(one["ffmpeg_6_frames_wrong"] == 0 for one in good)


def test_missing_measurements_are_added_and_other_rows_kept(binaries, tmp_path):
    path = tmp_path / "r.jsonl"
    base = {"vcodec": "libx264", "preset": "ultrafast"}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        run_sweep(
            spec_of(base=base, vary={"crf": [20, 30]}, measure=["quality"]), path, binaries=binaries, executor=pool
        )
    assert all("timing" not in row for row in load_rows(path))
    run_sweep(
        spec_of(base=base, vary={"crf": [30]}, measure=["timing"], repeats=1, cameras=[2]), path, binaries=binaries
    )
    run_sweep(spec_of(base=base, vary={"crf": [30]}, measure=["timing", "quality"], repeats=1), path, binaries=binaries)
    rows = load_rows(path)
    assert sorted((row["config"]["crf"], row["cameras"], "timing" in row) for row in rows) == [
        (20, 1, False), (30, 1, True), (30, 2, True),
    ]  # fmt: skip


def test_timed_trials_do_not_run_in_parallel(binaries, tmp_path):
    with pytest.raises(InputError, match="would disturb"):
        run_sweep(spec_of(), tmp_path / "r.jsonl", binaries=binaries, jobs=2)


def test_equivalent_crf_of_same_encoder_is_same_crf(binaries, tmp_path):
    same = {"vcodec": "libx264", "preset": "ultrafast"}
    spec = spec_of(vary={"vcodec": [same, same], "crf": [27]})
    (row,) = equivalents_of(spec, tmp_path / "e.jsonl", metric="ssim", binaries=binaries)
    assert (row["crf"], row["exact_crf"]) == (27, 27)
    assert row["size_bytes"] == row["reference_bytes"]


def test_every_kind_of_source_yields_its_frames(binaries, tmp_path):
    frames = list(numbered_frames(8))
    clip = encode_frames(
        frames, tmp_path / "clip.mp4", fps=25, config=VideoEncoderConfig(vcodec="libx264"), binaries=binaries
    ).path
    footage = materialise(SourceSpec.of(str(clip), start=2, frames=10), tmp_path, binaries=binaries)
    assert [number_of(frame) for frame in footage.frames] == [2, 3, 4, 5, 6, 7, 6, 5, 4, 3]
    assert footage.fps == 25
    small = materialise(SourceSpec.of(str(clip), size="64x48"), tmp_path, binaries=binaries)
    assert small.frames.shape == (8, 48, 64, 3)
    assert small.digest != footage.digest
    with pytest.raises(InputError, match="no frame 9"):
        materialise(SourceSpec.of(str(clip), start=9), tmp_path, binaries=binaries)


def test_dataset_episodes_are_a_source(binaries, tmp_path):
    if not can_decode_av1(binaries):
        pytest.skip("this build cannot decode AV1")
    root = LEROBOT / "D"
    whole = materialise(SourceSpec.of(str(root)), tmp_path, binaries=binaries)
    second = materialise(SourceSpec.of({"dataset": root, "episodes": [1]}), tmp_path, binaries=binaries)
    assert whole.fps == Fraction(json.loads((root / "meta" / "info.json").read_text())["fps"])
    assert np.array_equal(whole.frames[-second.count :], second.frames) or second.count < whole.count
    with pytest.raises(InputError, match="no episode 99"):
        materialise(SourceSpec.of({"dataset": root, "episodes": [99]}), tmp_path, binaries=binaries)
    with pytest.raises(InputError, match="no camera nose"):
        materialise(SourceSpec.of({"dataset": root, "camera": "nose"}), tmp_path, binaries=binaries)


def test_depth_stored_as_millimetres_has_no_error(binaries, tmp_path):
    depth = {"synthetic": "depth_ramp", "size": (64, 48), "frames": 4}
    spec = spec_of(
        sources=[depth],
        vary={"pix_fmt": ["gray16le", "gray12le"]},
        base={"vcodec": "ffv1", "crf": None, "extra_options": {}},
        measure=["quality"],
    )
    exact, coded = run_sweep(spec, tmp_path / "r.jsonl", binaries=binaries)
    assert exact["depth_error"] == {"p50_mm": 0, "p95_mm": 0, "max_mm": 0}
    assert 0 < coded["depth_error"]["max_mm"] <= 3


def test_build_is_identified_by_its_version_output(binaries):
    build = ffmpeg_build(binaries)
    assert build == ffmpeg_build(binaries)
    assert build.version


def test_recommendation_keeps_up_and_is_valid_python(binaries, monkeypatch, capsys):
    monkeypatch.setattr(advising, "TRIAL_S", 0.5)
    monkeypatch.setattr(advising, "MARGIN", 0.01)
    assert main(["recommend", "--size=96x64", "--fps=5", "--json", "--confirm=1"]) == 0
    found = json.loads(capsys.readouterr().out)
    chosen = found["advice"]["chosen"]
    assert chosen["refused"] is None
    assert chosen["gb_per_hour"] > 0
    config = VideoEncoderConfig.model_validate(chosen["fields"])
    assert eval(found["use"]["python"], {"VideoEncoderConfig": VideoEncoderConfig}) == config  # noqa: S307
    assert found["use"]["yaml"].startswith("camera_encoder:\n")
    assert found["confirmed"]["steps"] == 5


@pytest.mark.one_build
@pytest.mark.parametrize(("use", "is_read"), [("training", True), ("live", False)])
def test_recommendation_for_training_times_a_random_frame(binaries, monkeypatch, use, is_read):
    monkeypatch.setattr(advising, "TRIAL_S", 0.3)
    monkeypatch.setattr(advising, "MARGIN", 0.01)
    advice = advising.recommend(size=(96, 64), fps=5, use=use, binaries=binaries)
    assert (advice.chosen.frame_ms is not None) is is_read


def test_no_config_keeping_up_exits_1_with_every_reason(binaries, monkeypatch, capsys):
    monkeypatch.setattr(advising, "TRIAL_S", 0.1)
    monkeypatch.setattr(advising, "MARGIN", 1e9)
    assert main(["recommend", "--size=96x64", "--use=live"]) == 1
    said = capsys.readouterr().err
    assert "nothing keeps up with 1 cameras of 96x64" in said
    assert said.count("times real time") == 3
    assert "Use fewer cameras" in said


def test_recommendation_respects_its_time_limit(binaries):
    with pytest.raises(CapabilityError, match="the time limit was reached"):
        advising.recommend(size=(96, 64), binaries=binaries, budget_s=0)


def test_command_writes_rows_table_and_lerobot_csv(binaries, tmp_path: Path, capsys):
    results, table = tmp_path / "r.jsonl", tmp_path / "r.csv"
    common = ["bench", str(results), "--json", f"--csv={table}"]
    flags = [
        "--sources=test_pattern",
        "--size=64x64",
        "--frames=8",
        "--repeats=1",
        "--reads=1",
        "--measure=quality,reading",
    ]
    assert main([*common, *flags, "--vary.vcodec=libx264,mpeg4", "--vary.g=1", "--camera_encoder.crf=25"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["encoder"], row["g"], row["crf"]) for row in rows] == [("libx264", 1, 25), ("mpeg4", 1, 25)]
    assert len(table.read_text().splitlines()) > 4
    assert main(common) == 0  # of what is there
    assert json.loads(capsys.readouterr().out)["rows"] == rows
    assert main(["bench", str(results), "--sources=test_pattern", "--vary.crf=[]"]) == 2
    assert "no value to try" in capsys.readouterr().err
