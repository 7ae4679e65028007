"""A recorded dataset is complete after every episode, as LeRobot reads it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.format.provenance import load_provenance
from ffenc.dataset.format.video_info import encoder_config_from_info
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.transform.pack import pack_dataset
from ffenc.errors import (
    DatasetError,
    DatasetLockedError,
    EpisodeError,
    FrameError,
    OutputExistsError,
    ProcessError,
    UnsafePathError,
)
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.ffmpeg.ffprobe import probe_packets
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.frames import FrameFormat
from ffenc.streaming.images import ImageFolder, read_images
from ffenc.video.depth import read_depth
from tests.lerobot_reader import LeRobotView
from tests.recordings_of_robots import (
    CAMERA,
    CAMERAS,
    FEATURES,
    FPS,
    H264,
    TASKS,
    check_numbered,
    frame_of,
    numbers_shown,
    record,
)

pytestmark = [pytest.mark.integration, pytest.mark.one_build]


@pytest.fixture
def root(tmp_path):
    return tmp_path / "set"


@pytest.fixture
def recorder(root, binaries):
    recorder = DatasetRecorder.create(root, "me/set", FPS, FEATURES, camera_encoder=H264, binaries=binaries)
    yield recorder
    if recorder._open_episode:
        recorder.clear_episode()
    recorder.finalize(pack=False)


@pytest.mark.smoke
def test_dataset_is_complete_after_every_episode(recorder, root, binaries):
    number = 0
    for episode in range(3):
        for _ in range(4 + episode):
            assert recorder.add_frame(frame_of(number, task=TASKS[episode % 2]))
            number += 1
        summary = recorder.save_episode(wait=True).wait()
        assert (summary.episode_index, summary.frames, summary.dropped) == (episode, 4 + episode, 0)
        check_numbered(root, number, binaries=binaries)
        assert (recorder.num_episodes, recorder.num_frames) == (episode + 1, number)


def test_packing_changes_files_but_not_content(root, binaries):
    record(root, [5, 3, 6], binaries=binaries)
    before = LeRobotView(root)
    unpacked = [item.row for item in before], before.episodes
    with DatasetRecorder.resume(root, binaries=binaries):
        pass
    layout = DatasetLayout(root=root)
    assert [len(layout.data_files()), len(layout.episodes_files()), len(layout.video_files(CAMERAS[0]))] == [1, 1, 1]
    assert pq.ParquetFile(layout.data_files()[0]).num_row_groups == 3
    check_numbered(root, 14, binaries=binaries)
    after = LeRobotView(root)
    assert [item.row for item in after] == unpacked[0]
    assert [row["videos/observation.images.laptop/from_timestamp"] for row in after.episodes] == [0, 5 / 30, 8 / 30]
    same = [key for key in after.episodes[0] if key.startswith("stats/") or key in ("tasks", "length")]
    assert [[row[key] for key in same] for row in after.episodes] == [[row[key] for key in same] for row in unpacked[1]]
    packets = probe_packets(layout.video_files(CAMERAS[0])[0], binaries=binaries)
    assert packets.count == 14
    assert packets.first_off_grid(FPS) is None
    assert not [path for path in root.parent.iterdir() if path != root]


def test_size_limit_starts_next_file(root, binaries):
    record(root, [6, 6, 6], binaries=binaries, video_files_size_in_mb=0.005, pack=True)
    layout = DatasetLayout(root=root)
    sizes = [path.stat().st_size for path in layout.video_files(CAMERAS[0])]
    assert len(sizes) > 1
    check_numbered(root, 18, binaries=binaries)


def test_videos_that_cannot_be_joined_stay_separate(root, binaries):
    # One frame has no B-frame, so its stream is not that of the others.
    record(root, [12, 1, 9], binaries=binaries, pack=True, camera_encoder=VideoEncoderConfig(vcodec="h264", g=6))
    check_numbered(root, 22, binaries=binaries)
    assert len(DatasetLayout(root=root).data_files()) == 1


def test_video_without_exact_join_stays_separate(root, tmp_path, binaries, caplog):
    record(root, [6, 6, 6, 6], binaries=binaries)
    layout, silent = DatasetLayout(root=root), tmp_path / "silent.mp4"
    video = layout.video_files(CAMERAS[0])[1]
    video.rename(silent)
    tone = ("-f", "s16le", "-ar", "48000", "-ac", "1", "-t", "0.2", "-i", "/dev/zero")
    coded = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", str(video))
    run_tool([str(binaries.ffmpeg), "-v", "error", "-i", str(silent), *tone, *coded])
    with_audio = video.read_bytes()
    assert pack_dataset(root, binaries=binaries)
    assert "keeps its own file" in caplog.text
    assert "has audio" in caplog.text
    check_numbered(root, 24, binaries=binaries)
    counts = {
        name: [probe_packets(path, binaries=binaries).count for path in layout.video_files(name)] for name in CAMERAS
    }
    assert counts == {CAMERAS[0]: [6, 6, 12], CAMERAS[1]: [24]}
    assert layout.video_files(CAMERAS[0])[1].read_bytes() == with_audio


def test_resume_appends_after_packed_files(root, binaries):
    record(root, [4, 4], binaries=binaries, pack=True)
    with DatasetRecorder.resume(root, binaries=binaries) as recorder:
        for number in range(8, 13):
            recorder.add_frame(frame_of(number))
        recorder.save_episode(wait=True)
        check_numbered(root, 13, binaries=binaries)
    check_numbered(root, 13, binaries=binaries)
    assert len(DatasetLayout(root=root).video_files(CAMERAS[0])) == 1


def test_info_block_has_measured_and_requested_values(root, binaries):
    record(root, [3], binaries=binaries)
    info = json.loads((root / "meta/info.json").read_text())["features"][CAMERAS[0]]["info"]
    assert list(info) == [
        "video.height", "video.width", "video.codec", "video.pix_fmt", "video.fps", "video.channels",
        "has_audio", "video.g", "video.crf", "video.preset", "video.fast_decode",
        "video.video_backend", "video.extra_options", "is_depth_map",
    ]  # fmt: skip
    assert info["video.codec"] == "h264"
    assert (info["video.height"], info["video.width"], info["video.fps"]) == (96, 128, 30)
    assert (info["video.g"], info["video.crf"], info["video.preset"]) == (2, 30, "ultrafast")


def test_statistics_match_frames(root, binaries):
    record(root, [5, 7], binaries=binaries)
    stats = load_stats(root)
    assert stats is not None
    states = np.array([frame_of(number)["observation.state"] for number in range(12)])
    np.testing.assert_allclose(stats["observation.state"].mean, states.mean(0), atol=1e-6)
    np.testing.assert_allclose(stats["observation.state"].std, states.std(0), atol=1e-6)
    frames = np.stack([frame_of(number)[CAMERAS[0]] for number in range(12)]) / 255
    camera = stats[CAMERAS[0]]
    assert camera.mean.shape == (3, 1, 1)
    np.testing.assert_allclose(camera.mean.ravel(), frames.mean((0, 1, 2)), atol=1e-6)
    assert camera.count.tolist() == [12]
    assert stats["episode_index"].max.tolist() == [1]


def test_episode_record_has_command_of_every_camera(root, binaries):
    record(root, [3, 3], binaries=binaries)
    known = load_provenance(root)
    assert sorted(known) == [0, 1]
    camera = known[1]["cameras"][CAMERAS[1]]
    assert camera["config"]["preset"] == "ultrafast"
    assert str(binaries.ffmpeg) == camera["argv"][0]
    assert known[0]["drops"] == []


def test_images_are_stored_without_video(root, binaries, png_works):
    record(root, [3, 2], binaries=binaries, use_videos=False)
    info = load_info(root)
    assert info.video_path is None
    assert info.features[CAMERAS[0]].dtype == "image"
    view = LeRobotView(root)
    view.check()
    cell = view.rows[CAMERAS[0]][4].as_py()
    assert cell["bytes"].startswith(b"\x89PNG")
    folder = root.parent / "images"
    folder.mkdir()
    for place, each in enumerate(view.rows[CAMERAS[0]].to_pylist()):
        (folder / f"frame-{place:06d}.png").write_bytes(each["bytes"])
    seen = png_works(folder, 5)
    assert all((frame == frame_of(number)[CAMERAS[0]]).all() for number, frame in enumerate(seen))


def test_spooled_frames_are_encoded_after_episode(root, binaries):
    record(root, [4, 5], binaries=binaries, streaming_encoding=False)
    check_numbered(root, 9, binaries=binaries)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"observation.state": None}, "missing: observation.state"),
        ({"extra": np.zeros(1)}, "unknown: extra"),
        ({"timestamp": np.zeros(1, np.float32)}, "filled by the recorder"),
        ({"observation.state": np.zeros(6)}, "'observation.state' must be .* float32, got .* float64"),
        ({"observation.state": np.zeros(5, np.float32)}, "'observation.state' must be"),
        ({"next.done": True}, "'next.done' must be a numpy array"),
        ({"task": ""}, "'task' must be"),
        ({CAMERAS[1]: np.zeros((96, 127, 3), np.uint8)}, CAMERAS[1]),
        ({CAMERAS[1]: np.zeros((3, 96, 128), np.uint8)}, "channels first"),
        ({CAMERAS[1]: np.zeros((96, 128, 3), np.float32)}, CAMERAS[1]),
    ],
)
def test_wrong_frame_is_refused_completely(recorder, root, binaries, change, says):
    recorder.add_frame(frame_of(0))
    wrong = {**frame_of(1), **change}
    for name in [name for name, value in change.items() if value is None]:
        del wrong[name]
    with pytest.raises(FrameError, match=says):
        recorder.add_frame(wrong)
    recorder.add_frame(frame_of(1))
    recorder.save_episode(wait=True)
    check_numbered(root, 2, binaries=binaries)


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".hidden", "new\nline"])
def test_feature_name_outside_root_is_refused(tmp_path, binaries, name):
    with pytest.raises(UnsafePathError):
        DatasetRecorder.create(tmp_path / "set", "me/set", FPS, {name: CAMERA}, binaries=binaries)
    assert list(tmp_path.iterdir()) == []


def test_unsupported_settings_leave_nothing(tmp_path, binaries):
    config = VideoEncoderConfig(vcodec="h264", extra_options={"bff": 3})
    with pytest.raises(ValueError, match="bff"):
        recorder = DatasetRecorder.create(
            tmp_path / "set", "me/set", FPS, FEATURES, camera_encoder=config, binaries=binaries, warm_start=True
        )
        recorder.finalize()
    assert list(tmp_path.iterdir()) == []


def test_existing_directory_is_refused(root, binaries):
    root.mkdir()
    (root / "mine").write_text("precious")
    with pytest.raises(OutputExistsError):
        DatasetRecorder.create(root, "me/set", FPS, FEATURES, binaries=binaries)
    assert (root / "mine").read_text() == "precious"


def test_second_writer_error_names_first_writer(recorder, root, binaries):
    with pytest.raises(DatasetLockedError, match="pid"):
        DatasetRecorder.resume(root, binaries=binaries)


def test_changed_settings_are_refused_unless_requested(root, binaries):
    record(root, [3], binaries=binaries)
    other = VideoEncoderConfig(vcodec="h264", crf=20)
    with pytest.raises(DatasetError, match="crf was 30, now 20"):
        DatasetRecorder.resume(root, camera_encoder=other, binaries=binaries)
    with DatasetRecorder.resume(root, camera_encoder=other, allow_mixed=True, binaries=binaries) as recorder:
        for number in range(3, 6):
            recorder.add_frame(frame_of(number))
        recorder.save_episode(wait=True)
    check_numbered(root, 6, binaries=binaries)
    assert [load_provenance(root)[n]["cameras"][CAMERAS[0]]["config"]["crf"] for n in (0, 1)] == [30, 20]


def test_unsaved_episode_is_kept_and_recoverable(root, binaries):
    with (
        pytest.raises(RuntimeError, match="robot"),
        DatasetRecorder.create(root, "me/set", FPS, FEATURES, camera_encoder=H264, binaries=binaries) as recorder,
    ):
        for number in range(4):
            recorder.add_frame(frame_of(number))
        recorder.save_episode()
        for number in range(4, 9):
            recorder.add_frame(frame_of(number))
        raise RuntimeError("the robot fell over")
    check_numbered(root, 4, binaries=binaries)
    with DatasetRecorder.resume(root, binaries=binaries) as recorder:
        (interrupted,) = recorder.interrupted
        assert interrupted.rows == 5
        assert recorder.recover(interrupted).frames == 5
        assert recorder.interrupted == ()
    check_numbered(root, 9, binaries=binaries)
    assert not list((root / "meta/ffenc").glob("*/*"))


def test_episode_that_cannot_be_appended_is_kept_and_reported_once(root, binaries, monkeypatch):
    recorder = DatasetRecorder.create(root, "me/set", FPS, FEATURES, camera_encoder=H264, binaries=binaries)
    recorder.add_frame(frame_of(0))
    steps = recorder._open_episode._steps
    steps.append(replace(steps[-1], rows=2))  # one row too many
    handle = recorder.save_episode()
    assert handle._ended.wait(20)
    with pytest.raises(EpisodeError, match="has 2 rows but not as many frames") as caught:
        recorder.add_frame(frame_of(1))
    assert caught.value.kept is not None
    assert (caught.value.kept / "rows.jsonl").exists()
    assert load_info(root).total_episodes == 0
    recorder.add_frame(frame_of(0))  # the recorder continues
    recorder.save_episode(wait=True)
    recorder.finalize()
    check_numbered(root, 1, binaries=binaries)


def test_clear_episode_discards_the_open_episode(recorder, root, binaries):
    recorder.add_frame(frame_of(5))
    recorder.clear_episode()
    assert not list((root / "meta/ffenc/recording").iterdir())
    recorder.add_frame(frame_of(0))
    recorder.save_episode(wait=True)
    check_numbered(root, 1, binaries=binaries)


def test_finalize_refuses_unsaved_frames(recorder):
    recorder.add_frame(frame_of(0))
    with pytest.raises(DatasetError, match="1 frames of an episode are not saved"):
        recorder.finalize()


def test_saving_empty_episode_is_an_error(recorder):
    with pytest.raises(DatasetError, match="no frame to save"):
        recorder.save_episode()


def test_dropped_step_has_neither_row_nor_frame(root, binaries, monkeypatch):
    recorder = DatasetRecorder.create(
        root,
        "me/set",
        FPS,
        FEATURES,
        camera_encoder=H264,
        queue_policy="drop",
        encoder_queue_maxsize=2,
        binaries=binaries,
    )
    kept = [number for number in range(120) if recorder.add_frame(frame_of(number))]
    summary = recorder.save_episode(wait=True).wait()
    recorder.finalize()
    assert 0 < summary.dropped == 120 - len(kept)
    view = LeRobotView(root)
    view.check()
    assert len(view) == len(kept)
    assert [item.row["observation.state"] for item in view] == [frame_of(n)["observation.state"].tolist() for n in kept]
    assert numbers_shown(root, CAMERAS[0], binaries=binaries) == kept
    drops = load_provenance(root)[0]["drops"]
    assert [drop["step"] for drop in drops] == [number for number in range(120) if number not in kept]


def test_dataset_without_cameras(root, binaries):
    features = {
        "observation.state": FEATURES["observation.state"],
        "note": {"dtype": "string", "shape": (1,), "names": None},
    }
    with DatasetRecorder.create(root, "me/set", FPS, features, binaries=binaries) as recorder:
        for number in range(3):
            state = frame_of(number)["observation.state"]
            recorder.add_frame({"observation.state": state, "note": f"note {number}", "task": TASKS[0]})
        recorder.save_episode()
    view = LeRobotView(root)
    view.check()
    assert [item.row["note"] for item in view] == ["note 0", "note 1", "note 2"]


@pytest.mark.parametrize("unit", ["mm", "m"])
def test_depth_is_recorded_in_its_unit(root, binaries, capabilities_here, unit):
    listing = capabilities_here.helps.get("libx265")
    if listing is None or "gray12le" not in (listing.pixel_formats or ()):
        pytest.skip("this x265 has 8 bits only")
    depth = {
        "dtype": "video",
        "shape": (96, 128, 1),
        "names": ["height", "width", "channels"],
        "info": {"is_depth_map": True},
    }
    ramp = (500 + np.arange(96 * 128).reshape(96, 128) // 8).astype(np.uint16)
    frame = ramp if unit == "mm" else (ramp / 1000).astype(np.float32)
    with DatasetRecorder.create(
        root, "me/set", FPS, {"observation.images.depth": depth}, binaries=binaries
    ) as recorder:
        for _ in range(3):
            recorder.add_frame({"observation.images.depth": frame[:, :, None], "task": TASKS[0]})
        recorder.save_episode(wait=True)
        other = frame.astype(np.float32 if unit == "mm" else np.uint16)
        with pytest.raises(FrameError, match="unit of depth"):
            recorder.add_frame({"observation.images.depth": other, "task": TASKS[0]})
    info = load_info(root).features["observation.images.depth"].info
    assert info is not None
    assert (info["depth_unit"], info["is_depth_map"], info["video.depth_max"]) == (unit, True, 10.0)
    config = encoder_config_from_info(info)
    assert isinstance(config, DepthEncoderConfig)
    path = DatasetLayout(root=root).video_files("observation.images.depth")[0]
    seen = np.stack(list(read_depth(path, config, unit=unit, binaries=binaries)))
    assert np.abs(seen.astype(float) - frame).max() <= (2 if unit == "mm" else 0.002)
    stats = load_stats(root)
    assert stats is not None
    np.testing.assert_allclose(stats["observation.images.depth"].mean.ravel(), [frame.mean()], rtol=1e-4)


@pytest.fixture
def png_works(binaries):
    """Decode numbered PNG files, or skip if this FFmpeg has no PNG."""
    if "png" not in probe_capabilities(binaries.ffmpeg).encoders:
        pytest.skip("this FFmpeg writes no PNG")

    def decode(folder, count):
        try:
            return list(
                read_images(
                    ImageFolder(path=folder, frames=count, suffix=".png"),
                    FrameFormat(width=128, height=96),
                    binaries=binaries,
                )
            )
        except ProcessError as err:
            pytest.skip(f"this FFmpeg reads no PNG: {err}")

    return decode
