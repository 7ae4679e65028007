"""A command line that could not be read is explained: the name that was meant, the quotes that are missing."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from ffenc.cli.command_tree import COMMANDS
from ffenc.cli.main import main
from ffenc.cli.parsing.arguments import encoder_config
from ffenc.cli.parsing.usage_errors import quoted_command

FLAG = "--camera_encoder.extra_options"


def words_of_a_shell(command: str) -> list[str]:
    """What bash makes of a line."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash to take the line apart")
    printed = subprocess.run([bash, "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True)
    return printed.stdout.split("\0")[:-1]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ('{"tune": "film", "profile:v": "high", "bf": 2}', {"tune": "film", "profile:v": "high", "bf": 2}),
        ('{"tune":"film","bf":2}', {"tune": "film", "bf": 2}),
        ('{"bf":2}', {"bf": 2}),
        ('{"bf": 2}', {"bf": 2}),
        ("{'tune': 'film'}", {"tune": "film"}),
        ('{"x264-params": {"aq-mode": 2}}', {"x264-params": {"aq-mode": 2}}),
    ],
)
@pytest.mark.parametrize("joint", ["=", " "])
def test_a_dictionary_without_quotes_is_put_together_again(typed: str, meant: dict[str, object], joint: str) -> None:
    command, *words = words_of_a_shell(
        f"reencode 'my in.mp4' out.mp4 --camera_encoder.vcodec=h264 {FLAG}{joint}{typed} --end=40"
    )
    quoted = quoted_command(command, words)
    assert quoted is not None
    program, command, *again = words_of_a_shell(quoted)
    assert program == "ffenc"
    arguments = COMMANDS[command].parser().parse_args(again)
    assert (str(arguments.input), str(arguments.output), arguments.end) == ("my in.mp4", "out.mp4", 40)
    config = encoder_config(arguments)
    assert (config.vcodec, config.extra_options) == ("h264", meant)


@pytest.mark.parametrize(
    "words",
    [
        [f'{FLAG}={{"bf": 2}}'],
        [FLAG, '{"bf": 2}'],
        [f'{FLAG}={{"bf": null}}'],
        [f"{FLAG}.bf=2"],
        [f"{FLAG}.bf=x:y"],
        ["--camera_encoder.crf=4"],
    ],
    ids=" ".join,
)
def test_whole_dictionaries_are_left_alone(words: list[str]) -> None:
    assert quoted_command("reencode", ["a", "b", *words]) is None


def test_a_dictionary_beyond_repair_still_shows_how_it_is_written() -> None:
    quoted = quoted_command("reencode", ["a", "b", f"{FLAG}={{x264-params:", "{aq-mode:2}"])
    assert quoted == f"""ffenc reencode a b {FLAG}='{{"bf": 2}}'"""


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("--camera_encoder.crg=4", "--camera_encoder.crf"),
        ("--rgb_encoder.presets=fast", "--rgb_encoder.preset"),
        ("--dataset.camera_encoder.vcodec=h264", "--camera_encoder.vcodec"),
        ("--camera_encoder.extra_option.bf=2", "--camera_encoder.extra_options.bf"),
        ("--encoder-threads=2", "--encoder_threads"),
        ("--overwrit", "--overwrite"),
        ("--dryrun", "--dry_run"),
    ],
)
def test_a_misspelt_flag_names_the_nearest(wrong: str, right: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reencode", "a.mp4", "b.mp4", wrong]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"did you mean {right}?" in err


def test_a_misspelt_key_of_a_file_too(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("camera_encoder: {crg: 20}\n")
    assert main(["reencode", "a.mp4", "b.mp4", f"--config={file}"]) == 2
    assert "did you mean --camera_encoder.crf?" in capsys.readouterr().err


def test_a_misspelt_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reencod", "a.mp4", "b.mp4"]) == 2
    assert "did you mean reencode?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["reencode", "a.mp4"], "required"),
        (["reencode", "a.mp4", "b.mp4", "--end=4x"], "'4x' is not a frame number"),
        (["reencode", "a.mp4", "b.mp4", "--audio=kep"], "'keep', 'drop'"),
        (["salvage", "a.mp4", "--follow_links"], "--follow_links is for datasets"),
        (["reencode", "a.mp4", "b.mp4", "--camera_encoder.g=0"], "greater than or equal to 1"),
        (["images", "a", "b.mp4", "--fps=29.97"], "29.97"),
        (["concat", "a.mp4"], "required"),
        (["info"], "required: FILE"),
        (["probe", "--size=64"], "640x480"),
        (["encode", "a.mp4", "b.mp4", "--config=there-is-no-such-file.yaml"], "does not exist"),
        ([], "usage: ffenc"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_status_2_and_one_block(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    assert "class '" not in err


def test_the_shell_hint_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reencode", "a.mp4", "b.mp4", f"{FLAG}={{bf:2}}"]) == 2
    err = capsys.readouterr().err
    command = next(line for line in err.splitlines() if line.startswith("  ffenc"))
    assert shlex.split(command)[-1] == f'{FLAG}={{"bf": 2}}'


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["convert"], "required: OUTPUT, INPUTS, --task"),
        (["delete-episodes", "both", "--episodes=1"], "required: --output"),
        (
            ["split", "both", "--splits=0.5", "--output=parts"],
            "expected a dictionary, such as '{name: value}', but got 0.5",
        ),
        (["record", "--cameras={a: {type: opencv}, a: {type: opencv}}"], "it cannot be read: duplicate key 'a'"),
        (["record", "--cameras={a: {type: opencv}"], "it cannot be read: expected ',' or '}'"),
    ],
)
def test_missing_flags_and_dictionaries_are_named(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in " ".join(capsys.readouterr().err.split())
