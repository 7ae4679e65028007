"""Test the flags of ``ffenc lerobot``: both names of the RGB encoder, and dictionaries without quotes."""

from __future__ import annotations

import pytest

from ffenc.cli.main import main
from ffenc.cli.parsing.usage_errors import quoted_words
from ffenc.errors import LeRobotError
from ffenc.lerobot.command_line import dictionary_flags, translated


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--dataset.camera_encoder.vcodec=h264", "--dataset.rgb_encoder.vcodec=h264"),
        ("--operation.camera_encoder.g=4", "--operation.rgb_encoder.g=4"),
        ("--camera_encoder.g=4", "--rgb_encoder.g=4"),
        ("--dataset.camera_encoder={g: 4}", "--dataset.rgb_encoder={g: 4}"),
        ("--dataset.camera_encoder.crf", "--dataset.rgb_encoder.crf"),
        ("--dataset.rgb_encoder.g=4", "--dataset.rgb_encoder.g=4"),
        ("--dataset.single_task=say camera_encoder.g", "--dataset.single_task=say camera_encoder.g"),
        ("--dataset.camera_encoders=1", "--dataset.camera_encoders=1"),
        ("--dataset.depth_encoder.g=4", "--dataset.depth_encoder.g=4"),
    ],
)
def test_rgb_encoder_flags_are_renamed(given: str, expected: str) -> None:
    assert translated(["--x=1", given]) == ["--x=1", expected]


def test_both_names_in_one_command_are_refused() -> None:
    with pytest.raises(LeRobotError, match="two names of the same settings"):
        translated(["--dataset.camera_encoder.g=4", "--dataset.rgb_encoder.crf=4"])


@pytest.mark.parametrize("flag", ["--dataset.camera_encoder.extra_options", "--operation.depth_encoder.extra_options"])
def test_dictionary_without_quotes_is_parsed(flag: str) -> None:
    words = ["--a=1", f"{flag}={{tune:", "film,", "profile:v:", "high,", "bf:", "2}", "--b=2"]
    assert quoted_words(words, dictionary_flags(words)) == [
        "--a=1", f'{flag}={{"tune": "film", "profile:v": "high", "bf": 2}}', "--b=2",
    ]  # fmt: skip


def test_missing_lerobot_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lerobot", "record", "--robot.type=x"]) == 1
    assert "LeRobot is not installed in this Python environment; install it with" in capsys.readouterr().err
