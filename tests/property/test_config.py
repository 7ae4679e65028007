"""What is asked for is stored and read back; whatever is asked for, nothing but known options reaches the command."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ffenc.config import VideoEncoderConfig
from ffenc.dataset.format.video_info import video_info
from ffenc.encoders.generic import GENERIC_OPTIONS
from ffenc.encoders.table import ENCODERS
from ffenc.errors import CapabilityError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.frames import FrameFormat
from ffenc.plan.encode import EncodePlan, RawFrames, plan_encode
from tests.recordings import BUILDS, recorded
from tests.strategies import CONFIGS, RATES, plausible_configs, streams


@given(CONFIGS, streams())
def test_a_config_comes_back_from_a_datasets_metadata(config: VideoEncoderConfig, stream: VideoStreamInfo) -> None:
    stored = json.loads(json.dumps(video_info(stream, config)))
    back = VideoEncoderConfig.from_video_info(stored)

    assert back.pix_fmt == stream.pix_fmt
    assert back.vcodec == {"av1": "libsvtav1"}.get(stream.codec, stream.codec)
    defaults = VideoEncoderConfig()
    for field in ("g", "crf", "preset", "fast_decode", "extra_options"):
        asked = getattr(config, field)
        assert getattr(back, field) == (getattr(defaults, field) if asked is None else asked)


@given(streams())
def test_metadata_without_a_config_says_nothing_about_one(stream: VideoStreamInfo) -> None:
    assert not {"video.g", "video.crf", "video.preset", "video.extra_options"} & set(video_info(stream))


@given(CONFIGS)
def test_a_config_survives_json_and_pickle(config: VideoEncoderConfig) -> None:
    for copied in (
        VideoEncoderConfig.model_validate_json(config.model_dump_json(exclude_unset=True)),
        pickle.loads(pickle.dumps(config)),
    ):
        assert copied == config
        assert hash(copied) == hash(config)
        assert copied.model_fields_set == config.model_fields_set


@given(CONFIGS, st.sampled_from(BUILDS), st.none() | st.integers(-1, 9), st.integers(2, 700), st.integers(2, 700))
def test_no_config_is_anything_but_a_command_or_a_typed_error(
    config: VideoEncoderConfig, build: str, threads: int | None, width: int, height: int
) -> None:
    plan = plan_or_none(config, build, threads=threads, size=(width, height))
    if plan is not None:
        check_command(plan, recorded(build))


@given(st.data(), st.sampled_from(BUILDS), st.none() | st.integers(1, 4))
@settings(max_examples=400)
def test_nothing_unknown_reaches_the_command_and_nothing_accepted_is_dropped(
    data: st.DataObject, build: str, threads: int | None
) -> None:
    config = data.draw(plausible_configs(recorded(build)))
    plan = plan_or_none(config, build, threads=threads, size=(1280, 720))
    event("refused" if plan is None else f"accepted with {len(config.extra_options)} options")
    if plan is None:
        return
    check_command(plan, recorded(build))
    options = dict(plan.encoder.options)
    for name, value in config.extra_options.items():
        if isinstance(value, dict):
            assert all(f"{key}=" in options.get(name, "") for key in value)
        else:
            assert options[name] != ""


def plan_or_none(
    config: VideoEncoderConfig, build: str, *, threads: int | None, size: tuple[int, int]
) -> EncodePlan | None:
    """The plan; None for a typed refusal.  Anything else is a failure."""
    source = RawFrames(frames=FrameFormat(width=size[0], height=size[1]), fps=Fraction(30))
    spec = ENCODERS.get(config.vcodec)
    output = f"/out/a.{spec.muxers[0] if spec else 'mp4'}"
    try:
        return plan_encode(
            config, source, output, recorded(build), encoder_threads=threads, device_node="/dev/dri/renderD128"
        )
    except CapabilityError:
        return None


def check_command(plan: EncodePlan, capabilities: Capabilities) -> None:
    """Every option is known, no value could name a file or end early, and all stand where they belong."""
    listing = capabilities.help(plan.encoder.name)
    spec = ENCODERS.get(plan.encoder.name)
    ours = {"threads", "tag", "strict", "g", "q", "flags", "global_quality"}
    for name, text in plan.encoder.options:
        assert name in {*listing.options, *GENERIC_OPTIONS, *ours}
        assert not set(text) & set("/\\\"'$;\n\0 "), (name, text)
        if spec and name in spec.parameters:
            keys = [pair.partition("=")[0] for pair in text.split(":")]
            assert set(keys) <= spec.parameters[name].keys | set(spec.parameters[name].owned)
    written = plan.argv[plan.argv.index("-map") + 2 :]
    assert len(written) % 2 == 1
    pairs = dict(zip(written[:-1:2], written[1:-1:2], strict=True))
    fixed = {"-f", "-c:v", "-color_range", "-colorspace", "-movflags", "-pix_fmt"}
    assert set(pairs) - fixed == {f"-{name}:v" for name, _ in plan.encoder.options}
    assert written[-1] == f"file:{plan.output}"
    assert (plan.argv.count("-i"), plan.argv.count("-map")) == (1, 1)


@given(RATES)
def test_every_rate_that_is_accepted_is_written_exactly(rate: Fraction) -> None:
    source = RawFrames(frames=FrameFormat(width=64, height=64), fps=rate)
    plan = plan_encode(VideoEncoderConfig(vcodec="libx264"), source, "/out/a.mp4", recorded("9.0.2"))
    assert plan.argv[plan.argv.index("-framerate") + 1] == str(rate)


@pytest.mark.parametrize("name", ["extra_options", "vcodec", "pix_fmt"])
@given(st.text(max_size=20))
def test_no_text_breaks_a_config(name: str, text: str) -> None:
    """A value error, or a config that says what was given."""
    values = {"extra_options": {text: 1}} if name == "extra_options" else {name: text}
    try:
        config = VideoEncoderConfig.model_validate(values)
    except ValueError:
        return
    assert getattr(config, name) == values[name]
