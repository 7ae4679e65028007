"""``ffenc record``: LeRobot's flags, and what becomes of those that are not ours."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from ffenc.cli.command_tree import COMMANDS
from ffenc.cli.commands.record import record
from ffenc.cli.commands.record.record import RECORD_CAMERA_GROUPS, RECORD_DEPTH_GROUPS, dataset_root
from ffenc.cli.main import main
from ffenc.cli.parsing.arguments import UsageError, given_config
from ffenc.cli.parsing.lerobot_flags import refusals
from ffenc.cli.parsing.usage_errors import quoted_words
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.errors import CameraError

SEED = [
    "record",
    "--robot.cameras={laptop: {type: opencv, index_or_path: 0, width: 640, height: 480, fps: 30}}",
    "--dataset.repo_id=me/cubes",
    "--dataset.num_episodes=2",
    "--dataset.single_task=Grab the cube",
    "--dataset.streaming_encoding=true",
    "--dataset.encoder_threads=2",
    "--dataset.camera_encoder.vcodec=h264",
    "--dataset.camera_encoder.preset=fast",
    """--dataset.camera_encoder.extra_options={"tune": "film", "profile:v": "high", "bf": 2}""",
    "--display_data=true",
]


def test_the_command_of_the_documentation_is_understood() -> None:
    arguments = COMMANDS["record"].parser().parse_args(SEED[1:])
    dataset = arguments.dataset
    assert (dataset.num_episodes, dataset.encoder_threads, dataset.single_task) == (2, 2, "Grab the cube")
    assert (dataset.streaming_encoding, dataset.queue_policy, arguments.resume) == (True, "drop", False)
    assert (dataset.episode_time_s, dataset.reset_time_s, dataset.encoder_queue_maxsize) == (60, 60, 30)
    assert arguments["robot.cameras"]["laptop"]["index_or_path"] == 0
    assert given_config(arguments, RECORD_CAMERA_GROUPS, VideoEncoderConfig) == VideoEncoderConfig(
        vcodec="h264", preset="fast", extra_options={"tune": "film", "profile:v": "high", "bf": 2}
    )
    assert given_config(arguments, RECORD_DEPTH_GROUPS, DepthEncoderConfig).model_fields_set == set()


def test_depth_settings_have_their_own_flags() -> None:
    flags = ["--dataset.depth_encoder.depth_max=4.5", "--dataset.rgb_encoder.crf=20"]
    arguments = COMMANDS["record"].parser().parse_args(flags)
    depth = given_config(arguments, RECORD_DEPTH_GROUPS, DepthEncoderConfig)
    assert (depth.depth_max, depth.model_fields_set) == (4.5, {"depth_max"})
    assert given_config(arguments, RECORD_CAMERA_GROUPS, VideoEncoderConfig).crf == 20


def test_the_documentation_prints_its_dictionary_without_quotes() -> None:
    broken = [
        *SEED[:9],
        "--dataset.camera_encoder.extra_options={tune:",
        "film,",
        "profile:v:",
        "high,",
        "bf:",
        "2}",
        SEED[10],
    ]
    assert quoted_words(broken) == SEED
    assert quoted_words(SEED) is None


def test_two_dictionaries_cannot_be_told_apart() -> None:
    flags = [f"--dataset.{name}_encoder.extra_options={{a:1}}" for name in ("camera", "depth")]
    assert quoted_words(["record", *flags]) is None


def test_what_is_lerobots_and_not_ours_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    theirs = [
        "--robot.type=so100_follower",
        "--robot.port=/dev/ttyUSB0",
        "--teleop.id=blue",
        "--dataset.push_to_hub=false",
    ]
    assert main([*SEED, *theirs]) == 2
    err = capsys.readouterr().err
    assert "--robot.type, --robot.port, --teleop.id: ffenc records cameras and does not control robots" in err
    assert "--dataset.push_to_hub: ffenc does not upload" in err
    assert "did you mean" not in err


def test_ours_are_not_refused() -> None:
    assert refusals([word.partition("=")[0] for word in SEED if word.startswith("--")]) == []
    assert refusals(["--robot.cameras.laptop"]) == []


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([], "--cameras needs a name"),
        (["--cameras={a: {type: ffmpeg, source: x}}"], "--dataset.single_task is missing"),
        (["--cameras={a: {type: ffmpeg, source: x}}", "--dataset.single_task=t"], "--dataset.repo_id is missing"),
        (["--cameras={a: 1}", "--robot.cameras={a: 1}"], "are the same setting"),
        (["--dataset.episode_time_s=-1"], "is not a duration"),
        (["--follow_links"], "--follow_links is for an existing dataset"),
        (
            [
                "--cameras={a: {type: ffmpeg, source: x}}",
                "--dataset.single_task=t",
                "--dataset.repo_id=me/x",
                "--dataset.queue_policy=block",
                "--dataset.wait_s=2",
            ],
            "--dataset.wait_s=2 has no effect with --dataset.queue_policy=block",
        ),
        (["--dataset.fps=29.97"], "whole number"),
        (["--dataset.num_episode=2"], "did you mean --dataset.num_episodes?"),
        (["--dataset.camera_encoder.crg=2"], "did you mean --dataset.camera_encoder.crf?"),
    ],
)
def test_what_is_missing_or_wrong(flags: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", *flags]) == 2
    assert says in capsys.readouterr().err


def test_a_dataset_lies_where_lerobot_looks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dataset_root("me/x", Path("here")) == Path("here")
    monkeypatch.setenv("HF_HOME", "/hf")
    monkeypatch.delenv("HF_LEROBOT_HOME", raising=False)
    assert dataset_root("me/x", None) == Path("/hf/lerobot/me/x")
    monkeypatch.setenv("HF_LEROBOT_HOME", "/data")
    assert dataset_root("me/x", None) == Path("/data/me/x")
    with pytest.raises(UsageError, match="repo_id"):
        dataset_root(None, Path("here"))


def test_wait_is_passed_to_the_recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def create(*_: object, **options: object) -> None:
        seen.update(options)
        raise CameraError("stop here", source="a", frames_read=0)

    monkeypatch.setattr(record.DatasetRecorder, "create", create)
    monkeypatch.setattr(record, "OpenCameras", lambda *_, **__: nullcontext({}))
    words = [*SEED[1:], f"--dataset.root={tmp_path / 'set'}", "--dataset.wait_s=0.25"]
    assert main(["record", *words]) == 1
    assert (seen["wait_s"], seen["queue_policy"]) == (0.25, "drop")
