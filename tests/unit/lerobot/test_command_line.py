"""Both spellings of the RGB encoder are understood, and a dictionary without quotes is read."""

from __future__ import annotations

import pytest

from ffenc.cli.main import main
from ffenc.cli.parsing.usage_errors import quoted_words
from ffenc.errors import LeRobotError
from ffenc.lerobot.command_line import dictionary_flags, translated


@pytest.mark.parametrize(
    ("given", "meant"),
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
def test_spellings(given: str, meant: str) -> None:
    assert translated(["--x=1", given]) == ["--x=1", meant]


def test_both_spellings_at_once_are_refused() -> None:
    with pytest.raises(LeRobotError, match="two names of the same settings"):
        translated(["--dataset.camera_encoder.g=4", "--dataset.rgb_encoder.crf=4"])


@pytest.mark.parametrize("flag", ["--dataset.camera_encoder.extra_options", "--operation.depth_encoder.extra_options"])
def test_a_dictionary_without_quotes(flag: str) -> None:
    words = ["--a=1", f"{flag}={{tune:", "film,", "profile:v:", "high,", "bf:", "2}", "--b=2"]
    assert quoted_words(words, dictionary_flags(words)) == [
        "--a=1", f'{flag}={{"tune": "film", "profile:v": "high", "bf": 2}}', "--b=2",
    ]  # fmt: skip


def test_lerobot_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lerobot", "record", "--robot.type=x"]) == 1
    assert "LeRobot is not installed in this Python environment; install it with" in capsys.readouterr().err
