"""Encoder settings of single cameras: from flags and from ``--cameras``, with a precedence; mistakes get the nearest name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ffenc.cli.command_tree import COMMANDS
from ffenc.cli.commands.record.cameras import parse_cameras
from ffenc.cli.commands.record.record import _configs
from ffenc.cli.main import main
from ffenc.cli.parsing.arguments import UsageError
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig

TOP, WRIST, DEPTH = (f"observation.images.{name}" for name in ("top", "wrist", "depth"))
CAMERA = "{type: ffmpeg, source: /dev/video0"


def configs(*flags: str, top: str = "", wrist: str = "", depth: str = "") -> Any:
    """Return the configs of two colour cameras and a depth camera; each text is a part of the camera's block."""
    cameras = f"{{top: {CAMERA}{top}}}, wrist: {CAMERA}{wrist}}}, depth: {CAMERA}, depth: true{depth}}}}}"
    arguments = COMMANDS["record"].parser().parse_args([f"--cameras={cameras}", *flags])
    return _configs(arguments, parse_cameras(arguments.cameras))


def given(config: VideoEncoderConfig) -> dict[str, object]:
    return config.model_dump(include=config.model_fields_set)


ALL, ONE = "--dataset.camera_encoder", "--dataset.camera_encoder.wrist"

PRECEDENCE: dict[str, tuple[list[str], dict[str, str], dict[str, dict[str, object]]]] = {
    "a flag of one camera": ([f"{ONE}.crf=35"], {}, {WRIST: {"crf": 35}}),
    "its alias": (["--dataset.rgb_encoder.wrist.crf=35"], {}, {WRIST: {"crf": 35}}),
    "a block": ([], {"wrist": ", encoder: {crf: 35}"}, {WRIST: {"crf": 35}}),
    "flags of two cameras": (
        [f"{ONE}.crf=35", f"{ALL}.top.vcodec=h264"],
        {},
        {WRIST: {"crf": 35}, TOP: {"vcodec": "h264"}},
    ),
    "a flag of one camera over one of all": (
        [f"{ALL}.crf=20", f"{ALL}.vcodec=h264", f"{ONE}.crf=35"],
        {},
        {TOP: {"crf": 20, "vcodec": "h264"}, WRIST: {"crf": 35, "vcodec": "h264"}},
    ),
    "a block over a flag of all": (
        [f"{ALL}.crf=20"],
        {"wrist": ", encoder: {crf: 35}"},
        {TOP: {"crf": 20}, WRIST: {"crf": 35}},
    ),
    "a flag of one camera over its block": (
        [f"{ONE}.crf=40"],
        {"wrist": ", encoder: {crf: 35, g: 4}"},
        {WRIST: {"crf": 40, "g": 4}},
    ),
    "options": (
        [f"{ONE}.extra_options.bf=2", f'{ALL}.top.extra_options={{"tune": "film"}}'],
        {},
        {WRIST: {"extra_options": {"bf": 2}}, TOP: {"extra_options": {"tune": "film"}}},
    ),
    "null": ([f"{ONE}.crf=null"], {}, {WRIST: {"crf": None}}),
}


@pytest.mark.parametrize("name", PRECEDENCE)
def test_settings_of_one_camera(name: str) -> None:
    flags, blocks, expected = PRECEDENCE[name]
    found = configs(*flags, **blocks)
    assert found.keys() == {"camera_encoder"}
    assert {camera: given(config) for camera, config in found["camera_encoder"].items()} == expected


def test_settings_of_all_cameras_stay_one_config() -> None:
    assert configs() == {}
    assert configs(f"{ALL}.crf=20") == {"camera_encoder": VideoEncoderConfig(crf=20)}


def test_depth_cameras_have_their_own_settings() -> None:
    found = configs("--dataset.depth_encoder.depth.depth_max=4.0", depth=", encoder: {g: 10}")
    assert found.keys() == {"depth_encoder"}
    assert found["depth_encoder"] == {DEPTH: DepthEncoderConfig(depth_max=4.0, g=10)}


def test_a_file_has_them_too(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(
        "dataset:\n  camera_encoder:\n    crf: 20\n    wrist:\n      crf: 35\n      extra_options: {bf: 2}\n"
    )
    found = configs(f"--config={path}")["camera_encoder"]
    assert given(found[TOP]) == {"crf": 20}
    assert given(found[WRIST]) == {"crf": 35, "extra_options": {"bf": 2}}


@pytest.mark.parametrize(
    ("flags", "blocks", "message"),
    [
        ([f"{ALL}.wrst.crf=35"], {}, "--dataset.camera_encoder.wrst.crf: unknown camera 'wrst'; did you mean wrist?"),
        ([f"{ALL}.extra_option.bf=2"], {}, "did you mean extra_options?"),
        ([f"{ALL}.phone.crf=35"], {}, "unknown camera 'phone'; the cameras are top, wrist"),
        ([f"{ONE}.crff=35"], {}, "--dataset.camera_encoder.wrist.crff: unknown setting 'crff'; did you mean crf?"),
        ([], {"wrist": ", encoder: {presets: slow}"}, "--cameras: wrist.encoder.presets: unknown setting 'presets'; did you mean preset?"),
        ([f"{ONE}.crf=-1"], {}, "--dataset.camera_encoder.wrist.crf was given -1: must be greater than or equal to 0"),
        ([], {"wrist": ", encoder: {g: soon}"}, "--cameras: wrist.encoder.g was given soon: must be a valid integer"),
        ([], {"wrist": ", encoder: fast"}, "--cameras: wrist.encoder: "),
        ([f"{ALL}.depth.crf=35"], {}, "depth is a depth camera; its settings are --dataset.depth_encoder.depth"),
        (["--dataset.depth_encoder.top.crf=3"], {}, "top is a colour camera; its settings are --dataset.camera_encoder.top"),
        ([f"{ONE}.crf=35", "--dataset.rgb_encoder.wrist.crf=36"], {}, "are the same setting; give one of them"),
        (["--dataset.video=false", f"{ONE}.crf=35"], {}, "--dataset.video=false stores images"),
    ],
)  # fmt: skip
def test_mistakes_name_the_flag_and_the_nearest_name(flags: list[str], blocks: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        configs(*flags, **blocks)
    assert message in str(caught.value)


def test_flags_of_cameras_get_no_hint_because_of_another_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    cameras = f"--cameras={{wrist: {CAMERA}}}}}"
    assert main(["record", "--dataset.repo_id=me/x", cameras, f"{ONE}.crf=35", "--dataset.fpss=30"]) == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert "--dataset.fpss: did you mean --dataset.fps?" in printed
    assert "wrist" not in printed


def test_help_shows_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "encoder: {crf: 35, g: 10}" in printed
    assert "--dataset.camera_encoder.CAMERA.NAME" in printed
    assert "--dataset.depth_encoder.CAMERA.NAME" in printed
