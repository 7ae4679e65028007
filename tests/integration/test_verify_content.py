"""Faults in what frames and rows contain: each is found with its code and its range, and a good recording has none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, ContentLimits, DatasetRecorder, VerifyReport, VideoEncoderConfig, verify_dataset
from ffenc.cli.main import main
from ffenc.dataset.verify.findings import Finding
from tests.scenes import moving_scene

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

FPS, LENGTH, EPISODES = 10, 24, 3
TOP, WRIST, DEPTH = "observation.images.top", "observation.images.wrist", "observation.images.depth"
STATE, ACTION, STAMP = "observation.state", "action", "observation.timestamp"
SIZE = {"width": 96, "height": 64}

Row = dict[str, Any]
Fault = Callable[[Row, int, int], None]
"""Changes the row of an episode (second argument) with a number (third argument)."""


def features(names: Iterable[str]) -> dict[str, Any]:
    axes = ["height", "width", "channels"]
    every = {
        TOP: {"dtype": "video", "shape": (64, 96, 3), "names": axes},
        WRIST: {"dtype": "video", "shape": (64, 96, 3), "names": axes},
        DEPTH: {"dtype": "video", "shape": (64, 96, 1), "names": axes, "info": {"is_depth_map": True}},
        STATE: {"dtype": "float32", "shape": (2,), "names": None},
        ACTION: {"dtype": "float32", "shape": (2,), "names": None},
        STAMP: {"dtype": "float64", "shape": (1,), "names": None},
    }
    return {name: every[name] for name in names}


COLOUR = (TOP, WRIST, STATE, ACTION, STAMP)
WITH_DEPTH = (TOP, DEPTH, STATE)
SCENES = {TOP: moving_scene(LENGTH, seed=1, **SIZE), WRIST: moving_scene(LENGTH, seed=2, **SIZE)}


def good_row(episode: int, number: int) -> Row:
    depth = np.linspace(400, 900, 64 * 96).reshape(64, 96, 1) + 20 * number
    row: Row = {name: np.roll(scene[number], 7 * episode, axis=1) for name, scene in SCENES.items()}
    motion = np.array([np.sin(number / 5), np.cos(number / 5)], np.float32)
    stamp = np.array([1000.0 + 60 * episode + number / FPS])
    return row | {DEPTH: depth.astype(np.uint16), STATE: motion, ACTION: motion * 2, STAMP: stamp}


def recorded(
    root: Path,
    binaries: Binaries,
    *faults: Fault,
    names: Iterable[str] = COLOUR,
    use_videos: bool = True,
    **config: Any,
) -> Path:
    settings = {"vcodec": "libx264", "preset": "ultrafast", "crf": 23, "g": 2, **config}
    encoder = VideoEncoderConfig.model_validate(settings)
    wanted = list(names)
    with DatasetRecorder.create(
        root,
        "me/x",
        fps=FPS,
        features=features(wanted),
        camera_encoder=encoder,
        use_videos=use_videos,
        queue_policy="block",
        binaries=binaries,
    ) as recorder:
        for episode in range(EPISODES):
            for number in range(LENGTH):
                row = good_row(episode, number)
                for fault in faults:
                    fault(row, episode, number)
                recorder.add_frame({name: row[name] for name in wanted} | {"task": "move"})
            recorder.save_episode()
    return root


def found(report: VerifyReport) -> set[tuple[Any, ...]]:
    return {(each.code, each.severity, each.camera, *place_of(each)) for each in report.findings}


def place_of(finding: Finding) -> tuple[Any, ...]:
    return (finding.episode, finding.last_episode, finding.frame, finding.last_frame)


def frozen(camera: str, first: int, last: int, *episodes: int) -> Fault:
    def fault(row: Row, episode: int, number: int) -> None:
        if episode in episodes and first <= number <= last:
            row[camera] = good_row(episode, first)[camera]

    return fault


def still(first: int, last: int, *episodes: int) -> Fault:
    def fault(row: Row, episode: int, number: int) -> None:
        if episode in episodes and first <= number <= last:
            row.update({name: value for name, value in good_row(episode, first).items() if name != STAMP})

    return fault


def filled(camera: str, value: int | tuple[int, ...], first: int, last: int, *episodes: int) -> Fault:
    def fault(row: Row, episode: int, number: int) -> None:
        if episode in episodes and first <= number <= last:
            row[camera] = np.full_like(row[camera], value)

    return fault


def dark(row: Row, episode: int, number: int) -> None:
    row[TOP] = np.random.default_rng(number).integers(0, 9, row[TOP].shape).astype(np.uint8)


def fading(row: Row, episode: int, number: int) -> None:
    row[TOP] = np.full_like(row[TOP], 10 * number)


def copied(row: Row, episode: int, number: int) -> None:
    if episode > 0:
        row[WRIST] = row[TOP]


def constant(name: str, *episodes: int) -> Fault:
    def fault(row: Row, episode: int, number: int) -> None:
        if episode in episodes:
            row[name] = np.array([0.5, 0.25], np.float32)

    return fault


def clock(jump_s: float) -> Fault:
    def fault(row: Row, episode: int, number: int) -> None:
        if episode == 1 and number >= 10:
            row[STAMP] = row[STAMP] + jump_s

    return fault


WARNING, NOTE = "warning", "note"
FAULTS: dict[str, tuple[list[Fault], set[tuple[Any, ...]]]] = {
    "a pause below the limit": ([frozen(TOP, 5, 12, 1)], set()),
    "a frozen camera": ([frozen(TOP, 5, 19, 1)], {("camera-frozen", WARNING, TOP, 1, None, 5, 19)}),
    "a frozen depth camera": ([frozen(DEPTH, 3, 23, 0)], {("camera-frozen", WARNING, DEPTH, 0, None, 3, 23)}),
    "frozen through episodes": ([frozen(WRIST, 0, 23, 1, 2)], {("camera-frozen", WARNING, WRIST, 1, 2, None, None)}),
    "a still scene": ([still(5, 20, 2)], {("camera-frozen", NOTE, camera, 2, None, 6, 20) for camera in (TOP, WRIST)}),
    "a black camera": ([filled(TOP, 0, 0, 23, 0, 1, 2)], {("camera-blank", WARNING, TOP, 0, 2, None, None)}),
    "a covered camera": ([dark], {("camera-blank", WARNING, TOP, 0, 2, None, None)}),
    "frames of one colour": ([filled(TOP, (0, 80, 160), 4, 6, 1)], {("camera-blank", WARNING, TOP, 1, None, 4, 6)}),
    "a colour that changes": ([fading], {("camera-blank", NOTE, TOP, 0, 2, None, None)}),
    "depth that is missing": ([filled(DEPTH, 0, 8, 12, 2)], {("camera-blank", WARNING, DEPTH, 2, None, 8, 12)}),
    "two cameras from one source": ([copied], {("cameras-equal", WARNING, WRIST, 1, 2, None, None)}),
    "states that never change": (
        [constant(STATE, 0, 1)],
        {("values-constant", WARNING, STATE, 0, 1, None, None)},
    ),
    "an action that never changes once": (
        [constant(ACTION, 2)],
        {("values-constant", WARNING, ACTION, 2, None, None, None)},
    ),
    "a clock that jumps": ([clock(2.5)], {("timestamp-jump", WARNING, STAMP, 1, None, 10, None)}),
    "a clock that goes back": ([clock(-2.5)], {("timestamp-jump", WARNING, STAMP, 1, None, 10, None)}),
}


@pytest.mark.parametrize("use_videos", [True, False], ids=["videos", "images"])
def test_good_recording_has_no_findings(tmp_path, binaries, use_videos):
    root = recorded(tmp_path / "set", binaries, names=(*COLOUR, DEPTH), use_videos=use_videos)
    assert verify_dataset(root, "decode", binaries=binaries).findings == ()


@pytest.mark.parametrize(("faults", "expected"), FAULTS.values(), ids=FAULTS)
def test_fault_is_found_with_its_range(tmp_path, binaries, faults, expected):
    names = WITH_DEPTH if any(DEPTH in place for place in expected) else COLOUR
    root = recorded(tmp_path / "set", binaries, *faults, names=names)
    report = verify_dataset(root, "decode", binaries=binaries)
    assert found(report) == expected, report.findings


OF_CAMERAS = [name for name, (_, expected) in FAULTS.items() if any("camera" in place[0] for place in expected)]


@pytest.mark.parametrize("name", OF_CAMERAS)
def test_fault_is_found_in_stored_images(tmp_path, binaries, name):
    faults, expected = FAULTS[name]
    names = WITH_DEPTH if any(DEPTH in place for place in expected) else COLOUR
    root = recorded(tmp_path / "set", binaries, *faults, names=names, use_videos=False)
    report = verify_dataset(root, "decode", binaries=binaries)
    if name == "a still scene":  # in a video, its first frame differs
        expected = {(*place[:5], 5, place[6]) for place in expected}
    assert found(report) == expected, report.findings


@pytest.mark.parametrize(
    "config",
    [
        {"vcodec": "libsvtav1", "preset": 12, "crf": 30},
        {"crf": 26, "g": 30, "preset": "veryfast"},
        {"vcodec": "libx265", "crf": 30},
    ],
    ids=["libsvtav1", "long GOPs", "libx265"],
)
def test_frozen_camera_is_found_after_lossy_coding(tmp_path, binaries, config):
    root = recorded(tmp_path / "set", binaries, frozen(TOP, 4, 23, 1), names=(TOP, STATE), **config)
    (finding,) = verify_dataset(root, "decode", binaries=binaries).findings
    assert (finding.code, finding.camera, finding.episode, finding.last_frame) == ("camera-frozen", TOP, 1, 23)
    assert 4 <= (finding.frame or 0) <= 8  # the first equal frames may still improve


def test_repeats_in_the_drop_log_explain_a_frozen_run(tmp_path, binaries):
    root = recorded(tmp_path / "set", binaries, frozen(TOP, 5, 19, 1), names=(TOP, STATE))
    path = root / "meta/ffenc/episodes.jsonl"
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    documents[1]["repeats"] = [{"step": step, "cameras": [TOP]} for step in range(6, 20)]
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    repeated, finding = verify_dataset(root, "decode", binaries=binaries).findings
    assert (repeated.code, repeated.frame, repeated.last_frame) == ("camera-repeated", 6, 19)
    assert (finding.code, finding.severity) == ("camera-frozen", "note")
    assert "the drop log says that the camera gave no new frame" in finding.message


def test_dropped_steps_explain_a_jump(tmp_path, binaries):
    root = recorded(tmp_path / "set", binaries, clock(0.5), names=(TOP, STATE, STAMP))
    path = root / "meta/ffenc/episodes.jsonl"
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    documents[1]["drops"] = [{"step": step, "time_s": 0.0, "cameras": [], "reason": "full"} for step in range(10, 15)]
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    (finding,) = verify_dataset(root, "decode", binaries=binaries).findings
    assert (finding.code, finding.severity, finding.frame) == ("timestamp-jump", "note", 10)


def test_limits_decide(tmp_path, binaries, capsys):
    root = recorded(tmp_path / "set", binaries, frozen(TOP, 5, 19, 1), clock(0.25))
    assert verify_dataset(root, "decode", limits=ContentLimits(frozen_s=2, jump_steps=4), binaries=binaries).ok
    assert main(["verify", str(root), "--level=decode", "--frozen_s=2", "--jump_steps=4"]) == 0
    capsys.readouterr()
    assert main(["verify", str(root), "--level=decode"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert f"{TOP}, episode 1, frames 5-19: frames 5-19 show the same for 1.50 s" in text
    assert main(["verify", str(root), "--frozen_s=2"]) == 2
    assert main(["verify", str(root), "--level=decode", "--frozen_s=0"]) == 2


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_limit_that_is_not_positive_is_refused(value):
    with pytest.raises(ValueError, match=r"frozen_s is .*; it must be a positive number"):
        ContentLimits(frozen_s=value)
