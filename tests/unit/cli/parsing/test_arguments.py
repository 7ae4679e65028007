"""From flags and files to a config that knows which of its fields were given."""

from __future__ import annotations

import json
import re
from argparse import ArgumentError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonargparse import Namespace

from ffenc.cli.command_tree import COMMANDS
from ffenc.cli.parsing.arguments import BARE_FLAGS, UsageError, encoder_config, flags_first
from ffenc.config import VideoEncoderConfig


def parsed(*flags: str, command: str = "reencode") -> Namespace:
    arguments: Namespace = COMMANDS[command].parser().parse_args(["in", "out.mp4", *flags])
    return arguments


def config_of(*flags: str) -> VideoEncoderConfig:
    return encoder_config(parsed(*flags))


def test_nothing_given_is_the_default_config_with_nothing_given() -> None:
    assert config_of() == VideoEncoderConfig()
    assert config_of().model_fields_set == set()


@pytest.mark.parametrize(
    ("flag", "field", "value"),
    [
        ("vcodec=h264", "vcodec", "h264"),
        ("pix_fmt=yuv444p", "pix_fmt", "yuv444p"),
        ("g=12", "g", 12),
        ("crf=22.5", "crf", 22.5),
        ("crf=0", "crf", 0),
        ("crf=null", "crf", None),
        ("g=null", "g", None),
        ("preset=fast", "preset", "fast"),
        ("preset=8", "preset", 8),
        ("preset=null", "preset", None),
        ("fast_decode=1", "fast_decode", 1),
        ("device=1", "device", "1"),
        ("device=/dev/dri/renderD129", "device", "/dev/dri/renderD129"),
        ("device=null", "device", None),
        ("video_backend=pyav", "video_backend", "pyav"),
        ('extra_options={"tune": "film", "bf": 2}', "extra_options", {"tune": "film", "bf": 2}),
        ("extra_options.bf=2", "extra_options", {"bf": 2}),
        ("extra_options.profile:v=high", "extra_options", {"profile:v": "high"}),
        ("extra_options.deblock=1:1", "extra_options", {"deblock": "1:1"}),
        ('extra_options={"x264-params": {"aq-mode": 2}}', "extra_options", {"x264-params": {"aq-mode": 2}}),
        ("extra_options.x264-params.aq-mode=2", "extra_options", {"x264-params": {"aq-mode": 2}}),
        ("extra_options={}", "extra_options", {}),
        ("extra_options.level=4.1", "extra_options", {"level": 4.1}),
        ("extra_options.level=4.0", "extra_options", {"level": "4.0"}),
        ('extra_options={"a": "4.0", "b": "true"}', "extra_options", {"a": "4.0", "b": "true"}),
        ('extra_options={"c": "null", "d": "1e3"}', "extra_options", {"c": "null", "d": "1e3"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["camera_encoder", "rgb_encoder"])
def test_one_field_from_a_flag(prefix: str, flag: str, field: str, value: object) -> None:
    config = config_of(f"--{prefix}.{flag}")
    assert getattr(config, field) == value
    assert config.model_fields_set == {field}


@pytest.mark.parametrize("field", VideoEncoderConfig.model_fields)
@pytest.mark.parametrize("command", ["encode", "images", "reencode", "demo"])
def test_every_field_has_a_flag_that_help_describes(command: str, field: str) -> None:
    description = " ".join(COMMANDS[command].parser().format_help().split())
    assert f"--camera_encoder.{field} " in description
    assert VideoEncoderConfig.model_fields[field].description in description


def test_a_default_that_was_typed_counts_as_given() -> None:
    """Given, it takes effect or is refused; left alone, it only applies where the encoder has such a setting."""
    config = config_of("--camera_encoder.crf=30")
    assert config == VideoEncoderConfig()
    assert config.was_given("crf")
    assert not config.was_given("g")


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(
        "camera_encoder: {vcodec: h264, crf: 30, preset: null, extra_options: {deblock: 1:1}}\n"
        "encoder_threads: 2\nend: 5\n"
    )
    arguments = parsed(f"--config={file}")
    config = encoder_config(arguments)
    assert config.model_dump(exclude_unset=True) == {
        "vcodec": "h264",
        "crf": 30,
        "preset": None,
        "extra_options": {"deblock": "1:1"},
    }
    assert (arguments.encoder_threads, arguments.end, arguments.start) == (2, 5, None)


def test_flags_behind_a_file_win_and_single_options_join_its_dictionary(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("camera_encoder: {crf: 18, g: 4, extra_options: {tune: film, bf: 1}}\n")
    config = config_of(f"--config={file}", "--camera_encoder.crf=33", "--camera_encoder.extra_options.bf=2")
    assert config == VideoEncoderConfig(crf=33, g=4, extra_options={"tune": "film", "bf": 2})


def test_a_file_may_use_the_other_name(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("rgb_encoder: {crf: 18}\n")
    assert config_of(f"--config={file}", "--camera_encoder.g=4") == VideoEncoderConfig(crf=18, g=4)


def test_both_names_of_one_setting() -> None:
    with pytest.raises(UsageError, match=r"--camera_encoder.crf and --rgb_encoder.crf are the same setting"):
        config_of("--camera_encoder.crf=1", "--rgb_encoder.crf=1")


def test_a_value_where_settings_belong(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("camera_encoder: 5\n")
    with pytest.raises(UsageError, match=r"camera_encoder was given 5"):
        config_of(f"--config={file}")


def test_an_option_that_is_a_value_and_a_dictionary() -> None:
    with pytest.raises(UsageError, match="'x264-params'"):
        config_of("--camera_encoder.extra_options.x264-params.b=2", "--camera_encoder.extra_options.x264-params=a=1")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["crf=-4"], ["--camera_encoder.crf was given -4", "greater than or equal to 0", "lower is better"]),
        (["crf=abc"], ["--camera_encoder.crf was given abc", "must be a valid integer or a valid number"]),
        (["g=0", "fast_decode=7"], ["--camera_encoder.g was given 0", "--camera_encoder.fast_decode was given 7"]),
        (["vcodec=12"], ["--camera_encoder.vcodec was given 12", "must be a valid string"]),
        (["vcodec=null"], ["--camera_encoder.vcodec was given null"]),
        (["video_backend=x"], ["must be 'ffmpeg' or 'pyav'"]),
        (['extra_options={"bf": null}'], ["--camera_encoder.extra_options.bf was given null"]),
        (['extra_options={"-bf": 1}'], ["'-bf' is not an option name"]),
    ],
)
def test_a_wrong_value_says_field_value_and_what_is_accepted(flags: list[str], says: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        config_of(*(f"--camera_encoder.{flag}" for flag in flags))
    for part in says:
        assert part in str(caught.value)


@pytest.mark.parametrize("spelling", ["--dry-run", "--dry_run"])
@pytest.mark.parametrize("command", ["encode", "images", "reencode"])
def test_both_spellings_of_dry_run(spelling: str, command: str) -> None:
    assert parsed(spelling, command=command).dry_run
    assert not parsed(command=command).dry_run


@pytest.mark.parametrize("flag", ["--camera_encoder.crg=4", "--overwrit", "--dry", "--camera_encoder", "surplus"])
def test_nothing_unknown_or_shortened_is_taken(flag: str) -> None:
    with pytest.raises(ArgumentError):
        parsed(flag)


words = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{1,8}", fullmatch=True).filter(
    lambda word: word.lower() not in ("null", "true", "false")
)
names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}(:v)?", fullmatch=True)
texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\r\n\x85\u2028\u2029", exclude_categories=["Cc", "Cs"]),
    max_size=12,
)
texts = texts.filter(lambda text: not re.fullmatch(r"-?[0-9.]+", text))  # "2" and 2 are one to FFmpeg
values: st.SearchStrategy[Any] = st.one_of(st.booleans(), st.integers(-(10**9), 10**9), st.floats(-1e6, 1e6), texts)


@settings(max_examples=60, deadline=None)
@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "vcodec": words,
            "pix_fmt": words.map(lambda word: word.lower().replace(".", "_").replace("-", "_")),
            "g": st.none() | st.integers(1, 1000),
            "crf": st.none() | st.integers(0, 63) | st.floats(0, 63),
            "preset": st.none() | st.integers(-5, 13) | words,
            "fast_decode": st.integers(0, 2),
            "extra_options": st.dictionaries(names, values, max_size=3),
        },
    )
)
def test_any_config_can_be_given_by_flags_and_comes_out_as_it_was(fields: dict[str, Any]) -> None:
    typed = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    flags = [f"--camera_encoder.{name}={text}" for name, text in typed.items()]
    config = config_of(*flags)
    assert config == VideoEncoderConfig(**fields)
    assert config.model_fields_set == set(fields)


@pytest.mark.parametrize(
    ("words", "ordered"),
    [
        (["out", "--fps=30", "a", "b"], ["--fps=30", "out", "a", "b"]),
        (["out", "--fps", "30", "a"], ["--fps", "30", "out", "a"]),
        (["out", "--json", "a", "-v", "b"], ["--json", "-v", "out", "a", "b"]),
        (["out", "--fps=30", "--", "-a", "b"], ["--fps=30", "--", "out", "-a", "b"]),
        (["a", "-o", "b", "c"], ["-o", "b", "a", "c"]),
        (["a", "--fps"], ["--fps", "a"]),
        ([], []),
    ],
)
def test_inputs_may_stand_anywhere(words: list[str], ordered: list[str]) -> None:
    assert flags_first(words) == ordered


def test_all_flags_without_a_value_are_known() -> None:
    for command, row in COMMANDS.items():
        for option in re.findall(r"^  (-[^=]*?)(?:  |$)", row.parser().format_help(), re.MULTILINE):
            names, has_value = re.findall(r"--?[a-z][\w.-]*", option), bool(re.search(r" [A-Z{]", option))
            for name in names:
                assert (name in BARE_FLAGS) is not has_value, f"{command}: {option}"
